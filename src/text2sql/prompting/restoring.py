"""From canonical expressions back to SQL with real names: the decoding half of `canonical`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from text2sql.prompting.expressions import (
    POINTER,
    CanonicalError,
    identifier,
    mentioned_columns,
    on_clause,
    on_condition,
    table_key,
)
from text2sql.sql_tree import from_items, nested_queries, own_nodes

if TYPE_CHECKING:
    from text2sql.prompting.canonical import Canonicalizer


class Restorer:
    """Puts FROM, names and aliases back. Alias numbers go on through nested queries, as Spider's metric needs."""

    def __init__(self, canonicalizer: Canonicalizer) -> None:
        self.canonicalizer = canonicalizer
        self.schema = canonicalizer.schema
        self.aliases = 0

    def restore(self, query: exp.Expr, outer: dict[tuple[int, int], str | None]) -> None:
        """`outer` maps (table, use) of the enclosing queries to the alias there, None where it has none."""
        if isinstance(query, exp.Subquery):
            self.restore(query.this, outer)
        elif isinstance(query, exp.SetOperation):
            self._restore_set_operation(query, outer)
        elif isinstance(query, exp.Select):
            self._restore_select(query, outer)
        else:
            raise CanonicalError(f"{type(query).__name__} is not part of the canonical language")

    def _restore_set_operation(self, query: exp.SetOperation, outer: dict[tuple[int, int], str | None]) -> None:
        self.restore(query.left, outer)
        self.restore(query.right, outer)
        order = query.args.get("order")
        for column in list(order.find_all(exp.Column)) if order else []:
            pointer = POINTER.fullmatch(column.name)
            if pointer:
                column.replace(exp.column(self._column_name(int(pointer[2]))))

    def _restore_select(self, select: exp.Select, outer: dict[tuple[int, int], str | None]) -> None:
        if select.args.get("from_") is None:
            self._restore_from(select)
        items = list(from_items(select))
        several = len(items) > 1
        scope: dict[tuple[int, int], str | None] = {}
        for node in items:
            self._restore_source(node, several, scope, outer)
        for join in select.args.get("joins", []):
            self._restore_join(join, items)
        visible = {**outer, **scope}
        nested = list(nested_queries(select))
        for column in list(own_nodes(select, exp.Column)):
            self._restore_column(column, scope, visible)
        for query in nested:
            self.restore(query, visible)
        for node in items:
            self._name_table(node, scope)

    def _restore_from(self, select: exp.Select) -> None:
        steps = self.canonicalizer.steps(mentioned_columns(select))
        if steps is None:
            raise CanonicalError("the query names no tables, or ones that no foreign keys connect")
        first, *rest = (exp.Table(this=exp.to_identifier(f"t{step.table}")) for step in steps)
        select.set("from_", exp.From(this=first))
        joins = [exp.Join(this=t, on=on_clause(step.pairs)) for t, step in zip(rest, steps[1:], strict=True)]
        select.set("joins", joins)

    def _restore_source(
        self,
        node: exp.Expr,
        several: bool,
        scope: dict[tuple[int, int], str | None],
        outer: dict[tuple[int, int], str | None],
    ) -> None:
        if isinstance(node, exp.Subquery):
            self.restore(node.this, outer)
            return
        key = table_key(node)
        if not 0 <= key[0] < len(self.schema.tables):
            raise CanonicalError(f"there is no table {key[0]} in {self.schema.name}")
        if several or key[1] > 1:
            self.aliases += 1
            scope[key] = f"T{self.aliases}"
        else:
            scope[key] = None

    def _restore_join(self, join: exp.Join, items: list[exp.Expr]) -> None:
        """Give a join without ON the default one of the foreign keys."""
        if on_condition(join) is not None or join.kind == "CROSS" or not isinstance(join.this, exp.Table):
            return
        position = next(i for i, node in enumerate(items) if node is join.this)
        earlier = [table_key(node)[0] for node in items[:position] if isinstance(node, exp.Table)]
        pairs = self.canonicalizer.graph.default_pairs(earlier, table_key(join.this)[0])
        if pairs is None:
            raise CanonicalError("a join without ON between tables that no foreign key connects")
        join.set("on", on_clause(pairs))

    def _restore_column(
        self,
        column: exp.Column,
        scope: dict[tuple[int, int], str | None],
        visible: dict[tuple[int, int], str | None],
    ) -> None:
        if isinstance(column.this, exp.Star):
            pointer = POINTER.fullmatch(column.table)
            if pointer:
                key = int(pointer[2]), int(pointer[3] or 1)
                column.set("table", exp.to_identifier(visible.get(key) or self.schema.tables[key[0]].name))
            return
        pointer = POINTER.fullmatch(column.name)
        if pointer is None or column.table:
            return
        number, use = int(pointer[2]), int(pointer[3] or 1)
        table = self.canonicalizer.table_of(number)
        if (table, use) not in visible:
            raise CanonicalError(f"column {number} belongs to no table of the query")
        alias = visible[table, use]
        if alias is None and (table, use) not in scope:  # an outer table is named in full
            alias = self.schema.tables[table].name
        column.replace(exp.column(self._column_name(number), table=identifier(alias) if alias else None))

    def _column_name(self, number: int) -> exp.Identifier:
        self.canonicalizer.table_of(number)
        return identifier(self.schema.columns[number][1].name)

    def _name_table(self, node: exp.Expr, scope: dict[tuple[int, int], str | None]) -> None:
        if isinstance(node, exp.Table):
            key = table_key(node)
            named = exp.Table(this=identifier(self.schema.tables[key[0]].name))
            alias = scope[key]
            node.replace(exp.alias_(named, alias, table=True) if alias else named)
