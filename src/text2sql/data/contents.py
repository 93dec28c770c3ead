"""The contents of an example's database, as an index that finds the cells a question mentions.

WikiSQL keeps its rows beside the questions, Spider in SQLite files; both give the same `ValueIndex`. Each index is
built once and kept. Nothing of a gold query goes into an index.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from text2sql.data.example import Example
from text2sql.data.wikisql import WikiSQLTables
from text2sql.database import Database, connect
from text2sql.prompting.linking import Links, ValueIndex, link
from text2sql.schema import Schema

VALUES_PER_COLUMN = 5000
"""At most this many different values of a column are indexed."""


class Contents:
    """Value indexes of examples, by their database or WikiSQL table."""

    def __init__(self, directory: Path | str) -> None:
        """`directory` holds the downloaded sets (WikiSQL's rows are read from it when first needed)."""
        self._directory = Path(directory)
        self._wikisql: dict[str, WikiSQLTables] = {}
        self._indexes: dict[str, ValueIndex] = {}

    def links(self, example: Example) -> Links:
        """What the example's question mentions, cells included where there are contents."""
        return link(example.question, example.schema, self.index(example))

    def index(self, example: Example) -> ValueIndex | None:
        """The example's value index, or None where the set has no contents."""
        key = example.database or f"{example.source}:{example.schema.name}"
        if key not in self._indexes:
            self._indexes[key] = ValueIndex(self.values(example))
        return self._indexes[key] if len(self._indexes[key]) else None

    def rows(self, example: Example) -> list[list[Any]]:
        """The rows of a WikiSQL example's table."""
        split = "dev" if example.split == "dev" else "test" if example.split == "test" else "train_all"
        if split not in self._wikisql:
            self._wikisql[split] = WikiSQLTables(self._directory / "wikisql", split)
        return self._wikisql[split].rows(example.schema.name)

    def values(self, example: Example) -> Iterator[tuple[int, Any]]:
        """(column number, value) of the cells of the example's table or database; none where there are no contents."""
        if example.source == "wikisql":
            for row in self.rows(example):
                yield from enumerate(row)
        elif example.database is not None:
            with connect(example.database) as database:
                yield from column_values(database, example.schema)


def column_values(database: Database, schema: Schema, limit: int = VALUES_PER_COLUMN) -> Iterator[tuple[int, Any]]:
    """(column number of `schema`, value) for the different values of each column, at most `limit` of each.

    A set's schema may name tables or columns that its database file lacks; they have no values.
    """
    for number, (table, column) in enumerate(schema.columns):
        actual = database.schema.table(table.name)
        if actual is not None and actual.column(column.name) is not None:
            for value in database.distinct_values(table.name, column.name, limit):
                yield number, value
