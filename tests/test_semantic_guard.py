"""Queries that make no sense for their schema are noticed, gold queries are not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from text2sql.data.sets import read_set
from text2sql.database import SQLiteDatabase
from text2sql.decoding.semantic_guard import CHECKS, objection
from text2sql.prompting.canonical import Canonicalizer
from text2sql.schema import Schema

SHOP = Path(__file__).parents[1] / "examples" / "music_shop.sqlite"
PARTY = Schema.from_ddl("CREATE TABLE a (id INTEGER PRIMARY KEY, n TEXT); CREATE TABLE b (a_id REFERENCES a, n TEXT)")

SENSELESS = {
    "the same item": "SELECT name, name FROM artists",
    "group or condition twice": "SELECT name FROM artists WHERE country = 'Peru' AND country = 'Peru'",
    "compared with words": "SELECT name FROM artists WHERE debut_year > 'Peru'",
    "a number compared": "SELECT name FROM artists WHERE debut_year BETWEEN 1990 AND 'now'",
    "compared with": "SELECT name FROM artists WHERE debut_year IN (1990, 'Peru')",
    "or a pattern": "SELECT name FROM artists WHERE debut_year LIKE '1990'",
    "nothing is aggregated": "SELECT name FROM artists GROUP BY country",
    "beside single rows": "SELECT name, max(debut_year) FROM artists",
    "in an order": "SELECT count(*) FROM artists ORDER BY debut_year",
    "that makes the groups": "SELECT max(country), count(*) FROM artists GROUP BY country",
    "sum or average of a key": "SELECT avg(artist_id) FROM albums",
    "is shown": "SELECT country FROM artists WHERE country = 'Peru'",
    "grouped": "SELECT count(*) FROM artists WHERE country = 'Peru' GROUP BY country",
    "ordered by": "SELECT name FROM artists WHERE country = 'Peru' ORDER BY country",
    "set to two values": "SELECT name FROM artists WHERE country = 'Peru' AND country = 'Chile'",
    "one and a range": "SELECT name FROM artists WHERE debut_year = 1990 AND debut_year > 1980",
    "of an unrelated one": "SELECT name FROM artists WHERE artist_id NOT IN (SELECT album_id FROM sales)",
    "with itself": "SELECT name FROM artists INTERSECT SELECT name FROM artists",
    "Peru": "SELECT Peru FROM artists",
}
"""Part of the objection -> a query that earns it."""

SENSIBLE = [
    "SELECT name FROM artists WHERE debut_year = '1990'",
    "SELECT name FROM artists WHERE country = 'Peru' OR country = 'Chile'",
    "SELECT name FROM artists WHERE debut_year > 1980 AND debut_year < 1990",
    "SELECT country, count(*) FROM artists GROUP BY country ORDER BY count(*) DESC",
    "SELECT country FROM artists GROUP BY country HAVING count(*) > 2",
    "SELECT count(DISTINCT country), max(debut_year), min(debut_year) FROM artists",
    "SELECT avg(price) FROM albums WHERE genre = 'jazz'",
    "SELECT name FROM artists WHERE artist_id NOT IN (SELECT artist_id FROM albums WHERE genre = 'jazz')",
    "SELECT price FROM albums WHERE title IN (SELECT title FROM tracks)",
    "SELECT T1.name FROM artists AS T1 JOIN albums AS T2 ON T1.artist_id = T2.artist_id WHERE T2.title = T1.name",
    "SELECT name FROM artists WHERE country = 'Peru' INTERSECT SELECT name FROM artists WHERE country = 'Chile'",
]


@pytest.fixture(scope="module")
def shop() -> Canonicalizer:
    with SQLiteDatabase(SHOP) as database:
        return Canonicalizer(database.schema)


@pytest.mark.parametrize("reason", SENSELESS)
def test_senseless_queries(reason: str, shop: Canonicalizer) -> None:
    assert reason in (objection(SENSELESS[reason], shop) or "no objection")


@pytest.mark.parametrize("sql", SENSIBLE)
def test_sensible_queries(sql: str, shop: Canonicalizer) -> None:
    assert objection(sql, shop) is None


def test_joins_past_the_foreign_key() -> None:
    join = "SELECT a.id FROM a JOIN b ON a.{} = b.{}"
    canonicalizer = Canonicalizer(PARTY)
    assert "foreign key" in (objection(join.format("n", "n"), canonicalizer) or "")
    assert objection(join.format("id", "a_id"), canonicalizer) is None
    without_key = Schema(PARTY.name, PARTY.tables)
    assert objection(join.format("n", "n"), Canonicalizer(without_key)) is None


def test_nested_queries_are_looked_at(shop: Canonicalizer) -> None:
    nested = "SELECT name FROM artists WHERE artist_id IN (SELECT artist_id FROM albums WHERE price LIKE '%9')"
    assert objection(nested, shop) == "a number compared with words or a pattern"


@pytest.mark.data
@pytest.mark.parametrize(("name", "most"), [("spider", 6), ("wikisql", 0)])
def test_gold_queries_are_left_alone(name: str, most: int, data_mirror: Path) -> None:
    """The promise of the module: each check refuses less than 0.5 % of the dev queries; here all of them together."""
    examples = read_set(name, "dev", data_mirror)
    canonicalizers = {example.schema.name: Canonicalizer(example.schema) for example in examples}
    reasons = (objection(example.sql, canonicalizers[example.schema.name]) for example in examples)
    refused = Counter(reason for reason in reasons if reason)
    assert refused.total() <= most, refused
    assert max(refused.values(), default=0) < 0.005 * len(examples)
    assert set(refused) <= set(CHECKS)
