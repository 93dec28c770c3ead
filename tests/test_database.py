"""The SQLite database: introspection, running under limits, and that nothing on disk ever changes."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from text2sql.database import SQLiteDatabase, connect
from text2sql.errors import UserError
from text2sql.schema import Column, ForeignKey, Schema, Table

DDL = """
CREATE TABLE Author ("Author ID" INTEGER PRIMARY KEY, name VARCHAR(40), born DATE, alive BOOLEAN, photo BLOB, note);
CREATE TABLE book (isbn TEXT, edition INT, author REFERENCES author, price REAL, PRIMARY KEY (edition, isbn));
CREATE TABLE loan (id INTEGER PRIMARY KEY AUTOINCREMENT, isbn TEXT, edition INT, member INT REFERENCES member(id),
                   FOREIGN KEY (edition, isbn) REFERENCES BOOK, FOREIGN KEY (ISBN) REFERENCES book(ISBN));
CREATE VIEW cheap AS SELECT isbn, price FROM book WHERE price < 5;
CREATE VIEW broken AS SELECT * FROM gone;
INSERT INTO author VALUES (1, 'Ödön', '1901-12-09', 0, x'00ff', NULL), (2, 'Ana', '1950-01-01', 1, NULL, 'n');
INSERT INTO book VALUES ('a', 1, 1, 3.5), ('b', 1, 2, 7.0), ('c', 1, 2, 7.0);
"""


def make(path: Path, script: str = DDL) -> Path:
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    return path


@pytest.fixture
def library(tmp_path: Path) -> SQLiteDatabase:
    with SQLiteDatabase(make(tmp_path / "library.sqlite")) as database:
        yield database


def files(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir()}


def test_introspection_gives_tables_views_and_coarse_types(library: SQLiteDatabase) -> None:
    schema = library.schema
    assert [table.name for table in schema.tables] == ["Author", "book", "loan", "cheap"]
    types = [column.type for column in schema.tables[0].columns]
    assert types == ["number", "text", "time", "boolean", "others", "text"]
    assert schema.tables[0].primary_key == ("Author ID",)
    assert schema.tables[1].primary_key == ("edition", "isbn")
    assert library.schema is schema


def test_foreign_keys_are_in_declared_order_with_implicit_targets_resolved(library: SQLiteDatabase) -> None:
    assert library.schema.foreign_keys == (
        ForeignKey("book", ("author",), "Author", ("Author ID",)),
        ForeignKey("loan", ("edition", "isbn"), "book", ("edition", "isbn")),
        ForeignKey("loan", ("isbn",), "book", ("isbn",)),
    )


def test_run_returns_names_and_rows(library: SQLiteDatabase) -> None:
    result = library.run("SELECT name AS who, photo, note FROM author ORDER BY 1 DESC")
    assert result.columns == ("who", "photo", "note")
    assert result.rows == [("Ödön", b"\x00\xff", None), ("Ana", None, "n")]
    assert (result.error, result.truncated) == (None, False)


def test_row_limit_truncates_and_says_so(library: SQLiteDatabase) -> None:
    assert library.run("SELECT isbn FROM book", row_limit=2).truncated
    exact = library.run("SELECT isbn FROM book", row_limit=3)
    assert len(exact.rows) == 3
    assert not exact.truncated


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT missing FROM book", "no such column"),
        ("SELECT 1; SELECT 2", "one statement"),
        ("", "expected one SELECT"),
        ("-- only a comment", "expected one SELECT"),
        ("SELECT ?", "binding"),
        ("SELECT '\x00'", "null character"),
        ("SELECT '\ud800'", "surrogates"),
        ("DELETE FROM book", "refused (DELETE)"),
        ("WITH x AS (SELECT 1) INSERT INTO book SELECT 'z', 9, 1, 1 FROM x", "refused (INSERT)"),
        ("CREATE TEMP TABLE x AS SELECT 1", "refused"),
        ("PRAGMA query_only=OFF", "refused (PRAGMA)"),
        ("ATTACH 'other.sqlite' AS other", "refused (ATTACH)"),
        ("BEGIN", "refused (TRANSACTION)"),
        ("SELECT load_extension('libm.so')", "refused (function load_extension)"),
        ("SELECT randomblob(1000000000)", "too big"),
    ],
)
def test_bad_sql_is_an_error_in_the_result(library: SQLiteDatabase, sql: str, reason: str) -> None:
    result = library.run(sql)
    assert result.error is not None
    assert reason in result.error
    assert result.rows == []
    assert library.run("SELECT count(*) FROM book").rows == [(3,)]


HARMLESS = [
    "SELECT 1;",
    "SELECT 1; -- done",
    "VALUES (1), (2)",
    "SELECT 1 EXCEPT SELECT 2",
    'SELECT "Author ID", [name], `born` FROM author WHERE name = "Ana"',
    "WITH x AS (SELECT 1 AS a) SELECT a FROM x",
    "SELECT name GLOB 'A*' FROM author",
    "SELECT 'drop table book; delete from book', \"DELETE\"",
    "SELECT replace(name, 'a', 'b'), CAST(born AS TEXT) FROM author NOT INDEXED",
    "SELECT count(*) FILTER (WHERE price > 5) OVER () FROM book",
    "SELECT * FROM cheap NATURAL JOIN book ORDER BY random() LIMIT 1, 1",
    "SELECT strftime('%Y', born), julianday('now') - julianday(born), iif(alive, 1, 0) FROM author",
]


@pytest.mark.parametrize("sql", HARMLESS)
def test_the_check_of_the_syntax_tree_refuses_nothing_harmless(library: SQLiteDatabase, sql: str) -> None:
    with connect(library.url) as checked:
        ours, plain = checked.run(sql), library.run(sql)
    assert ours.error is None
    assert (ours.columns, len(ours.rows)) == (plain.columns, len(plain.rows))


@pytest.mark.parametrize("sql", ["DELETE FROM book", "PRAGMA user_version", "SELECT 1; SELECT 2", "ATTACH 'x' AS y"])
def test_the_check_of_the_syntax_tree_refuses_before_the_engine_does(library: SQLiteDatabase, sql: str) -> None:
    with connect(library.url) as checked:
        refused = checked.run(sql)
    assert refused.error is not None
    assert refused.error.startswith("refused (")
    assert refused.seconds == 0.0


def test_cancel_from_another_thread(library: SQLiteDatabase) -> None:
    endless = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT count(*) FROM t"
    timer = threading.Timer(0.3, library.cancel)
    timer.start()
    result = library.run(endless, time_limit=60)
    assert result.error == "cancelled"
    assert result.seconds < 5
    assert library.run("SELECT count(*) FROM book").rows == [(3,)]
    library.cancel()  # nothing runs: the next query is not harmed
    assert library.run("SELECT count(*) FROM book").rows == [(3,)]
    assert library.run(endless, time_limit=0.1).error == "time limit of 0.1 s exceeded"
    library.close()
    library.cancel()


def test_a_query_that_waits_for_its_turn_is_cancelled_too(library: SQLiteDatabase) -> None:
    endless = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT count(*) FROM t"
    with ThreadPoolExecutor(2) as threads:
        running = [threads.submit(library.run, endless, time_limit=60) for _ in range(2)]
        time.sleep(0.5)
        library.cancel()
        assert [one.result().error for one in running] == ["cancelled", "cancelled"]
        assert all(one.result().seconds < 30 for one in running)


def test_row_counts_are_exact_or_unknown(tmp_path: Path, library: SQLiteDatabase) -> None:
    assert (library.row_count("BOOK"), library.row_count("cheap"), library.row_count("gone")) == (3, 1, None)
    slow = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT x FROM t"
    with SQLiteDatabase(make(tmp_path / "endless.sqlite", f"CREATE VIEW endless AS {slow};")) as database:
        assert database.row_count("endless") is None


def test_time_limit_ends_endless_recursion(library: SQLiteDatabase) -> None:
    endless = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT "
    assert library.run(endless + "count(*) FROM t", time_limit=0.1).error == "time limit of 0.1 s exceeded"
    assert library.run(endless + "x FROM t", time_limit=0.1, row_limit=10**9).error == "time limit of 0.1 s exceeded"


def test_invalid_utf8_survives(tmp_path: Path) -> None:
    path = make(tmp_path / "bytes.sqlite", "CREATE TABLE t (a TEXT); INSERT INTO t VALUES (CAST(x'41ff42' AS TEXT));")
    assert SQLiteDatabase(path).run("SELECT a FROM t").rows == [("A�B",)]
    assert SQLiteDatabase(path, text_errors="ignore").run("SELECT a FROM t").rows == [("AB",)]


def test_paths_with_special_characters(tmp_path: Path) -> None:
    path = make(tmp_path / "a b?mode=rwc#c%20.sqlite")
    before = files(tmp_path)
    for spelling in (str(path), f"sqlite:///{path}"):
        with connect(spelling) as database:
            assert database.run("SELECT count(*) FROM book").rows == [(3,)]
    assert files(tmp_path) == before


def test_relative_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "library.sqlite")
    monkeypatch.chdir(tmp_path)
    assert connect("sqlite:///library.sqlite").name == "library"


def test_what_cannot_be_opened_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "text.sqlite").write_text("hello " * 100)
    with pytest.raises(UserError, match="not found"):
        connect(str(tmp_path / "missing.sqlite"))
    assert not (tmp_path / "missing.sqlite").exists()
    with pytest.raises(UserError, match="not a database"):
        connect(str(tmp_path / "text.sqlite"))
    for path in (tmp_path, tmp_path / ("long" * 1000)):
        with pytest.raises(UserError, match="not found"):
            connect(str(path))
    with pytest.raises(UserError, match="driver is not installed"):
        connect("oracle://host/name")
    with pytest.raises(UserError, match="driver is not installed"):
        connect("nosuch://user:secret@host/name")


def test_reading_leaves_no_trace_even_in_write_ahead_mode(tmp_path: Path) -> None:
    path = make(tmp_path / "wal.sqlite", "PRAGMA journal_mode=WAL;" + DDL)
    before = files(tmp_path)
    with connect(str(path)) as database:
        assert len(database.schema.tables) == 4
        assert database.run("SELECT count(*) FROM author a, author b ORDER BY a.name").rows == [(4,)]
        assert files(tmp_path) == before
    assert files(tmp_path) == before


def test_write_ahead_snapshot_follows_a_writer(tmp_path: Path) -> None:
    path = make(tmp_path / "wal.sqlite", "PRAGMA journal_mode=WAL; CREATE TABLE t (a); INSERT INTO t VALUES (1);")
    with connect(str(path)) as database:
        assert database.run("SELECT a FROM t").rows == [(1,)]
        writer = sqlite3.connect(path)
        writer.execute("INSERT INTO t VALUES (2)")
        writer.commit()
        assert database.run("SELECT a FROM t").rows == [(1,), (2,)]
        writer.close()


def test_write_ahead_snapshot_of_a_file_that_goes_away(tmp_path: Path) -> None:
    path = make(tmp_path / "wal.sqlite", "PRAGMA journal_mode=WAL; CREATE TABLE t (a);")
    with connect(str(path)) as database:
        path.unlink()
        with pytest.raises(UserError, match="is gone"):
            database.run("SELECT a FROM t")


def test_crashed_writer_is_a_user_error_and_nothing_is_recovered_behind_the_users_back(tmp_path: Path) -> None:
    path = make(tmp_path / "wal.sqlite", "PRAGMA journal_mode=WAL; CREATE TABLE t (a);")
    writer = sqlite3.connect(path)
    writer.execute("INSERT INTO t VALUES (2)")
    writer.commit()
    crash = tmp_path / "crash"
    crash.mkdir()
    for name in ("wal.sqlite", "wal.sqlite-wal"):
        (crash / name).write_bytes((tmp_path / name).read_bytes())
    writer.close()
    before = files(crash)
    with pytest.raises(UserError, match="crash"):
        connect(str(crash / "wal.sqlite"))
    assert files(crash) == before


def test_read_only_files_in_a_read_only_folder(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    path = make(folder / "library.sqlite")
    path.chmod(0o444)
    folder.chmod(0o555)
    try:
        assert connect(str(path)).run("SELECT count(*) FROM book").rows == [(3,)]
    finally:
        folder.chmod(0o755)


def test_virtual_tables_and_json_can_be_read(tmp_path: Path) -> None:
    path = make(
        tmp_path / "search.sqlite",
        "CREATE VIRTUAL TABLE page USING fts5(title, body); INSERT INTO page VALUES ('Hello', 'wide world');"
        "CREATE VIEW hits AS SELECT title FROM page WHERE page MATCH 'world';",
    )
    with connect(str(path)) as database:
        assert [table.name for table in database.schema.tables] == ["page", "hits"]
        assert database.run("SELECT title FROM page WHERE page MATCH 'wide'").rows == [("Hello",)]
        assert database.run("SELECT title FROM hits").rows == [("Hello",)]
        assert database.run("SELECT value FROM json_each('[1, 2]')").rows == [(1,), (2,)]
        assert database.run("SELECT * FROM pragma_table_info('page')").error is not None


def test_distinct_values(library: SQLiteDatabase) -> None:
    assert library.distinct_values("BOOK", "price", 10) == [3.5, 7.0]
    assert library.distinct_values("Author", "Author ID", 1) == [1]
    assert library.distinct_values("author", "note", 5) == ["n"]
    with pytest.raises(UserError, match="no column"):
        library.distinct_values("book", "title", 5)


def test_from_rows_is_filled_and_then_read_only() -> None:
    table = Table("odd name", (Column("number", "number"), Column("words; drop", "text")), ("number",))
    schema = Schema("toy", (table,))
    with SQLiteDatabase.from_rows(schema, {"Odd Name": [(1, "a"), (2.5, None)]}) as database:
        assert database.schema is schema
        assert database.run('SELECT * FROM "odd name"').rows == [(1, "a"), (2.5, None)]
        assert "refused" in str(database.run('DELETE FROM "odd name"').error)
    with pytest.raises(UserError, match="unknown table"):
        SQLiteDatabase.from_rows(schema, {"even name": []})
    with pytest.raises(UserError, match="do not fit"):
        SQLiteDatabase.from_rows(schema, {"odd name": [(1, 2, 3)]})


def test_many_threads_share_one_database(library: SQLiteDatabase) -> None:
    wrong = []

    def ask(number: int) -> None:
        for _ in range(50):
            result = library.run(f"SELECT {number}, count(*) FROM book")
            if result.rows != [(number, 3)]:
                wrong.append(result)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_closing_twice_is_harmless(library: SQLiteDatabase) -> None:
    library.close()
    library.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        library.run("SELECT 1")


@pytest.mark.data
def test_spider_databases_hold_the_columns_that_tables_json_lists(data_mirror: Path) -> None:
    entries = json.loads((data_mirror / "spider" / "tables.json").read_text(encoding="utf-8"))
    listed = {entry["db_id"]: Schema.from_spider(entry) for entry in entries}
    paths = sorted((data_mirror / "spider" / "database").glob("*/*.sqlite"))
    assert len(paths) == 163
    for path in paths:
        with connect(os.fspath(path)) as database:
            found = {(table.name.lower(), column.name.lower()) for table, column in database.schema.columns}
        expected = {(table.name.lower(), column.name.lower()) for table, column in listed[path.stem].columns}
        assert {item for item in expected if item[0] != "sqlite_sequence"} == found, path.stem
