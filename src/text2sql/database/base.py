"""The interface of a database, whatever its engine.

Says what can be asked of a database and in which form the answer comes. Engines are in their own modules.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from text2sql.schema import Schema


@dataclass(frozen=True)
class ExecutionResult:
    """What one query gave.

    `error` is None for a query that ran, else one line saying why it did not (then `rows` is empty). `truncated`
    says that the query had more rows than were asked for, or more bytes than are kept. `seconds` is wall time.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    truncated: bool
    seconds: float
    error: str | None


class Database(ABC):
    """One open database. Usable from several threads; close it, or use it as a context manager."""

    name: str
    """Short name, such as the file's stem."""
    dialect: str
    """Name of the SQL dialect as sqlglot spells it."""
    url: str
    """Where the database is, fit to be shown: without a password."""
    warnings: tuple[str, ...] = ()
    """What its user should know, such as a role that may write; one sentence each."""

    @property
    @abstractmethod
    def schema(self) -> Schema:
        """Tables, views, keys; read once and kept."""

    @abstractmethod
    def run(self, sql: str, time_limit: float = 5.0, row_limit: int = 1000) -> ExecutionResult:
        """Run one reading statement for at most `time_limit` seconds, keeping at most `row_limit` rows.

        Never raises for bad SQL: syntax errors, refused statements, limits that fire are `error` of the result.
        """

    def translate(self, sql: str) -> str:
        """The model's SQL, SQLite's dialect, in this database's own. Raises UserError for SQL that has no equal."""
        return sql

    @abstractmethod
    def cancel(self) -> None:
        """Stop the query that another thread is running, if any; its result is an error that says so."""

    @abstractmethod
    def row_count(self, table: str) -> int | None:
        """About how many rows a table has, without reading it all; None where that is not known quickly."""

    @abstractmethod
    def distinct_values(self, table: str, column: str, limit: int) -> list[Any]:
        """Up to `limit` different values of a column, NULL left out. Raises UserError for an unknown column."""

    @abstractmethod
    def close(self) -> None:
        """Free the connection; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
