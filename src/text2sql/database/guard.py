"""Make a SQLite connection harmless: read-only file, authorizer, limits.

Enforced by the engine, whatever the SQL text looks like. `open_read_only` and `harden` are used once per connection;
an `Authorizer` remembers what it refused, so that the error can say so.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from text2sql.schema import quote_identifier

VALUE_LIMIT = 10_000_000
"""Longest string, blob or row in bytes; longer ones are the error "string or blob too big"."""
HEAP_LIMIT = 2**30
"""Bytes that SQLite may hold in this process, all connections together."""

_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_REFUSED_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit", "lsdir"})
_ACTIONS = ["CREATE_", "DROP_", "ALTER_", "ANALYZE", "ATTACH", "DELETE", "DETACH", "INSERT", "PRAGMA", "REINDEX"]
_ACTIONS += ["SAVEPOINT", "TRANSACTION", "UPDATE"]
_ACTION_NAMES = {
    getattr(sqlite3, name): name.removeprefix("SQLITE_").replace("_", " ")
    for name in dir(sqlite3)
    if name.removeprefix("SQLITE_").startswith(tuple(_ACTIONS))
}


class Authorizer:
    """Lets SELECT, READ, FUNCTION and RECURSIVE pass and denies the rest; `refused` names the first denial."""

    def __init__(self) -> None:
        self.refused: str | None = None

    def __call__(self, action: int, first: str | None, second: str | None, *_: str | None) -> int:
        if action == sqlite3.SQLITE_FUNCTION and str(second).lower() in _REFUSED_FUNCTIONS:
            self.refused = self.refused or f"function {second}"
            return sqlite3.SQLITE_DENY
        if action in _ALLOWED or (action == sqlite3.SQLITE_PRAGMA and (first, second) == ("data_version", None)):
            return sqlite3.SQLITE_OK  # FTS5 tables ask for data_version whenever they are read
        self.refused = self.refused or _ACTION_NAMES.get(action, f"action {action}")
        return sqlite3.SQLITE_DENY


def file_state(path: Path) -> tuple[int, ...] | None:
    """What tells that a snapshot is still the whole database, or None where a snapshot cannot be taken.

    A file in write-ahead-log mode cannot be opened with `mode=ro` without SQLite making two files beside it. While
    no log holds anything, the main file is complete and can be read as an immutable snapshot.
    """
    with path.open("rb") as file:
        write_ahead = file.read(20)[18:20] == b"\x02\x02"
    log = path.with_name(path.name + "-wal")
    if not write_ahead or (log.exists() and log.stat().st_size):
        return None
    status = os.stat(path)
    return status.st_ino, status.st_size, status.st_mtime_ns


def open_read_only(path: Path, snapshot: bool) -> sqlite3.Connection:
    """Open a file that exists, without creating, changing or (for a `snapshot`) locking anything."""
    uri = path.absolute().as_uri() + "?mode=ro" + ("&immutable=1" if snapshot else "")  # as_uri escapes ' ', ?, #
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)


def needs_recovery(path: Path) -> bool:
    """Whether a writer died and left a log that only a writing connection can settle."""
    log, index = path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")
    return log.exists() and log.stat().st_size > 0 and not index.exists()


def harden(connection: sqlite3.Connection, authorizer: Authorizer) -> None:
    """Set limits and the authorizer. Raises sqlite3.Error when the file is no database."""
    for pragma in ("query_only=ON", "temp_store=MEMORY", f"hard_heap_limit={HEAP_LIMIT}"):
        connection.execute(f"PRAGMA {pragma}").close()
    _connect_virtual_tables(connection)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, VALUE_LIMIT)
    connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, 1_000_000)
    connection.setlimit(sqlite3.SQLITE_LIMIT_VDBE_OP, 5_000_000)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 5_000)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.set_authorizer(authorizer)


def _connect_virtual_tables(connection: sqlite3.Connection) -> None:
    """Touch virtual tables while nothing is denied yet: their first use runs a private CREATE TABLE."""
    virtual = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage = 0").fetchall()
    for source in [quote_identifier(row[0]) for row in virtual] + ["json_each('[]')", "json_tree('[]')"]:
        with contextlib.suppress(sqlite3.Error):  # a module that this SQLite lacks
            connection.execute(f"SELECT 1 FROM {source} LIMIT 0").close()
