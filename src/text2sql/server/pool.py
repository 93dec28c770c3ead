"""A database that runs several queries at a time: one `Database` in front of several connections."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from text2sql.database import Database, ExecutionResult
from text2sql.errors import UserError
from text2sql.schema import Schema
from text2sql.server.batching import Job, current_job
from text2sql.server.errors import one_line

_PATIENCE = 0.05
"""Seconds between two looks whether the job that waits for a connection has been cancelled."""


class PooledDatabase(Database):
    """Queries run on up to `connections` connections, opened when they are needed; all else on one of its own.

    A query is stopped by cancelling the job that runs it. A connection that fails is thrown away, so that the next
    query opens a new one.
    """

    path: Path
    """The file, of an engine that has one."""

    def __init__(self, connect: Callable[[], Database], connections: int) -> None:
        """Open the first connection. Raises UserError as `connect` does."""
        self._connect = connect
        self._main = connect()
        self.name = self._main.name
        self.dialect = self._main.dialect
        self.url = self._main.url
        self.warnings = self._main.warnings
        self._connections = connections
        self._free = threading.Semaphore(connections)
        self._lock = threading.Lock()
        self._idle: list[Database] = []
        self._busy: list[Database] = []
        self._closed = False

    @property
    def schema(self) -> Schema:
        """See `Database.schema`."""
        return self._main.schema

    def __getattr__(self, name: str) -> Any:
        """What an engine has beside the interface, such as a file's path."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._main, name)

    def run(self, sql: str, time_limit: float = 5.0, row_limit: int = 1000) -> ExecutionResult:
        """See `Database.run`. Waits at most `time_limit` seconds for a connection."""
        start = time.perf_counter()
        job = current_job()
        if not self._wait(job, start + time_limit):
            busy = f"{self._connections} queries are running on this database already: try again"
            return _failed("cancelled" if job.cancelled else busy, start)
        try:
            with self._connection() as connection, job.stopped_by(connection.cancel):
                return connection.run(sql, time_limit, row_limit)
        except UserError as error:
            return _failed(one_line(error), start)
        finally:
            self._free.release()

    def translate(self, sql: str) -> str:
        """See `Database.translate`."""
        return self._main.translate(sql)

    def cancel(self) -> None:
        """Stop the queries of all jobs; one job's is stopped by `Job.cancel`."""
        for connection in list(self._busy):
            connection.cancel()

    def row_count(self, table: str) -> int | None:
        """See `Database.row_count`."""
        return self._main.row_count(table)

    def distinct_values(self, table: str, column: str, limit: int) -> list[Any]:
        """See `Database.distinct_values`."""
        return self._main.distinct_values(table, column, limit)

    def close(self) -> None:
        """Close what is idle, stop the queries that run; their connections are closed when they end."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            idle, self._idle = self._idle, []
        self.cancel()
        for connection in [*idle, self._main]:
            connection.close()

    def _wait(self, job: Job, deadline: float) -> bool:
        while not self._free.acquire(timeout=_PATIENCE):
            if job.cancelled or time.perf_counter() > deadline:
                return False
        return True

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Database]:
        connection = self._take()
        try:
            yield connection
        except BaseException:
            self._busy.remove(connection)
            connection.close()
            raise
        with self._lock:
            self._busy.remove(connection)
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def _take(self) -> Database:
        with self._lock:
            if self._closed:
                raise UserError(f"database {self.name} has been closed")
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._connect()
        self._busy.append(connection)
        return connection


def _failed(error: str, start: float) -> ExecutionResult:
    return ExecutionResult((), [], False, time.perf_counter() - start, error)
