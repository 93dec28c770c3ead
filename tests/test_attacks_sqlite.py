"""Attacks on SQLite files, as users connect to them and without the syntax check: none succeeds, every one ends."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from attack_corpus import file_hashes, read_attacks
from text2sql.database import SQLiteDatabase, connect

ATTACKS = read_attacks("sqlite")
TIME_LIMIT = 0.3
SLOWEST = 20.0
"""Seconds in which everything must have ended: the limit, a slow machine's time for parsing, one long instruction."""
READING = ("endless", "huge values", "sizes", "hiding", "functions of no effect")
"""Categories of which some texts are queries that may run, in the time and size that they are given."""
UNBOUNDED = ("huge values", "sizes")
VICTIM = """
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL);
CREATE TABLE sale (id INTEGER PRIMARY KEY, item_id INTEGER REFERENCES item(id), amount INTEGER);
CREATE TABLE wide (n INTEGER, body TEXT);
CREATE INDEX sale_item ON sale (item_id);
CREATE VIEW cheap AS SELECT * FROM item WHERE price < 3;
CREATE VIRTUAL TABLE note USING fts5(title, body);
CREATE TRIGGER log_sale AFTER INSERT ON sale BEGIN DELETE FROM item; END;
INSERT INTO item VALUES (1, 'pen', 2), (2, 'ink', 5.5), (3, 'cup', 3);
INSERT INTO note VALUES ('first', 'hello wide world');
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t LIMIT 3000)
    INSERT INTO wide SELECT n, 'some text' FROM t;
"""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the attacked files: one ordinary, one in write-ahead-log mode."""
    folder = tmp_path_factory.mktemp("ground")
    for name, mode in (("plain", "DELETE"), ("wal", "WAL")):
        connection = sqlite3.connect(folder / f"{name}.sqlite")
        connection.executescript(f"PRAGMA journal_mode={mode};" + VICTIM)
        connection.close()
    return folder


def run_all(database: SQLiteDatabase, attacks: list[str]) -> list[str]:
    """Run attacks and give those that ran without an error; asserts that each ended."""
    ran = []
    for sql in attacks:
        start = time.monotonic()
        result = database.run(sql, time_limit=TIME_LIMIT, row_limit=100)
        assert time.monotonic() - start < SLOWEST, sql[:200]
        assert len(result.rows) <= 100
        if result.error is None:
            ran.append(sql)
    return ran


@pytest.mark.parametrize("checked", [True, False], ids=["checked", "engine alone"])
@pytest.mark.parametrize("category", ATTACKS)
def test_attacks_fail(ground: Path, monkeypatch: pytest.MonkeyPatch, category: str, checked: bool) -> None:
    if category in UNBOUNDED and not checked:
        pytest.skip("a single instruction of the engine may be long: the check is what refuses these")
    monkeypatch.chdir(ground)
    for variable in ("TMPDIR", "SQLITE_TMPDIR"):
        monkeypatch.setenv(variable, str(ground))
    before = file_hashes(ground)
    for name in ("plain", "wal"):
        path = ground / f"{name}.sqlite"
        with connect(str(path)) if checked else SQLiteDatabase(path) as database:
            ran = run_all(database, ATTACKS[category])
            assert database.run("SELECT name FROM item ORDER BY id").rows == [("pen",), ("ink",), ("cup",)]
        assert category in READING or ran == []
    assert file_hashes(ground) == before
