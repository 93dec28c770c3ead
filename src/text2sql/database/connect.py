"""From what a user types to an open `Database`."""

from __future__ import annotations

from text2sql.database.base import Database
from text2sql.database.sqlite import SQLiteDatabase
from text2sql.errors import UserError


def connect(url_or_path: str) -> Database:
    """Open `sqlite:///relative.sqlite`, `sqlite:////absolute.sqlite` or a plain path to a SQLite file.

    Raises UserError when the file is missing or is no SQLite database, and for other engines.
    """
    scheme, separator, rest = str(url_or_path).partition("://")
    if not separator:
        return SQLiteDatabase(url_or_path)
    if scheme != "sqlite":
        raise UserError(f"{scheme}:// databases are not supported; give a SQLite file or sqlite:///path")
    return SQLiteDatabase(rest.removeprefix("/"))
