"""The MCP server with the package's own client: in this process, as a subprocess over stdio, and over HTTP."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

pytest.importorskip("mcp", reason="the package mcp is not installed: pip install 'text2sql[serve]'")

from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client
from mcp_types import CallToolResult

from text2sql.database import Database, SQLiteDatabase, connect
from text2sql.schema import Column, Schema, Table
from text2sql.server.mcp import CELL_CHARACTERS, MOST_ROWS, MOST_TABLES, RESULT_CHARACTERS, create_server
from tiny_checkpoint import READINGS, SHOP, SLOW, TITLES, scripted_assistant, write_tiny_checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def shop() -> Iterator[Database]:
    with connect(SHOP) as database:
        yield database


def with_client(target: Any, work: Callable[[Client], Awaitable[Any]], seconds: float = 240) -> Any:
    """What `work` gives with a client that is connected to `target`."""

    async def main() -> Any:
        with anyio.fail_after(seconds):
            async with Client(target) as client:
                return await work(client)

    return anyio.run(main)


def call(target: Any, tool: str, **arguments: Any) -> CallToolResult:
    return with_client(target, lambda client: client.call_tool(tool, arguments))


def error_of(result: CallToolResult) -> str:
    assert result.is_error
    return result.content[0].text


def test_tools_say_what_they_take_and_give(folder: Path, shop: Database) -> None:
    tools = with_client(create_server(scripted_assistant(folder, {}), shop), lambda client: client.list_tools()).tools
    assert [tool.name for tool in tools] == ["ask", "schema", "run"]
    for tool in tools:
        assert tool.description
        assert tool.annotations.read_only_hint
        assert tool.output_schema["type"] == "object"
    ask, schema, run = (tool.input_schema for tool in tools)
    assert ask["required"] == ["question"]
    assert run["required"] == ["sql"]
    assert "required" not in schema
    assert ask["properties"]["row_limit"]["maximum"] == MOST_ROWS
    assert ask["properties"]["question"]["description"]


def test_ask_gives_sentence_sql_and_rows(folder: Path, shop: Database) -> None:
    server = create_server(scripted_assistant(folder, READINGS), shop)
    answer = call(server, "ask", question="How many albums are there?").structured_content
    count = shop.run("SELECT count(*) FROM albums").rows[0][0]
    assert answer["answered"]
    assert answer["sql"] == "SELECT count(*) FROM albums"
    assert answer["result"]["rows"] == [[count]]
    assert answer["sentence"]
    doubtful = call(server, "ask", question=TITLES, row_limit=3).structured_content
    assert not doubtful["sure"]
    assert [other["sql"] for other in doubtful["alternatives"]] == ["SELECT title FROM albums"]
    assert len(doubtful["result"]["rows"]) == 3
    assert doubtful["result"]["truncated"]
    refused = call(server, "ask", question="Delete all albums").structured_content
    assert not refused["answered"]
    assert "only ever read" in refused["reason"]


def test_schema_shows_tables_or_one_with_its_rows(folder: Path, shop: Database) -> None:
    server = create_server(scripted_assistant(folder, {}), shop)
    everything = call(server, "schema").structured_content
    assert (everything["database"], everything["dialect"]) == ("music_shop", "sqlite")
    assert [t["name"] for t in everything["tables"]] == [t.name for t in shop.schema.tables]
    (albums,) = call(server, "schema", table="Albums").structured_content["tables"]
    assert albums["rows"] == shop.row_count("albums")
    columns = {column["name"]: column for column in albums["columns"]}
    assert columns["album_id"]["primary_key"]
    assert columns["artist_id"]["references"] == "artists.artist_id"


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("ask", {}, "question"),
        ("ask", {"question": ""}, "question"),
        ("ask", {"question": "x" * 2001}, "question"),
        ("ask", {"question": "Which albums have a colour?"}, "no such column: colour"),
        ("run", {"sql": "DELETE FROM albums"}, "refused"),
        ("run", {"sql": "SELECT 1; SELECT 2"}, "several statements"),
        ("run", {"sql": "SELECT absent"}, "no such column"),
        ("run", {"sql": SLOW}, "time limit"),
        ("run", {"sql": "SELECT 1", "row_limit": MOST_ROWS + 1}, "row_limit"),
        ("schema", {"table": "nothing"}, "no table 'nothing'"),
        ("fly", {}, "fly"),
    ],
)
def test_what_goes_wrong_is_the_tools_error(
    folder: Path, shop: Database, tool: str, arguments: dict[str, Any], message: str
) -> None:
    server = create_server(scripted_assistant(folder, READINGS), shop, time_limit=0.5)
    assert message in error_of(call(server, tool, **arguments))


def test_what_is_sent_is_bounded(folder: Path, shop: Database) -> None:
    server = create_server(scripted_assistant(folder, {}), shop)
    many = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 500) "
    wide = call(server, "run", sql=f"{many} SELECT hex(zeroblob(450)) FROM c", row_limit=MOST_ROWS)
    rows = wide.structured_content["rows"]
    assert sum(len(row[0]) for row in rows) <= RESULT_CHARACTERS
    assert 50 < len(rows) < MOST_ROWS
    assert wide.structured_content["truncated"]
    long = call(server, "run", sql="SELECT hex(zeroblob(50000)), zeroblob(100000)")
    assert max(map(len, long.structured_content["rows"][0])) <= CELL_CHARACTERS + 1


def test_of_many_tables_the_later_ones_are_only_named(folder: Path) -> None:
    tables = tuple(Table(f"t{n}", (Column("a"),)) for n in range(MOST_TABLES + 3))
    with SQLiteDatabase.from_rows(Schema("many", tables), {}) as database:
        found = call(create_server(scripted_assistant(folder, {}), database), "schema").structured_content
    assert len(found["tables"]) == MOST_TABLES
    assert found["more_tables"] == [table.name for table in tables[MOST_TABLES:]]


def test_a_cancelled_call_stops_its_query(folder: Path, shop: Database) -> None:
    server = create_server(scripted_assistant(folder, {}), shop, time_limit=200)

    async def work(client: Client) -> Any:
        with anyio.move_on_after(2):
            await client.call_tool("run", {"sql": SLOW})
        return await client.call_tool("run", {"sql": "SELECT 41 + 1"})

    assert with_client(server, work, seconds=100).structured_content["rows"] == [[42]]


def command(folder: Path, *options: str) -> list[str]:
    return ["-m", "text2sql.cli", "mcp", "--db", SHOP, "--checkpoint", str(folder), *options]


def test_a_real_client_talks_to_a_real_process(folder: Path, tmp_path: Path) -> None:
    parameters = StdioServerParameters(command=sys.executable, args=command(folder), env=dict(os.environ))

    async def work(client: Client) -> None:
        assert client.server_info.name == "text2sql"
        assert {tool.name for tool in (await client.list_tools()).tools} == {"ask", "schema", "run"}
        ran = await client.call_tool("run", {"sql": "SELECT 41 + 1 AS n"})
        assert ran.structured_content["rows"] == [[42]]
        assert "refused" in error_of(await client.call_tool("run", {"sql": "DROP TABLE albums"}))
        asked = await client.call_tool("ask", {"question": "How many albums are there?"})
        assert asked.is_error or asked.structured_content["sql"] or asked.structured_content["reason"]

    with (tmp_path / "errors.txt").open("w+") as errors:
        with_client(stdio_client(parameters, errlog=errors), work)
        errors.seek(0)
        assert "Traceback" not in errors.read()


def test_over_http_on_loopback(folder: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, *command(folder, "--http", str(port))], stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 240
        while not reachable(port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(1)
        assert call(f"http://127.0.0.1:{port}/mcp", "run", sql="SELECT 7").structured_content["rows"] == [[7]]
    finally:
        process.kill()
        process.communicate()


def reachable(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
