"""The foreign-key graph: which tables a query needs, and how they join, worked out from the columns it mentions.

Most FROM clauses say nothing that the mentioned columns and the foreign keys don't already say. The target language
leaves those out (NatSQL, Gan et al. 2021, section 3; SemQL, Guo et al. 2019, section 2.1); `rebuild` puts them back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from text2sql.schema import Schema

ColumnPairs = tuple[tuple[int, int], ...]
"""Pairs of column numbers that a join sets equal: (column of an earlier table, column of the new table)."""


@dataclass(frozen=True)
class JoinStep:
    """One table of a FROM clause with the columns it is joined on; the first table has none."""

    table: int
    pairs: ColumnPairs = ()


class JoinGraph:
    """Foreign keys of one schema, as edges between table numbers."""

    def __init__(self, schema: Schema) -> None:
        self._edges: dict[int, list[tuple[int, ColumnPairs]]] = {n: [] for n in range(len(schema.tables))}
        for key in schema.foreign_keys:
            try:
                pairs = tuple(
                    (schema.column_number(key.table, c), schema.column_number(key.referenced_table, r))
                    for c, r in zip(key.columns, key.referenced_columns, strict=True)
                )
                source, target = schema.table_number(key.table), schema.table_number(key.referenced_table)
            except (KeyError, ValueError):
                continue  # a key that points outside the schema joins nothing
            if source != target:
                self._edges[source].append((target, pairs))
                self._edges[target].append((source, tuple((r, c) for c, r in pairs)))

    def default_pairs(self, joined: Sequence[int], table: int) -> ColumnPairs | None:
        """Columns of the first foreign key between `table` and one of the `joined` ones, or None."""
        for earlier in joined:
            for neighbour, pairs in self._edges[earlier]:
                if neighbour == table:
                    return pairs
        return None

    def rebuild(self, mentioned: Sequence[int]) -> list[JoinStep] | None:
        """FROM clause over the mentioned tables and those between them, or None where no keys connect them.

        Tables come in the order of their mention; each is reached by the shortest path of foreign keys from the
        ones before it, ties going to the key declared first.
        """
        steps: list[JoinStep] = []
        for table in dict.fromkeys(mentioned):
            joined = [step.table for step in steps]
            if table in joined:
                continue
            path = self._path(joined, table) if joined else [JoinStep(table)]
            if path is None:
                return None
            steps += path
        return steps

    def _path(self, joined: Sequence[int], target: int) -> list[JoinStep] | None:
        """Steps from the joined tables to the target, breadth first."""
        queue: deque[tuple[int, list[JoinStep]]] = deque((table, []) for table in joined)
        seen = set(joined)
        while queue:
            table, steps = queue.popleft()
            if table == target:
                return steps
            for neighbour, pairs in self._edges[table]:
                if neighbour not in seen:
                    seen.add(neighbour)
                    queue.append((neighbour, [*steps, JoinStep(neighbour, pairs)]))
        return None
