"""A Model Context Protocol server: the tools `ask`, `schema` and `run` over one database.

A language model is the reader, so all that is sent is small: at most `MOST_ROWS` rows and about `RESULT_CHARACTERS`
characters of them. Queries go the same way as everywhere: read-only in the engine, under limits. One call is worked
on at a time; a call that its client cancels stops its query. What goes wrong in a call is that tool's error.
Protocol: modelcontextprotocol.io; package: `mcp` 2.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any, TypeVar

import anyio
import anyio.to_thread
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

from text2sql.assistant import Answer, Assistant
from text2sql.database import Database, ExecutionResult
from text2sql.errors import UserError
from text2sql.schema import Schema, Table
from text2sql.server.results import cell_json

MOST_ROWS = 200
RESULT_CHARACTERS = 100_000
CELL_CHARACTERS = 1000
MOST_TABLES = 50
"""Tables whose columns are listed; of further ones only the names are."""
MOST_NAMES = 500
_READ_ONLY = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_T = TypeVar("_T")

Question = Annotated[str, Field(min_length=1, max_length=2000, description="one question, in English")]
SQL = Annotated[str, Field(min_length=1, max_length=20_000, description="one SELECT in the database's own dialect")]
RowLimit = Annotated[int, Field(ge=1, le=MOST_ROWS, description="rows to return at most")]
TableName = Annotated[str | None, Field(max_length=300, description="only this table, with its number of rows")]


class Rows(BaseModel):
    """What a query returned."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool = Field(description="there are more rows than these")
    seconds: float


class OtherReading(BaseModel):
    """Another reading of the question."""

    sql: str
    confidence: float


class Asked(BaseModel):
    """An answer to a question."""

    answered: bool
    sentence: str = Field(description="the answer in words")
    reason: str | None = Field(description="why there is no answer")
    sql: str
    confidence: float = Field(description="0 to 1")
    sure: bool = Field(description="false: check the SQL and the alternatives")
    alternatives: list[OtherReading]
    result: Rows | None


class ColumnInfo(BaseModel):
    """A column of a table."""

    name: str
    type: str
    primary_key: bool
    references: str | None = Field(description="table.column that a foreign key points to")
    comment: str


class TableInfo(BaseModel):
    """A table or view."""

    name: str
    comment: str
    rows: int | None = Field(description="about how many rows; null when not known")
    columns: list[ColumnInfo]


class SchemaInfo(BaseModel):
    """What is in the database."""

    database: str
    dialect: str
    tables: list[TableInfo]
    more_tables: list[str] = Field(description="further tables; give a name to see its columns")


def create_server(assistant: Assistant, database: Database, time_limit: float = 5.0) -> MCPServer:
    """The server over an open database; `time_limit` is seconds for one query."""
    server: MCPServer = MCPServer(
        "text2sql",
        version=version("text2sql"),
        instructions=f"Answers questions about the {database.dialect} database {database.name!r}, read-only.",
        log_level="WARNING",
    )
    one_at_a_time = _OneAtATime(database)

    @server.tool(title="Ask a question", annotations=_READ_ONLY)
    async def ask(question: Question, row_limit: RowLimit = 50) -> Asked:
        """Answer a question about the database: writes SQL, runs it, returns SQL, rows and a sentence."""
        return await one_at_a_time.run(
            lambda check: _asked(
                assistant.ask(
                    database, question, time_limit=time_limit, row_limit=row_limit, on_sql=lambda sql: check()
                )
            )
        )

    @server.tool(title="Show the schema", annotations=_READ_ONLY)
    async def schema(table: TableName = None) -> SchemaInfo:
        """The tables and columns of the database, with keys and comments."""
        return await one_at_a_time.run(lambda check: _schema_info(database, table))

    @server.tool(title="Run SQL", annotations=_READ_ONLY)
    async def run(sql: SQL, row_limit: RowLimit = 50) -> Rows:
        """Run one reading SQL statement; writing is refused."""
        return await one_at_a_time.run(lambda check: _rows(database.run(sql, time_limit, row_limit)))

    return server


class _OneAtATime:
    """Runs blocking work in a thread, one call after the other; a cancelled call stops its query."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = anyio.Lock()

    async def run(self, work: Callable[[Callable[[], None]], _T]) -> _T:
        """What `work` gives. It gets a function to call now and then, which raises when nobody waits any more.

        Raises ToolError for a UserError.
        """
        abandoned = threading.Event()

        def check() -> None:
            if abandoned.is_set():
                raise UserError("cancelled")

        async with self._lock:
            try:
                return await anyio.to_thread.run_sync(work, check, abandon_on_cancel=True)
            except UserError as error:
                raise ToolError(str(error)) from error
            except anyio.get_cancelled_exc_class():
                abandoned.set()
                self._database.cancel()
                raise


def _asked(answer: Answer) -> Asked:
    """An answer for the protocol. Raises UserError when its SQL failed."""
    if answer.error is not None:
        raise UserError(f"{answer.error}; the SQL was: {answer.sql}" if answer.sql else answer.error)
    return Asked(
        answered=answer.abstained is None and answer.result is not None,
        sentence=_short(answer.sentence),
        reason=answer.abstained,
        sql=answer.sql,
        confidence=answer.confidence,
        sure=answer.sure,
        alternatives=[OtherReading(sql=other.sql, confidence=other.confidence) for other in answer.alternatives],
        result=None if answer.result is None else _rows(answer.result),
    )


def _rows(result: ExecutionResult) -> Rows:
    """The rows that fit into the limits. Raises UserError when the query failed."""
    if result.error is not None:
        raise UserError(result.error)
    kept: list[list[Any]] = []
    size = 0
    for row in result.rows[:MOST_ROWS]:
        cells = [cell_json(value, CELL_CHARACTERS) for value in row]
        size += len(json.dumps(cells))
        if size > RESULT_CHARACTERS:
            break
        kept.append(cells)
    truncated = result.truncated or len(kept) < len(result.rows)
    columns = [_short(name) for name in result.columns]
    return Rows(columns=columns, rows=kept, truncated=truncated, seconds=round(result.seconds, 3))


def _schema_info(database: Database, table: str | None) -> SchemaInfo:
    """The schema, or one table of it. Raises UserError for an unknown table."""
    schema = database.schema
    tables = list(schema.tables)
    if table is not None:
        found = schema.table(table)
        if found is None:
            raise UserError(f"there is no table {table!r}: call schema without a table for their names")
        tables = [found]
    return SchemaInfo(
        database=schema.name,
        dialect=database.dialect,
        tables=[_table_info(t, schema, database if table else None) for t in tables[:MOST_TABLES]],
        more_tables=[t.name for t in tables[MOST_TABLES : MOST_TABLES + MOST_NAMES]],
    )


def _table_info(table: Table, schema: Schema, database: Database | None) -> TableInfo:
    """A table; its rows are counted when `database` is given."""
    targets = {
        source: f"{key.referenced_table}.{target}"
        for key in schema.foreign_keys
        if key.table.lower() == table.name.lower()
        for source, target in zip(key.columns, key.referenced_columns, strict=False)
    }
    columns = [
        ColumnInfo(
            name=column.name,
            type=column.type,
            primary_key=column.name in table.primary_key,
            references=targets.get(column.name),
            comment=_short(column.comment),
        )
        for column in table.columns
    ]
    count = None if database is None else database.row_count(table.name)
    return TableInfo(name=table.name, comment=_short(table.comment), rows=count, columns=columns)


def _short(text: str) -> str:
    return text if len(text) <= CELL_CHARACTERS else text[: CELL_CHARACTERS - 1] + "…"
