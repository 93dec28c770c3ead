"""The value index of a user's database: what is indexed, how it is kept, and that large tables do not slow it down."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import time
from pathlib import Path

import pytest

from text2sql.data.database_values import cache_file, data_version, is_useful, value_index
from text2sql.database import Database, ExecutionResult, SQLiteDatabase, connect
from text2sql.database.sampling import EXACT_ROWS
from text2sql.prompting.linking import ValueIndex
from text2sql.prompting.words import split_words
from text2sql.schema import Column, Schema, Table

SCRIPT = """
CREATE TABLE city (id INTEGER PRIMARY KEY, name TEXT, founded INT, area REAL, flag BLOB, story TEXT);
INSERT INTO city VALUES (1, 'Zürich', 1218, 87.88, x'00ff', NULL), (2, 'New York', 1624, 783.8, NULL, 'x');
CREATE TABLE "odd ""name" ("a b" TEXT);
INSERT INTO "odd ""name" VALUES ('Semi; colon');
CREATE VIEW broken AS SELECT * FROM gone;
"""
NUMBERS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {rows})"


def make(path: Path, script: str = SCRIPT) -> Path:
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    return path


def found(index: ValueIndex, question: str) -> list[tuple[int, str]]:
    return [(cell.column, cell.text) for cell in index.find(question, split_words(question))]


class Counting:
    """Counts how often the values of a column are read from a database."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reads = 0
        read = database.distinct_values

        def counted(table: str, column: str, limit: int) -> list:
            self.reads += 1
            return read(table, column, limit)

        monkeypatch.setattr(database, "distinct_values", counted)


def test_cells_are_found(tmp_path: Path) -> None:
    with connect(str(make(tmp_path / "a.sqlite"))) as database:
        index = value_index(database, cache=tmp_path / "cache")
    assert found(index, "how large is zurich or new york?") == [(1, "New York"), (1, "Zürich")]
    assert found(index, "which was founded in 1218") == [(2, "1218")]
    assert found(index, "semi colon") == [(6, "Semi; colon")]


def test_the_second_time_nothing_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(str(make(tmp_path / "a.sqlite"))) as database:
        counting = Counting(database, monkeypatch)
        built = value_index(database, cache=tmp_path / "cache")
        assert counting.reads == 6
        loaded = value_index(database, cache=tmp_path / "cache")
        assert counting.reads == 6
        assert loaded.places() == built.places()
        assert len(loaded) == len(built) > 0


def test_the_cache_is_private_and_names_nothing(tmp_path: Path) -> None:
    with connect(str(make(tmp_path / "secret name.sqlite"))) as database:
        value_index(database, cache=tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    assert "secret" not in file.name
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "secret" not in file.read_text(encoding="utf-8")


def test_the_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(str(make(tmp_path / "a.sqlite"))) as database:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert cache_file(database).parent == tmp_path / "xdg" / "text2sql"
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        assert cache_file(database).parent == tmp_path / "home" / ".cache" / "text2sql"
        monkeypatch.chdir(tmp_path)
        assert cache_file(connect("sqlite:///a.sqlite"), tmp_path) == cache_file(database, tmp_path)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = make(tmp_path / "a.sqlite")
    with connect(str(path)) as database:
        value_index(database, cache=tmp_path / "cache")
        version = data_version(database)
    make(path, "INSERT INTO city VALUES (3, 'Oslo', 1040, 454.0, NULL, NULL)")
    with connect(str(path)) as database:
        assert data_version(database) != version
        assert found(value_index(database, cache=tmp_path / "cache"), "oslo") == [(1, "Oslo")]
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\xff\xfe\x00",
        b"{",
        b"[]",
        b"null",
        b'{"version": 1}',
        b'{"version": "V", "places": {"a": [[1, 2]]}}',
        b'{"version": "V", "places": {"a": 5}}',
        b'{"version": "V", "places": [1]}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_cache_is_rebuilt(tmp_path: Path, damage: bytes) -> None:
    with connect(str(make(tmp_path / "a.sqlite"))) as database:
        built = value_index(database, cache=tmp_path).places()
        file = cache_file(database, tmp_path)
        version = json.dumps(data_version(database))[1:-1].encode()
        file.write_bytes(damage.replace(b"V", version))
        assert value_index(database, cache=tmp_path).places() == built
        assert json.loads(file.read_text(encoding="utf-8"))["version"] == data_version(database)


def test_an_unusable_cache_folder_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with connect(str(make(tmp_path / "a.sqlite"))) as database:
        assert len(value_index(database, cache=tmp_path / "file" / "folder")) > 0


def test_contents_in_memory_are_not_cached(tmp_path: Path) -> None:
    schema = Schema("toy", (Table("t", (Column("a"),)),))
    with SQLiteDatabase.from_rows(schema, {"t": [("x",), ("y",)]}) as database:
        assert found(value_index(database, cache=tmp_path / "cache"), "is it y") == [(0, "y")]
    assert not (tmp_path / "cache").exists()


def test_a_servers_index_grows_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = SQLiteDatabase(make(tmp_path / "a.sqlite"))
    counting = Counting(database, monkeypatch)
    assert database.schema
    monkeypatch.setattr(database, "path", None)  # as a server has none
    for _ in range(2):
        value_index(database, cache=tmp_path / "cache")
    assert counting.reads == 6
    file = cache_file(database, tmp_path / "cache")
    data = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**data, "written": time.time() - 48 * 3600}), encoding="utf-8")
    value_index(database, cache=tmp_path / "cache")
    assert counting.reads == 12


def test_useless_columns_are_left_out() -> None:
    assert is_useful(["a", "b"], 5)
    assert is_useful([2014, 2015], 5)
    assert not is_useful([], 5)
    assert not is_useful([b"x", b"y"], 5)
    assert not is_useful(["x" * 100, "y" * 100, "z"], 5)
    assert not is_useful(list(range(5)), 5)
    assert not is_useful([0.1, 0.2, 0.3], 3)
    assert not is_useful([f"user{n}" for n in range(5)], 5)
    assert is_useful(["Ana", "Ödön", "Bo", "Li", "No 5"], 5)


def test_large_tables_are_sampled_with_gaps_and_strange_columns(tmp_path: Path) -> None:
    rows = 20_000
    script = f"""
        CREATE TABLE t (rowid TEXT, "block " TEXT, start INT, "a ""b" TEXT);
        {NUMBERS.format(rows=rows)} INSERT INTO t (_rowid_, rowid, "block ", start, "a ""b")
        SELECT x * 1000, 'kind ' || (x % 7), 'kind ' || (x % 7), x,
               CASE WHEN x = 3 THEN NULL ELSE 'name ' || x END FROM n;
        CREATE TABLE keyed (name TEXT PRIMARY KEY, kind TEXT) WITHOUT ROWID;
        {NUMBERS.format(rows=50)} INSERT INTO keyed SELECT 'k' || x, 'kind ' || (x % 3) FROM n;
        CREATE VIEW seen AS SELECT "block " AS kind FROM t;
    """
    with connect(str(make(tmp_path / "a.sqlite", script))) as database:
        assert rows * 1000 > EXACT_ROWS
        kinds = {f"kind {n}" for n in range(7)}
        assert set(database.distinct_values("t", "rowid", 100)) == kinds
        names = database.distinct_values("t", 'a "b', 10**6)
        assert None not in names
        assert 10_000 < len(set(names)) == len(names)  # blocks overlap where the gaps are large
        assert database.distinct_values("t", 'a "b', 10**6) == names
        assert len(database.distinct_values("t", "start", 5)) == 5
        assert set(database.distinct_values("keyed", "kind", 9)) == {"kind 0", "kind 1", "kind 2"}
        assert set(database.distinct_values("seen", "kind", 9)) == kinds


@pytest.mark.slow
def test_a_million_rows_and_more_take_seconds_at_most(tmp_path: Path) -> None:
    script = f"""
        CREATE TABLE event (id INTEGER PRIMARY KEY, city TEXT, code TEXT, year INT);
        {NUMBERS.format(rows=2 * EXACT_ROWS)} INSERT INTO event
        SELECT x, 'City ' || char(65 + x % 26), printf('C%08d', x), 2000 + x % 20 FROM n;
    """
    with connect(str(make(tmp_path / "big.sqlite", script))) as database:
        start = time.perf_counter()
        index = value_index(database, cache=tmp_path / "cache")
        assert time.perf_counter() - start < 30
        assert found(index, "events in city q in 2007") == [(1, "City Q"), (3, "2007")]
        assert found(index, "event C00000001") == []


class Failing(SQLiteDatabase):
    """A database one of whose columns cannot be read."""

    def run(self, sql: str, time_limit: float = 5.0, row_limit: int = 1000) -> ExecutionResult:
        if "founded" in sql:
            return ExecutionResult((), [], False, 0.0, "permission denied")
        return super().run(sql, time_limit, row_limit)


def test_a_column_that_may_not_be_read_is_left_out(tmp_path: Path) -> None:
    with Failing(make(tmp_path / "a.sqlite")) as database:
        index = value_index(database, cache=tmp_path / "cache")
    assert found(index, "new york 1218") == [(1, "New York")]


def test_duckdb(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed: pip install text2sql[db]")
    pytest.importorskip("duckdb_engine", reason="duckdb_engine is not installed: pip install text2sql[db]")
    connection = duckdb.connect(str(tmp_path / "a.duckdb"))
    connection.execute("CREATE TABLE city (name VARCHAR, born DATE); INSERT INTO city VALUES ('Bern', '1999-12-31')")
    connection.close()
    with connect(f"duckdb:///{tmp_path / 'a.duckdb'}") as database:
        assert found(value_index(database, cache=tmp_path / "cache"), "Bern 1999-12-31?") == [
            (1, "1999-12-31"),
            (0, "Bern"),
        ]
        assert os.listdir(tmp_path / "cache") == [cache_file(database, tmp_path).name]
        before = data_version(database)
    os.utime(tmp_path / "a.duckdb", (1, 1))
    with connect(f"duckdb:///{tmp_path / 'a.duckdb'}") as database:
        assert data_version(database) != before
