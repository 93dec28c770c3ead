"""SQL in other dialects: the same rows in DuckDB as in SQLite, names, errors, and what MySQL is given."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlglot

import dialect_cases
from text2sql.database import SQLiteDatabase
from text2sql.database.dialects import DIALECTS, transpile
from text2sql.errors import UserError
from text2sql.schema import Column, Schema, Table

SCHEMA = Schema(
    "shop",
    (
        Table("Customer", (Column("ID", "number"), Column("Name"), Column("order"), Column("Since", "time")), ("ID",)),
        Table(
            "sales.Orders",
            (Column("id", "number"), Column("Customer_ID", "number"), Column("total", "number")),
            ("id",),
        ),
        Table("items", (Column("order_id", "number"), Column("ok", "boolean"), Column("code"))),
    ),
)


def written(sql: str, dialect: str = "postgres") -> str:
    return transpile(sql, SCHEMA, dialect)


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    pytest.importorskip("duckdb", reason="DuckDB is not installed (extra db)")
    from engines import DuckDB, plan_for
    from postgres import Comparison

    path = dialect_cases.write_database(tmp_path_factory.mktemp("dialects") / "music.sqlite")
    with SQLiteDatabase(path) as database:
        engine = DuckDB()
        engine.load(database, plan_for(database))
        yield Comparison(database, plan_for(database), engine)
        engine.connection.close()


@pytest.mark.parametrize("sql", dialect_cases.QUERIES.values(), ids=dialect_cases.QUERIES)
def test_duckdb_gives_the_rows_of_sqlite(comparison, sql: str) -> None:
    assert comparison.database.run(sql).error is None
    assert comparison.verdict(sql, comparison.database) == ("same", "")


@pytest.mark.parametrize(("sql", "expected"), dialect_cases.DIFFERENT.values(), ids=dialect_cases.DIFFERENT)
def test_duckdb_gives_what_the_query_says(comparison, sql: str, expected: list) -> None:
    assert comparison.verdict(sql, comparison.database)[0] != "same"
    assert sorted(comparison.engine.run(transpile(sql, comparison.plan.schema, "duckdb"))) == sorted(expected)


@pytest.mark.parametrize("sql", dialect_cases.QUERIES.values(), ids=dialect_cases.QUERIES)
def test_mysql_text_can_be_parsed(comparison, sql: str) -> None:
    if "GLOB" in sql or "start of month" in sql:
        pytest.skip("not for MySQL")
    assert sqlglot.parse_one(transpile(sql, comparison.plan.schema, "mysql"), read="mysql")


def test_names_have_the_spelling_of_the_schema() -> None:
    assert written("select NAME from CUSTOMER where id = 1") == 'SELECT "Name" FROM "Customer" WHERE "ID" = 1'


def test_reserved_words_are_quoted() -> None:
    assert written("SELECT `order` FROM customer") == 'SELECT "order" FROM "Customer"'


def test_double_quotes_mean_a_column_where_there_is_one() -> None:
    assert written('SELECT "name" FROM customer WHERE "Name" = "Nobody"') == (
        'SELECT "Name" FROM "Customer" WHERE "Name" = \'Nobody\''
    )


@pytest.mark.parametrize("source", ['"sales.Orders"', "sales.orders", '"sales"."Orders"'])
def test_tables_of_a_namespace(source: str) -> None:
    assert written(f"SELECT total FROM {source}") == 'SELECT total FROM sales."Orders" AS "Orders"'


@pytest.mark.parametrize("qualifier", ['"sales.Orders"', "orders", "sales.orders"])
def test_columns_of_a_namespaces_table(qualifier: str) -> None:
    sql = f"SELECT {qualifier}.total FROM sales.orders JOIN customer ON customer.id = {qualifier}.customer_id"
    assert written(sql).startswith('SELECT "Orders".total FROM sales."Orders" AS "Orders" JOIN "Customer" ON')
    assert '"Orders"."Customer_ID"' in written(sql)


def test_names_that_mean_nothing_stay() -> None:
    assert written("SELECT colour FROM customer WHERE shade > 1") == 'SELECT colour FROM "Customer" WHERE shade > 1'


def test_a_determined_column_joins_the_group_and_another_does_not() -> None:
    assert written("SELECT name, count(*) FROM customer GROUP BY id").endswith('GROUP BY "ID", "Name"')
    assert "ARRAY_AGG" in written("SELECT name, count(*) FROM customer GROUP BY since")


def test_an_outer_join_determines_nothing() -> None:
    sql = "SELECT name FROM customer LEFT JOIN sales.orders AS o ON customer.id = o.customer_id GROUP BY o.customer_id"
    assert "ARRAY_AGG" in written(sql)
    assert "ARRAY_AGG" not in written(sql.replace("LEFT ", ""))


def test_strict_queries_stay_short() -> None:
    sql = "SELECT code, COUNT(*) FROM items WHERE order_id > 3 GROUP BY code HAVING COUNT(*) > 1"
    assert [written(sql, dialect) for dialect in DIALECTS] == [sql, sql, sql]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("id = '7'", '"ID" = 7'),
        ("id = 'x'", "CAST(\"ID\" AS TEXT) = 'x'"),
        ("7 < name", "'7' < \"Name\""),
        ("since > '2020-02-30'", "CAST(\"Since\" AS TEXT) > '2020-02-30'"),
        ("since > '2020-02-28'", "\"Since\" > '2020-02-28'"),
        ("name LIKE 'a%'", "\"Name\" ILIKE 'a%'"),
        ("id", '"ID" <> 0'),
    ],
)
def test_conditions(condition: str, expected: str) -> None:
    assert written(f"SELECT 1 FROM customer WHERE {condition}") == f'SELECT 1 FROM "Customer" WHERE {expected}'


def test_mysql() -> None:
    assert written("SELECT name || id FROM customer WHERE name LIKE 'a%'", "mysql") == (
        "SELECT CONCAT(`Name`, CAST(`ID` AS CHAR)) FROM `Customer` WHERE `Name` LIKE 'a%'"
    )
    assert "COUNT(*) DIV NULLIF(COUNT(DISTINCT ok), 0)" in written(
        "SELECT count(*) / count(DISTINCT ok) FROM items", "mysql"
    )
    assert "SUBSTRING_INDEX(GROUP_CONCAT(`Name` ORDER BY `ID` DESC" in written(
        "SELECT name, max(id) FROM customer", "mysql"
    )


@pytest.mark.parametrize(
    "sql",
    ["", ";", "SELEC name", "SELECT (1", "SELECT 1; SELECT 2", "DROP TABLE customer", "PRAGMA table_info(x)",
     "INSERT INTO items VALUES (1)", "SELECT name FROM customer WHERE name GLOB code", "SELECT 'unended",
     "SELECT date(since, 'weekday 0') FROM customer"],
)  # fmt: skip
def test_what_cannot_be_written_is_an_error_for_the_user(sql: str) -> None:
    with pytest.raises(UserError) as caught:
        written(sql)
    assert "\n" not in str(caught.value)


def test_deep_nesting_is_an_error_for_the_user() -> None:
    with pytest.raises(UserError):
        written("SELECT " + "(" * 5000 + "1" + ")" * 5000)


def test_an_unknown_dialect_is_an_error_for_the_user() -> None:
    with pytest.raises(UserError, match="postgres, duckdb, mysql"):
        written("SELECT 1", "oracle")


def test_the_result_is_written_the_same_again() -> None:
    """Aliases, casts and quotes that were added are understood when the user edits and runs them again."""
    for sql in ("SELECT name FROM customer WHERE id = '7'", "SELECT t.name FROM Customer AS T ORDER BY since DESC"):
        assert written(written(sql)) == written(sql)
