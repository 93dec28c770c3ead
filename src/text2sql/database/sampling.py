"""SQL for the different values of a column of a large SQLite table, read from blocks of rows spread over the table.

Reading ten million rows takes seconds per column; a sample of a hundred thousand finds every value that one row in
some twenty thousand has. Blocks of neighbouring rows cost far fewer pages than single rows, and the row numbers may
have gaps. The sample is the same every time.
"""

from __future__ import annotations

from text2sql.schema import Table, quote_identifier

EXACT_ROWS = 1_000_000
"""Tables of up to so many row numbers are read completely."""
BLOCKS = 500
"""Blocks of a sample."""
BLOCK_ROWS = 200
"""Rows of a block."""


def distinct_statement(table: Table, column: str, limit: int, row_numbers: tuple[int, int] | None) -> str:
    """SELECT for up to `limit` values, all of them or, by the first and last row number, a sample's."""
    source, name = quote_identifier(table.name), quote_identifier(column)
    if row_numbers is None or row_numbers[1] - row_numbers[0] < EXACT_ROWS:
        return f"SELECT DISTINCT {name} FROM {source} WHERE {name} IS NOT NULL LIMIT {limit:d}"
    first, last = row_numbers
    row, step = row_number_name(table), (last - first) // BLOCKS
    return f"""
        WITH RECURSIVE "block "(start) AS (
            SELECT {first:d} UNION ALL SELECT start + {step:d} FROM "block " WHERE start <= {last - step:d}
        )
        SELECT DISTINCT "rows ".{name} FROM "block " CROSS JOIN {source} AS "rows "
        WHERE "rows ".{name} IS NOT NULL AND "rows ".{row} IN (
            SELECT "inner ".{row} FROM {source} AS "inner "
            WHERE "inner ".{row} >= "block ".start ORDER BY "inner ".{row} LIMIT {BLOCK_ROWS}
        ) LIMIT {limit:d}"""


def distinct_of_first_rows(table: Table, column: str, limit: int) -> str:
    """SELECT for up to `limit` values of the first rows: for what has no row numbers and takes too long."""
    source, name = quote_identifier(table.name), quote_identifier(column)
    rows = f"SELECT {name} FROM {source} LIMIT {BLOCKS * BLOCK_ROWS:d}"
    return f"SELECT DISTINCT {name} FROM ({rows}) WHERE {name} IS NOT NULL LIMIT {limit:d}"


def row_number_name(table: Table) -> str:
    """What the row number is called in this table: a column may have taken one of its three names."""
    return next((name for name in ("_rowid_", "rowid", "oid") if table.column(name) is None), "_rowid_")
