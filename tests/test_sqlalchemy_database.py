"""Databases that SQLAlchemy reaches in general, tested on SQLite through SQLAlchemy's own driver for it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from text2sql.errors import UserError
from text2sql.schema import ForeignKey

sqlalchemy = pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed: pip install text2sql[db]")
from text2sql.database import sqlalchemy_database as module  # noqa: E402

SCRIPT = """
CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT, born DATE);
CREATE TABLE "book list" (isbn TEXT, edition INT, author INT REFERENCES author(id), price DECIMAL(9, 2),
                          PRIMARY KEY (isbn, edition));
CREATE VIEW cheap AS SELECT isbn, price FROM "book list" WHERE price < 5;
CREATE VIEW broken AS SELECT * FROM gone;
INSERT INTO author VALUES (1, 'Ana', '1950-01-01'), (2, 'Bo', NULL);
INSERT INTO "book list" VALUES ('a', 1, 1, 3.5), ('b', 1, 2, 7.0), ('c', 1, 2, 7.0);
"""
ENDLESS = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT count(*) FROM t"


@pytest.fixture
def library(tmp_path: Path) -> Iterator[module.SQLAlchemyDatabase]:
    connection = sqlite3.connect(tmp_path / "library.sqlite")
    connection.executescript(SCRIPT)
    connection.close()
    with module.SQLAlchemyDatabase(f"sqlite:///{tmp_path / 'library.sqlite'}") as database:
        yield database


def test_introspection(library: module.SQLAlchemyDatabase) -> None:
    schema = library.schema
    assert sorted(table.name for table in schema.tables) == ["author", "book list", "cheap"]
    books = schema.table("book list")
    assert books is not None
    assert [column.type for column in books.columns] == ["text", "number", "number", "number"]
    assert books.primary_key == ("isbn", "edition")
    assert schema.foreign_keys == (ForeignKey("book list", ("author",), "author", ("id",)),)
    assert (library.name, library.dialect, library.warnings) == ("library", "sqlite", ())


def test_run_and_its_limits(library: module.SQLAlchemyDatabase) -> None:
    result = library.run("SELECT name, '100%', ':x' AS \"%s\" FROM author")
    assert (result.columns, result.rows[0]) == (("name", "'100%'", "%s"), ("Ana", "100%", ":x"))
    assert library.run("SELECT 1 FROM author", row_limit=1).truncated
    assert not library.run("SELECT 1 FROM author", row_limit=2).truncated
    assert library.run(ENDLESS, time_limit=0.3).error == "time limit of 0.3 s exceeded"
    assert "no such column" in str(library.run("SELECT missing FROM author").error)
    assert (library.row_count("book list"), library.row_count("gone")) == (3, None)
    assert library.distinct_values("book list", "price", 5) == [3.5, 7.0]
    with pytest.raises(UserError, match="no column"):
        library.distinct_values("author", "gone", 5)


@pytest.mark.parametrize("layer", ["both", "engine"])
def test_nothing_is_written(
    library: module.SQLAlchemyDatabase, tmp_path: Path, layer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (tmp_path / "library.sqlite").read_bytes()
    if layer == "engine":
        monkeypatch.setattr(module, "check_statement", lambda sql, dialect: None)
    for sql in [
        "DELETE FROM author",
        "DROP TABLE author",
        "CREATE TABLE evil (a)",
        "INSERT INTO author VALUES (3, '', '')",
    ]:
        assert library.run(sql).error is not None
    assert (tmp_path / "library.sqlite").read_bytes() == before
    assert library.run("SELECT count(*) FROM author").rows == [(2,)]


def test_cancel_from_another_thread(library: module.SQLAlchemyDatabase) -> None:
    threading.Timer(0.3, library.cancel).start()
    result = library.run(ENDLESS, time_limit=60)
    assert (result.error, result.seconds < 10) == ("cancelled", True)
    assert library.run("SELECT 1").rows == [(1,)]
    library.cancel()
    assert library.run("SELECT 1").rows == [(1,)]


def test_what_cannot_be_opened_hides_its_password(tmp_path: Path) -> None:
    for url in ["nosuch://user:secret@host/name", "oracle://user:secret@host/name", "no url: secret", "://secret"]:
        with pytest.raises(UserError) as error:
            module.SQLAlchemyDatabase(url)
        assert "secret" not in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="cannot be opened"):
        module.SQLAlchemyDatabase(f"sqlite:///{tmp_path / 'no' / 'folder.sqlite'}")


def test_a_closed_database_says_so(library: module.SQLAlchemyDatabase) -> None:
    library.close()
    library.close()
    with pytest.raises(UserError, match="is closed"):
        library.run("SELECT 1")
