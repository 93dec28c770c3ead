"""The grammar mask: whatever the model, every answer is a query over the schema; every gold query may be written."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import torch

from text2sql.config import DecodingConfig, ModelConfig, PromptingConfig
from text2sql.data.example import Example
from text2sql.data.sets import read_set
from text2sql.database import connect
from text2sql.decoding import grammar
from text2sql.decoding.generator import Generator, Request
from text2sql.decoding.mask import MOST_OPEN, GrammarMask
from text2sql.decoding.prediction import Prediction
from text2sql.model import GPT, resolve
from text2sql.prompting.linking import Links, link
from text2sql.prompting.prompt import PromptEncoder, tokens_of
from text2sql.schema import Schema
from text2sql.tokenizer import Tokenizer

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.sqlite"))
SCHEMA = Schema.from_ddl(
    "CREATE TABLE artist (id INTEGER PRIMARY KEY, name TEXT, age INT);"
    "CREATE TABLE album (id INTEGER PRIMARY KEY, title TEXT, year INT, artist_id INT REFERENCES artist(id));"
    "CREATE TABLE shop (city TEXT, size REAL)"
)
QUESTIONS = ("How many are there since 2015?", "which 3 have the highest price, by name", "names of all from São Paulo")
FORMS = {
    "ids": PromptingConfig(),
    "names": PromptingConfig(items="names", values="text"),
    "chain": PromptingConfig(linking_chain=True),
    "chain of names": PromptingConfig(linking_chain=True, items="names"),
}


def random_generator(form: PromptingConfig, seed: int = 0) -> Generator:
    """A model that has learnt nothing."""
    names = [f"{t.name}.{c.name}" for t, c in SCHEMA.columns]
    for path in EXAMPLES:
        with connect(str(path)) as database:
            names += [f"{t.name}.{c.name}" for t, c in database.schema.columns]
    texts = [" " + " ".join(names), "how many albums of the artist, by name"]
    tokenizer = Tokenizer.train(texts * 3, 1200, tokens_of(form))
    torch.manual_seed(seed)
    shape = resolve(ModelConfig(layers=1, width=32, heads=2, context=1024), tokenizer.vocabulary_size)
    return Generator(GPT(shape), tokenizer, form)


def sampled(generator: Generator, requests: list[Request], **options: int) -> list[Prediction]:
    """One answer per request, drawn at temperature 1."""
    return [best for best, *_ in generator.predict(requests, DecodingConfig(do_sample=True, **options))]


def test_a_token_never_fits_two_rules() -> None:
    for symbol, rules in grammar.RULES.items():
        firsts = [atom for rule in rules if rule for atom in grammar._first_of(rule)]
        assert len(firsts) == len(set(firsts)), symbol


def test_every_symbol_is_reached_and_ends() -> None:
    used = {part for rules in grammar.RULES.values() for rule in rules for part in rule}
    assert set(grammar.RULES) - used == {"QUERY"} - used
    assert max(grammar.remaining((symbol,), 1) - 1 for symbol in grammar.RULES) < 20


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("length", [128, 64])
def test_random_weights_write_queries_that_the_database_can_read(form: PromptingConfig, length: int) -> None:
    generator = random_generator(form)
    databases = [connect(str(path)) for path in EXAMPLES]
    asked = [(database, question) for database in databases for question in QUESTIONS * 3]
    requests = [Request(q, database.schema, link(q, database.schema)) for database, q in asked]
    for (database, _), prediction in zip(asked, sampled(generator, requests, max_new_tokens=length), strict=True):
        assert prediction.error is None, prediction.target
        error = database.run(prediction.sql, time_limit=0.2, row_limit=5).error or ""
        assert "no such" not in error, prediction.sql
        assert "syntax error" not in error, prediction.sql
    for database in databases:
        database.close()


def test_without_the_mask_they_do_not() -> None:
    generator = random_generator(FORMS["ids"])
    with connect(str(EXAMPLES[0])) as database:
        requests = [Request(question, database.schema) for question in QUESTIONS * 5]
        options = DecodingConfig(do_sample=True, max_new_tokens=40, grammar_mask=False)
        assert all(found[0].error for found in generator.predict(requests, options))


def test_every_beam_is_a_query() -> None:
    generator = random_generator(FORMS["ids"], seed=1)
    with connect(str(EXAMPLES[1])) as database:
        for found in generator.predict([Request(q, database.schema) for q in QUESTIONS], DecodingConfig(num_beams=4)):
            assert len({prediction.sql for prediction in found}) > 1
            assert not [prediction for prediction in found if prediction.error]


def accepted(
    encoder: PromptEncoder, question: str, sql: str, schema: Schema, fold: bool = False, limit: int = 128
) -> bool:
    """Whether the mask lets the answer of a query through."""
    item = encoder.prepare(question, sql, schema, Links(), fold)
    prompt = encoder.prompt(question, schema, Links())
    return GrammarMask(encoder, [prompt], [limit]).accepts(0, encoder.answer_ids(item.pieces, prompt))


LET_THROUGH = [
    "SELECT name FROM artist",
    "SELECT count(*) FROM shop",
    "SELECT * FROM album WHERE year > 1990 AND title LIKE '%a%'",
    "SELECT T1.name, count(*) FROM artist AS T1 JOIN album AS T2 ON T1.id = T2.artist_id GROUP BY T1.name "
    "HAVING count(*) >= 2 ORDER BY count(*) DESC LIMIT 3",
    "SELECT name FROM artist WHERE id NOT IN (SELECT artist_id FROM album)",
    "SELECT name FROM artist WHERE age > (SELECT avg(age) FROM artist) OR age IS NOT NULL",
    "SELECT title FROM album WHERE year BETWEEN 1990 AND 2000 EXCEPT SELECT name FROM artist",
    "SELECT T1.name, T3.name FROM artist AS T1 JOIN album AS T2 ON T1.id = T2.artist_id "
    "JOIN artist AS T3 ON T3.id = T2.id",
    "SELECT T1.name FROM artist AS T1 JOIN shop AS T2 ON T1.name = T2.city",
    "SELECT max(size) - min(size) FROM shop WHERE size != -2.5",
    "SELECT name FROM artist WHERE EXISTS (SELECT * FROM album WHERE year = 2000)",
    "SELECT * FROM album WHERE year = 1990 UNION SELECT * FROM album WHERE year = 2",
]


@pytest.mark.parametrize("sql", LET_THROUGH)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_queries_may_be_written(form: PromptingConfig, sql: str) -> None:
    assert accepted(random_generator(form).encoder, "which one is it, 2 or 1990?", sql, SCHEMA)


LONG_NAMES = Schema.from_ddl(
    "CREATE TABLE wartung (maschinennummer INTEGER PRIMARY KEY, zustandsbericht TEXT, betriebsstunden INT);"
    "CREATE TABLE ersatzteil (teilenummer INTEGER PRIMARY KEY, bezeichnung TEXT,"
    " maschinennummer INT REFERENCES wartung(maschinennummer))"
)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT zustandsbericht, betriebsstunden, maschinennummer FROM wartung WHERE betriebsstunden > 2",
        "SELECT avg(betriebsstunden), max(betriebsstunden) FROM wartung WHERE zustandsbericht = 'is'",
        "SELECT T1.zustandsbericht, T2.bezeichnung FROM wartung AS T1 JOIN ersatzteil AS T2 "
        "ON T1.maschinennummer = T2.maschinennummer",
    ],
)
def test_names_of_many_tokens_leave_room_for_more_than_one(sql: str) -> None:
    encoder = random_generator(FORMS["names"]).encoder
    assert len(encoder.tokenizer.encode(" wartung.maschinennummer")) > 12
    assert accepted(encoder, "which one is it, 2 or 1990?", sql, LONG_NAMES, limit=256)


def test_a_name_that_was_begun_before_the_end_came_near_may_be_finished() -> None:
    generator = random_generator(FORMS["names"])
    encode, special = generator.tokenizer.encode, generator.tokenizer.special
    prompt = generator.encoder.prompt("which?", SCHEMA, Links())
    opening = [special("<|select|>"), special("<|table|>"), *encode(" album"), special("<|.|>"), special("<|*|>")]
    opening += [special("<|from|>"), special("<|table|>"), *encode(" artist"), special("<|join|>")]
    ids = [*opening, special("<|table|>"), *encode(" shop")]
    for limit in range(len(opening) + 1, 128):
        mask = GrammarMask(generator.encoder, [prompt], [limit])
        if all(bool(mask(0, ids[:n])[token]) for n, token in enumerate(ids)):
            assert mask(0, ids).any(), limit


def test_parentheses_go_only_so_deep() -> None:
    deepest = "select " + "abs ( " * MOST_OPEN
    assert first_refused(deepest, limit=128) is None
    assert first_refused(f"{deepest} abs", limit=128) == "abs"
    assert first_refused(f"{deepest} <c1>", limit=128) is None


def first_refused(text: str, form: str = "ids", limit: int = 64) -> str | None:
    """The first token that the mask refuses in an answer spelt as special tokens separated by blanks."""
    generator = random_generator(FORMS[form])
    special = generator.tokenizer.special
    prompt = generator.encoder.prompt("which of the 2 words?", SCHEMA, Links())
    mask = GrammarMask(generator.encoder, [prompt], [limit])
    ids: list[int] = []
    for name in text.split():
        token = special(name if name.startswith("<") else f"<|{name.replace('_', ' ')}|>")
        if not mask(0, ids)[token]:
            return name
        ids.append(token)
    return None


@pytest.mark.parametrize(
    ("target", "refused"),
    [
        ("select <c1> where <c1> = <w0> <w1>", None),
        ("select <c40>", "<c40>"),  # no such column
        ("select <c1> where <c7> = <w0> <w0>", "<c7>"),  # of a table that nothing connects
        ("select <c1> , <c7> where <c1> = <w0> <w0>", "where"),  # two tables without a key need FROM
        ("select <c1> , <c7> from <t0> where", "where"),  # FROM lacks a table that was named
        ("select <c1> , <c7> from <t0> join <t2> where", "where"),  # no key: ON is needed
        ("select <c1> where <c1> = <w3> <w1>", "<w1>"),  # a span that runs backwards
        ("select <c1> where <c1> = <w3> <w9>", "<w9>"),  # the question has six words
        ("select <c1> union select <c4> , <c5>", ","),  # another number of columns
        ("select * from <t0> except select <c1>", "<c1>"),  # all columns of one table against one
        ("select * from <t0> except select distinct <c1>", "<c1>"),
        ("select * from <t0> except select * from <t0>", None),
        ("select * from <t0> except select * from <t1>", "<t1>"),
        ("select * from <t0> except select * where <c4>", "<c4>"),
        ("select * from <t0> except select * from <t0> join <t1>", "<t1>"),
        ("select <c1> union select *", "*"),
        ("select <c1> union select <t0> .", "<t0>"),
        ("select <c1> union select count ( *", None),
        ("select <c1> , <t0> . * from <t0> union select <c2> , <c2>", "<c2>"),
        ("select <c1> , <t0> . * from <t0> union select <c2> , *", None),
        ("select <c1> union select <c2> where <c2> in ( select <c2> union select *", "*"),
        ("select count ( * ) limit", "limit"),  # which table's rows?
        ("select count ( * ) group_by count", "count"),  # no aggregate to group by
        ("select <c1> where count", "count"),
        ("select <c1> limit <w1> <w1>", "<w1>"),  # no number
        ("select <c1> limit <w3> <w3>", None),
        ("select <c1> where <c2> in ( select <c2> , <c1>", ","),  # one column to compare with
        ("select <c1> where <c2> in ( select *", "*"),
        ("select <c1> where <c2> in ( select <t0> .", "<t0>"),
        ("select <c1> where exists ( select *", None),
        ("select max ( *", "*"),  # only COUNT counts rows
        ("select count ( *", None),
        ("<c1>", "<c1>"),
    ],
)
def test_what_is_refused(target: str, refused: str | None) -> None:
    assert first_refused(target) == refused


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        ("<c1> <c4> assistant select <c1> where <c5> = <w2> <w2> endoftext", None),  # the query names what it likes
        ("assistant select <c1> endoftext", None),
        ("<c1> <c4> <c1>", "<c1>"),
        ("<c40>", "<c40>"),  # no such column
        ("<t0>", "<t0>"),
        ("<c1> select", "select"),
        ("<c1> endoftext", "endoftext"),
        ("<c1> assistant assistant", "assistant"),
        ("<c1> assistant <c2>", "<c2>"),
        ("<c0> <c1> <c2> <c3> <c4> <c5> <c6> <c7> <c8> assistant select <c8> endoftext", None),
    ],
)
def test_a_chain_names_columns_once_and_then_the_query_follows(answer: str, refused: str | None) -> None:
    assert first_refused(answer, "chain") == refused


def test_near_the_limit_the_chain_ends() -> None:
    generator = random_generator(FORMS["chain"])
    encoder = generator.encoder
    prompt = encoder.prompt("which?", SCHEMA, Links())
    columns = [encoder.tokenizer.special(f"<c{shown}>") for shown in prompt.columns.values()]
    allowed = [GrammarMask(encoder, [prompt], [limit])(0, columns[:3]).nonzero().flatten() for limit in (36, 128)]
    assert allowed[0].tolist() == [encoder.chain_end]
    assert set(allowed[1].tolist()) == {encoder.chain_end, *columns[3:]}


@pytest.fixture(scope="module")
def sets(data_mirror: Path) -> dict[str, list[Example]]:
    """A sample of each dev set."""
    return {name: Random(0).sample(read_set(name, "dev", data_mirror), 250) for name in ("spider", "wikisql")}


@pytest.mark.data
@pytest.mark.parametrize("name", ["spider", "wikisql"])
def test_gold_queries_pass_and_random_weights_write_nothing_else(name: str, sets: dict[str, list[Example]]) -> None:
    generator = random_generator(FORMS["ids"])
    examples = sets[name]
    passed = [accepted(generator.encoder, e.question, e.sql, e.schema, name == "wikisql") for e in examples]
    assert sum(passed) >= 0.99 * len(passed)
    requests = [Request(e.question, e.schema, link(e.question, e.schema)) for e in examples]
    assert not [p.target for p in sampled(generator, requests) if p.error]
