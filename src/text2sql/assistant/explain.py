"""What a query does, in plain English, one short sentence for each step."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from text2sql.assistant.cells import clean
from text2sql.assistant.clauses import unwrapped, where_parts
from text2sql.assistant.phrases import Phrases
from text2sql.assistant.sql_meaning import (
    NoWordsError,
    Scope,
    Source,
    is_aggregated,
    is_join_condition,
    is_plain_number,
    is_time,
    parse,
    parts,
)
from text2sql.english import joined
from text2sql.prompting.expressions import on_condition
from text2sql.schema import Column, Schema, words_of

_SET_WORDS = {
    exp.Union: "Put both results together",
    exp.Intersect: "Keep only the rows that are in both results.",
    exp.Except: "Keep only the rows of the first result that are not in the second.",
}
_DEEPEST = 6
"""Levels of nested steps that are spelled out."""


def explain(sql: str, schema: Schema, dialect: str = "sqlite") -> str:
    """The steps of a query, one sentence a line; nested steps are indented by two spaces.

    Parts that have no words are given as SQL; text that is no single query gives a sentence that says so. Plain text.
    """
    try:
        return "\n".join(_steps(parse(sql, dialect), schema, None, 0))
    except (NoWordsError, RecursionError):
        return f"This statement is not one query that can be put into words: {_code(sql)}."


def _code(sql: str) -> str:
    return f"“{clean(sql, 160)}”"


def _steps(query: exp.Expr, schema: Schema, outer: Scope | None, depth: int) -> Iterator[str]:
    query = unwrapped(query)
    if depth > _DEEPEST:
        yield f"Run {_code(query.sql())}."
        return
    for cte in query.ctes if isinstance(query, exp.Query) else []:
        yield f"First work out “{clean(words_of(cte.alias))}”:"
        yield from _indented(_steps(cte.this, schema, outer, depth + 1))
    if isinstance(query, exp.SetOperation):
        yield from _set_steps(query, schema, outer, depth)
    elif isinstance(query, exp.Select):
        yield from _Explanation(query, schema, outer, depth).steps()
    else:
        yield f"Run {_code(query.sql())}."


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _set_steps(query: exp.SetOperation, schema: Schema, outer: Scope | None, depth: int) -> Iterator[str]:
    for name, side in (("first", query.left), ("second", query.right)):
        yield f"Get a {name} result:"
        yield from _indented(_steps(side, schema, outer, depth + 1))
    words = next(text for kind, text in _SET_WORDS.items() if isinstance(query, kind))
    if isinstance(query, exp.Union):
        words += ", each row once." if query.args.get("distinct") else "."
    yield words
    for ordered in query.args["order"].expressions if query.args.get("order") else []:
        yield f"Sort by the {words_of(ordered.this.name) or 'result'}, {_direction(ordered, None)}."
    yield from _limit(query)


class _Explanation:
    """The steps of one SELECT."""

    def __init__(self, select: exp.Select, schema: Schema, outer: Scope | None, depth: int) -> None:
        self.select, self.schema, self.depth = select, schema, depth
        self.phrases = Phrases(select, schema, outer)
        self.phrases.owners = True
        self.scope = self.phrases.scope

    def steps(self) -> Iterator[str]:
        yield from self._sources()
        for part in where_parts(self.select):
            if not is_join_condition(self.scope, part):
                yield f"Keep only {self._kept(part)}."
        yield from self._groups()
        limited = list(self._sorting())
        shown = self._shown()
        yield from limited
        yield from _limit(self.select)
        yield shown

    # -- FROM ------------------------------------------------------------------------------------------------------

    def _sources(self) -> Iterator[str]:
        joins = self.select.args.get("joins") or []
        for number, source in enumerate(self.scope.sources):
            if source.query is not None and not source.common_table:
                yield f"First work out “{clean(words_of(source.alias)) or 'a list'}”:"
                yield from _indented(_steps(source.query, self.schema, self.scope.outer, self.depth + 1))
            if number == 0:
                yield f"Start with {self._all(source)}."
            else:
                yield self._join(source, joins[number - 1], self.scope.sources[:number])

    @staticmethod
    def _all(source: Source) -> str:
        if source.common_table:
            return f"the rows of “{clean(words_of(source.common_table))}”"
        return f"the {source.nouns}" if source.query is None else "these rows"

    def _join(self, source: Source, join: exp.Join, before: list[Source]) -> str:
        kept = f", keeping {_sides(join)}" if join.side else ""
        for link in self.scope.links:
            if link.parent == source and link.child in before:
                return f"Add the {self.scope.relation(source)} of each {link.child.noun}{kept}."
            if link.child == source and link.parent in before:
                noun = self.scope.relation(link.parent)
                key = f" as its {noun}" if noun != link.parent.noun else ""
                return f"Add the {source.nouns} of each {link.parent.noun}{key}{kept}."
        return f"{self._unlinked(source, join)}{kept}."

    def _unlinked(self, source: Source, join: exp.Join) -> str:
        on, using = on_condition(join), join.args.get("using")
        if using:
            return f"Add {self._all(source)} with the same {joined([words_of(name.name) for name in using])}"
        if on is None:
            linked = [p for p in where_parts(self.select) if is_join_condition(self.scope, p)]
            named = [p for p in linked if source in self.scope.mentioned(p)]
            return f"Add {self._all(source)} where {self._clause(named[0])}" if named else (
                f"Combine each row with {'every ' + source.noun if source.query is None else 'each of these rows'}"
            )  # fmt: skip
        return f"Add {self._all(source)} where {self._clause(on)}"

    # -- conditions ------------------------------------------------------------------------------------------------

    def _kept(self, part: exp.Expr) -> str:
        """`the albums whose genre is Jazz` where one table is asked, else `rows where the album genre is Jazz`."""
        subject = self.phrases.subject
        if len(self.scope.sources) == 1 and subject is not None and subject.query is None:
            try:
                return f"the {subject.nouns} {self.phrases.modifier(part)}"
            except NoWordsError:
                pass
        return f"rows where {self._clause(part)}"

    def _clause(self, node: exp.Expr) -> str:
        try:
            return self.phrases.clause(node)
        except NoWordsError:
            return f"this holds: {_code(node.sql())}"

    def _groups(self) -> Iterator[str]:
        if self.phrases.keys:
            keys = [self._bare(key) for key in self.phrases.keys]
            keys = [self.phrases.group_noun()] if self.phrases.group_source and len(keys) == 1 else keys
            yield f"Put the rows into groups, one for each {joined(keys) if len(keys) == 1 else _combination(keys)}."
        having = self.select.args.get("having")
        for part in parts(having.this) if having is not None else []:
            yield f"Keep only groups where {self._clause(part)}."

    def _bare(self, node: exp.Expr) -> str:
        try:
            return self.phrases.term(node)
        except NoWordsError:
            return _code(node.sql())

    # -- SELECT, ORDER BY ------------------------------------------------------------------------------------------

    def _shown(self) -> str:
        items = self.select.expressions
        words = joined([self._item(item) for item in items])
        if self.phrases.keys:
            return f"Show {words} of each group."
        single = items[0].unalias() if len(items) == 1 else None
        if isinstance(single, exp.Count) and not self.select.args.get("having"):
            return f"Count the {self.phrases.count_noun(single)}."
        if items and all(is_aggregated(item) for item in items):
            return f"Work out {words}."
        return f"Show {words}{', each different result once' if self.select.args.get('distinct') else ''}."

    def _item(self, item: exp.Expr) -> str:
        node = item.unalias()
        if isinstance(node, exp.Star):
            return "all columns"
        if item.is_star:
            source = self.scope.source(node.args["table"].name) if node.args.get("table") else None
            return f"all columns of the {source.nouns if source else 'rows'}"
        try:
            return self.phrases.operand(node)
        except NoWordsError:
            name = f"the {clean(words_of(item.alias))}, which is " if item.alias else ""
            return f"{name}{_code(node.sql())}"

    def _sorting(self) -> Iterator[str]:
        terms = []
        for ordered in self.phrases.order():
            target = self.phrases.order_target(ordered)
            terms.append(f"{self._item(target)}, {_direction(ordered, self._sorted_column(target))}")
        if terms:
            yield f"Sort by {'; then by '.join(terms)}."

    def _sorted_column(self, node: exp.Expr) -> Column | None:
        column = self.phrases.column_of(node)
        return None if is_aggregated(node) and not (column and is_time(column)) else column


def _combination(keys: list[str]) -> str:
    return f"combination of {joined(keys)}"


def _sides(join: exp.Join) -> str:
    side = join.side.upper()
    return {"LEFT": "rows without any", "RIGHT": "those that belong to no row"}.get(side, "what has no partner")


def _direction(ordered: exp.Ordered, column: Column | None) -> str:
    down = bool(ordered.args.get("desc"))
    if column is not None and is_time(column):
        return "latest first" if down else "earliest first"
    if column is not None and column.type == "text" and not is_plain_number(column):
        return "from Z to A" if down else "from A to Z"
    return "highest first" if down else "lowest first"


def _limit(query: exp.Query) -> Iterator[str]:
    limit, offset = query.args.get("limit"), query.args.get("offset")
    if offset is not None:
        yield f"Skip the first {clean(offset.expression.sql())} rows."
    if limit is not None:
        count = limit.expression.sql() if limit.expression is not None else limit.sql()
        yield "Keep only the first row." if count == "1" else f"Keep only the first {clean(count)} rows."
