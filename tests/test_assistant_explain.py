"""What a query does, in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from text2sql.assistant.explain import explain
from text2sql.data.spider import read_spider_split
from text2sql.database.sqlite import SQLiteDatabase
from text2sql.schema import Schema

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def schema(name: str) -> Schema:
    return Schema.from_ddl((EXAMPLES / "sources" / name / "schema.sql").read_text(encoding="utf-8"), name)


CASES = [
    ("music_shop", "SELECT count(*) FROM artists WHERE country = 'Japan'",
     ["Start with the artists.", "Keep only the artists whose country is Japan.", "Count the artists."]),
    ("music_shop", "SELECT title FROM albums ORDER BY price DESC LIMIT 1",
     ["Start with the albums.", "Sort by the price, highest first.", "Keep only the first row.", "Show the title."]),
    ("music_shop", "SELECT DISTINCT city FROM customers WHERE joined_on < '2020-01-01'",
     ["Start with the customers.", "Keep only the customers who joined before 1 January 2020.",
      "Show the city, each different result once."]),
    ("music_shop", "SELECT T2.name FROM albums AS T1 JOIN artists AS T2 ON T1.artist_id = T2.artist_id "
     "GROUP BY T1.artist_id HAVING count(*) >= 3",
     ["Start with the albums.", "Add the artist of each album.", "Put the rows into groups, one for each artist.",
      "Keep only groups where the number of albums is at least 3.", "Show the artist of each group."]),
    ("music_shop", "SELECT T1.name FROM artists AS T1 LEFT JOIN albums AS T2 ON T1.artist_id = T2.artist_id",
     ["Start with the artists.", "Add the albums of each artist, keeping rows without any.", "Show the artist."]),
    ("music_shop", "SELECT genre, count(*), avg(price) FROM albums GROUP BY genre ORDER BY avg(price), genre DESC "
     "LIMIT 3 OFFSET 2",
     ["Start with the albums.", "Put the rows into groups, one for each genre.",
      "Sort by the average price, lowest first; then by the genre, from Z to A.", "Skip the first 2 rows.",
      "Keep only the first 3 rows.", "Show the genre, the number of albums and the average price of each group."]),
    ("music_shop", "SELECT country FROM artists WHERE debut_year < 1990 INTERSECT SELECT country FROM artists",
     ["Get a first result:", "  Start with the artists.", "  Keep only the artists who debuted before 1990.",
      "  Show the country.", "Get a second result:", "  Start with the artists.", "  Show the country.",
      "Keep only the rows that are in both results."]),
    ("music_shop", "SELECT title FROM albums WHERE genre = 'Rock' AND (price > 20 OR stock IS NULL)",
     ["Start with the albums.", "Keep only the albums whose genre is Rock.",
      "Keep only the albums for which the price is above 20 or the stock is not known.", "Show the title."]),
    ("city_bikes", "SELECT T2.station_name FROM trips AS T1 JOIN stations AS T2 ON T1.end_station_id = T2.station_id "
     "WHERE T1.duration_minutes > 60",
     ["Start with the trips.", "Add the end station of each trip.",
      "Keep only rows where the trip duration in minutes is above 60.", "Show the end station."]),
    ("city_bikes", "SELECT model FROM bikes WHERE is_electric = 0",
     ["Start with the bikes.", "Keep only the bikes not marked as electric.", "Show the model."]),
    ("clinic", "SELECT full_name FROM doctor WHERE salary > (SELECT avg(salary) FROM doctor)",
     ["Start with the doctors.", "Keep only the doctors whose salary is above the average salary of all doctors.",
      "Show the full name."]),
    ("clinic", "SELECT full_name FROM patient WHERE id NOT IN (SELECT patient_id FROM appointment)",
     ["Start with the patients.", "Keep only the patients without any appointment.", "Show the full name."]),
    ("clinic", "SELECT avg(n) FROM (SELECT count(*) AS n FROM appointment GROUP BY doctor_id) AS per_doctor",
     ["First work out “per doctor”:", "  Start with the appointments.",
      "  Put the rows into groups, one for each doctor ID.", "  Show the number of appointments of each group.",
      "Start with these rows.", "Work out the average n."]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "sql", "steps"), CASES)
def test_steps(name: str, sql: str, steps: list[str]) -> None:
    assert explain(sql, schema(name)).split("\n") == steps


def test_common_table_expressions_come_first() -> None:
    text = explain(
        "WITH cheap AS (SELECT * FROM albums WHERE price < 5) SELECT count(*) FROM cheap", schema("music_shop")
    )
    assert text.startswith(
        "First work out “cheap”:\n  Start with the albums.\n  Keep only the albums whose price is below 5."
    )
    assert text.endswith("  Show all columns.\nStart with the rows of “cheap”.\nCount the rows.")


@pytest.mark.parametrize(
    ("sql", "part"),
    [
        ("SELECT rank() OVER (ORDER BY price) AS place FROM albums", "Show the place, which is “RANK() OVER"),
        ("SELECT title FROM albums WHERE price % 2 = 0", "Keep only rows where this holds: “price % 2 = 0”."),
        ("SELECT CASE WHEN price > 1 THEN 'a' END FROM albums", "Show “CASE WHEN price > 1 THEN 'a' END”."),
    ],
)
def test_parts_without_words_are_given_as_sql(sql: str, part: str) -> None:
    assert part in explain(sql, schema("music_shop"))


@pytest.mark.parametrize(
    ("dialect", "condition", "words"),
    [
        ("sqlite", "title NOT LIKE 'a%'", "whose title does not start with “a”"),
        ("sqlite", "NOT title LIKE 'a%'", "whose title does not start with “a”"),
        ("sqlite", "NOT title NOT LIKE 'a%'", "whose title starts with “a”"),
        ("postgres", "price IS NOT NULL", "with a price"),
        ("sqlite", "price IS NOT NULL", "with a price"),
        ("postgres", "price IS NULL", "without a price"),
    ],
)
def test_no_negation_is_lost(dialect: str, condition: str, words: str) -> None:
    text = explain(f"SELECT title FROM albums WHERE {condition}", schema("music_shop"), dialect)
    assert f"Keep only the albums {words}." in text


@pytest.mark.parametrize(
    "sql",
    ["", "DELETE FROM albums", "SELECT", "SELECT 1; SELECT 2", "not sql at all (", "PRAGMA x", "SELECT " + "(" * 3000],
)
def test_what_is_no_query_gets_one_clear_sentence(sql: str) -> None:
    text = explain(sql, schema("music_shop"))
    assert text.endswith(".")
    assert len(text) < 300


@pytest.mark.parametrize(
    ("dialect", "sql"),
    [
        (
            "postgres",
            'SELECT "T1"."title" FROM "albums" AS "T1" WHERE CAST("T1"."sold_on" AS TEXT) ILIKE \'a%\' LIMIT 3',
        ),
        ("duckdb", "SELECT * EXCLUDE (title) FROM albums QUALIFY row_number() OVER (PARTITION BY genre) = 1"),
        ("postgres", "SELECT DISTINCT ON (genre) genre, title FROM albums ORDER BY genre, price DESC"),
        ("postgres", "SELECT count(*) FILTER (WHERE price > 3), any_value(title) FROM albums, LATERAL (SELECT 1) x"),
        ("duckdb", "FROM albums"),
        ("sqlite", "SELECT [title], `genre` FROM albums NATURAL JOIN artists"),
    ],
)
def test_dialects_and_exotic_forms(dialect: str, sql: str) -> None:
    text = explain(sql, schema("music_shop"), dialect)
    assert text.startswith(("Start with the albums.", "This statement", "First"))


def test_text_in_the_query_stays_plain() -> None:
    text = explain("SELECT title FROM albums WHERE title = '<b>x</b>\n\x1b[31m'", schema("music_shop"))
    assert "<b>x</b>" in text
    assert "\x1b" not in text
    assert text.count("\n") == 2


def test_every_example_question_is_explained_whole() -> None:
    for path in (EXAMPLES / "questions").glob("*.jsonl"):
        with SQLiteDatabase(EXAMPLES / f"{path.stem}.sqlite") as database:
            for line in path.open(encoding="utf-8"):
                sql = json.loads(line)["sql"]
                text = explain(sql, database.schema)
                assert "this holds" not in text, sql
                assert text.startswith(("Start with", "Get a first result")), sql


@pytest.mark.data
def test_every_spider_dev_gold_is_explained(data_mirror: Path) -> None:
    examples = read_spider_split(data_mirror / "spider", "dev")
    assert len(examples) == 1034
    for example in examples:
        text = explain(example.sql, example.schema)
        assert text.split("\n")[0].startswith(("Start with", "Get a first result", "First work out")), example.sql
        assert "this holds" not in text, example.sql
        assert len(text) < 2000
