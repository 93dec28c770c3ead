"""The chat over PostgreSQL and DuckDB at a real terminal: Ctrl-C stops their queries too, passwords stay hidden."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from postgres_server import PostgresServer, postgres_server  # noqa: F401  # a fixture
from terminal import Terminal, open_chat
from tiny_checkpoint import write_tiny_checkpoint

duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed: pip install 'text2sql[db]'")

SLOW = "SELECT count(*) FROM numbers a, numbers b, numbers c, numbers d WHERE a.n + b.n + c.n + d.n = 7"


def test_ctrl_c_stops_a_query_of_every_engine(postgres_server: PostgresServer, tmp_path: Path) -> None:  # noqa: F811
    numbers = "CREATE TABLE numbers AS SELECT n FROM generate_series(1, 3000) AS t(n)"
    with duckdb.connect(str(tmp_path / "many.duckdb")) as connection:
        connection.execute(numbers)
    server = postgres_server.make_database("many", numbers)
    folder = write_tiny_checkpoint(tmp_path / "model")
    with contextlib.closing(open_chat(folder, tmp_path, "--time-limit", "500")) as terminal:
        terminal.wait_for("music_shop> ")
        for url in (f"duckdb:///{tmp_path / 'many.duckdb'}", server):
            stop_a_query(terminal, url)
        terminal.type("\x04")
        assert terminal.process.wait(60) == 0
    history = (tmp_path / "state" / "text2sql" / "history").read_text()
    assert "duckdb:///" in history
    assert "postgresql://" not in history


def stop_a_query(terminal: Terminal, url: str) -> None:
    terminal.type(f"\\connect {url}\r")
    shown = terminal.wait_for("(?s)1 table.*many> ").split("\n", 1)[1]  # after the echo
    assert "s3cret" not in shown
    terminal.type(f"\\sql {SLOW}\r")
    terminal.wait_for(r"= 7\r?\n")
    time.sleep(3)
    began = time.monotonic()
    terminal.type("\x03")
    terminal.wait_for("(?s)cancelled.*many> ", 60)
    assert time.monotonic() - began < 60
    terminal.type("\\sql SELECT max(n) AS largest FROM numbers\r")
    assert "3000" in terminal.wait_for("(?s)1 row.*many> ")
