"""SQL written for PostgreSQL gives SQLite's rows on a real server: small queries, and Spider's databases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import dialect_cases
from text2sql.database import Database, SQLiteDatabase, connect
from text2sql.database.dialects import transpile

pytest.importorskip("psycopg", reason="psycopg is not installed (extra db)")

from engines import Postgres, plan_for
from postgres import Comparison, is_sorted, normal_rows
from postgres_server import PostgresServer, postgres_server
from text2sql.data.spider import read_spider_split

__all__ = ["postgres_server"]

HANDFUL = ("concert_singer", "pets_1", "car_1", "flight_2", "world_1", "dog_kennels")
"""Spider dev databases with texts for numbers, quoted strings, dates, bare columns and ties."""


@pytest.fixture(scope="module")
def comparison(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Comparison]:
    path = dialect_cases.write_database(tmp_path_factory.mktemp("dialects") / "music.sqlite")
    engine = Postgres(postgres_server.make_database("dialects"))
    with SQLiteDatabase(path) as database:
        plan = plan_for(database)
        engine.load(database, plan)
        yield Comparison(database, plan, engine)
    engine.connection.close()


@pytest.fixture(scope="module")
def opened(comparison: Comparison, postgres_server: PostgresServer) -> Iterator[Database]:
    """The same database as a user opens it: introspected and guarded."""
    with connect(postgres_server.url("dialects") + "?options=-csearch_path%3Dmusic") as database:
        yield database


@pytest.mark.parametrize("sql", dialect_cases.QUERIES.values(), ids=dialect_cases.QUERIES)
def test_postgres_gives_the_rows_of_sqlite(comparison: Comparison, sql: str) -> None:
    assert comparison.verdict(sql, comparison.database) == ("same", "")


@pytest.mark.parametrize(("sql", "expected"), dialect_cases.DIFFERENT.values(), ids=dialect_cases.DIFFERENT)
def test_postgres_gives_what_the_query_says(comparison: Comparison, sql: str, expected: list) -> None:
    assert comparison.verdict(sql, comparison.database)[0] != "same"
    assert sorted(comparison.engine.run(transpile(sql, comparison.plan.schema, "postgres"))) == sorted(expected)


@pytest.mark.parametrize("sql", dialect_cases.QUERIES.values(), ids=dialect_cases.QUERIES)
def test_the_guard_lets_written_queries_pass(comparison: Comparison, opened: Database, sql: str) -> None:
    result = opened.run(opened.translate(sql))
    assert result.error is None
    rows, gold = normal_rows(result.rows), normal_rows(comparison.database.run(sql).rows)
    assert rows == gold if is_sorted(sql) else Counter(rows) == Counter(gold)


def test_tables_outside_of_the_search_path(comparison: Comparison, postgres_server: PostgresServer) -> None:
    sql = """SELECT T1.name, count(*) FROM "music.Singer" T1 JOIN music.concert T2 ON T1.singer_id = T2.singer_id
             GROUP BY T1.singer_id HAVING count(*) > 1"""
    with connect(postgres_server.url("dialects")) as database:
        assert database.run(database.translate(sql)).rows == [("bert", 2)]


@pytest.mark.data
def test_a_handful_of_spider_databases(postgres_server: PostgresServer, data_mirror: Path) -> None:
    examples = [e for e in read_spider_split(data_mirror / "spider", "dev") if e.schema.name in HANDFUL]
    engine = Postgres(postgres_server.make_database("spider"))
    same = 0
    for name in HANDFUL:
        golds = {e.sql: e for e in examples if e.schema.name == name}
        with SQLiteDatabase(data_mirror / "spider" / "database" / name / f"{name}.sqlite") as database:
            plan = plan_for(database)
            engine.load(database, plan)
            outcomes = [Comparison(database, plan, engine).outcome(example) for example in golds.values()]
        assert not [o for o in outcomes if o.verdict != "same" and o.reason != "ties"]
        same += sum(o.verdict == "same" for o in outcomes)
    engine.connection.close()
    assert same > 200
