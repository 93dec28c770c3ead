"""What each name of a query means: columns, aliases and strings, resolved against the schema as SQLite does.

SQLite ignores the case of names, takes a double-quoted name that is no column as a string, and lets aliases be used
in WHERE, GROUP BY and HAVING (sqlite.org/quirks.html). After `resolve_names` every name has the schema's own
spelling (quoted where another engine would change it), strings are strings, and aliases used inside expressions are
written out. Each column knows its coarse type (`meta["kind"]`) and the source in FROM it comes from
(`meta["source"]`); each SELECT keeps its sources (`sources_of`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlglot import exp

from text2sql.database.dialect_types import kind_of
from text2sql.schema import Schema, Table, is_plain_name
from text2sql.sql_tree import from_items, own_nodes

_RESERVED = frozenset(
    """
    analyse analyze any array asymmetric authorization binary both cast check collate collation concurrently
    current_catalog current_role current_schema current_user div do false fetch for freeze grant interval ilike
    initially key keys lateral leading lead lag localtime localtimestamp mod only overlaps placing position range rank
    read references repeat returning row rows schema session_user show similar some symmetric system_user tablesample
    trailing true unique user variadic verbose qualify pivot unpivot describe summarize option over groups
    """.split()  # noqa: SIM905 - a block of words reads better than a hundred quotes
)
"""Words that PostgreSQL, DuckDB or MySQL reserve, beside those that `is_plain_name` knows."""


@dataclass(frozen=True)
class Output:
    """A column that a table or a query gives; `kind` is its coarse type, None where it is not known."""

    name: str
    kind: str | None


@dataclass(frozen=True)
class Source:
    """A table or query in FROM: how columns are qualified with it, and its columns by lower-case name.

    `tag` is unique in the statement; `key` holds the lower-case names of the primary key.
    """

    tag: str
    name: str
    columns: dict[str, Output]
    key: frozenset[str] = frozenset()


@dataclass
class _Scope:
    """What a SELECT's own names can mean."""

    sources: list[Source]
    aliases: dict[str, exp.Expr] = field(default_factory=dict)


def identifier(name: str) -> exp.Identifier:
    """A name that every engine keeps as it is spelt."""
    plain = re.fullmatch(r"[a-z_][a-z0-9_]*", name) and is_plain_name(name) and name not in _RESERVED
    return exp.to_identifier(name, quoted=not plain)


def table_alias(name: str) -> str:
    """The spelling of a table's alias: lower case needs no quotes, and SQLite does not tell the cases apart."""
    return name.lower()


def sources_of(select: exp.Select) -> list[Source]:
    """The sources in FROM of a SELECT that `resolve_names` has seen."""
    found: list[Source] = select.meta.get("sources", [])
    return found


def resolve_names(query: exp.Query, schema: Schema) -> None:
    """Resolve all names of a query in place. Names that mean nothing are left as they are."""
    _Resolver(schema).query(query, (), {})


class _Resolver:
    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.count = 0

    def query(self, node: exp.Expr, outer: tuple[_Scope, ...], ctes: dict[str, list[Output]]) -> list[Output]:
        """Resolve a query and what is nested in it; returns the columns that it gives."""
        ctes = ctes | self._ctes(node, outer, ctes)
        if isinstance(node, exp.Subquery):
            return self.query(node.this, outer, ctes)
        if isinstance(node, exp.SetOperation):
            left = self.query(node.this, outer, ctes)
            self.query(node.expression, outer, ctes)
            _order_by_position(node)
            return left
        return self._select(node, outer, ctes) if isinstance(node, exp.Select) else []

    def _ctes(
        self, node: exp.Expr, outer: tuple[_Scope, ...], known: dict[str, list[Output]]
    ) -> dict[str, list[Output]]:
        found: dict[str, list[Output]] = {}
        clause = node.args.get("with_")
        for cte in clause.expressions if clause else []:
            body, name = cte.this, cte.alias.lower()
            if clause and clause.args.get("recursive") and isinstance(body, exp.SetOperation):
                found[name] = _renamed(self.query(body.this.copy(), outer, known | found), cte)
            found[name] = _renamed(self.query(body, outer, known | found), cte)
            cte.args["alias"].set("this", identifier(table_alias(cte.alias)))
            _spell_columns(cte.args["alias"])
        return found

    def _select(self, select: exp.Select, outer: tuple[_Scope, ...], ctes: dict[str, list[Output]]) -> list[Output]:
        sources = [self._source(item, outer, ctes) for item in from_items(select)]
        select.meta["sources"] = sources
        scope = _Scope(sources)
        scopes = (scope, *outer)
        nested = [node for node in own_nodes(select, exp.Query) if node is not select and not _is_source(node)]
        for clause in ("expressions", "joins", "where", "group", "having", "order", "limit", "offset", "windows"):
            parts = select.args.get(clause) or []
            for part in parts if isinstance(parts, list) else [parts]:
                self._clause(part, clause, scopes)
            if clause == "expressions":
                scope.aliases = {
                    item.alias.lower(): item.this for item in select.selects if isinstance(item, exp.Alias)
                }
        for join in select.args.get("joins") or []:
            join.set("using", [self._using(name, sources) for name in join.args.get("using") or []])
        for node in nested:
            self.query(node, scopes, ctes)
        outputs = [output for item in select.selects for output in _outputs(item, sources)]
        for item in select.selects:
            if isinstance(item, exp.Alias):
                item.set("alias", identifier(item.alias))
        return outputs

    def _clause(self, part: exp.Expr, clause: str, scopes: tuple[_Scope, ...]) -> None:
        for column in list(own_nodes(part, exp.Column)):
            self._column(column, clause, scopes)

    def _column(self, column: exp.Column, clause: str, scopes: tuple[_Scope, ...]) -> None:
        name = column.name.lower()
        aliases = scopes[0].aliases if not column.table else {}
        if clause == "order" and name in aliases and isinstance(column.parent, exp.Ordered):
            column.set("this", identifier(_alias_name(aliases[name])))
            column.meta.update(kind=kind_of(aliases[name]), alias=True)
            return
        found = _find(column, scopes)
        if found:
            _settle(column, *found)
        elif isinstance(column.this, exp.Star) or column.table:
            _qualify(column, scopes)
        elif name in aliases and clause not in ("expressions", "joins"):
            value = aliases[name].copy()
            column.replace(exp.paren(value, copy=False) if isinstance(value, exp.Binary | exp.Connector) else value)
        elif isinstance(column.this, exp.Identifier) and column.this.quoted:
            column.replace(exp.Literal.string(column.name))

    def _using(self, name: exp.Expr, sources: list[Source]) -> exp.Expr:
        found = next((s.columns[name.name.lower()] for s in sources if name.name.lower() in s.columns), None)
        return identifier(found.name) if found else name

    def _source(self, item: exp.Expr, outer: tuple[_Scope, ...], ctes: dict[str, list[Output]]) -> Source:
        self.count += 1
        tag = f"source {self.count}"
        if isinstance(item, exp.Table):
            return self._table(item, tag, ctes)
        outputs = self.query(item, outer, ctes)
        alias = table_alias(item.alias) or f"query_{self.count}"
        if item.args.get("alias"):
            _spell_columns(item.args["alias"])
            outputs = _renamed(outputs, item)
            item.args["alias"].set("this", identifier(alias))
        else:
            item.set("alias", exp.TableAlias(this=identifier(alias)))
        return Source(tag, alias, {output.name.lower(): output for output in outputs})

    def _table(self, item: exp.Table, tag: str, ctes: dict[str, list[Output]]) -> Source:
        alias, name = item.alias, item.name
        if not item.db and name.lower() in ctes:
            item.set("this", identifier(table_alias(name)))
            shown, columns, key = table_alias(name), {o.name.lower(): o for o in ctes[name.lower()]}, frozenset[str]()
        else:
            table = self.schema.table(f"{item.db}.{name}" if item.db else name)
            if table is None:
                return Source(tag, table_alias(alias) or name, {})
            shown = _spell_table(item, table)
            columns = {c.name.lower(): Output(c.name, c.type) for c in table.columns}
            key = frozenset(column.lower() for column in table.primary_key)
        if alias:
            shown = table_alias(alias)
            item.set("alias", exp.TableAlias(this=identifier(shown)))
        return Source(tag, shown, columns, key)


def _spell_table(item: exp.Table, table: Table) -> str:
    """Write a table's name as its schema does; `schema.table` becomes a qualified name. Returns the last part."""
    namespace, _, name = table.name.rpartition(".")
    item.set("this", identifier(name))
    item.set("db", identifier(namespace) if namespace else None)
    if namespace and not item.alias:
        item.set("alias", exp.TableAlias(this=identifier(name)))
    return name


def _find(column: exp.Column, scopes: tuple[_Scope, ...]) -> tuple[Source, Output] | None:
    """The innermost source that has the column."""
    if isinstance(column.this, exp.Star):
        return None
    for scope in scopes:
        for source in scope.sources:
            output = source.columns.get(column.name.lower())
            if output and (not column.table or _is_named(source, column)):
                return source, output
    return None


def _is_named(source: Source, column: exp.Column) -> bool:
    return source.name.lower() == column.table.rpartition(".")[2].lower()


def _settle(column: exp.Column, source: Source, output: Output) -> None:
    column.set("this", identifier(output.name))
    column.meta.update(kind=output.kind, source=source.tag)
    if column.table:
        column.set("table", identifier(source.name))
        column.set("db", None)


def _qualify(column: exp.Column, scopes: tuple[_Scope, ...]) -> None:
    """Spell the qualifier of `t.*` and of columns that are not known."""
    source = next((s for scope in scopes for s in scope.sources if column.table and _is_named(s, column)), None)
    if source:
        column.set("table", identifier(source.name))
        column.set("db", None)
        column.meta["source"] = source.tag


def _is_source(node: exp.Expr) -> bool:
    return isinstance(node.parent, exp.From | exp.CTE) or (isinstance(node.parent, exp.Join) and node.arg_key == "this")


def _outputs(item: exp.Expr, sources: list[Source]) -> Iterator[Output]:
    if item.is_star and not isinstance(item, exp.Alias):
        wanted = item.meta.get("source")
        for source in sources:
            if wanted is None or source.tag == wanted:
                yield from source.columns.values()
    else:
        yield Output(item.alias_or_name or item.sql("sqlite"), kind_of(item))


def _renamed(outputs: list[Output], source: exp.Expr) -> list[Output]:
    """The columns of a query under the names that its alias gives them, as in `v(a, b)`."""
    names = [name.name for name in source.args["alias"].columns]
    known = [*outputs, *[Output("", None)] * (len(names) - len(outputs))]
    return [Output(name, output.kind) for name, output in zip(names, known, strict=False)] if names else outputs


def _spell_columns(alias: exp.TableAlias) -> None:
    alias.set("columns", [identifier(column.name) for column in alias.columns])


def _alias_name(value: exp.Expr) -> str:
    return value.parent.alias if isinstance(value.parent, exp.Alias) else value.name


def _order_by_position(node: exp.SetOperation) -> None:
    """ORDER BY of a set operation by position: SQLite matches its terms with the columns of any of the SELECTs."""
    order = node.args.get("order")
    selects = [leaf for leaf in node.find_all(exp.Select) if _leaf_of(leaf, node)]
    for term in order.expressions if order else []:
        for select in selects:
            place = next((i for i, item in enumerate(select.selects, 1) if _means(term.this, item)), None)
            if place and not term.this.is_int:
                term.set("this", exp.Literal.number(place))


def _leaf_of(select: exp.Select, node: exp.SetOperation) -> bool:
    parent = select.parent
    while isinstance(parent, exp.SetOperation | exp.Subquery) and parent is not node and not parent.alias:
        parent = parent.parent
    return parent is node


def _means(term: exp.Expr, item: exp.Expr) -> bool:
    if isinstance(term, exp.Column) and term.name.lower() == item.alias_or_name.lower():
        return not term.table or term.table.lower() == getattr(item, "table", "").lower()
    return term.sql("sqlite").lower() == item.unalias().sql("sqlite").lower()
