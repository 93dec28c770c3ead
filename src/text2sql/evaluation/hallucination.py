"""Names in a prediction that the schema doesn't have, and whether SQLite would accept the prediction at all.

SQLite reads an unknown `"name"` as a string, so a query with an invented column can run and even score. Here such a
name counts as invented unless it stands where only a value makes sense (see `unresolved_names`). Both functions look
at the text and the schema alone: nothing is run, no database is needed. Whether the answer is right is
`text2sql.evaluation.execution`'s question.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

import sqlglot
from sqlglot import exp

from text2sql.database import SQLiteDatabase
from text2sql.errors import UserError
from text2sql.schema import Schema

Columns = frozenset[str] | None
"""Lower-case column names of a source; None where they can't be known, so that every name passes."""

_ROW_NUMBERS = frozenset({"rowid", "oid", "_rowid_"})
_COMPOUND = "(compound)"
"""The source that ORDER BY of a set operation sees: its output, by whatever qualified name."""
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like, exp.Glob, exp.NullSafeEQ, exp.NullSafeNEQ)
_WORDS = re.compile(r"[^\W\d]\w*(?: \w+)*")
_READING = re.compile(r"\s*(?:select|with|values)\b", re.IGNORECASE)


def unresolved_names(sql: str, schema: Schema) -> list[str]:
    """Tables and columns of a query that don't resolve, as written, each once, in the order of the text.

    Scopes are SQLite's: aliases, CTEs, subqueries in FROM, outer queries, output columns by their alias. Columns of
    an unknown table aren't reported besides the table. An unknown double-quoted name is a string, as SQLite has it,
    when it is compared with something else than a literal (`city = "Paris"`, `IN ("a", "b")`) or can't be a name
    (`"%a%"`, `"2020-01-01"`); anywhere else it is an invented column. What can't be parsed or isn't a query has no
    names: that is for `is_valid_sql` to say.
    """
    resolver = _Resolver(sql, schema)
    try:
        statement = sqlglot.parse(sql, read="sqlite")[0] if _READING.match(sql) else None
        if isinstance(statement, exp.Query):
            resolver.query(statement, None, {})
    except (sqlglot.errors.SqlglotError, RecursionError):
        return []
    first = {name.lower(): name for _, name in sorted(resolver.unknown, reverse=True)}
    return list(first.values())[::-1]


def is_valid_sql(sql: str, schema: Schema) -> bool:
    """Whether SQLite compiles the text as one reading statement over the schema (quoted unknown names pass).

    Raises UserError for a schema that no SQLite database can have.
    """
    if not _READING.match(sql):
        return False
    return _empty_database(schema).run(f"EXPLAIN {sql}", row_limit=1).error is None


@lru_cache(maxsize=64)
def _empty_database(schema: Schema) -> SQLiteDatabase:
    """The schema's tables without rows; SQLite's own tables, which Spider's lists contain, can't be created.

    Raises UserError for a schema that no SQLite database can have.
    """
    try:
        return SQLiteDatabase.from_rows(schema.without_internal_tables(), {})
    except sqlite3.Error as error:
        raise UserError(f"schema {schema.name}: SQLite cannot have such tables: {error}") from error


@dataclass
class _Scope:
    """What one query sees: CTEs, the sources of its FROM by alias, its output aliases, and the query around it."""

    outer: _Scope | None
    ctes: dict[str, Columns]
    sources: dict[str, Columns] = field(default_factory=dict)
    aliases: frozenset[str] = frozenset()

    def outwards(self) -> Iterator[_Scope]:
        """This scope and those around it."""
        scope: _Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.outer


class _Resolver:
    """Walks a syntax tree; `unknown` collects (offset in the text, name)."""

    def __init__(self, sql: str, schema: Schema) -> None:
        self.sql = sql
        self.schema = schema
        self.unknown: list[tuple[int, str]] = []

    def query(self, query: exp.Expr, outer: _Scope | None, ctes: dict[str, Columns]) -> Columns:
        """Check a query of any kind; its output columns."""
        scope = _Scope(outer, dict(ctes))
        with_ = query.args.get("with_")
        for cte in with_.expressions if with_ else ():
            scope.ctes[cte.alias.lower()] = None  # a recursive CTE sees itself
            scope.ctes[cte.alias.lower()] = _renamed(cte, self.query(cte.this, outer, scope.ctes))
        if isinstance(query, exp.Select):
            return self.select(query, scope)
        output: Columns = None
        if isinstance(query, exp.SetOperation):
            output = self.query(query.left, outer, scope.ctes)
            right = self.query(query.right, outer, scope.ctes)
            scope.sources[_COMPOUND] = None if output is None or right is None else output | right
        elif isinstance(query, exp.Subquery):
            output = scope.sources[_COMPOUND] = self.query(query.this, outer, scope.ctes)
        self.clauses(query, scope, "this", "expression")
        return output

    def select(self, select: exp.Select, scope: _Scope) -> Columns:
        """Check one SELECT: the sources first, then all that sees them."""
        from_ = select.args.get("from_")
        joins: list[exp.Expr] = list(select.args.get("joins") or ())
        for item in ([from_.this] if from_ else []) + [join.this for join in joins]:
            joins += self.enter(item, scope)
        scope.aliases = frozenset(item.alias.lower() for item in select.expressions if isinstance(item, exp.Alias))
        for join in joins:
            self.clauses(join, scope, "this")
        self.clauses(select, scope)
        return _output(select, scope)

    def enter(self, item: exp.Expr, scope: _Scope) -> list[exp.Expr]:
        """Enter a source, and those joined to it in parentheses, into the scope; the joins found inside."""
        joins = list(item.args.get("joins") or ())
        nested = [join.this for join in joins]
        if isinstance(item, exp.Subquery) and isinstance(item.this, exp.Table):
            nested.insert(0, item.this)
            if item.alias:
                scope.sources[item.alias.lower()] = None
        else:
            name = item.alias_or_name.lower() or f"#{len(scope.sources)}"
            columns, same = (
                self.source(item, scope),
                scope.sources.get(name, frozenset()),
            )  # SQLite lets two share a name
            scope.sources[name] = None if columns is None or same is None else columns | same
        return joins + [join for inner in nested for join in self.enter(inner, scope)]

    def source(self, item: exp.Expr, scope: _Scope) -> Columns:
        """The columns of a table, CTE, subquery or table function."""
        if isinstance(item, exp.Query):
            return _renamed(item, self.query(item, scope.outer, scope.ctes))
        if not isinstance(item.this, exp.Identifier):
            self.walk(item, scope)
            return None
        if item.name.lower() in scope.ctes:
            return scope.ctes[item.name.lower()]
        return self.table(item)

    def table(self, item: exp.Expr) -> Columns:
        """The columns of a table of the schema."""
        database = item.text("db") or item.text("table")
        table = self.schema.table(item.name) if database.lower() in ("", "main") else None
        if table is None:
            self.report(item, f"{database}.{item.name}" if database else item.name)
            return None
        return frozenset(column.name.lower() for column in table.columns) | _ROW_NUMBERS

    def clauses(self, holder: exp.Expr, scope: _Scope, *skipped: str) -> None:
        """Check the parts of a query or join, besides those that were entered already."""
        for key, value in holder.args.items():
            if key in ("with_", "from_", "joins", "alias", *skipped):
                continue
            seen = replace(scope, outer=None) if key in ("group", "order") else scope  # these two can't look outwards
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, exp.Expr):
                    self.walk(part, seen)

    def walk(self, part: exp.Expr, scope: _Scope) -> None:
        """Check the columns of an expression and the queries in it."""
        for node in part.walk(prune=lambda node: isinstance(node, exp.Query)):
            if isinstance(node, exp.Query):
                self.query(node, scope, scope.ctes)
            elif isinstance(node, exp.Column) or node.arg_key == "using":
                self.column(node, scope)

    def column(self, node: exp.Expr, scope: _Scope) -> None:
        """Look a column up, from the innermost scope outwards."""
        name, table = node.name.lower(), node.text("table").lower()
        if node.arg_key == "field" and isinstance(node.parent, exp.In):  # x IN t
            if name not in scope.ctes:
                self.table(node)
            return
        for visible in scope.outwards():
            source = table if table in visible.sources else _COMPOUND
            if table and source in visible.sources:
                columns = visible.sources[source]
                if columns is None or name in columns or isinstance(node.this, exp.Star):
                    return
                break
            if not table and (name in visible.aliases or _has(visible, name)):
                return
        if not self.is_string(node):
            self.report(node, f"{node.text('table')}.{node.name}" if table else node.name)

    def is_string(self, node: exp.Expr) -> bool:
        """Whether an unknown name is a string in double quotes."""
        if node.text("table") or self.sql[_offset(node) : _offset(node) + 1] != '"':
            return False
        if not _WORDS.fullmatch(node.name):
            return True
        while isinstance(node.parent, exp.Paren):
            node = node.parent
        parent = node.parent
        if isinstance(parent, exp.In | exp.Between):
            return node.arg_key != "this"
        if not isinstance(parent, _COMPARISONS):
            return False
        if node.arg_key == "expression":
            return not isinstance(parent.this, exp.Literal)
        other = parent.expression  # on the left only when a column or query stands on the right
        return isinstance(other, exp.Query) or (isinstance(other, exp.Column) and not other.this.args.get("quoted"))

    def report(self, node: exp.Expr, name: str) -> None:
        """Note an unknown name."""
        self.unknown.append((_offset(node), name))


def _offset(node: exp.Expr) -> int:
    """Where in the text a name begins."""
    identifier = node.this if isinstance(node.this, exp.Identifier) else node
    return identifier.meta.get("start", 0)


def _has(scope: _Scope, name: str) -> bool:
    return any(columns is None or name in columns for columns in scope.sources.values())


def _renamed(item: exp.Expr, output: Columns) -> Columns:
    """Output columns under the names of `AS x(a, b)`, where there are any."""
    alias = item.args.get("alias")
    names = alias.columns if isinstance(alias, exp.TableAlias) else ()
    return frozenset(name.name.lower() for name in names) if names else output


def _output(select: exp.Select, scope: _Scope) -> Columns:
    """The names of a SELECT's output columns."""
    names: set[str] = set()
    for item in select.expressions:
        if item.is_star:
            table = item.text("table").lower()
            sources = [scope.sources.get(table)] if table else list(scope.sources.values())
            for columns in sources:
                if columns is None:
                    return None
                names |= columns
        else:
            names.add(item.alias_or_name.lower())
    return frozenset(names)
