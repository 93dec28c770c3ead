"""Encoding: the hand-written encoder, tiktoken and Hugging Face give the same ids, and every text comes back."""

from __future__ import annotations

import json
import pickle
import unicodedata
from pathlib import Path

import pytest
import tiktoken
import tokenizers
from hypothesis import example, given, settings
from hypothesis import strategies as st

from text2sql.errors import UserError
from text2sql.tokenizer import Tokenizer, inspect, textbook
from text2sql.tokenizer.pretokenization import PATTERN, split
from text2sql.tokenizer.tokenizer import LONGEST_WHITE_SPACE

SPECIAL = ["<|pad|>", "<|end|>", "<|user|>", "<|assistant|>", "<|(|>", "<|order by|>", "<c0>", "<c1>", "<t0>", "<w12>"]
TEXTS = [
    "How many singers are from each country? Select the names of the stadiums' owners, don't list the oldest.",
    "select count(*), avg(age) from singer where country = 'France' and age >= 18 order by name desc limit 3;",
    "SELECT T1.name FROM concert_singer AS T1 JOIN stadium AS T2 ON T1.stadium_id = T2.id WHERE T2.name LIKE '%x%'",
    "São Paulo, Zürich, Málaga, Łódź, Ærøskøbing, naïve café, Ελλάδα, Москва, İstanbul, 1,234.50 in 1998-2004",
    "東京都の人口は何人ですか。北京市有多少人口？ 서울의 인구는? กรุงเทพ مدينة ירושלים हिन्दी",
    "🎉🎉 👩‍👩‍👧‍👦 🇨🇭🇫🇷 👍🏽 ½ ⅷ ٣٤٥ x²  \t\t  \n\n   \r\n    indented\n        more",
]

PIECES = (
    [word for text in TEXTS for word in text.split(" ")] + SPECIAL + ["'ſ", "'S", "'Re", "<|", "|>", "\u3000", "\x85"]
)

assigned = st.characters(exclude_categories=["Cs", "Cn"])
"""All characters on whose class the three regex engines agree (see pretokenization): no unassigned ones."""

texts = st.lists(
    st.one_of(
        st.sampled_from(PIECES),
        st.text(alphabet=" \t\n\r\u00a0\u2003\u3000", max_size=8),
        st.text(alphabet="0123456789٣½.,-", max_size=9),
        st.text(alphabet="abcdeghilmnorst'_ ", max_size=12),
        st.text(alphabet="🎉👩🇨🇭\u200d\ufe0f🏽東京市人口한글", max_size=5),
        st.text(alphabet=assigned, max_size=6),
    ),
    max_size=8,
).map("".join)

scraps = st.lists(
    st.one_of(
        texts.map(str.encode), st.binary(max_size=6), st.sampled_from(["東", "é", "🎉"]).map(lambda c: c.encode()[:-1])
    )
).map(b"".join)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(TEXTS * 2, 640, SPECIAL)


@pytest.fixture(scope="module")
def independent(tokenizer: Tokenizer) -> tiktoken.Encoding:
    """tiktoken as anyone would build it from the merges."""
    ranks = {token: rank for rank, token in enumerate(textbook.spell(tokenizer.merges))}
    return tiktoken.Encoding("test", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=dict(tokenizer.special_ids))


@pytest.fixture(scope="module")
def hugging_face(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> tokenizers.Tokenizer:
    directory = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save(directory)
    loaded = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
    loaded.encode_special_tokens = True  # read special tokens in texts as text, as we do
    return loaded


def plain_bytes(data: bytes, merges: list[textbook.Pair]) -> list[int]:
    """What `encode_bytes` promises, said with the textbook: valid stretches as text, other bytes as they are."""
    try:
        return textbook.encode(data.decode("utf-8"), merges)
    except UnicodeDecodeError as error:
        head = textbook.encode(data[: error.start].decode("utf-8"), merges)
        return head + list(data[error.start : error.end]) + plain_bytes(data[error.end :], merges)


def test_chunks_by_hand() -> None:
    assert split("SELECT count(*) FROM singer_id WHERE y >= 2010;\n\n  It's  x") == [
        *["SELECT", " count", "(*)", " FROM", " singer", "_id", " WHERE", " y", " >=", " ", "201", "0", ";\n\n"],
        *[" ", " It", "'s", " ", " x"],
    ]


def test_all_assigned_characters_fall_into_the_same_class_everywhere() -> None:
    """Each is tried after a letter, a digit and a mark: is it one chunk with them, or not?"""
    characters = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co")]
    probes = [before + character for character in characters for before in "b1!"]
    assert len(probes) > 400_000
    ranks = {bytes([value]): value for value in range(256)}
    for probe in probes:
        ranks.setdefault(probe.encode(), len(ranks))
    encoding = tiktoken.Encoding("probes", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})
    different = [probe for probe in probes if (len(split(probe)) == 1) != (len(encoding.encode_ordinary(probe)) == 1)]
    assert different == []

    cutter = tokenizers.pre_tokenizers.Split(tokenizers.Regex(PATTERN), "isolated")
    for start in range(0, len(probes), 3000):
        text = "\n".join(probes[start : start + 3000])
        assert [chunk for chunk, _ in cutter.pre_tokenize_str(text)] == split(text)


@settings(max_examples=10_000, deadline=None, database=None)
@given(texts)
@example("\ud800 half a pair, \ud83d\ude00 a whole one")
def test_plain_encoder_and_tiktoken_give_the_same_ids(
    tokenizer: Tokenizer, independent: tiktoken.Encoding, text: str
) -> None:
    ids = tokenizer.encode(text)
    assert ids == textbook.encode(text, tokenizer.merges)
    assert ids == independent.encode(text, disallowed_special=())


@settings(max_examples=2_000, deadline=None, database=None)
@given(scraps)
@example(b"\xff\xfe ok \xe6\x9d\xb1 \xe6\x9d \xed\xa0\x80")
def test_plain_encoder_and_tiktoken_give_the_same_ids_on_invalid_utf8(
    tokenizer: Tokenizer, independent: tiktoken.Encoding, data: bytes
) -> None:
    ids = tokenizer.encode_bytes(data)
    assert ids == plain_bytes(data, tokenizer.merges)
    assert tokenizer.decode_bytes(ids) == data
    new_ids = {pair: 256 + rank for rank, pair in enumerate(tokenizer.merges)}
    if data:
        assert textbook.encode_chunk(data, new_ids) == independent._encode_single_piece(data)


@settings(max_examples=1_500, deadline=None, database=None)
@given(texts)
def test_hugging_face_gives_the_same_ids_and_text(
    tokenizer: Tokenizer, hugging_face: tokenizers.Tokenizer, text: str
) -> None:
    ids = tokenizer.encode(text)
    assert hugging_face.encode(text).ids == ids
    assert hugging_face.decode(ids, skip_special_tokens=False) == text


@settings(max_examples=1_500, deadline=None, database=None)
@given(texts, st.sampled_from(SPECIAL), texts)
def test_text_comes_back_and_never_holds_special_ids(
    tokenizer: Tokenizer, before: str, special: str, after: str
) -> None:
    text = before + special + after
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert max(ids) < min(tokenizer.special_ids.values())


def test_each_token_encodes_to_itself(tokenizer: Tokenizer) -> None:
    for token_id in range(256, 256 + len(tokenizer.merges)):
        token = tokenizer.decode_bytes([token_id])
        assert tokenizer.encoding._encode_single_piece(token) == [token_id]
        assert textbook.spell(tokenizer.merges)[token_id] == token


def test_special_tokens_have_the_last_ids_and_come_by_name_only(tokenizer: Tokenizer) -> None:
    assert list(tokenizer.special_ids) == SPECIAL
    assert list(tokenizer.special_ids.values()) == list(range(630, 640))
    assert tokenizer.vocabulary_size == 640
    assert tokenizer.decode([tokenizer.special("<|user|>"), *tokenizer.encode("hi"), tokenizer.special("<c0>")]) == (
        "<|user|>hi<c0>"
    )
    with pytest.raises(UserError, match="no special token '<c99>'"):
        tokenizer.special("<c99>")


def test_a_broken_character_decodes_to_the_replacement_sign(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode([0xE6, 0x9D]) == "\ufffd"
    assert tokenizer.decode([]) == ""
    with pytest.raises(KeyError):
        tokenizer.decode([tokenizer.vocabulary_size])


def test_special_tokens_must_differ_from_each_other_and_from_learnt_tokens() -> None:
    with pytest.raises(UserError, match="listed twice"):
        Tokenizer([], ["<|end|>", "<|end|>"])
    with pytest.raises(UserError, match="same token"):
        Tokenizer([(97, 97), (256, 97), (97, 256)], [])
    with pytest.raises(UserError, match=r"the text taught a token spelt '<\|\(\|>'"):
        Tokenizer.train(["<|(|>"] * 9, 300, ["<|(|>"])


def test_white_space_that_would_break_tiktoken_is_refused_in_one_line(tokenizer: Tokenizer) -> None:
    spaces = " " * LONGEST_WHITE_SPACE
    assert tokenizer.decode(tokenizer.encode(spaces + "x" + spaces)) == spaces + "x" + spaces
    with pytest.raises(UserError, match="white space"):
        tokenizer.encode(spaces * 2 + "x")


def test_a_tokenizer_can_be_sent_to_another_process(tokenizer: Tokenizer) -> None:
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert copy.fingerprint == tokenizer.fingerprint
    assert copy.encode(TEXTS[0]) == tokenizer.encode(TEXTS[0])


def test_inspect_shows_each_token_on_a_line() -> None:
    tokenizer = Tokenizer.train(["name name"], 300, ["<|end|>"])
    assert inspect(tokenizer, "name\né").splitlines() == [
        "    id  bytes  token",
        "   258      4  'name'",
        "    10      1  '\\n'",
        "   195      1  b'\\xc3'",
        "   169      1  b'\\xa9'",
        "4 tokens, 6 characters, 1.50 characters a token",
    ]
    assert inspect(tokenizer, "").splitlines()[-1] == "0 tokens, 0 characters"


@pytest.mark.data
def test_the_engines_agree_on_spider_dev(data_mirror: Path) -> None:
    examples = json.loads((data_mirror / "spider" / "dev.json").read_text(encoding="utf-8"))
    lines = [example[key] for example in examples for key in ("question", "query")]
    tokenizer = Tokenizer.train(lines, 1500, SPECIAL)
    for line in lines:
        assert tokenizer.encode(line) == textbook.encode(line, tokenizer.merges)
        assert tokenizer.decode(tokenizer.encode(line)) == line
