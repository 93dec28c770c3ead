"""Training: the textbook's merges, whatever the order of the texts and the seed of the hashes."""

from __future__ import annotations

import gzip
import itertools
import json
import logging
import os
import random
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from text2sql.errors import UserError
from text2sql.tokenizer import Tokenizer, textbook
from text2sql.tokenizer.training import train_merges

NAMES = ["singer", "concert", "stadium", "singers", "stadia", "Zürich", "São Paulo", "東京", "1969", "1970"]
TEXTS = [f"How many {a} are in each {b}?" for a, b in itertools.permutations(NAMES, 2)] + [
    f"select count(*) from {a} where {b}_id = 'it''s {b}'" for a, b in itertools.permutations(NAMES, 2)
]

few_letters = st.text(alphabet="ab \n'1é東", max_size=30)


def test_a_worked_example() -> None:
    # aa is the most frequent pair; then ab and (aa)a tie at 2 and ab is the smaller pair; then (aa)(ab).
    assert train_merges(["aaabdaaabac"], 3) == [(97, 97), (97, 98), (256, 257)]
    assert textbook.encode("aaabdaaabac", [(97, 97), (97, 98), (256, 257)]) == [258, 100, 258, 97, 99]


@settings(max_examples=400, deadline=None, database=None)
@given(st.lists(few_letters, max_size=8), st.integers(0, 25))
@example(["aaaa aaaaa aaa", "aaaaaaaa"], 10)
@example(["ababab bababa abba"], 10)
def test_equals_the_textbook_on_random_corpora(texts: list[str], number: int) -> None:
    assert train_merges(texts, number) == textbook.train_merges(texts, number)


def test_equals_the_textbook_on_questions_and_sql() -> None:
    merges = train_merges(TEXTS, 80)
    assert len(merges) == 80
    assert merges == textbook.train_merges(TEXTS, 80)


def test_the_order_of_the_texts_does_not_matter() -> None:
    shuffled = random.Random(5).sample(TEXTS, len(TEXTS))
    assert shuffled != TEXTS
    assert train_merges(shuffled, 200) == train_merges(TEXTS, 200)


def test_the_seed_of_the_hashes_does_not_matter() -> None:
    script = (
        "import json, sys; from text2sql.tokenizer import Tokenizer\n"
        "print(Tokenizer.train(json.load(sys.stdin), 450, ['<|end|>']).fingerprint)"
    )
    fingerprints = {
        subprocess.run(
            [sys.executable, "-c", script],
            input=json.dumps(TEXTS),
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1", "2")
    }
    assert fingerprints == {Tokenizer.train(TEXTS, 450, ["<|end|>"]).fingerprint}


def test_stops_when_no_pair_occurs_twice(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        tokenizer = Tokenizer.train(["abc abd"], 1000, ["<|end|>"])
    assert tokenizer.merges == [(97, 98)]
    assert tokenizer.vocabulary_size == 256 + 1 + 1
    assert "too small for 1000 tokens: the vocabulary has 258" in caplog.text
    assert Tokenizer.train([], 257, ["<|end|>"]).merges == []


def test_texts_may_be_any_iterable_and_hold_lone_surrogates() -> None:
    texts: Iterable[str] = (text for text in ["\ud800 broken", "\ud83d\ude00", "\ud83d\ude00"])
    assert train_merges(texts, 3) == textbook.train_merges(["\ufffd broken", "😀", "😀"], 3)


def test_a_vocabulary_without_room_for_the_special_tokens_is_refused() -> None:
    with pytest.raises(UserError, match="vocabulary_size: 300 is too small; bytes and special tokens are 301"):
        Tokenizer.train(TEXTS, 300, [f"<c{number}>" for number in range(45)])


@pytest.mark.data
def test_equals_the_textbook_on_spider(data_mirror: Path) -> None:
    examples = json.loads((data_mirror / "spider" / "train_spider.json").read_text(encoding="utf-8"))[:400]
    texts = [example[key] for example in examples for key in ("question", "query")]
    assert train_merges(texts, 60) == textbook.train_merges(texts, 60)


@pytest.mark.data
def test_wikisql_words_become_tokens(data_mirror: Path) -> None:
    with gzip.open(data_mirror / "wikisql" / "dev.jsonl.gz", "rt", encoding="utf-8") as file:
        questions = [json.loads(line)["question"] for line in file]
    tokenizer = Tokenizer.train(questions, 3000, [])
    assert tokenizer.vocabulary_size == 3000
    assert all(len(tokenizer.encode(word)) == 1 for word in ("What", " what", " many", " number", " when", "?"))
    characters, tokens = sum(map(len, questions)), sum(len(tokenizer.encode(question)) for question in questions)
    assert characters / tokens > 3
