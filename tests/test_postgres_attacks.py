"""Attacks on a real PostgreSQL server, as a superuser and as a read-only role: none succeeds, every one ends."""

from __future__ import annotations

import hashlib
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from attack_corpus import read_attacks
from postgres_server import PostgresServer, postgres_server  # noqa: F401
from text2sql.database.postgres import PostgresDatabase
from text2sql.database.postgres_session import GRACE

ATTACKS = read_attacks("postgres")
TIME_LIMIT = 0.3
SLOWEST = TIME_LIMIT + GRACE + 8.0
"""Seconds in which everything must have ended: limit, grace, and a slow machine's time for parsing and reconnecting."""
MEMORY = 1_500_000
"""kB that an attack may take on the server, and all of them together on our side."""

VICTIM = """
CREATE TABLE item (id int PRIMARY KEY, name text, price numeric);
CREATE TABLE sale (id int PRIMARY KEY, item_id int REFERENCES item, amount int);
CREATE TABLE secret (word text);
CREATE TABLE wide (n int, body text);
CREATE TABLE huge (body text);
CREATE SEQUENCE counter;
CREATE INDEX item_name ON item (name);
CREATE VIEW cheap AS SELECT * FROM item WHERE price < 3;
CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM item;
CREATE TYPE evil_type AS ENUM ('a');
INSERT INTO item VALUES (1, 'pen', 2), (2, 'ink', 5.5), (3, 'cup', 3);
INSERT INTO sale VALUES (1, 1, 3), (2, 3, 1);
INSERT INTO secret VALUES ('swordfish');
INSERT INTO wide SELECT n, repeat('x', 1000) FROM generate_series(1, 3000) n;
INSERT INTO huge VALUES (repeat('x', 60000000));
CREATE FUNCTION raise_prices() RETURNS int LANGUAGE sql SECURITY DEFINER
    AS 'UPDATE item SET price = price + 1; SELECT 1';
CREATE FUNCTION spy(item) RETURNS int LANGUAGE sql SECURITY DEFINER AS 'UPDATE item SET price = price + 1; SELECT 1';
"""
FINGERPRINT = """
SELECT (SELECT md5(string_agg(i::text, '|' ORDER BY i)) FROM item i),
       (SELECT md5(string_agg(s::text, '|' ORDER BY s)) FROM sale s), (SELECT string_agg(word, '|') FROM secret),
       (SELECT count(*) FROM wide), (SELECT sum(length(body)) FROM huge),
       (SELECT format('%s %s', last_value, is_called) FROM counter),
       (SELECT md5(string_agg(concat(oid, relname, relkind, relacl), '|' ORDER BY oid))
        FROM pg_class WHERE relpersistence <> 't'),
       (SELECT md5(string_agg(concat(oid, proname, prosrc), '|' ORDER BY oid)) FROM pg_proc),
       (SELECT md5(string_agg(concat(attrelid, attname), '|' ORDER BY attrelid, attnum)) FROM pg_attribute),
       (SELECT md5(string_agg(a::text, '|' ORDER BY oid)) FROM pg_authid a),
       (SELECT md5(string_agg(concat(name, setting), '|' ORDER BY name)) FROM pg_settings),
       (SELECT count(*) FROM pg_db_role_setting), (SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_'),
       (SELECT count(*) FROM pg_largeobject_metadata), (SELECT count(*) FROM pg_replication_slots),
       (SELECT count(*) FROM pg_extension), (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),
       (SELECT count(*) FROM pg_description), (SELECT count(*) FROM pg_prepared_xacts)
"""
Fingerprint = tuple[list[tuple], str]


@pytest.fixture(scope="module")
def victim(postgres_server: PostgresServer) -> Iterator[PostgresServer]:  # noqa: F811
    """A server with the attacked database, and a role `reader` that may only read."""
    postgres_server.make_database("victim", VICTIM)
    postgres_server.make_role("reader")
    postgres_server.make_role("evil_role")
    postgres_server.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", "victim")
    yield postgres_server
    postgres_server.execute("DROP DATABASE victim WITH (FORCE)")


def fingerprint(server: PostgresServer) -> Fingerprint:
    """Rows, catalogs, settings and locks of the database, and the files that an attack could have written."""
    files = sorted(path.name for path in (*Path("/tmp").glob("evil*"), *(server.folder / "data").glob("evil*")))
    configuration = (server.folder / "data" / "postgresql.auto.conf").read_bytes()
    return server.execute(FINGERPRINT, "victim"), hashlib.sha256(repr(files).encode() + configuration).hexdigest()


def server_memory(database: PostgresDatabase) -> int:
    """kB of own memory that the server process of this session has taken at most."""
    if database._connection.closed:
        return 0
    try:
        status = Path(f"/proc/{database._connection.info.backend_pid}/status").read_text()
    except FileNotFoundError:
        return 0
    return int(status.partition("VmHWM:")[2].split()[0])


def run_all(database: PostgresDatabase, category: str) -> list[str]:
    """Run a category's attacks. Gives those that ran without an error; asserts that each ended and took little."""
    ran = []
    for sql in ATTACKS[category]:
        start = time.monotonic()
        result = database.run(sql, time_limit=TIME_LIMIT, row_limit=100)
        assert time.monotonic() - start < SLOWEST, sql[:200]
        assert server_memory(database) < MEMORY, sql[:200]
        assert len(result.rows) <= 100
        assert "\n" not in (result.error or "")
        assert category == "resources" or "time limit" not in (result.error or ""), f"it slept: {sql}"
        if result.error is None:
            ran.append(sql)
    return ran


def test_the_corpus_is_large_and_every_text_is_different() -> None:
    texts = [sql for category in ("postgres", "sqlite") for group in read_attacks(category).values() for sql in group]
    assert len(texts) >= 600
    assert sum(map(len, ATTACKS.values())) == len({sql for group in ATTACKS.values() for sql in group})


@pytest.mark.parametrize("category", ATTACKS)
def test_a_superuser_s_attacks_fail(victim: PostgresServer, category: str) -> None:
    before = fingerprint(victim)
    with PostgresDatabase(victim.url("victim")) as database:
        ran = run_all(database, category)
        assert database.run("SELECT name FROM item ORDER BY id").rows == [("pen",), ("ink",), ("cup",)]
    if category not in ("resources", "hiding"):  # some texts hide nothing but a comment
        assert ran == []
    assert fingerprint(victim) == before
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2 * MEMORY


def test_the_server_alone_refuses_a_reader_everything(victim: PostgresServer) -> None:
    """The first layer without the second: the same attacks, unchecked, as the role that the manual recommends."""
    before = fingerprint(victim)
    with PostgresDatabase(victim.url("victim", "reader")) as database:
        assert database.warnings == ()
        for category, attacks in ATTACKS.items():
            for sql in attacks if category != "resources" else ():
                start = time.monotonic()
                try:
                    database._run(sql, TIME_LIMIT, 100)
                finally:
                    assert time.monotonic() - start < SLOWEST, sql[:200]
        assert database.run("SELECT count(*) FROM item").rows == [(3,)]
    assert fingerprint(victim) == before
