"""Invented names and valid SQL, on a schema of our own and on Spider's golds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text2sql.database import SQLiteDatabase
from text2sql.evaluation.hallucination import is_valid_sql, unresolved_names
from text2sql.schema import Schema

SCHEMA = Schema.from_ddl(
    """
    CREATE TABLE singer (singer_id int PRIMARY KEY, name text, age int, "home town" text);
    CREATE TABLE concert (concert_id int PRIMARY KEY, title text, year int, singer_id int REFERENCES singer(singer_id));
    """,
    "festival",
)

RESOLVED = [
    "SELECT name, T1.age, singer.* FROM singer AS T1, singer",
    "SELECT Name FROM SINGER AS s WHERE S.AGE > 1",
    'SELECT "home town", [name], `age`, "NAME" FROM "singer"',
    "SELECT main.singer.name FROM main.singer",
    "SELECT rowid FROM singer",
    "SELECT name AS n, count(*) AS k FROM singer WHERE n > 'a' GROUP BY n HAVING k > 1 ORDER BY k",
    "SELECT x.n FROM (SELECT name AS n FROM singer) AS x",
    "SELECT n FROM (SELECT *, name AS n FROM singer)",
    "SELECT title FROM concert AS c WHERE EXISTS (SELECT 1 FROM singer AS s WHERE age = c.year AND year > 1)",
    "WITH c(a, b) AS (SELECT title, year FROM concert) SELECT c.a FROM c WHERE b > 1 AND a IN c",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT i FROM n",
    "SELECT name FROM singer UNION SELECT title FROM concert ORDER BY name",
    "SELECT s.name FROM (singer AS s JOIN concert USING (singer_id)) NATURAL LEFT JOIN concert AS c",
    "SELECT t.name FROM (singer) AS t",
    "SELECT value FROM json_each('[1]')",
    "SELECT T1.title FROM singer AS T1 JOIN concert AS T1",
    "SELECT CASE WHEN age > 1 THEN 'a' END, strftime('%Y', year), NULL, TRUE, current_date FROM singer, concert",
    # double quotes where only a value makes sense
    'SELECT name FROM singer WHERE name = "Anna" OR "Anna" = name OR name LIKE "%a" OR name IS "x" OR ("Bo") != name',
    'SELECT name FROM singer WHERE name IN ("Anna", "Bo") AND age BETWEEN "1" AND "nine" AND max(name) >= "x"',
    'SELECT strftime("%Y-%m", year) FROM concert WHERE (SELECT max(name) FROM singer) = "Anna"',
]

UNRESOLVED = {
    "SELECT size FROM singer": ["size"],
    "SELECT Size, AGE, size FROM singer": ["Size"],
    "SELECT T1.size, T2.name FROM singer AS T1": ["T1.size", "T2.name"],
    "SELECT singer.name FROM singer AS T1": ["singer.name"],
    "SELECT T2.* FROM singer AS T1": ["T2.*"],
    "SELECT size, height FROM band WHERE weight > 1": ["band"],
    "SELECT name FROM other.singer": ["other.singer"],
    "SELECT title FROM singer JOIN concert AS c ON singer.id = c.singer_id": ["singer.id"],
    "SELECT name FROM singer JOIN concert USING (id)": ["id"],
    "SELECT name FROM singer WHERE singer_id IN (SELECT id FROM concert WHERE city = 1)": ["id", "city"],
    "SELECT x.age FROM (SELECT name FROM singer) AS x": ["x.age"],
    "SELECT size FROM (SELECT * FROM singer)": ["size"],
    "WITH c(a) AS (SELECT title FROM concert) SELECT title FROM c": ["title"],
    "SELECT name FROM singer UNION SELECT name FROM concert ORDER BY age": ["name", "age"],
    "SELECT name FROM singer WHERE age IN (SELECT year FROM concert GROUP BY age)": [
        "age"
    ],  # GROUP BY can't look outwards
    "SELECT name FROM singer WHERE age IN ages": ["ages"],
    # double quotes where SQLite would silently take a string
    'SELECT "stage name" FROM singer': ["stage name"],
    'SELECT max("size") FROM singer ORDER BY "height"': ["size", "height"],
    'SELECT name FROM singer WHERE "size" > 3 AND "town" = \'Oslo\'': ["size", "town"],
    'SELECT name FROM singer WHERE "town" = "Oslo"': ["town"],
    'SELECT name FROM singer WHERE "town" IN ("Oslo") AND "size" BETWEEN 1 AND 2': ["town", "size"],
    'SELECT T1."size" FROM singer AS T1 WHERE T1.name = T1."Anna"': ["T1.size", "T1.Anna"],
    "SELECT name FROM singer WHERE name = [Oslo] OR name = `Rome`": ["Oslo", "Rome"],
}


@pytest.mark.parametrize("sql", RESOLVED)
def test_names_that_resolve(sql: str) -> None:
    assert unresolved_names(sql, SCHEMA) == []


@pytest.mark.parametrize("sql", UNRESOLVED)
def test_names_that_do_not(sql: str) -> None:
    assert unresolved_names(sql, SCHEMA) == UNRESOLVED[sql]


def test_agrees_with_sqlite_where_nothing_is_quoted() -> None:
    with SQLiteDatabase.from_rows(SCHEMA, {}) as database:
        for sql in [*RESOLVED, *UNRESOLVED]:
            if '"' not in sql:
                error = database.run(sql).error or ""
                assert bool(unresolved_names(sql, SCHEMA)) == ("no such" in error or "cannot join" in error), (
                    sql,
                    error,
                )


@pytest.mark.parametrize(
    "sql", ["", "I cannot answer", "SELECT FROM WHERE", "DROP TABLE band", "(" * 5_000, "SELECT 'a"]
)
def test_what_is_no_query_has_no_names_and_is_not_valid(sql: str) -> None:
    assert unresolved_names(sql, SCHEMA) == []
    assert not is_valid_sql(sql, SCHEMA)


@pytest.mark.parametrize(
    ("sql", "valid"),
    [
        ("SELECT name FROM singer", True),
        ("  with x as (select 1) select * from x;", True),
        ("VALUES (1, 2)", True),
        ('SELECT "stage name" FROM singer', True),  # SQLite's string
        ("SELECT size FROM singer", False),
        ("SELECT name FROM singer; SELECT 1", False),
        ("WITH x AS (SELECT 1) DELETE FROM singer", False),
        ("QUERY PLAN SELECT 1", False),
        ("PRAGMA table_info(singer)", False),
        ("SELECT year(title) FROM concert", False),
    ],
)
def test_valid_sql(sql: str, valid: bool) -> None:
    assert is_valid_sql(sql, SCHEMA) is valid


def test_endless_queries_are_only_compiled() -> None:
    assert is_valid_sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT count(*) FROM n", SCHEMA)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(" ".join(RESOLVED).split()), max_size=15).map(lambda words: "SELECT " + " ".join(words))
)
def test_any_text_is_judged(sql: str) -> None:
    assert all(isinstance(name, str) for name in unresolved_names(sql, SCHEMA))
    assert is_valid_sql(sql, SCHEMA) in (True, False)


@pytest.mark.data
def test_spider_dev_golds_are_valid_and_invent_nothing(data_mirror: Path) -> None:
    """213 of them write strings in double quotes."""
    entries = json.loads((data_mirror / "spider" / "tables.json").read_text())
    schemas = {entry["db_id"]: Schema.from_spider(entry) for entry in entries}
    golds = json.loads((data_mirror / "spider" / "dev.json").read_text())
    judged = [
        (unresolved_names(gold["query"], schemas[gold["db_id"]]), is_valid_sql(gold["query"], schemas[gold["db_id"]]))
        for gold in golds
    ]
    assert judged == [([], True)] * 1_034
