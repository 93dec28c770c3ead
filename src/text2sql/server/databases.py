"""The databases that the server has open: those given at the start, those connected to, those uploaded."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from text2sql.database import connect
from text2sql.errors import UserError
from text2sql.server.batching import current_job
from text2sql.server.errors import ApiError, one_line
from text2sql.server.pool import PooledDatabase
from text2sql.server.settings import Settings

SQLITE_MAGIC = b"SQLite format 3\x00"
_LONGEST_NAME = 40


@dataclass(frozen=True)
class Entry:
    """An open database. `folder` holds an upload's files; `given` ones were named at the start."""

    id: str
    database: PooledDatabase
    given: bool = False
    folder: Path | None = None


class Databases:
    """Opens, finds and closes databases. Usable from several threads."""

    def __init__(self, settings: Settings) -> None:
        """Open the databases of the settings. Raises UserError for one that cannot be opened."""
        self._settings = settings
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="text2sql-uploads-"))  # mode 700
        try:
            for url in settings.databases:
                self._add(self._pool(url), given=True)
        except BaseException:
            self.close()
            raise

    def all(self) -> list[Entry]:
        """The open databases, the default first."""
        with self._lock:
            return list(self._entries.values())

    def get(self, identifier: str | None = None) -> Entry:
        """The database of that id, the first one for None. Raises ApiError 404."""
        with self._lock:
            entry = next(iter(self._entries.values()), None) if identifier is None else self._entries.get(identifier)
        if entry is None:
            known = ", ".join(e.id for e in self.all()[:5]) or "none is open"
            what = "no database is open" if identifier is None else "there is no database of that id"
            raise ApiError(404, f"{what} (open: {known})" if identifier is not None else f"{what}: connect to one")
        return entry

    def connect(self, url: str) -> Entry:
        """Open a database that a client names. Raises ApiError for what is not allowed or cannot be opened."""
        if not self._settings.may_connect:
            raise ApiError(403, "connecting to databases is switched off on this server: ask one of GET /databases")
        scheme, separator, _ = url.partition("://")
        if (scheme if separator else "sqlite") not in self._settings.schemes:
            raise ApiError(403, f"databases of this kind may not be opened here; allowed: {_list(self._settings)}")
        self._check_room()
        try:
            return self._add(self._pool(url))
        except ApiError:
            raise
        except (UserError, OSError, ValueError) as error:  # a path that is too long, or has a zero byte
            raise ApiError(409, one_line(error)) from None

    def upload(self, files: Sequence[tuple[str, BinaryIO]]) -> Entry:
        """Make a database of one SQLite file or of CSV files, given with their names. Raises ApiError."""
        if not self._settings.allow_uploads:
            raise ApiError(403, "uploads are switched off on this server")
        if not files or len(files) > self._settings.upload_files:
            raise ApiError(413, f"give 1 to {self._settings.upload_files} files")
        self._check_room()
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            path = self._store(files, folder)
            identifier = f"{path.stem}-{secrets.token_hex(3)}"
            pool = self._pool(str(path))
            pool.url = f"upload:{identifier}"
            pool.path = Path(":memory:")  # so that nothing of an upload's contents is kept in a cache
            current_job().check()  # nobody would know of the database
            return self._add(pool, identifier, folder=folder)
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, ApiError) or not isinstance(error, UserError):
                raise
            raise ApiError(409, one_line(error).replace(f"{folder}/", "")) from None

    def remove(self, identifier: str) -> None:
        """Close a database and delete its upload. Raises ApiError 404, and 409 for one given at the start."""
        if self.get(identifier).given:
            raise ApiError(409, "this database was given when the server was started: it stays open")
        with self._lock:
            entry = self._entries.pop(identifier, None)
        if entry is not None:
            _close(entry)

    def close(self) -> None:
        """Close all databases and delete all uploads."""
        with self._lock:
            entries, self._entries = list(self._entries.values()), {}
        for entry in entries:
            _close(entry)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _pool(self, url: str) -> PooledDatabase:
        return PooledDatabase(lambda: connect(url), self._settings.connections)

    def _add(
        self, pool: PooledDatabase, identifier: str | None = None, given: bool = False, folder: Path | None = None
    ) -> Entry:
        with self._lock:
            entry = Entry(identifier or self._free_id(pool.name), pool, given, folder)
            self._entries[entry.id] = entry
        return entry

    def _free_id(self, name: str) -> str:
        base = safe_name(name)
        return next(i for i in (base, *(f"{base}-{n}" for n in range(2, 1000))) if i not in self._entries)

    def _check_room(self) -> None:
        if len(self.all()) >= self._settings.most_databases:
            raise ApiError(409, f"{self._settings.most_databases} databases are open already: close one first")

    def _store(self, files: Sequence[tuple[str, BinaryIO]], folder: Path) -> Path:
        """Write the files into the folder, as one SQLite database there."""
        from text2sql.database.uploads import check_sqlite, import_csv

        used = sum(path.stat().st_size for path in self._folder.rglob("*") if path.is_file())
        if used + sum(_size(file) for _, file in files) > self._settings.uploads_bytes:
            raise ApiError(413, "the uploads of this server take too much room already: close one first")
        name, first = files[0]
        target = folder / f"{safe_name(Path(name).stem)}.sqlite"
        if len(files) == 1 and _begins_with(first, SQLITE_MAGIC):
            _write(first, target)
            check_sqlite(target)
            return target
        paths = [self._store_csv(name, file, folder) for name, file in files]
        import_csv(paths, target)
        for path in paths:
            path.unlink()
        return target

    @staticmethod
    def _store_csv(name: str, file: BinaryIO, folder: Path) -> Path:
        path = folder / f"{safe_name(Path(name).stem)}.csv"
        if not name.lower().endswith((".csv", ".tsv", ".txt")) or path.exists():
            raise ApiError(409, f"{safe_name(name)}: give one SQLite file, or CSV files with different names")
        _write(file, path)
        return path


def safe_name(name: str) -> str:
    """A name of letters, digits, `_` and `-` only, never empty: no path, no hidden file."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_-")[:_LONGEST_NAME] or "database"


def _list(settings: Settings) -> str:
    return ", ".join(f"{scheme}://" for scheme in settings.schemes)


def _size(file: BinaryIO) -> int:
    size = file.seek(0, 2)
    file.seek(0)
    return size


def _begins_with(file: BinaryIO, magic: bytes) -> bool:
    beginning = file.read(len(magic))
    file.seek(0)
    return beginning == magic


def _write(file: BinaryIO, path: Path) -> None:
    with path.open("xb") as target:
        shutil.copyfileobj(file, target)


def _close(entry: Entry) -> None:
    with contextlib.suppress(Exception):  # a server that is gone cannot be told goodbye
        entry.database.close()
    if entry.folder is not None:
        shutil.rmtree(entry.folder, ignore_errors=True)
