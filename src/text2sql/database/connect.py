"""From what a user types to an open `Database`."""

from __future__ import annotations

from text2sql.database.base import Database
from text2sql.database.sqlite import SQLiteDatabase
from text2sql.errors import UserError


def connect(url_or_path: str) -> Database:
    """Open a plain path to a SQLite file, or a URL: `sqlite:///file`, `postgresql://host/name`, `duckdb:///file`, or
    another of SQLAlchemy's.

    A relative path has three slashes before it, an absolute one four. Raises UserError when the database cannot be
    opened: a missing file, a server that does not answer, a driver that is not installed.
    """
    scheme, separator, rest = str(url_or_path).partition("://")
    if not separator:
        return SQLiteDatabase(url_or_path, check_syntax=True)
    if scheme == "sqlite":
        return SQLiteDatabase(rest.removeprefix("/"), check_syntax=True)
    if scheme in ("postgresql", "postgres"):
        return _postgres(str(url_or_path))
    return _by_sqlalchemy(str(url_or_path), scheme)


def _postgres(url: str) -> Database:
    """Imported when needed: psycopg is an extra."""
    try:
        from text2sql.database.postgres import PostgresDatabase
    except ImportError as error:
        raise UserError("postgresql:// databases need psycopg: pip install 'text2sql[db]'") from error
    return PostgresDatabase(url)


def _by_sqlalchemy(url: str, scheme: str) -> Database:
    """Imported when needed: SQLAlchemy and DuckDB are an extra."""
    try:
        from text2sql.database.isolated import IsolatedDatabase
        from text2sql.database.sqlalchemy_database import SQLAlchemyDatabase
    except ImportError as error:
        raise UserError(f"{scheme}:// databases need SQLAlchemy: pip install 'text2sql[db]'") from error
    return IsolatedDatabase(url) if scheme.startswith("duckdb") else SQLAlchemyDatabase(url)
