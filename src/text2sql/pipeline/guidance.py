"""Execution guidance: of several beams, the first whose query runs and returns something (Wang et al. 2018).

It reads the database, never the gold query. A prediction is passed over when it fails, then when it returns nothing
(no rows, only NULL, a count of 0); where all do, the likeliest one that runs stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from tqdm import tqdm

from text2sql.data.contents import Contents
from text2sql.data.example import Example
from text2sql.database import Database, SQLiteDatabase
from text2sql.decoding.generator import Prediction

TIME_LIMIT = 2.0
"""Seconds that one candidate may run."""


def guided(
    found: Sequence[Sequence[Prediction]], examples: Sequence[Example], contents: Contents, progress: bool = False
) -> list[Prediction]:
    """One prediction per example out of its beams, best first; the likeliest where the example has no contents."""
    pairs = tqdm(list(zip(found, examples, strict=True)), desc="executing beams", unit="question", disable=not progress)
    chosen = []
    for beams, example in pairs:
        with opened(example, contents) as database:
            chosen.append(choose(beams, database, fold=example.source == "wikisql") if database else beams[0])
    return chosen


def choose(beams: Sequence[Prediction], database: Database, fold: bool = False) -> Prediction:
    """The first beam that returns something, else the first that runs, else the first.

    `fold` lower-cases the SQL, for WikiSQL, which compares values so.
    """
    running = None
    for beam in beams:
        if not beam.sql:
            continue
        result = database.run(beam.sql.lower() if fold else beam.sql, TIME_LIMIT, row_limit=50)
        if result.error is None and says_something(result.rows):
            return beam
        if result.error is None and running is None:
            running = beam
    return running or beams[0]


def says_something(rows: Iterable[Sequence[object]]) -> bool:
    """Whether a result holds anything but NULL and zero."""
    return any(value not in (None, 0) for row in rows for value in row)


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
