"""The linking chain: the query's columns before the query, written for training and dropped when it is read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch

from text2sql.config import DecodingConfig, PromptingConfig
from text2sql.decoding.generator import Generator, Request
from text2sql.files import read_json
from text2sql.model import GPT, GPTConfig
from text2sql.prompting.linking import Links
from text2sql.prompting.prompt import PromptEncoder, tokens_of
from text2sql.prompting.reading import PieceReader
from text2sql.prompting.target import Keyword, Pointer, TargetError
from text2sql.schema import Schema
from text2sql.tokenizer import Tokenizer

SHIPPED = Path(__file__).parents[1] / "models" / "text2sql-8m"
SCHEMA = Schema.from_ddl(
    "CREATE TABLE artist (id INTEGER PRIMARY KEY, name TEXT, country TEXT);"
    "CREATE TABLE album (id INTEGER PRIMARY KEY, title TEXT, year INT, artist_id INT REFERENCES artist(id))"
)
FORM = PromptingConfig(linking_chain=True, max_columns=16, max_tables=4, max_words=24, max_cells=4)
QUESTION = "Titles after 2000 by artists from Peru , by title"
SQL = (
    "SELECT T1.title FROM album AS T1 JOIN artist AS T2 ON T1.artist_id = T2.id "
    "WHERE T1.year > 2000 AND T2.country = 'Peru' ORDER BY T1.title"
)
COLUMNS = {2, 4, 5}
"""country, title, year: the join follows from the foreign key."""


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    texts = ["titles of albums by artists from peru after 2000 name country year id"] * 5
    return Tokenizer.train(texts, 256 + len(tokens_of(FORM)) + 40, tokens_of(FORM))


@pytest.fixture(scope="module")
def encoder(tokenizer: Tokenizer) -> PromptEncoder:
    return PromptEncoder(tokenizer, FORM)


def names(encoder: PromptEncoder, ids: list[int]) -> list[str]:
    return [encoder.token_name(token) or "text" for token in ids]


@pytest.mark.parametrize("seed", range(8))
def test_the_answer_begins_with_the_columns_in_prompt_order(encoder: PromptEncoder, seed: int) -> None:
    item = encoder.prepare(QUESTION, SQL, SCHEMA, Links())
    ids, is_answer = encoder.document(item, Random(seed))
    start = is_answer.index(True)
    prompt, answer = names(encoder, ids[:start]), names(encoder, ids[start:])
    end = answer.index("<|assistant|>")
    assert prompt[-1] == "<|assistant|>"
    assert len(set(answer[:end])) == end == len(COLUMNS)
    assert answer[:end] == [name for name in prompt if name in answer[:end]]
    assert set(answer[:end]) == {name for name in answer[end:] if name.startswith("<c")}
    assert answer[end + 1] == "<|select|>"
    plain = PromptEncoder(encoder.tokenizer, replace(FORM, linking_chain=False))
    assert plain.document(item, Random(seed))[0] == ids[:start] + ids[start + end + 1 :]


@pytest.mark.parametrize("items", ["ids", "names"])
def test_reading_drops_the_chain(tokenizer: Tokenizer, items: str) -> None:
    encoder = PromptEncoder(tokenizer, replace(FORM, items=items))
    item = encoder.prepare(QUESTION, SQL, SCHEMA, Links())
    prompt = encoder.prompt(QUESTION, SCHEMA, Links())
    ids = encoder.answer_ids(item.pieces, prompt)
    assert ids[: ids.index(encoder.chain_end)] == encoder.target_ids([Pointer("c", n) for n in sorted(COLUMNS)], prompt)
    assert encoder.pieces(ids, prompt) == list(item.pieces)
    assert encoder.decode(ids, prompt) == SQL
    with pytest.raises(TargetError, match="the linking chain does not end"):
        encoder.decode(encoder.target_ids(item.pieces, prompt), prompt)


def test_a_query_without_columns_has_an_empty_chain(encoder: PromptEncoder) -> None:
    prompt = encoder.prompt("how many", SCHEMA)
    item = encoder.prepare("how many", "SELECT count(*) FROM album", SCHEMA, Links())
    ids = encoder.answer_ids(item.pieces, prompt)
    assert names(encoder, ids)[:2] == ["<|assistant|>", "<|select|>"]
    assert encoder.decode(ids, prompt) == "SELECT COUNT(*) FROM album"


def test_nothing_is_shown_before_the_chain_ends(encoder: PromptEncoder) -> None:
    reader = PieceReader(encoder, encoder.prompt(QUESTION, SCHEMA))
    special = encoder.tokenizer.special
    chain = [special("<c4>"), special("<c5>")]
    assert reader.read_beginning(chain) == []
    assert reader.read_beginning([*chain, encoder.chain_end]) == []
    begun = [*chain, encoder.chain_end, special("<|select|>"), special("<c4>")]
    assert reader.read_beginning(begun) == [Keyword("select"), Pointer("c", 4)]
    assert reader.read_beginning([*begun, special("<w2>")]) == [Keyword("select"), Pointer("c", 4)]


def test_a_generator_writes_chains_and_reads_queries(tokenizer: Tokenizer) -> None:
    torch.manual_seed(0)
    generator = Generator(GPT(GPTConfig(tokenizer.vocabulary_size, 1, 32, 2, 2, 64, 512)), tokenizer, FORM)
    shown: list[list[object]] = []
    requests = [Request(QUESTION, SCHEMA, on_pieces=lambda pieces, _: shown.append(list(pieces)))] * 10
    for best, *_ in generator.predict(requests, DecodingConfig(do_sample=True, max_new_tokens=60)):
        assert best.error is None
        assert best.sql.startswith("SELECT")
        assert best.target.count("<|assistant|>") == 1
    assert [] in shown
    assert all(pieces[0] == Keyword("select") for pieces in shown if pieces)


def test_older_checkpoints_have_no_chain_and_their_tokenizer_can_write_one(tmp_path: Path) -> None:
    saved = json.loads((SHIPPED / "prompting.json").read_text("utf-8"))
    saved.pop("linking_chain", None)
    (tmp_path / "prompting.json").write_text(json.dumps(saved), encoding="utf-8")
    form = read_json(tmp_path / "prompting.json", PromptingConfig)
    assert form.linking_chain is False
    PromptEncoder(Tokenizer.load(SHIPPED), replace(form, linking_chain=True))
