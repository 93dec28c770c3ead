"""Hostile predictions: nothing on disk changes, every one ends, every one is wrong."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from attack_corpus import file_hashes
from hostile_sql import GOLD, HOSTILE, ONLY_A_KILL_ENDS, SETUP
from text2sql.database import SQLiteDatabase
from text2sql.evaluation.execution import ExecutionMatch, ExecutionPair, execution_match, execution_matches

TIME_LIMIT = 0.3
KILLED = {name for name in HOSTILE if name.partition(": ")[2] in ONLY_A_KILL_ENDS}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the two databases that are attacked: one ordinary, one in write-ahead-log mode."""
    folder = tmp_path_factory.mktemp("ground")
    for name, mode in (("plain.sqlite", "DELETE"), ("wal.sqlite", "WAL")):
        connection = sqlite3.connect(folder / name)
        connection.executescript(f"PRAGMA journal_mode={mode};" + SETUP)
        connection.close()
    return folder


@pytest.fixture(scope="module")
def verdicts(ground: Path) -> dict[str, ExecutionMatch]:
    """The corpus judged in workers whose working and temporary folder is the attacked folder itself."""
    before = file_hashes(ground)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ground)
        for variable in ("TMPDIR", "SQLITE_TMPDIR", "TEMP", "TMP", "HOME"):
            patch.setenv(variable, str(ground))
        databases = [ground / "plain.sqlite", ground / "wal.sqlite"]
        pairs = [ExecutionPair(GOLD, sql, (databases[n % 2],)) for n, sql in enumerate(HOSTILE.values())]
        found = execution_matches(pairs, time_limit=TIME_LIMIT, processes=2, progress=False)
    assert file_hashes(ground) == before
    return dict(zip(HOSTILE, found, strict=True))


def test_the_corpus_is_large_and_every_text_is_different() -> None:
    assert len(HOSTILE) >= 300
    assert len(set(HOSTILE.values())) == len(HOSTILE)
    assert len(KILLED) == len(ONLY_A_KILL_ENDS)


def test_every_hostile_prediction_ends_and_is_wrong(verdicts: dict[str, ExecutionMatch]) -> None:
    assert [name for name, verdict in verdicts.items() if verdict.match] == []
    assert len(verdicts) == len(HOSTILE)


def test_what_no_clock_can_stop_is_killed(verdicts: dict[str, ExecutionMatch]) -> None:
    assert {name for name in KILLED if "killed" in str(verdicts[name])} == KILLED


@pytest.mark.parametrize("group", ["writes", "engine", "several"])
def test_statements_other_than_one_query_are_errors(verdicts: dict[str, ExecutionMatch], group: str) -> None:
    ran = [
        name
        for name, verdict in verdicts.items()
        if name.startswith(f"{group}: ") and verdict.predicted_error is None and verdict.gold_error is None
    ]
    assert set(ran) <= {
        "engine: SELECT name, sql FROM sqlite_master",
        "engine: SELECT name, sql FROM sqlite_temp_schema",
    }


def test_in_process_too_nothing_on_disk_changes(ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writing part of the corpus again, in this process, with DISTINCT kept, on both databases."""
    before = file_hashes(ground)
    monkeypatch.chdir(ground)
    monkeypatch.setenv("SQLITE_TMPDIR", str(ground))
    writing = [name for name in HOSTILE if name.startswith(("writes", "engine", "functions", "several"))]
    for path in (ground / "plain.sqlite", ground / "wal.sqlite"):
        for name in writing:
            assert not execution_match(GOLD, HOSTILE[name], [path], keep_distinct=True).match, name
        with SQLiteDatabase(path) as database:
            assert database.run("SELECT count(*) FROM item").rows == [(4,)]
            for name in writing:
                database.run(HOSTILE[name], time_limit=TIME_LIMIT)
            assert database.run(GOLD).rows[0] == ("pen", 2.0)
    assert file_hashes(ground) == before
