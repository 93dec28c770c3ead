"""A database whose engine runs in a process of its own: its memory is limited, and it is killed when it disobeys.

For engines that live inside the calling process, such as DuckDB, and whose own limits have gaps. The child's address
space is limited by the operating system; a query that does not end at its time limit loses its process, and the next
query gets a new one. Messages are pickled; both ends are this program.

Run as `python -m text2sql.database.isolated URL`, this module is the child.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from text2sql.database.base import Database, ExecutionResult
from text2sql.database.dialects import transpile
from text2sql.errors import UserError
from text2sql.schema import Schema

MEMORY_LIMIT = 2 * 2**30
"""Bytes of address space that the child may take beyond what it has once its modules are loaded."""
GRACE = 1.0
"""Seconds that the engine has to obey its own time limit or a cancellation before its process is killed."""
_SLOW = 120.0
"""Seconds for starting the child, reading the schema or the values of a column."""


class IsolatedDatabase(Database):
    """A database opened in a child process. Usable from several threads; their queries run one after another."""

    def __init__(self, url: str) -> None:
        """Start the child and open the database there. Raises UserError when it cannot be opened."""
        self._given_url = url
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._cancelled = self._closed = False
        self._running = 0  # number of the request being answered; 0: none
        self._requests = 0
        try:
            facts = self._ask("facts")
        except UserError:
            self._end()
            raise
        self.name, self.dialect, self.url, self.warnings, self.path = facts

    path: Path | None
    """The file, where the database is one."""

    @cached_property
    def schema(self) -> Schema:
        """Tables, views, keys. Raises UserError when they cannot be read."""
        with self._lock:
            return self._ask("schema")

    def run(self, sql: str, time_limit: float = 5.0, row_limit: int = 1000) -> ExecutionResult:
        """See `Database.run`."""
        with self._lock:
            self._cancelled = False
            start = time.perf_counter()
            try:
                return self._ask("run", sql, time_limit, row_limit, seconds=time_limit + GRACE)
            except _DiedError:
                seconds = time.perf_counter() - start
                return ExecutionResult((), [], False, seconds, self._cause(seconds, time_limit))

    def _cause(self, seconds: float, time_limit: float) -> str:
        if self._cancelled:
            return "cancelled"
        return f"time limit of {time_limit:g} s exceeded" if seconds >= time_limit else "memory limit exceeded"

    def translate(self, sql: str) -> str:
        """See `Database.translate`."""
        return transpile(sql, self.schema, self.dialect)

    def cancel(self) -> None:
        """See `Database.cancel`: the engine is asked first, and killed when it does not listen."""
        self._cancelled = True
        number, process = self._running, self._process
        if number and process is not None:
            self._send(process, ("cancel",))
            timer = threading.Timer(GRACE / 2, self._kill_if_running, (process, number))
            timer.daemon = True
            timer.start()

    def _kill_if_running(self, process: subprocess.Popen[bytes], number: int) -> None:
        if self._running == number:
            process.kill()

    def row_count(self, table: str) -> int | None:
        """See `Database.row_count`."""
        with self._lock:
            return self._ask("row_count", table)

    def distinct_values(self, table: str, column: str, limit: int) -> list[Any]:
        """See `Database.distinct_values`."""
        with self._lock:
            return self._ask("distinct_values", table, column, limit)

    def close(self) -> None:
        """End the child; a second call does nothing."""
        self._closed = True
        with self._lock:
            self._end()

    def _ask(self, *message: Any, seconds: float = _SLOW) -> Any:
        """The child's answer. Raises UserError as the child did, `_DiedError` when there is no answer in time."""
        if self._closed:
            raise UserError("the database is closed: connect again")
        process = self._started()
        self._requests += 1
        self._running = self._requests
        timer = threading.Timer(seconds, process.kill)
        timer.daemon = True
        timer.start()
        try:
            kind, value = self._exchange(process, message)
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            self._end()
            raise _DiedError(f"{self._given_url}: the engine's process ended; try again") from error
        finally:
            self._running = 0
            timer.cancel()
        if kind == "user error":
            raise UserError(value)
        if kind == "bug":
            raise RuntimeError(value)
        return value

    def _exchange(self, process: subprocess.Popen[bytes], message: tuple) -> Any:
        assert process.stdout is not None
        self._send(process, message)
        return pickle.load(process.stdout)

    def _send(self, process: subprocess.Popen[bytes], message: tuple) -> None:
        assert process.stdin is not None
        with self._writing, contextlib.suppress(OSError, ValueError):  # ended: whoever reads the answer sees it
            _write(process.stdin, message)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        command = [sys.executable, "-P", "-m", "text2sql.database.isolated", self._given_url]
        sources = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sources))},
            start_new_session=True,  # Ctrl-C in a terminal is for the parent
        )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


class _DiedError(UserError):
    """The child ended without an answer."""


def _write(stream: IO[bytes], message: Any) -> None:
    pickle.dump(message, stream)
    stream.flush()


def _limit_memory() -> None:
    """Limit the address space, where the operating system can (not on Windows)."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + MEMORY_LIMIT
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _open(url: str) -> Database:
    from text2sql.database.duckdb import DuckDBDatabase

    return DuckDBDatabase(url)


def _answer(database: Database, message: tuple) -> Any:
    if message[0] == "facts":
        return database.name, database.dialect, database.url, database.warnings, getattr(database, "path", None)
    member = getattr(database, message[0])
    return member(*message[1:]) if callable(member) else member


def _reply(action: Any) -> tuple[str, Any]:
    try:
        return "value", action()
    except UserError as error:
        return "user error", str(error)
    except Exception as error:
        return "bug", f"{type(error).__name__}: {error}"


def _receive(requests: queue.SimpleQueue[tuple], opened: dict[str, Database]) -> None:
    """Read messages while queries run, so that `cancel` is heard; the parent's end is the child's."""
    while True:
        try:
            message = pickle.load(sys.stdin.buffer)
        except (EOFError, OSError):
            os._exit(0)
        if message[0] != "cancel":
            requests.put(message)
        elif "database" in opened:
            opened["database"].cancel()


def main() -> None:
    """The child: open the database, answer requests until the parent goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that a library prints may get between the answers
    _limit_memory()
    requests: queue.SimpleQueue[tuple] = queue.SimpleQueue()
    opened: dict[str, Database] = {}
    threading.Thread(target=_receive, args=(requests, opened), daemon=True).start()
    kind, value = _reply(lambda: _open(sys.argv[1]))
    while True:
        message = requests.get()
        if kind != "value":
            _write(answers, (kind, value))  # the database cannot be opened: say so whatever is asked
            continue
        opened["database"] = value
        _write(answers, _reply(lambda: _answer(value, message)))  # noqa: B023


if __name__ == "__main__":
    main()
