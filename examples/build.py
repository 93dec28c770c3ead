"""Build the example databases from their readable sources.

`sources/<name>/schema.sql` holds the tables of one database, `sources/<name>/<table>.csv` the rows of one table; an
empty field is NULL. `python examples/build.py` writes `<name>.sqlite` beside this script for every folder of
`sources/`. The bytes depend on the sources alone: tables are filled in the order of the schema, and the one header
field that names the SQLite version is blanked. Only Python's standard library is used, so that it runs anywhere.
"""

from __future__ import annotations

import csv
import os
import sqlite3
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent
PAGE_BYTES = 4096
VERSION_FIELD = 96
"""Offset of the 4-byte number of the SQLite version that wrote the file (file format, section 1.3.14)."""


def build(source: Path, target: Path) -> None:
    """Write the database `target` from the folder `source`, replacing what is there.

    Raises sqlite3.IntegrityError when a row breaks a constraint or a foreign key points nowhere.
    """
    scratch = target.with_suffix(".building")
    scratch.unlink(missing_ok=True)
    connection = sqlite3.connect(scratch, isolation_level=None)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.executescript((source / "schema.sql").read_text(encoding="utf-8"))
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid")
        connection.execute("BEGIN")
        connection.execute("PRAGMA defer_foreign_keys = ON")
        for (table,) in tables.fetchall():
            fill(connection, table, source / f"{table}.csv")
        connection.execute("COMMIT")
        connection.execute("VACUUM")
    finally:
        connection.close()
    with scratch.open("r+b") as file:
        file.seek(VERSION_FIELD)
        file.write(bytes(4))
    os.replace(scratch, target)


def fill(connection: sqlite3.Connection, table: str, path: Path) -> None:
    """Insert the rows of a CSV file whose first line names the columns."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    columns = ", ".join(f'"{name}"' for name in header)
    places = ", ".join("?" * len(header))
    values = ([value or None for value in row] for row in rows)
    connection.executemany(f'INSERT INTO "{table}" ({columns}) VALUES ({places})', values)


def main(directory: Path = EXAMPLES) -> None:
    """Build every database of `sources/` into `directory`."""
    for source in sorted(path for path in (EXAMPLES / "sources").iterdir() if path.is_dir()):
        build(source, directory / f"{source.name}.sqlite")
        print(f"{source.name}.sqlite")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLES)
