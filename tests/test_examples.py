"""The embedded databases are what their sources say, and can be asked what the written questions ask."""

from __future__ import annotations

import importlib.util
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest

from text2sql.database import SQLiteDatabase

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SOURCES = sorted(path for path in (EXAMPLES / "sources").iterdir() if path.is_dir())


def load_build_script() -> ModuleType:
    specification = importlib.util.spec_from_file_location("build", EXAMPLES / "build.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


build = load_build_script()


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return list(connection.iterdump())


@pytest.fixture(params=[source.name for source in SOURCES])
def connection(request: pytest.FixtureRequest):
    with closing(sqlite3.connect(f"file:{EXAMPLES / request.param}.sqlite?mode=ro", uri=True)) as opened:
        yield opened


def test_there_are_at_least_five_databases_each_with_a_source_and_questions():
    names = [source.name for source in SOURCES]
    assert len(names) >= 5
    assert names == sorted(path.stem for path in EXAMPLES.glob("*.sqlite"))
    assert names == sorted(path.stem for path in (EXAMPLES / "questions").glob("*.jsonl"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_the_committed_database_holds_what_the_sources_say(source, tmp_path):
    build.build(source, tmp_path / "new.sqlite")
    assert dump(tmp_path / "new.sqlite") == dump(EXAMPLES / f"{source.name}.sqlite")


def test_two_builds_are_equal_byte_for_byte(tmp_path):
    targets = [tmp_path / "one.sqlite", tmp_path / "two.sqlite"]
    for target in targets:
        build.build(SOURCES[0], target)
    assert targets[0].read_bytes() == targets[1].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.sqlite", "two.sqlite"]


def test_a_foreign_key_to_nowhere_is_refused(tmp_path):
    (tmp_path / "schema.sql").write_text(
        "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (a_id INTEGER REFERENCES a (id));"
    )
    (tmp_path / "a.csv").write_text("id\n1\n")
    (tmp_path / "b.csv").write_text("a_id\n7\n")
    with pytest.raises(sqlite3.IntegrityError):
        build.build(tmp_path, tmp_path / "broken.sqlite")


def test_each_database_has_what_questions_need(connection):
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    assert 3 <= len(tables) <= 6
    keys = sum(len(connection.execute(f"PRAGMA foreign_key_list({table})").fetchall()) for table in tables)
    assert keys >= 4
    rows = {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
    assert all(20 <= len(found) <= 200 for found in rows.values())
    values = [value for found in rows.values() for row in found for value in row]
    assert None in values
    assert any(isinstance(value, str) and not value.isascii() for value in values)
    assert any(isinstance(value, str) and value[:2] in ("19", "20") and value[4:5] == "-" for value in values)


def test_each_database_is_sound(connection):
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_the_written_questions_have_answers(source):
    lines = (EXAMPLES / "questions" / f"{source.name}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len({row["question"] for row in rows}) == len(rows) >= 12
    with SQLiteDatabase(EXAMPLES / f"{source.name}.sqlite") as database:
        for row in rows:
            result = database.run(row["sql"])
            assert result.error is None, row
            assert any(value not in (None, 0) for found in result.rows for value in found), row
