"""Execution guidance: of several candidates those whose query runs and returns something (Wang et al. 2018).

It reads the database, never the gold query. A prediction is passed over when it fails, then when it returns nothing
(no rows, only NULL, a count of 0); where all do, those that run stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from text2sql.data.contents import Contents
from text2sql.data.example import Example
from text2sql.database import Database, ExecutionResult, SQLiteDatabase
from text2sql.decoding.prediction import Prediction

TIME_LIMIT = 2.0
"""Seconds that one candidate may run."""
ROW_LIMIT = 1000
"""Rows of a candidate's result that are looked at."""

Run = Callable[[str], ExecutionResult]
"""SQL -> its result on an example's database."""


def guided(candidates: Sequence[Prediction], run: Run) -> list[Prediction]:
    """The candidates that return something, else those that run, else all."""
    running = [candidate for candidate in candidates if run(candidate.sql).error is None]
    return [c for c in running if says_something(run(c.sql).rows)] or running or list(candidates)


def says_something(rows: Iterable[Sequence[object]]) -> bool:
    """Whether a result holds anything but NULL and zero."""
    return any(value not in (None, 0) for row in rows for value in row)


def runner(database: Database, fold: bool = False) -> Run:
    """Runs each SQL text once, read only and within limits; `fold` lower-cases it, for WikiSQL, which compares so."""

    @cache
    def run(sql: str) -> ExecutionResult:
        return database.run(sql.lower() if fold else sql, TIME_LIMIT, ROW_LIMIT)

    return run


@contextmanager
def opened(example: Example, contents: Contents) -> Iterator[Database | None]:
    """The database of an example, for WikiSQL its table with text lower-cased; None where there are no rows."""
    if example.source == "wikisql":
        rows = contents.rows(example)
        folded = [[value.lower() if isinstance(value, str) else value for value in row] for row in rows]
        table = example.schema.tables[0].name
        database = SQLiteDatabase.from_rows(example.schema, {table: folded}) if rows else None
    else:
        database = SQLiteDatabase(example.database) if example.database else None
    try:
        yield database
    finally:
        if database is not None:
            database.close()
