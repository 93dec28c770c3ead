"""The contents of a user's database as an index for linking: built once, kept on disk, quick on large tables.

Of each column at most `TEXTS_PER_COLUMN` different texts or `VALUES_PER_COLUMN` others are indexed (engines read large
tables by a sample), and columns whose values no question would spell out are left out: blobs, measurements, long
texts, and the row numbers and codes of tables with more rows than are indexed.

The index is written to the cache folder, readable by its owner only since it holds the database's contents, under a
name made of the URL (without password) and the schema. It is built again when the file has changed or, where that
cannot be seen, after `MAXIMUM_AGE`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from text2sql.data.contents import VALUES_PER_COLUMN
from text2sql.database import Database
from text2sql.errors import UserError
from text2sql.prompting.linking import ValueIndex
from text2sql.schema import Column, Schema, Table

TEXTS_PER_COLUMN = 50_000
"""At most this many different values of a text column are indexed: a question may name any of many cities."""
ENTRIES = 500_000
"""Columns whose turn comes after so many values are left out."""
LONGEST = 80
"""Texts with more characters are not indexed, as in `ValueIndex`."""
BUILD_SECONDS = 60.0
"""Columns whose turn comes later than this are left out."""
MAXIMUM_AGE = 24 * 3600.0
"""Seconds that the index of a server's contents is good for."""
_FORMAT = 1


def value_index(database: Database, *, cache: Path | None = None, progress: bool = False) -> ValueIndex:
    """The index of a database's cells, from the cache or built now.

    `cache` is a folder (default `~/.cache/text2sql`, or below XDG_CACHE_HOME); `progress` shows a bar while building.
    A database in memory is not cached. Raises UserError when the database cannot be read.
    """
    schema = database.schema
    version = data_version(database)
    if version is None:
        return ValueIndex(_values(database, schema, progress))
    path = cache_file(database, cache)
    index = _load(path, version)
    if index is None:
        index = ValueIndex(_values(database, schema, progress))
        _save(path, version, index)
    return index


def cache_file(database: Database, cache: Path | None = None) -> Path:
    """Where the index of a database is kept."""
    folder = cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "text2sql"
    path = getattr(database, "path", None)
    place = str(Path(path).resolve()) if path else database.url
    key = json.dumps([_FORMAT, TEXTS_PER_COLUMN, VALUES_PER_COLUMN, place, database.schema.fingerprint])
    return folder / f"values-{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


def data_version(database: Database) -> str | None:
    """What changes when a file's contents change; "" for a server, None for a database in memory."""
    path = getattr(database, "path", None)
    if path is None:
        return ""
    states = []
    for file in (Path(path), Path(f"{path}-wal"), Path(f"{path}.wal")):
        with contextlib.suppress(OSError):
            status = file.stat()
            states.append(f"{file.suffix}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}")
    return " ".join(states) or None


def _values(database: Database, schema: Schema, progress: bool) -> Iterator[tuple[int, Any]]:
    """(column number, value) for the columns worth indexing; text first, since time may run out."""
    columns = [(number, table, column) for number, (table, column) in enumerate(schema.columns)]
    columns.sort(key=lambda item: item[2].type != "text")
    deadline = time.monotonic() + BUILD_SECONDS
    entries = 0
    for number, table, column in tqdm(columns, desc="reading values", unit="column", disable=not progress):
        if entries > ENTRIES or time.monotonic() > deadline:
            return
        if column.type == "others" or _is_key_of_many(database, table, column):
            continue
        limit = TEXTS_PER_COLUMN if column.type == "text" else VALUES_PER_COLUMN
        try:
            values = database.distinct_values(table.name, column.name, limit)
        except UserError:
            continue  # a column that this role may not read, a view that fails
        if is_useful(values, limit):
            entries += len(values)
            yield from ((number, value) for value in values)


def _is_key_of_many(database: Database, table: Table, column: Column) -> bool:
    """Whether a column numbers the rows of a large table."""
    if column.type != "number" or table.primary_key != (column.name,):
        return False
    rows = database.row_count(table.name)
    return rows is None or rows > VALUES_PER_COLUMN


def is_useful(values: Sequence[Any], limit: int) -> bool:
    """Whether questions might name a column's values, given up to `limit` of them."""
    kept = [value for value in values if not isinstance(value, bytes | bytearray | memoryview | list | dict)]
    if not kept or sum(len(str(value)) > LONGEST for value in kept) > len(kept) / 2:
        return False
    if len(values) < limit:
        return True  # few enough to be named; numbers too, such as years
    texts = [value for value in kept if isinstance(value, str)]
    codes = sum(any(c.isdigit() for c in text) and " " not in text for text in texts)
    return len(texts) > len(kept) / 2 and codes < len(texts) / 2


def _load(path: Path, version: str) -> ValueIndex | None:
    """The index of a cache file, or None when it is missing, damaged, old or of other contents."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["version"] != version or (not version and time.time() - data["written"] > MAXIMUM_AGE):
            return None
        return ValueIndex.from_places(data["places"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _save(path: Path, version: str, index: ValueIndex) -> None:
    """Write a cache file whole or not at all; a folder that cannot be written to only costs time."""
    data = {"version": version, "written": time.time(), "places": index.places()}
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # only the owner may read it
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(data, file)
            os.replace(part, path)
        finally:
            Path(part).unlink(missing_ok=True)
