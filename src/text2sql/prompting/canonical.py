"""Canonical SQL: one spelling per query, with schema items as numbers.

`Canonicalizer.encode` turns SQL text into an expression in which a column is `c7`, a table `t2`, a second use of a
table `t2_2`, aliases are gone, and FROM and ON are left out where `JoinGraph.rebuild` gives them back unchanged.
`Canonicalizer.decode` does the reverse and writes Spider's style: T1, T2, ... for joined tables, `!=`, no column
aliases. Nothing here knows of tokens, questions or values (string and number literals pass through).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlglot import exp

from text2sql.prompting.expressions import (
    POINTER,
    CanonicalError,
    mentioned_columns,
    on_condition,
    on_pairs,
    parse,
    pointer_column,
    to_sql,
)
from text2sql.prompting.joins import ColumnPairs, JoinGraph, JoinStep
from text2sql.prompting.restoring import Restorer
from text2sql.schema import Schema
from text2sql.sql_tree import from_items, nested_queries, own_nodes


@dataclass
class _Source:
    """One table of a FROM clause; `table` is None for a derived table."""

    alias: str
    table: int | None
    use: int = 1
    derived: exp.Query | None = None


@dataclass
class _Scope:
    """The sources of one SELECT and of those around it."""

    sources: list[_Source]
    outer: _Scope | None = None
    projections: dict[str, exp.Expr] = field(default_factory=dict)


class Canonicalizer:
    """Both directions for one schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.graph = JoinGraph(schema)
        self._first_column = [0]
        for table in schema.tables:
            self._first_column.append(self._first_column[-1] + len(table.columns))

    def encode(self, sql: str) -> exp.Query:
        """Canonical expression of SQL text.

        Raises CanonicalError when the text is no single SELECT or names what the schema lacks.
        """
        query = parse(sql)
        self._encode_query(query, None)
        for ordered in query.find_all(exp.Ordered):
            ordered.set("desc", ordered.args.get("desc") or None)  # ASC says nothing
        return query

    def decode(self, query: exp.Query) -> exp.Query:
        """SQL expression with real names of a canonical one (changed in place).

        Raises CanonicalError for numbers outside the schema and for tables that no foreign keys connect.
        """
        Restorer(self).restore(query, {})
        return query

    def table_of(self, column: int) -> int:
        """Number of the table that holds a column. Raises CanonicalError when there is no such column."""
        if not 0 <= column < self._first_column[-1]:
            raise CanonicalError(f"there is no column {column} in {self.schema.name}")
        return next(n for n, first in enumerate(self._first_column[1:]) if column < first)

    # -- encoding -------------------------------------------------------------------------------------------------

    def _encode_query(self, query: exp.Expr, outer: _Scope | None) -> _Scope:
        """Replace names by numbers in a query and those inside it; gives the (left-most) SELECT's scope."""
        if isinstance(query, exp.Subquery):
            return self._encode_query(query.this, outer)
        if query.args.get("with_"):
            raise CanonicalError("WITH is not part of the canonical language")
        if isinstance(query, exp.SetOperation):
            scope = self._encode_query(query.left, outer)
            self._encode_query(query.right, outer)
            order = query.args.get("order")  # may only name the left side's output
            for column in list(order.find_all(exp.Column)) if order else []:
                self._replace_column(column, scope)
            return scope
        if not isinstance(query, exp.Select):
            raise CanonicalError(f"{type(query).__name__} is not part of the canonical language")
        return self._encode_select(query, outer)

    def _encode_select(self, select: exp.Select, outer: _Scope | None) -> _Scope:
        scope = _Scope([self._source(node, outer) for node in from_items(select)], outer)
        self._number_uses(scope)
        for projection in select.expressions:
            if isinstance(projection, exp.Alias):
                scope.projections[projection.alias.lower()] = projection.this
        for column in list(own_nodes(select, exp.Column)):
            self._replace_column(column, scope)
        for nested in list(nested_queries(select)):
            self._encode_query(nested, scope)
        if not isinstance(select.parent, exp.Subquery) or not isinstance(select.parent.parent, exp.From | exp.Join):
            select.set("expressions", [p.unalias() for p in select.expressions])
        self._encode_from(select, scope)
        return scope

    def _source(self, node: exp.Expr, outer: _Scope | None) -> _Source:
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            if self.schema.table(node.name) is None:
                raise CanonicalError(f"there is no table {node.name!r} in {self.schema.name}")
            return _Source((node.alias or node.name).lower(), self.schema.table_number(node.name))
        if isinstance(node, exp.Subquery):
            self._encode_query(node.this, outer)
            return _Source(node.alias.lower(), None, derived=node.this)
        raise CanonicalError(f"{type(node).__name__} in FROM is not part of the canonical language")

    def _number_uses(self, scope: _Scope) -> None:
        """The second source over one table is its use 2, and so on."""
        seen: dict[int, int] = {}
        for source in scope.sources:
            if source.table is not None:
                source.use = seen[source.table] = seen.get(source.table, 0) + 1

    def _replace_column(self, column: exp.Column, scope: _Scope) -> None:
        if isinstance(column.this, exp.Star):
            column.set("table", exp.to_identifier(_pointer_name(self._qualified(column, scope))))
            return
        alias, name = column.table.lower(), column.name.lower()
        if not alias and name in scope.projections and self._find(scope, "", name) is None:
            expression = scope.projections[name].copy()
            column.replace(expression)
            for inner in list(expression.find_all(exp.Column)):
                if not POINTER.fullmatch(inner.name):
                    self._replace_column(inner, scope)
            return
        source = self._find(scope, alias, name, outward=True)
        if source is None:
            if column.this.quoted and not alias:  # SQLite reads an unknown "name" as a string
                column.replace(exp.Literal.string(column.name))
                return
            raise CanonicalError(f"there is no column {column.sql('sqlite')!r} in {self.schema.name}")
        if source.table is None:
            return  # a derived table's column keeps its name
        number = self.schema.column_number(self.schema.tables[source.table].name, name)
        column.replace(pointer_column("c", number, source.use))

    def _qualified(self, column: exp.Column, scope: _Scope) -> _Source:
        source = next((s for s in scope.sources if s.alias == column.table.lower()), None)
        if source is None:
            raise CanonicalError(f"there is no table {column.table!r} for {column.sql('sqlite')}")
        return source

    def _find(self, scope: _Scope | None, alias: str, name: str, outward: bool = False) -> _Source | None:
        while scope is not None:
            for source in scope.sources:
                if (not alias or source.alias == alias) and self._has_column(source, name):
                    return source
            scope = scope.outer if outward else None
        return None

    def _has_column(self, source: _Source, name: str) -> bool:
        if source.table is not None:
            return self.schema.tables[source.table].column(name) is not None
        derived = source.derived
        return derived is not None and name in {n.lower() for n in derived.named_selects}

    def _encode_from(self, select: exp.Select, scope: _Scope) -> None:
        """Number the tables of FROM; drop the whole clause, or default ON conditions, where nothing is lost."""
        if not scope.sources:
            raise CanonicalError("a SELECT without FROM asks no table")
        for source, node in zip(scope.sources, from_items(select), strict=True):
            if source.table is not None:
                node.replace(exp.Table(this=exp.to_identifier(_pointer_name(source))))
        if self._redundant(select, scope):
            select.set("from_", None)
            select.set("joins", None)
            return
        joined: list[int] = []
        for source, join in zip(scope.sources, [None, *select.args.get("joins", [])], strict=True):
            if join is not None:
                self._encode_join(join, source, joined)
            if source.table is not None:
                joined.append(source.table)

    def _encode_join(self, join: exp.Join, source: _Source, joined: list[int]) -> None:
        """Leave out a default ON; a join without ON becomes CROSS, so that the two can be told apart."""
        if join.args.get("using") or join.args.get("method") or join.side not in ("", "LEFT"):
            raise CanonicalError("only JOIN and LEFT JOIN with ON are part of the canonical language")
        join.set("kind", None)
        on = on_condition(join)
        if on is None:
            join.set("kind", "CROSS")
        elif source.table is not None and source.use == 1:
            default = self.graph.default_pairs(joined, source.table)
            if default is not None and _equal_pairs(on_pairs(on), default):
                join.set("on", None)

    def _redundant(self, select: exp.Select, scope: _Scope) -> bool:
        """Whether FROM says only what the mentioned columns and the foreign keys say."""
        if not scope.sources or any(s.table is None or s.use > 1 for s in scope.sources):
            return False
        actual = []
        for source, join in zip(scope.sources, [None, *select.args.get("joins", [])], strict=True):
            on = on_condition(join) if join is not None else None
            if join is not None and (on is None or join.side):
                return False
            pairs = on_pairs(on) if on is not None else ()
            if pairs is None or source.table is None:
                return False
            actual.append(JoinStep(source.table, pairs))
        steps = self.steps(mentioned_columns(select))
        starred = any(own_nodes(select, exp.Star)) and len(actual) > 1
        return steps is not None and _same_join(steps, actual, ordered=starred)

    def steps(self, mentioned: Iterable[tuple[int, int]]) -> list[JoinStep] | None:
        """The FROM clause that the mentioned columns call for; a schema of one table needs no mention."""
        tables = [self.table_of(column) for column, use in mentioned if use == 1]
        if not tables and len(self.schema.tables) == 1:
            tables = [0]
        return self.graph.rebuild(tables) if tables else None


def _pointer_name(source: _Source) -> str:
    if source.table is None:
        return source.alias
    return f"t{source.table}" + (f"_{source.use}" if source.use > 1 else "")


def _equal_pairs(one: ColumnPairs | None, other: ColumnPairs) -> bool:
    return one is not None and {frozenset(p) for p in one} == {frozenset(p) for p in other}


def _same_join(one: list[JoinStep], other: list[JoinStep], ordered: bool) -> bool:
    """Whether two FROM clauses join the same tables on the same columns."""
    if ordered and [s.table for s in one] != [s.table for s in other]:
        return False
    pairs_one = {frozenset(p) for s in one for p in s.pairs}
    pairs_other = {frozenset(p) for s in other for p in s.pairs}
    return {s.table for s in one} == {s.table for s in other} and pairs_one == pairs_other


def canonical_text(query: exp.Expr) -> str:
    """The text of a canonical query in lower case, conditions that AND joins sorted."""
    query = query.copy()
    for node in reversed(list(query.find_all(exp.And))):  # the inner ones first
        if not isinstance(node.parent, exp.And):
            node.replace(exp.and_(*sorted(node.flatten(unnest=False), key=to_sql), copy=False))
    return to_sql(query).lower()
