"""DuckDB files through SQLAlchemy: introspection, limits, and that no SQL text reaches anything but the file's rows."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from text2sql.database import Database, connect
from text2sql.errors import UserError
from text2sql.schema import ForeignKey

duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed: pip install text2sql[db]")
pytest.importorskip("duckdb_engine", reason="duckdb_engine is not installed: pip install text2sql[db]")

SCRIPT = """
CREATE TABLE Author ("Author ID" INTEGER PRIMARY KEY, name VARCHAR NOT NULL, born DATE, alive BOOLEAN, photo BLOB);
CREATE TABLE book (isbn VARCHAR, edition INTEGER, author INTEGER REFERENCES Author("Author ID"), price DECIMAL(9, 2),
                   PRIMARY KEY (isbn, edition));
CREATE TABLE loan (id INTEGER, isbn VARCHAR, edition INTEGER, tags VARCHAR[],
                   FOREIGN KEY (isbn, edition) REFERENCES book(isbn, edition));
CREATE VIEW cheap AS SELECT isbn, price FROM book WHERE price < 5;
COMMENT ON TABLE book IS 'Books we own';
COMMENT ON COLUMN book.price IS 'in euros';
INSERT INTO Author VALUES (1, 'Ödön', '1901-12-09', false, '\\x00\\xFF'::BLOB), (2, 'Ana', '1950-01-01', true, NULL);
INSERT INTO book VALUES ('a', 1, 1, 3.5), ('b', 1, 2, 7), ('c', 1, 2, 7);
INSERT INTO loan VALUES (1, 'a', 1, ['x', 'y']);
"""
ENDLESS = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT count(*) FROM t"


def make(path: Path, script: str = SCRIPT) -> Path:
    connection = duckdb.connect(str(path))
    connection.execute(script)
    connection.close()
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("duckdb") / "library.duckdb")


@pytest.fixture(scope="module")
def library(file: Path) -> Iterator[Database]:
    with connect(f"duckdb:///{file}") as database:
        yield database


def test_introspection(library: Database, file: Path) -> None:
    schema = library.schema
    assert (library.name, library.dialect, library.url) == ("library", "duckdb", f"duckdb:///{file}")
    assert [table.name for table in schema.tables] == ["Author", "book", "loan", "cheap"]
    assert [column.type for column in schema.tables[0].columns] == ["number", "text", "time", "boolean", "others"]
    assert [table.primary_key for table in schema.tables] == [("Author ID",), ("isbn", "edition"), (), ()]
    assert schema.foreign_keys == (
        ForeignKey("book", ("author",), "Author", ("Author ID",)),
        ForeignKey("loan", ("isbn", "edition"), "book", ("isbn", "edition")),
    )
    assert schema.tables[1].comment == "Books we own"
    assert schema.tables[1].columns[3].comment == "in euros"


def test_run_returns_names_and_rows(library: Database) -> None:
    result = library.run('SELECT name AS who, born, photo, "Author ID" AS who FROM author ORDER BY 1 DESC')
    assert result.columns == ("who", "born", "photo", "who")
    assert result.rows == [("Ödön", date(1901, 12, 9), b"\x00\xff", 1), ("Ana", date(1950, 1, 1), None, 2)]
    assert library.run("SELECT tags, price FROM loan JOIN book USING (isbn)").rows == [(["x", "y"], Decimal("3.50"))]
    assert library.run("SELECT '100%', '%s', ':x'").rows == [("100%", "%s", ":x")]
    assert library.run("VALUES (1), (2)").rows == [(1,), (2,)]


def test_rows_are_capped(library: Database) -> None:
    assert library.run("SELECT isbn FROM book", row_limit=2).truncated
    exact = library.run("SELECT isbn FROM book", row_limit=3)
    assert (len(exact.rows), exact.truncated) == (3, False)


def test_a_large_result_is_cut_before_it_fills_the_memory(library: Database) -> None:
    result = library.run("SELECT repeat('a', 100000) || range FROM range(100000) -- ten gigabytes", time_limit=60)
    assert (len(result.rows), result.truncated) == (1000, True)
    result = library.run("SELECT repeat('a', 300000) FROM range(1000)", time_limit=60)
    assert result.truncated
    assert 800 < len(result.rows) < 1000  # by the bytes
    assert library.run("SELECT 1 AS a, 2 AS a;  -- comment").columns == ("a", "a")
    assert library.run("WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT x FROM t").truncated


def test_counts_and_values(library: Database) -> None:
    assert (library.row_count("BOOK"), library.row_count("cheap")) == (3, 1)
    assert sorted(library.distinct_values("BOOK", "price", 10)) == [Decimal("3.50"), Decimal("7.00")]
    assert len(library.distinct_values("book", "isbn", 2)) == 2
    with pytest.raises(UserError, match="no column"):
        library.distinct_values("book", "title", 5)


def test_translation_from_the_models_dialect(library: Database) -> None:
    sql = library.translate('SELECT count(*) FROM author WHERE name = "Ana"')
    assert library.run(sql).rows == [(1,)]


ATTACKS = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_csv_auto('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM read_json('/etc/passwd')",
    "SELECT * FROM read_parquet('/etc/passwd')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM parquet_metadata('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM 'data.csv'",
    'SELECT * FROM "/etc/passwd"',
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM read_csv('https://example.org/x.csv')",
    "SELECT * FROM query('SELECT * FROM read_csv(''/etc/passwd'')')",
    "SELECT * FROM sqlite_scan('/etc/passwd', 't')",
    "SELECT * FROM postgres_scan('host=localhost', 'public', 't')",
    "SELECT getenv('HOME')",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM which_secret('s3://x', 's3')",
    "COPY book TO '{folder}/evil.csv'",
    "COPY (SELECT 1) TO '{folder}/evil.parquet' (FORMAT parquet)",
    "COPY book FROM '/etc/passwd'",
    "COPY FROM DATABASE library TO memory",
    "EXPORT DATABASE '{folder}/evil'",
    "IMPORT DATABASE '{folder}'",
    "ATTACH '{folder}/evil.duckdb' AS evil",
    "ATTACH ':memory:' AS evil",
    "DETACH library",
    "INSTALL httpfs",
    "FORCE INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{folder}/evil.so'",
    "PRAGMA database_list",
    "PRAGMA enable_profiling='json'",
    "SET enable_external_access = true",
    "SET memory_limit = '100GB'",
    "RESET lock_configuration",
    "SET VARIABLE x = 1",
    "CALL pragma_version()",
    "CHECKPOINT",
    "FORCE CHECKPOINT",
    "VACUUM",
    "USE memory",
    "BEGIN TRANSACTION",
    "COMMIT",
    "PREPARE evil AS SELECT 1",
    "EXECUTE evil",
    "CREATE TABLE evil (x INTEGER)",
    "CREATE TEMP TABLE evil AS SELECT 1",
    "CREATE OR REPLACE VIEW cheap AS SELECT 1",
    "CREATE MACRO evil() AS 1",
    "CREATE SECRET evil (TYPE s3)",
    "CREATE SCHEMA evil",
    "DROP TABLE loan",
    "ALTER TABLE book ADD COLUMN evil INTEGER",
    "DELETE FROM loan",
    "UPDATE book SET price = 0",
    "INSERT INTO book VALUES ('z', 1, 1, 1)",
    "INSERT INTO book VALUES ('z', 1, 1, 1) RETURNING *",
    "WITH x AS (SELECT 1) DELETE FROM loan",
    "WITH x AS (DELETE FROM loan RETURNING *) SELECT * FROM x",
    "TRUNCATE loan",
    "MERGE INTO book USING loan ON false WHEN MATCHED THEN DELETE",
    "SELECT 1; DROP TABLE loan",
    "SELECT 1; SELECT 2",
    "EXPLAIN ANALYZE DELETE FROM loan",
    "register(?, ?)",
    "SELECT $1",
    "SELECT ?",
    "",
    "-- nothing",
    "SELECT '\x00",
    "SELEC 1",
]


@pytest.mark.parametrize("layer", ["both", "engine"])
def test_attacks_are_refused_and_change_nothing(file: Path, layer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All layers, then the engine's and its parser's alone."""
    folder = file.parent
    before = hashlib.sha256(file.read_bytes()).hexdigest(), sorted(folder.iterdir())
    if layer == "engine":
        from text2sql.database import duckdb as module
        from text2sql.database import sqlalchemy_database

        monkeypatch.setattr(sqlalchemy_database, "check_statement", lambda sql, dialect: None)
        database: Database = module.DuckDBDatabase(f"duckdb:///{file}")
    else:
        database = connect(f"duckdb:///{file}")
    with database:
        passed = [sql for sql in ATTACKS if database.run(sql.replace("{folder}", str(folder))).error is None]
        assert passed == []
        assert database.run("SELECT count(*) FROM book").rows == [(3,)]
        assert database.run("SELECT current_setting('enable_external_access')").rows == [(False,)]
    assert (hashlib.sha256(file.read_bytes()).hexdigest(), sorted(folder.iterdir())) == before


@pytest.mark.parametrize(
    "sql",
    [
        ENDLESS,
        "SELECT count(*) FROM range(100000000000000)",
        "SELECT sum(a.range * b.range) FROM range(100000000) a, range(1000000) b",
        "SELECT a.range FROM range(1000000000000) a ORDER BY hash(a.range)",
        "SELECT length(lpad('a', 2000000000, 'b'))",
    ],
)
def test_what_does_not_end_is_ended(library: Database, sql: str) -> None:
    start = time.perf_counter()
    assert str(library.run(sql, time_limit=0.5).error) in ("time limit of 0.5 s exceeded", "memory limit exceeded")
    assert time.perf_counter() - start < 60
    assert library.run("SELECT count(*) FROM book", time_limit=60).rows == [(3,)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT repeat('a', 4000000000)",
        "SELECT length(range(3000000000))",
        "SELECT list(range) FROM range(10000000000)",
        "SELECT string_agg(range::VARCHAR || repeat('x', 1000)) FROM range(10000000000)",
        "SELECT replace(s, 'a', s) FROM (SELECT repeat('a', 60000) AS s)",
    ],
)
def test_what_fills_the_memory_fails_in_a_process_of_its_own(library: Database, sql: str) -> None:
    result = library.run(sql, time_limit=20)
    assert result.error in ("memory limit exceeded", "time limit of 20 s exceeded")
    assert library.run("SELECT count(*) FROM book", time_limit=60).rows == [(3,)]


def test_cancel_from_another_thread(library: Database) -> None:
    timer = threading.Timer(0.5, library.cancel)
    timer.start()
    result = library.run(ENDLESS, time_limit=60)
    assert result.error == "cancelled"
    assert result.seconds < 30
    library.cancel()  # nothing runs: nothing happens
    assert library.run("SELECT 1").rows == [(1,)]


def test_many_threads_share_one_database(library: Database) -> None:
    wrong = []

    def ask(number: int) -> None:
        for _ in range(5):
            result = library.run(f"SELECT {number}, count(*) FROM book", time_limit=60)
            if result.rows != [(number, 3)]:
                wrong.append(result)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_what_cannot_be_opened_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "text.duckdb").write_text("hello " * 100)
    (tmp_path / "cut.duckdb").write_bytes(make(tmp_path / "whole.duckdb").read_bytes()[:5000])
    for name, reason in [
        ("missing.duckdb", "not found"),
        ("long" * 1000, "not found"),
        ("text.duckdb", "no DuckDB file"),
        ("cut.duckdb", "cannot be read"),
        (":memory:", "not found"),
        ("", "not found"),
    ]:
        with pytest.raises(UserError, match=reason):
            connect(f"duckdb:///{tmp_path / name if name and name[0] != ':' else name}")
    assert not (tmp_path / "missing.duckdb").exists()


def test_a_file_that_another_process_writes_is_a_user_error(tmp_path: Path) -> None:
    path = make(tmp_path / "held.duckdb")
    script = f"import duckdb; c = duckdb.connect({str(path)!r}); print('open', flush=True); input()"
    holder = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(UserError, match="open for writing elsewhere"):
            connect(f"duckdb:///{path}")
    finally:
        holder.communicate(b"\n")
    assert connect(f"duckdb:///{path}").run("SELECT count(*) FROM book").rows == [(3,)]


def test_closing_twice_is_harmless(file: Path) -> None:
    database = connect(f"duckdb:///{file}")
    database.close()
    database.close()
    with pytest.raises(UserError, match="closed"):
        database.run("SELECT 1")
