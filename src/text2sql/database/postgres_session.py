"""One connection to a PostgreSQL server: how it is opened, what its transactions may do, how a query is ended.

Nothing here shows a password: addresses are rebuilt without it and messages of the driver are cleaned of it.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, quote_plus

import psycopg
from psycopg import adapt, conninfo, postgres
from psycopg.types import datetime as times
from psycopg.types import numeric, string

from text2sql.errors import UserError

CONNECT_SECONDS = 10
"""How long the server may take to accept a connection, unless the URL has its own connect_timeout."""
GRACE = 2.0
"""Seconds between asking a server to stop a query and closing the connection to it."""
WORK_MEMORY = 16 * 1024
"""kB that one sort or hash of a query may take on the server."""
TEMPORARY_FILES = 1024 * 1024
"""kB of temporary files that one query may write on the server; only superusers may set this limit."""

_SECRET = re.compile(r"pass|secret|token", re.IGNORECASE)
_ADVICE = "expected postgresql://user:password@host:port/database, special characters of the password as %40"


def read_url(url: str) -> tuple[dict[str, Any], str]:
    """Connection parameters of a `postgresql://` URL, and the URL to show, which has no password and no options.

    Raises UserError, which repeats no part of the URL: what cannot be read may be a password.
    """
    authority = url.partition("://")[2].partition("/")[0]
    if url.count("@") > ("@" in authority):
        raise UserError(f"the PostgreSQL URL cannot be read (an @ too many): {_ADVICE}")
    try:
        parameters = conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        raise UserError(f"the PostgreSQL URL cannot be read: {_ADVICE}") from None
    user, host, port, name = (
        quote(str(parameters.get(key) or ""), safe=",:") for key in ("user", "host", "port", "dbname")
    )
    place = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    return parameters, f"postgresql://{user + '@' if user else ''}{place}" + (f"/{name}" if name else "")


def clean(message: str, parameters: dict[str, Any]) -> str:
    """A message of the driver or server in one line, every secret of the URL replaced by ***."""
    for key, value in parameters.items():
        if value and _SECRET.search(key):
            for form in {str(value), quote(str(value)), quote_plus(str(value)), repr(str(value))[1:-1]}:
                message = message.replace(form, "***")
    return " ".join(message.split())


def open_connection(parameters: dict[str, Any], shown: str) -> psycopg.Connection:
    """Connect. Raises UserError saying whether server, role, password or database is wrong."""
    own = {"connect_timeout": CONNECT_SECONDS, "application_name": "text2sql"}
    try:
        return psycopg.connect(
            **{**own, **parameters, "client_encoding": "UTF8"},
            autocommit=True,
            context=_Context(),
            prepare_threshold=None,
        )
    except psycopg.Error as error:
        raise UserError(f"cannot connect to {shown}: {_connect_problem(error, parameters)}") from None


def _connect_problem(error: psycopg.Error, parameters: dict[str, Any]) -> str:
    message = clean(str(error), parameters)
    problems = {
        "password authentication failed": "the server refuses this role with this password",
        "no password supplied": "the server wants a password: put it into the URL, PGPASSWORD or ~/.pgpass",
        "Connection refused": "no PostgreSQL server answers there: start it, or check host and port",
        "timeout expired": "the server did not answer in time: check host, port and firewall",
    }
    for sign, problem in problems.items():
        if sign.lower() in message.lower():
            return problem
    return re.sub(r"^.*(FATAL|failed|error): +", "", message)


@dataclass(frozen=True)
class Limits:
    """What the role is, and the limits that the server already sets (0 or -1: none)."""

    superuser: bool
    version: int
    work_memory: int
    temporary_files: int
    statement_timeout: int

    @classmethod
    def of(cls, connection: psycopg.Connection) -> Limits:
        """Ask the server. Raises psycopg.Error."""
        row = connection.execute(_LIMITS).fetchone()
        assert row is not None
        return cls(bool(row[0]), int(row[1]), int(row[2]), int(row[3]), int(row[4]))

    def begin(self, time_limit: float) -> str:
        """Statements that open a transaction which cannot write and whose parts end by themselves.

        The role of a superuser is given up for one that may only read, as far as the server has it (version 14).
        """
        milliseconds = max(1, round(time_limit * 1000))
        if self.statement_timeout:
            milliseconds = min(milliseconds, self.statement_timeout)
        settings = {
            "statement_timeout": milliseconds,
            "lock_timeout": milliseconds,
            "idle_in_transaction_session_timeout": milliseconds + 60_000,
            "work_mem": min(self.work_memory, WORK_MEMORY),
            "max_parallel_workers_per_gather": 0,
            "cursor_tuple_fraction": 1,
            "standard_conforming_strings": "on",
            "datestyle": "ISO",
            "intervalstyle": "postgres",
            "jit": "off",
        }
        if self.superuser:
            files = self.temporary_files
            settings["temp_file_limit"] = min(files, TEMPORARY_FILES) if files >= 0 else TEMPORARY_FILES
        lines = ["BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"]
        lines += [f"SET LOCAL {name} = {value}" for name, value in settings.items()]
        if self.superuser and self.version >= 140_000:
            lines += ["SET LOCAL row_security = off", "SET LOCAL ROLE pg_read_all_data"]
        return "; ".join(lines)


_LIMITS = """
    SELECT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user),
           current_setting('server_version_num')::int,
           (SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = 'work_mem'),
           (SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = 'temp_file_limit'),
           (SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = 'statement_timeout')
"""


class Watchdog:
    """Ends what a connection does after some seconds: asks the server to cancel it, then closes the connection.

    The server's own statement_timeout comes first; this is for a server that does not look at its clock, cannot be
    reached any more, or whose timeout covers only a part of the query.
    """

    def __init__(self, connection: psycopg.Connection, seconds: float) -> None:
        self._connection = connection
        self._seconds = seconds
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.fired = False

    def _watch(self) -> None:
        if self._done.wait(self._seconds):
            return
        self.fired = True
        with contextlib.suppress(psycopg.Error, OSError):
            self._connection.cancel_safe(timeout=GRACE)
        if not self._done.wait(GRACE):
            drop(self._connection)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()  # else a late cancellation would hit the next query


def drop(connection: psycopg.Connection) -> None:
    """Cut the connection under a query that another thread waits for; that thread gets an OperationalError."""
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


class _Text(adapt.Loader):
    """A value as the server writes it. Bytes that are no UTF-8 become replacement characters."""

    def load(self, data: Any) -> str:
        return bytes(data).decode("utf-8", "replace")


def _or_text(loader: type[adapt.Loader]) -> type[adapt.Loader]:
    """A loader that gives the text where Python has no such value: the year 10000, BC, infinity."""

    class OrText(loader):  # type: ignore[misc, valid-type]
        def load(self, data: Any) -> Any:
            try:
                return super().load(data)
            except (psycopg.DataError, ValueError, OverflowError):
                return bytes(data).decode("utf-8", "replace")

    return OrText


_LOADERS: dict[str, type[adapt.Loader]] = {
    "int2": numeric.IntLoader,
    "int4": numeric.IntLoader,
    "int8": numeric.IntLoader,
    "oid": numeric.IntLoader,
    "float4": numeric.FloatLoader,
    "float8": numeric.FloatLoader,
    "numeric": numeric.NumericLoader,
    "bytea": string.ByteaLoader,
    "date": _or_text(times.DateLoader),
    "time": _or_text(times.TimeLoader),
    "timestamp": _or_text(times.TimestampLoader),
    "timestamptz": _or_text(times.TimestamptzLoader),
}


class _Bool(adapt.Loader):
    def load(self, data: Any) -> bool:
        return bytes(data) == b"t"


class _Context:
    """Numbers, truth values, bytes, dates and times become Python's; every other type is its text."""

    def __init__(self) -> None:
        self.adapters = adapt.AdaptersMap(types=postgres.types)
        self.connection: psycopg.Connection | None = None
        self.adapters.register_loader(0, _Text)  # 0: what has no loader of its own
        self.adapters.register_loader("bool", _Bool)
        for name, loader in _LOADERS.items():
            self.adapters.register_loader(name, loader)
        self.adapters.register_dumper(str, string.StrDumper)
