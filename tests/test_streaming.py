"""The SQL so far: tokens from the engine, beginnings read into pieces, pieces shown as text."""

from __future__ import annotations

import pytest

from text2sql.assistant.streaming import ReadableSQL
from text2sql.config import DecodingConfig, PromptingConfig
from text2sql.decoding.engine import complete
from text2sql.decoding.generator import Generator, Request
from text2sql.model import GPT, GPTConfig
from text2sql.prompting.canonical import Canonicalizer
from text2sql.prompting.linking import Cell, Links
from text2sql.prompting.prompt import PromptEncoder, tokens_of
from text2sql.prompting.reading import PieceReader
from text2sql.prompting.target import Keyword, Mentions, Pointer, Span, Text
from text2sql.prompting.words import split_words
from text2sql.schema import Column, ForeignKey, Schema, Table
from text2sql.tokenizer import Tokenizer
from tiny_models import END, letter_prompts, random_model, random_prompts, trained_model

SCHEMA = Schema(
    "music",
    (
        Table("artist", (Column("id", "number"), Column("name"), Column("country")), ("id",)),
        Table("album", (Column("id", "number"), Column("artist_id", "number"), Column("title"))),
    ),
    (ForeignKey("album", ("artist_id",), "artist", ("id",)),),
)
FORM = PromptingConfig(max_columns=16, max_tables=4, max_words=24, max_cells=4)
QUESTION = "Which albums are by artists from Peru ?"
SQL = "SELECT T1.title FROM album AS T1 JOIN artist AS T2 ON T1.artist_id = T2.id WHERE T2.country = 'Peru'"


@pytest.fixture(scope="module")
def encoder() -> PromptEncoder:
    texts = ["what is the name of artist country album title", "show albums from peru"] * 5
    return PromptEncoder(Tokenizer.train(texts, 256 + len(tokens_of(FORM)) + 40, tokens_of(FORM)), FORM)


@pytest.mark.parametrize("beams", [1, 3])
def test_the_last_call_for_a_prompt_has_the_best_completion(beams: int) -> None:
    seen: dict[int, list[list[int]]] = {}
    options = DecodingConfig(max_new_tokens=10, num_beams=beams, batch_size=3)
    prompts = letter_prompts(7)
    found = complete(
        trained_model(), prompts, options, END, on_tokens=lambda i, ids: seen.setdefault(i, []).append(list(ids))
    )
    assert sorted(seen) == list(range(7))
    for index, completions in enumerate(found):
        assert seen[index][-1] == completions[0].ids
        assert len(seen[index]) > 1


def test_watching_changes_nothing() -> None:
    model, prompts = random_model(), random_prompts(5)
    options = DecodingConfig(max_new_tokens=12, num_beams=3)
    watched = complete(model, prompts, options, END, on_tokens=lambda *_: None)
    assert [[c.ids for c in row] for row in watched] == [
        [c.ids for c in r] for r in complete(model, prompts, options, END)
    ]


def test_an_unfinished_answer_is_read_up_to_the_last_whole_piece(encoder: PromptEncoder) -> None:
    prompt = encoder.prompt(QUESTION, SCHEMA)
    special = encoder.tokenizer.special
    reader = PieceReader(encoder, prompt)
    ids = [special("<|select|>"), special("<c2>"), special("<w6>")]
    assert reader.read_beginning(ids) == [Keyword("select"), Pointer("c", 2)]
    assert reader.read_beginning([*ids, special("<w6>")]) == [Keyword("select"), Pointer("c", 2), Span(6, 6)]
    assert reader.read_beginning([special("<|quote|>"), special("<w6>"), special("<w6>")]) == []
    assert reader.read_beginning([]) == []


def test_the_text_grows_into_the_final_sql(encoder: PromptEncoder) -> None:
    cells = (Cell(2, "Peru", 6, 6),)
    prepared = encoder.prepare(QUESTION, SQL, SCHEMA, Links(cells=cells))
    readable = ReadableSQL(Canonicalizer(SCHEMA))
    mentions = encoder.mentions(QUESTION, cells)
    texts = [readable.text(prepared.pieces[:end], mentions) for end in range(len(prepared.pieces) + 1)]
    assert texts[:4] == ["", "SELECT", "SELECT title FROM album", "SELECT title FROM album WHERE"]
    assert texts[4:6] == [
        "SELECT title FROM album WHERE artist.country",
        "SELECT title FROM album WHERE artist.country =",
    ] or texts[4].startswith("SELECT T1.title FROM album AS T1 JOIN artist")
    assert texts[-1] == SQL


def test_pieces_that_make_no_query_yet_are_spelt() -> None:
    words = ["select", "count", "(", "*"]
    mentions = Mentions("7 of them", split_words("7 of them"))
    readable = ReadableSQL(Canonicalizer(SCHEMA))
    assert readable.text([Keyword(word) for word in words], mentions) == "SELECT COUNT(*"
    pieces = [Keyword("where"), Pointer("c", 4), Keyword(">="), Span(0, 0), Keyword("and"), Span(5, 9), Text("x")]
    assert readable.text(pieces, mentions) == "WHERE album.artist_id >= 7 AND '?' x"


def test_a_generator_passes_pieces_of_its_own_request_on(encoder: PromptEncoder) -> None:
    generator = Generator(
        GPT(GPTConfig(encoder.tokenizer.vocabulary_size, 1, 32, 2, 2, 64, 256)), encoder.tokenizer, FORM
    )
    seen: dict[str, str] = {}
    requests = [
        Request(
            question,
            SCHEMA,
            on_pieces=lambda _, mentions, question=question: seen.update({question: mentions.question}),
        )
        for question in (QUESTION, "Name 3 artists")
    ]
    options = DecodingConfig(max_new_tokens=6, num_beams=2)
    generator.predict([*requests, Request("unwatched", SCHEMA)], options)
    assert seen == {QUESTION: QUESTION, "Name 3 artists": "Name 3 artists"}
