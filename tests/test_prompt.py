"""Prompt and target tokens: round trips, pointing, what is drawn at random, what does not fit."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from text2sql.config import PromptingConfig
from text2sql.data.spider import read_spider_split
from text2sql.data.wikisql import WikiSQLTables, read_wikisql, to_logical_form
from text2sql.errors import UserError
from text2sql.evaluation.wikisql import logical_form_match
from text2sql.prompting.expressions import to_sql
from text2sql.prompting.linking import Cell, Links, ValueIndex, link
from text2sql.prompting.prompt import PromptEncoder, tokens_of
from text2sql.prompting.target import (
    CellPointer,
    Keyword,
    Mentions,
    Pointer,
    Quoted,
    Span,
    TargetError,
    Text,
    decode,
    encode,
)
from text2sql.prompting.words import split_words
from text2sql.schema import Column, ForeignKey, Schema, Table
from text2sql.tokenizer import Tokenizer

SCHEMA = Schema(
    "music",
    (
        Table("artist", (Column("id", "number"), Column("name"), Column("home_country")), ("id",)),
        Table(
            "album", (Column("id", "number"), Column("artist_id", "number"), Column("title"), Column("year", "number"))
        ),
    ),
    (ForeignKey("album", ("artist_id",), "artist", ("id",)),),
)
FORM = PromptingConfig(max_columns=16, max_tables=4, max_words=24, max_cells=4)


@pytest.fixture(scope="module")
def encoder() -> PromptEncoder:
    texts = ["what is the name of artist country album title year", "show albums from peru after 2000"] * 5
    return PromptEncoder(Tokenizer.train(texts, 256 + len(tokens_of(FORM)) + 40, tokens_of(FORM)), FORM)


def spelt(encoder: PromptEncoder, ids: list[int]) -> str:
    """The tokens as text, a space around each special one."""
    parts = (f" {name} " if (name := encoder.token_name(i)) else encoder.tokenizer.decode([i]) for i in ids)
    return " ".join("".join(parts).split())


def test_the_prompt_reads_as_documented(encoder: PromptEncoder) -> None:
    links = Links({1: "exact", 2: "partial"}, {0: "exact"}, (Cell(2, "Peru", 3, 3),))
    prompt = encoder.prompt("Name of Peru?", SCHEMA, links)
    text = spelt(encoder, prompt.ids)
    assert text.startswith("<|user|> name of peru? <|system|> <|table|> artist <|exact|> <t0> <|number|>")
    assert "<|primary|> <c0> <|text|> name <|exact|> <c1> <|text|>" in text
    assert "<|foreign|> <c0> <c4>" in text  # album.artist_id references artist.id
    assert "<|partial|> <|cell|> Peru <v0> <c2>" in text  # the cell keeps its case, the question does not
    assert text.endswith("<|user|> <w0> name <w1> of <w2> peru <w3> ? <|assistant|>")


@pytest.mark.parametrize(
    "sql",
    [
        "select name from artist where home_country = 'Peru'",
        "select count(*) from album where year > 2000",
        "select T1.name from artist T1 join album T2 on T1.id = T2.artist_id group by T1.id having count(*) >= 3",
        "select title from album where title like '%Peru%' order by year desc limit 5",
        "select title from album where title = 'it''s'",
        "select home_country from artist except select home_country from artist where name = '2000'",
        "select title from album where year between 1990 and 2000 or year is null",
        "select avg(year) - 2000.5 from album where round(year / 2) != 3",
    ],
)  # fmt: skip
@pytest.mark.parametrize("epoch", [None, 0, 1, 2])
def test_gold_to_tokens_and_back(encoder: PromptEncoder, sql: str, epoch: int | None) -> None:
    question = "Show albums called Peru of 2000 it's"
    links = link(question, SCHEMA, ValueIndex([(2, "Peru")]))
    item = encoder.prepare(question, sql, SCHEMA, links)
    prompt = encoder.prompt(question, SCHEMA, links, None if epoch is None else Random(epoch))
    ids = encoder.target_ids(item.pieces, prompt)
    assert decode(encoder.pieces(ids, prompt), encoder.canonicalizer(SCHEMA), prompt.mentions) == encoder.decode(
        ids, prompt
    )
    canonical = encoder.canonicalizer(SCHEMA).encode
    assert to_sql(canonical(encoder.decode(ids, prompt))) == to_sql(canonical(sql))


def test_a_value_is_a_span_then_a_cell_then_text(encoder: PromptEncoder) -> None:
    question = "albums of PERU in 1,999"
    mentions = Mentions(question, split_words(question), (Cell(2, "Peru", 2, 2),))
    canon = encoder.canonicalizer(SCHEMA)

    def value(condition: str, fold: bool = False) -> object:
        return encode(f"select title from album where {condition}", canon, mentions, fold)[-1]

    assert value("title = 'PERU'") == Span(2, 2)
    assert value("title = 'Peru'") == CellPointer(0)
    assert value("title = 'Peru'", fold=True) == Span(2, 2)
    assert value("title = 'peru'") == Quoted((Text("peru"),))
    assert value("title like '%PERU%'") == Quoted((Text("%"), Span(2, 2), Text("%")))
    assert value("year = 1999") == Text("1999")  # the words spell 1,999, which a number column reads as 1999 ...
    assert value("title = '1,999'") == Span(4, 4)
    assert decode(encode("select title from album where year = 7", canon, mentions), canon, mentions).endswith("= 7")


def test_a_pointed_number_is_a_number_beside_a_number_column(encoder: PromptEncoder) -> None:
    question = "in 1999"
    mentions = Mentions(question, split_words(question))
    canon = encoder.canonicalizer(SCHEMA)
    start = [Keyword("select"), Pointer("c", 5), Keyword("where")]
    year, title = Pointer("c", 6), Pointer("c", 5)
    assert decode([*start, year, Keyword("="), Span(1, 1)], canon, mentions).endswith("year = 1999")
    assert decode([*start, title, Keyword("="), Span(1, 1)], canon, mentions).endswith("title = '1999'")
    limit = [Keyword("select"), title, Keyword("limit"), Span(1, 1)]
    assert decode(limit, canon, mentions).endswith("LIMIT 1999")


def test_training_draws_orders_and_ids_and_repeats_for_a_seed(encoder: PromptEncoder) -> None:
    item = encoder.prepare("Name?", "select name from artist", SCHEMA, Links())
    documents = [tuple(encoder.document(item, Random(seed))[0]) for seed in range(20)]
    assert len(set(documents)) > 10
    assert documents == [tuple(encoder.document(item, Random(seed))[0]) for seed in range(20)]
    fixed = encoder.document(item)
    assert fixed == encoder.document(item)
    assert sum(fixed[1]) == 3  # select, column, end


def test_content_dropout_takes_cells_and_pointers_to_them_away(encoder: PromptEncoder) -> None:
    links = link("peru", SCHEMA, ValueIndex([(2, "Peru")]))
    item = encoder.prepare("peru", "select name from artist where home_country = 'Peru'", SCHEMA, links)
    cell = encoder.tokenizer.special("<|cell|>")
    counts: Counter[tuple[bool, bool]] = Counter()
    for seed in range(200):
        ids, answer = encoder.document(item, Random(seed))
        spoken = [i for i, is_answer in zip(ids, answer, strict=True) if is_answer]
        pointed = any((encoder.token_name(i) or "").startswith("<v") for i in spoken)
        counts[cell in ids, pointed] += 1
    assert set(counts) == {(True, True), (False, False)}
    assert 30 < counts[False, False] < 90  # content_dropout is 0.3


def test_ids_beyond_the_first_are_drawn_for_some_examples(encoder: PromptEncoder) -> None:
    shown = [encoder.prompt("a", SCHEMA, Links(), Random(seed)).columns for seed in range(300)]
    wide = sum(max(columns.values()) >= len(SCHEMA.columns) for columns in shown)
    assert 15 < wide < 80  # wide_ids is 0.15; a wide draw may by chance stay low
    assert {k for columns in shown for k in columns.values()} == set(range(FORM.max_columns))


def test_a_schema_that_does_not_fit_keeps_what_is_linked(encoder: PromptEncoder) -> None:
    wide = Schema("w", (Table("t", tuple(Column(f"c{i}x") for i in range(40))), Table("u", (Column("target"),))))
    prompt = encoder.prompt("what is the target", wide, None)
    assert len(prompt.columns) == FORM.max_columns
    assert 40 in prompt.columns
    short = encoder.prompt("what is the target", wide, None, budget=60)
    assert len(short.ids) <= 60
    assert 40 in short.columns
    with pytest.raises(TargetError, match="does not show"):
        encoder.target_ids([Pointer("c", 39)], short)


@pytest.mark.parametrize(
    ("question", "sql", "shown"),
    [
        ("album titles", "SELECT count(*) FROM artist", "<|table|> artist"),
        ("artist names", "SELECT title FROM album", "<|text|> title"),
    ],
)
def test_training_shows_what_the_answer_names(encoder: PromptEncoder, question: str, sql: str, shown: str) -> None:
    narrow = PromptEncoder(encoder.tokenizer, replace(FORM, max_columns=1))
    example = narrow.prepare(question, sql, SCHEMA, link(question, SCHEMA))
    assert shown not in spelt(narrow, narrow.prompt(question, SCHEMA).ids)
    assert shown in spelt(narrow, narrow.document(example, Random(1))[0])


def test_questions_that_cannot_be_asked(encoder: PromptEncoder) -> None:
    with pytest.raises(UserError, match="the question is empty"):
        encoder.prompt("  \n", SCHEMA)
    with pytest.raises(UserError, match=r"tokens, over the limit of 100"):
        encoder.prompt("why " * 200, SCHEMA, budget=100)
    with pytest.raises(UserError, match="'bare' has no columns"):
        encoder.prompt("How many?", Schema("bare", (Table("empty", ()),)))


def test_names_and_text_values_are_the_ablation(encoder: PromptEncoder) -> None:
    form = replace(FORM, items="names", values="text")
    named = PromptEncoder(encoder.tokenizer, form)
    sql = "SELECT T1.name FROM artist AS T1 JOIN album AS T2 ON T1.id = T2.artist_id WHERE T2.title = 'Peru'"
    item = named.prepare("titled Peru", sql, SCHEMA, Links())
    prompt = named.prompt("titled Peru", SCHEMA, Links())
    ids = named.target_ids(item.pieces, prompt)
    assert not any((named.token_name(i) or "").startswith(("<c", "<w")) for i in ids)
    assert named.decode(ids, prompt) == sql


@pytest.mark.parametrize(
    "tokens",
    [
        ["<|select|>"],
        ["<|select|>", "<c9>"],
        ["<|select|>", "<c1>", "<|where|>", "<c1>", "<|=|>", "<w1>"],
        ["<|select|>", "<c1>", "<|where|>", "<c1>", "<|=|>", "<w2>", "<w0>"],
        ["<|select|>", "<c1>", "<|where|>", "<c1>", "<|=|>", "<|quote|>"],
        ["<|user|>"],
        ["<|2|>"],
        ["<v0>"],
        [],
    ],
)
def test_tokens_that_make_no_query(encoder: PromptEncoder, tokens: list[str]) -> None:
    prompt = encoder.prompt("one two three", SCHEMA, Links())
    with pytest.raises(TargetError):
        encoder.decode([encoder.tokenizer.special(t) for t in tokens], prompt)


def test_a_tokenizer_without_the_forms_tokens_is_refused() -> None:
    with pytest.raises(UserError, match="the tokenizer lacks"):
        PromptEncoder(Tokenizer.train(["a b"], 300, ["<|pad|>"]), FORM)


@pytest.mark.data
def test_wikisql_targets_mean_the_gold_query(data_mirror: Path) -> None:
    tables = WikiSQLTables(data_mirror / "wikisql", "dev")
    examples = read_wikisql(data_mirror / "wikisql", "dev", tables=tables)[::4]
    form = PromptingConfig()
    encoder = PromptEncoder(Tokenizer([], tokens_of(form)), form)
    pointed = 0
    for example in examples:
        index = ValueIndex((n, cell) for row in tables.rows(example.schema.name) for n, cell in enumerate(row))
        links = link(example.question, example.schema, index)
        item = encoder.prepare(example.question, example.sql, example.schema, links, fold=True)
        prompt = encoder.prompt(example.question, example.schema, links)
        found = to_logical_form(encoder.decode(encoder.target_ids(item.pieces, prompt), prompt), example.schema)
        assert found is not None
        assert example.logical_form is not None
        assert logical_form_match(example.logical_form, found), example
        pointed += not any(isinstance(piece, Text | Quoted) for piece in item.pieces)
    assert pointed / len(examples) > 0.98


@pytest.mark.data
def test_spider_targets_fit_the_tokens_of_the_shipped_config(data_mirror: Path) -> None:
    encoder = PromptEncoder(Tokenizer([], tokens_of(PromptingConfig())), PromptingConfig())
    for example in read_spider_split(data_mirror / "spider", "dev")[::5]:
        item = encoder.prepare(example.question, example.sql, example.schema, link(example.question, example.schema))
        prompt = encoder.prompt(example.question, example.schema, item.links)
        sql = encoder.decode(encoder.target_ids(item.pieces, prompt), prompt)
        canonical = encoder.canonicalizer(example.schema).encode
        # Beside a declared column '2014' and 2014 are the same to SQLite.
        assert to_sql(canonical(sql)).replace("'", "") == to_sql(canonical(example.sql)).replace("'", "")
