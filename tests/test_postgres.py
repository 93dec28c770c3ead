"""PostgreSQL for real: schema, results, limits, lost connections, messages; the manual's commands."""

from __future__ import annotations

import datetime
import re
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from postgres_server import PASSWORD, PostgresServer, postgres_server  # noqa: F401
from text2sql.database import connect
from text2sql.database.postgres import PostgresDatabase
from text2sql.database.statements import check_statement
from text2sql.errors import UserError
from text2sql.schema import ForeignKey

MANUAL = Path(__file__).resolve().parents[1] / "docs" / "databases.md"
SHOP = """
CREATE TYPE color AS ENUM ('red', 'blue');
CREATE TABLE customer (id serial PRIMARY KEY, name text NOT NULL, born date, color color, note jsonb, tags text[],
                       place point, "Weird Name" int, active boolean, key uuid, seen timestamptz, data bytea);
COMMENT ON TABLE customer IS 'people who buy';
COMMENT ON COLUMN customer.name IS 'full
name';
CREATE TABLE sale (customer_id int REFERENCES customer, day date, amount numeric(10, 2),
                   PRIMARY KEY (customer_id, day));
CREATE TABLE line (customer int, sold date, pieces int, FOREIGN KEY (customer, sold) REFERENCES sale);
CREATE TABLE part (id int, kind int) PARTITION BY LIST (kind);
CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
CREATE TABLE part_2 PARTITION OF part FOR VALUES IN (2);
CREATE VIEW large_sale AS SELECT * FROM sale WHERE amount > 10;
CREATE MATERIALIZED VIEW total AS SELECT sum(amount) AS amount FROM sale;
CREATE SCHEMA archive;
CREATE TABLE archive.sale (id int, customer_id int REFERENCES customer, "Old Price" numeric);
CREATE TABLE archive.hidden (id int);
CREATE TABLE "dot.ted" (id int);
INSERT INTO customer (name, born, color, note, tags, place, active, seen, data) VALUES
    ('Ann', '1990-01-02', 'red', '{"a": 1}', '{a,b}', '(1,2)', true, '2024-05-06 07:08:09+00', '\\x00ff'),
    ('Bob', 'infinity', 'blue', NULL, NULL, NULL, false, NULL, NULL), ('Cy', '0044-03-15 BC', NULL, NULL, NULL, NULL,
    NULL, NULL, NULL);
INSERT INTO sale VALUES (1, '2020-01-01', 12.5), (2, '2020-02-01', 3);
INSERT INTO archive.sale VALUES (1, 1, 7.25);
INSERT INTO part SELECT n, 1 + n % 2 FROM generate_series(1, 10) n;
"""


@pytest.fixture(scope="module")
def server(postgres_server: PostgresServer) -> PostgresServer:  # noqa: F811
    postgres_server.make_database("shop", SHOP)
    postgres_server.make_role("shop_reader")
    postgres_server.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO shop_reader", "shop")
    postgres_server.execute("GRANT USAGE ON SCHEMA archive TO shop_reader", "shop")
    postgres_server.execute("GRANT SELECT ON archive.sale TO shop_reader", "shop")
    return postgres_server


@pytest.fixture(scope="module")
def shop(server: PostgresServer) -> Iterator[PostgresDatabase]:
    with PostgresDatabase(server.url("shop", "shop_reader")) as database:
        yield database


def test_the_schema_has_keys_comments_views_and_other_schemas(shop: PostgresDatabase) -> None:
    schema = shop.schema
    names = [table.name for table in schema.tables]
    assert names == ["customer", "sale", "line", "part", "large_sale", "total", "archive.sale"]
    customer = schema.tables[0]
    assert [column.type for column in customer.columns] == [
        *("number", "text", "time", "text", "others", "others", "others", "number", "boolean", "text", "time", "others")
    ]
    assert customer.comment == "people who buy"
    assert customer.columns[1].comment == "full name"
    assert schema.tables[1].primary_key == ("customer_id", "day")
    assert set(schema.foreign_keys) == {
        ForeignKey("sale", ("customer_id",), "customer", ("id",)),
        ForeignKey("line", ("customer", "sold"), "sale", ("customer_id", "day")),
        ForeignKey("archive.sale", ("customer_id",), "customer", ("id",)),
    }


def test_columns_that_may_not_be_read_are_left_out(server: PostgresServer) -> None:
    server.make_role("clerk")
    server.execute("GRANT SELECT (id, name) ON customer TO clerk", "shop")
    with connect(server.url("shop", "clerk")) as database:
        assert [(t.name, [c.name for c in t.columns]) for t in database.schema.tables] == [("customer", ["id", "name"])]
        assert "permission denied" in str(database.run("SELECT born FROM customer").error)


def test_values_are_python_s_or_text(shop: PostgresDatabase) -> None:
    result = shop.run("SELECT * FROM customer ORDER BY id")
    ann, bob, cy = result.rows
    assert ann[:8] == (1, "Ann", datetime.date(1990, 1, 2), "red", '{"a": 1}', "{a,b}", "(1,2)", None)
    assert ann[8] is True
    assert ann[10] == datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.UTC)
    assert ann[11] == b"\x00\xff"
    assert bob[2] == "infinity"
    assert cy[2].endswith("BC")
    assert shop.run("SELECT 1.5::numeric, 2.5::float8, 'NaN'::float8 > 1").rows == [(Decimal("1.5"), 2.5, True)]


def test_names_of_columns_and_their_order_are_kept(shop: PostgresDatabase) -> None:
    result = shop.run('SELECT name AS a, id AS a, 1, "Weird Name" FROM customer ORDER BY id DESC; -- the end')
    assert result.columns == ("a", "a", "?column?", "Weird Name")
    assert [row[0] for row in result.rows] == ["Cy", "Bob", "Ann"]
    assert shop.run("SELECT name, count(*) FROM customer WHERE id > 99 GROUP BY name").columns == ("name", "count")
    assert shop.run("SELECT '50%' AS \"%s\", 'a' LIKE '%a%'").rows == [("50%", True)]


def test_rows_are_capped(shop: PostgresDatabase) -> None:
    endless = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n FROM t"
    result = shop.run(endless, row_limit=100)
    assert (len(result.rows), result.truncated, result.error) == (100, True, None)
    assert not shop.run("SELECT * FROM sale", row_limit=2).truncated
    assert shop.run(f"{endless} ORDER BY n", time_limit=0.2).error == "time limit of 0.2 s exceeded"


def test_rows_that_are_too_large_are_an_error_before_they_are_sent(server: PostgresServer) -> None:
    url = server.make_database("large", "CREATE TABLE t AS SELECT repeat('x', 11000000) AS body, 1 AS id")
    with connect(url) as database:
        assert database.run("SELECT body FROM t", 30).error == "a row is larger than 10,000,000 bytes"
        assert database.run("SELECT left(body, 3), length(body) FROM t", 30).rows == [("xxx", 11_000_000)]
        assert "whole rows" in str(database.run("SELECT t FROM t", 30).error)


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT nme FROM customer", 'Perhaps you meant to reference the column "customer.name"'),
        ("SELECT * FROM custmer", 'relation "custmer" does not exist'),
        ("SELECT name FROM", "syntax error"),
        ("SELECT 1 / 0", "division by zero"),
        ("DELETE FROM customer", "refused (DELETE)"),
        ("SELECT pg_sleep(9)", "refused (function pg_sleep)"),
        ("SELECT 1; SELECT 2", "refused (several statements)"),
        ("", "refused (no statement)"),
        ("SELECT '\ud800'", "refused"),
    ],
)
def test_errors_are_one_clear_line(shop: PostgresDatabase, sql: str, words: str) -> None:
    error = shop.run(sql).error or ""
    assert words in error
    assert "\n" not in error
    assert shop.run("SELECT count(*) FROM customer").rows == [(3,)]


def test_ordinary_queries_are_not_refused() -> None:
    for sql in [
        "SELECT lower(a), count(DISTINCT b) FILTER (WHERE c > 1), sum(d) OVER (PARTITION BY e ORDER BY f) FROM t",
        "SELECT extract(year FROM d), substring(a FROM 1 FOR 2), trim(BOTH 'x' FROM y), position('a' IN b) FROM t",
        "SELECT CASE WHEN a THEN 1 END, coalesce(a, b), date '2020-01-01' + interval '1 day', a::numeric(10, 2) FROM t",
        "SELECT a ->> 'b', a @> b, a ~* 'x', a ILIKE 'b', a IS DISTINCT FROM b, a = ANY(ARRAY[1, 2]), 2 ^ 3 FROM t",
        "(SELECT 1) UNION ALL SELECT 2 EXCEPT SELECT 3 ORDER BY 1 LIMIT 3 OFFSET 1",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x), string_agg(a, ',' ORDER BY b) FROM t",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT * FROM t",
        "SELECT DISTINCT ON (a) a FROM s.t, LATERAL unnest(c) u ORDER BY a, b DESC NULLS LAST FETCH FIRST 3 ROWS ONLY",
        "SELECT date_trunc('month', d)::date, to_char(d, 'YYYY'), now(), current_date FROM t GROUP BY ROLLUP (a, b)",
        "SELECT 'it''s -- no comment' AS \"a \"\" b\" /* a comment */ FROM t -- another",
    ]:
        assert check_statement(sql, "postgres") is None, sql


def test_the_engine_refuses_without_our_check_too(server: PostgresServer) -> None:
    """As a superuser: the transaction cannot be made writable, and the session has lost its rights."""
    with PostgresDatabase(server.url("shop")) as database:
        for sql, words in [
            ("SELECT set_config('transaction_read_only', 'off', true)", "read-write"),
            ("SELECT nextval('customer_id_seq')", "permission denied"),
            ("SELECT pg_read_file('/etc/passwd')", "permission denied"),
            ("SELECT lo_export(1, '/tmp/evil')", "permission denied"),
            ("WITH d AS (DELETE FROM sale RETURNING *) SELECT * FROM d", "data-modifying"),
            ("SELECT 1) x; DELETE FROM sale; SELECT * FROM (SELECT 1", "multiple commands"),
        ]:
            assert words in str(database._run(sql, 5.0, 10).error)
        database._run("SELECT set_config('statement_timeout', '0', false)", 5.0, 10)
        assert database._run("SELECT pg_sleep(60)", 0.2, 10).error == "time limit of 0.2 s exceeded"


def test_row_counts_and_distinct_values(server: PostgresServer, shop: PostgresDatabase) -> None:
    assert [shop.row_count(table.name) for table in shop.schema.tables] == [3, 2, 0, 10, 1, 1, 1]
    assert sorted(shop.distinct_values("customer", "NAME", 10)) == ["Ann", "Bob", "Cy"]
    assert shop.distinct_values("archive.sale", "old price", 5) == [Decimal("7.25")]
    assert shop.distinct_values("customer", "note", 5) == ['{"a": 1}']
    with pytest.raises(UserError, match="no column"):
        shop.distinct_values("customer", "nope", 5)
    with pytest.raises(UserError, match="no table"):
        shop.row_count("nope")
    script = "CREATE TABLE t AS SELECT n, n % 7 AS m FROM generate_series(1, 1200000) n; ANALYZE t"
    with connect(server.make_database("big", script)) as big:
        assert abs((big.row_count("t") or 0) - 1_200_000) < 120_000
        assert sorted(big.distinct_values("t", "m", 100)) == list(range(7))


def test_the_model_s_sql_is_translated_and_runs(shop: PostgresDatabase) -> None:
    sql = shop.translate('SELECT "Old Price" FROM "archive.sale" WHERE customer_id = "1"')
    assert "archive.sale" in sql.replace('"', "")
    assert shop.run(sql).rows == [(Decimal("7.25"),)]
    assert shop.run(shop.translate('SELECT T1.name FROM customer AS T1 WHERE T1.name = "Ann"')).rows == [("Ann",)]


def test_a_running_query_can_be_cancelled(shop: PostgresDatabase) -> None:
    timer = threading.Timer(0.5, shop.cancel)
    timer.start()
    result = shop._run("SELECT pg_sleep(30)", 30.0, 1)
    timer.join()
    assert result.error == "cancelled"
    assert result.seconds < 20
    shop.cancel()  # nothing runs: does nothing
    assert shop.run("SELECT 1").rows == [(1,)]


def test_several_threads_share_a_connection(shop: PostgresDatabase) -> None:
    found: list[object] = []
    threads = [threading.Thread(target=lambda n=n: found.append(shop.run(f"SELECT {n}").rows[0][0])) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(12))  # type: ignore[type-var]


def test_a_restarted_server_is_found_again(server: PostgresServer, shop: PostgresDatabase) -> None:
    results = []
    thread = threading.Thread(target=lambda: results.append(shop._run("SELECT pg_sleep(30)", 30.0, 1)))
    thread.start()
    time.sleep(0.5)
    server.stop()
    thread.join()
    assert "lost" in results[0].error
    assert "no PostgreSQL server answers there" in str(shop.run("SELECT 1").error)
    server.start()
    assert shop.run("SELECT count(*) FROM customer").rows == [(3,)]
    server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop'")
    assert shop.run("SELECT count(*) FROM customer").rows == [(3,)]  # an idle connection that was lost: no error


def test_problems_of_connecting_are_told_without_secrets(server: PostgresServer) -> None:
    port = server.port
    for url, words in [
        (server.url(password="wr0ng-geheim"), "refuses this role with this password"),
        (server.url("missing"), 'database "missing" does not exist'),
        (server.url(user="nobody", password="geheim"), "refuses this role"),
        ("postgresql://a:geheim@127.0.0.1:1/x", "no PostgreSQL server answers"),
        ("postgresql://a:gehe@im@127.0.0.1/x", "cannot be read"),
        ("postgresql://a:geheim/1@127.0.0.1/x", "cannot be read"),
        ("postgresql://a:%zzgeheim@127.0.0.1/x", "cannot be read"),
        (f"postgresql://127.0.0.1:{port}/x?pasword=geheim", "cannot be read"),
        (f"postgres://127.0.0.1:{port}/x?user=a&password=geheim", "refuses this role"),
    ]:
        with pytest.raises(UserError) as caught:
            connect(url)
        message = str(caught.value)
        assert words in message
        assert "gehe" not in message
        assert "\n" not in message
        assert caught.value.__cause__ is None


def test_a_server_that_never_answers_is_given_up() -> None:
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(UserError, match="did not answer in time"):
            connect(f"postgresql://a:b@127.0.0.1:{silent.getsockname()[1]}/x?connect_timeout=2")


def test_the_password_is_shown_nowhere(shop: PostgresDatabase, server: PostgresServer) -> None:
    assert shop.url == f"postgresql://shop_reader@127.0.0.1:{server.port}/shop"
    assert PASSWORD not in repr(shop) + shop.url + str(shop.run("SELECT nope").error)


def test_roles_that_could_do_harm_are_warned_of(server: PostgresServer, shop: PostgresDatabase) -> None:
    assert shop.warnings == ()
    server.make_role("writer")
    server.execute("GRANT INSERT ON sale TO writer; ALTER ROLE writer NOSUPERUSER", "shop")
    server.make_role("owner")
    server.execute("ALTER TABLE line OWNER TO owner", "shop")
    server.make_role("mighty", "IN ROLE pg_write_all_data")
    for role, words in [
        ("postgres", "superuser"),
        ("writer", "may write to sale"),
        ("owner", "owns line"),
        ("mighty", "pg_write_all_data"),
    ]:
        with PostgresDatabase(server.url("shop", role)) as database:
            assert any(words in warning and "docs/databases.md" in warning for warning in database.warnings), role


def test_the_manual_s_commands_make_a_harmless_role(server: PostgresServer) -> None:
    text = MANUAL.read_text(encoding="utf-8")
    commands = "\n".join(re.findall(r"```sql\n(.*?)```", text, re.DOTALL))
    python = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]
    server.execute("DROP OWNED BY text2sql_reader; DROP ROLE text2sql_reader", "shop") if server.execute(
        "SELECT 1 FROM pg_roles WHERE rolname = 'text2sql_reader'"
    ) else None
    server.execute(commands, "shop")
    server.execute("CREATE TABLE later (id int)", "shop")
    with connect(server.url("shop", "text2sql_reader", "choose-a-password")) as database:
        assert database.warnings == ()
        assert database.schema.table("later") is not None
        assert database.run("SELECT count(*) FROM customer").rows == [(3,)]
    server.execute("GRANT SELECT (id, name) ON customer TO text2sql_reader", "shop")
    exec(python.replace("localhost:5432", f"127.0.0.1:{server.port}"), {})
    server.execute("DROP TABLE later", "shop")
