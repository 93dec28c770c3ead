"""What the names in a query stand for: its sources, how they are linked, and which rows it is about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from text2sql.english import UNITS, plural, singular, words
from text2sql.prompting.expressions import on_condition
from text2sql.schema import Column, Schema, Table, words_of
from text2sql.sql_tree import from_items, own_nodes

_KEY_WORDS = words("id ids code key uuid no nr number ref phone zip postcode year isbn")


_TOTALS = words("number num total count sum average")
_AGENTS = {
    "directed": "director", "written": "writer", "created": "creator", "produced": "producer", "owned": "owner",
    "published": "publisher", "edited": "editor", "designed": "designer", "composed": "composer", "made": "maker",
}  # fmt: skip


class NoWordsError(Exception):
    """There are no words for this query; say less instead."""


@dataclass(frozen=True)
class Source:
    """One table, view or nested query of a FROM clause; `noun` is one row of it in words.

    `common_table` is the name by which WITH defines `query`.
    """

    alias: str
    noun: str
    table: Table | None = None
    query: exp.Query | None = None
    common_table: str = ""

    def column(self, name: str) -> Column | None:
        """The column of that name; a nested query has those that it lists, an unknown table may have any."""
        if self.table is not None:
            return self.table.column(name)
        first: exp.Expr | None = self.query
        while isinstance(first, exp.SetOperation | exp.Subquery):
            first = first.this
        listed = first.expressions if isinstance(first, exp.Select) else []
        open_ended = not listed or any(item.is_star for item in listed)
        return Column(name) if open_ended or name.lower() in {i.alias_or_name.lower() for i in listed} else None

    @property
    def nouns(self) -> str:
        """The noun in the plural."""
        return plural(self.noun)


@dataclass(frozen=True)
class Link:
    """Each row of `child` has one row of `parent`, named by the child's key `column`."""

    child: Source
    parent: Source
    column: Column


def parse(sql: str, dialect: str) -> exp.Query:
    """The one query of a text. Raises NoWordsError for text that is none."""
    try:
        statements = [s for s in sqlglot.parse(sql, read=dialect) if s is not None]
    except (sqlglot.errors.SqlglotError, RecursionError, ValueError) as error:
        raise NoWordsError("not readable as SQL") from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise NoWordsError("not a single query")
    return statements[0]


class Scope:
    """The names that one SELECT sees: its own sources, then those of the queries around it."""

    def __init__(self, select: exp.Select, schema: Schema, outer: Scope | None = None) -> None:
        self.select, self.schema, self.outer = select, schema, outer
        self.sources = [self._source(item) for item in from_items(select)]
        self.links = list(self._links())

    def _source(self, item: exp.Expr) -> Source:
        if isinstance(item, exp.Table):
            defined = _common_table(item)
            if defined is not None:
                return Source((item.alias or item.name).lower(), "row", None, defined, item.name)
            table = self.schema.table(item.name)
            noun = singular(table.words if table else words_of(item.name)) or "row"
            return Source((item.alias or item.name).lower(), noun, table)
        inner = item.this if isinstance(item, exp.Subquery) else None
        if not isinstance(inner, exp.Query):
            raise NoWordsError("FROM names something else than tables and queries")
        return Source(item.alias.lower(), "row", None, inner)

    def source(self, alias: str) -> Source | None:
        """The source of that alias, here or outside."""
        own = next((s for s in self.sources if s.alias == alias.lower()), None)
        return own or (self.outer.source(alias) if self.outer else None)

    def resolve(self, column: exp.Expr | None) -> tuple[Source, Column] | None:
        """Source and column that a name stands for; None for one that is neither here nor outside, and for no name."""
        while isinstance(column, exp.Paren | exp.Cast | exp.TryCast | exp.Collate):
            column = column.this
        if not isinstance(column, exp.Column):
            return None
        candidates = self.sources
        if column.table:
            named = self.source(column.table)
            candidates = [named] if named else []
        for source in candidates:
            found = source.column(column.name)
            if found:
                return source, found
        return self.outer.resolve(column) if self.outer and not column.table else None

    def is_text(self, node: exp.Expr) -> bool:
        """Whether a double-quoted name is none, so that SQLite takes it for text."""
        if not isinstance(node, exp.Column) or node.table or not isinstance(node.this, exp.Identifier):
            return False
        return bool(node.this.quoted) and self.resolve(node) is None and node.name not in self._aliases()

    def _aliases(self) -> set[str]:
        return {item.alias for item in self.select.expressions if item.alias}

    def mentioned(self, node: exp.Expr) -> list[Source]:
        """The sources of this SELECT that an expression names, each once, in order of mention."""
        found: list[Source] = []
        for column in node.find_all(exp.Column):
            resolved = self.resolve(column)
            if resolved and resolved[0] in self.sources and resolved[0] not in found:
                found.append(resolved[0])
        return found

    def _links(self) -> Iterator[Link]:
        conditions = [on for join in self.select.args.get("joins") or [] if (on := on_condition(join)) is not None]
        where = self.select.args.get("where")
        for equality in (eq for c in [*conditions, where] if c is not None for eq in own_equalities(c)):
            ends = [self.resolve(side) for side in equality.unnest_operands()]
            if ends[0] and ends[1] and ends[0][0] != ends[1][0]:
                yield from self._link(ends[0], ends[1])

    def _link(self, one: tuple[Source, Column], other: tuple[Source, Column]) -> Iterator[Link]:
        for (child, key), (parent, target) in ((one, other), (other, one)):
            if self._references(child, key, parent, target):
                yield Link(child, parent, key)
                return
        for (child, key), (parent, target) in ((one, other), (other, one)):
            own_key = child.table is not None and child.table.primary_key == (key.name,)
            named = parent.noun in key.words.lower()
            if parent.table and parent.table.primary_key == (target.name,) and (named or not own_key):
                yield Link(child, parent, key)
                return

    def _references(self, child: Source, key: Column, parent: Source, target: Column) -> bool:
        if child.table is None or parent.table is None:
            return False
        wanted = (child.table.name, (key.name,), parent.table.name, (target.name,))
        return any(
            (k.table, k.columns, k.referenced_table, k.referenced_columns) == wanted for k in self.schema.foreign_keys
        )

    def ancestors(self, source: Source) -> list[Source]:
        """The sources of which each row of `source` has exactly one."""
        found: list[Source] = []
        pending = [source]
        while pending:
            child = pending.pop()
            parents = [link.parent for link in self.links if link.child == child and link.parent not in found]
            found += parents
            pending += parents
        return [s for s in found if s != source]

    def finest(self, sources: list[Source]) -> Source | None:
        """The source that has all the others as ancestors, so that joining them adds no rows to it."""
        for source in sources:
            if set(sources) - {source} <= set(self.ancestors(source)):
                return source
        return None

    def relation(self, source: Source) -> str:
        """What a joined row is to the row that refers to it: `home club` for a club joined by HomeClubID."""
        keys = [link.column for link in self.links if link.parent == source]
        if len(keys) != 1:
            return source.noun
        words = re.sub(r" (id|no|nr|code|number|key|ref)$", "", keys[0].words.lower())
        stripped = words != keys[0].words.lower() and len(words) > 6
        named = (words.endswith(source.noun) or stripped) and not re.search(r" (by|in|of|at|to) ", words)
        return words if named else source.noun


def _common_table(item: exp.Table) -> exp.Query | None:
    """The query that WITH gives the name in FROM."""
    node: exp.Expr | None = item
    while node is not None:
        for cte in node.ctes if isinstance(node, exp.Query) else []:
            if cte.alias.lower() == item.name.lower() and isinstance(cte.this, exp.Query):
                return cte.this
        node = node.parent
    return None


def own_equalities(condition: exp.Expr) -> Iterator[exp.EQ]:
    """The equalities of a condition that hold for each row, none of them in an OR or in a nested query."""
    condition = condition.this if isinstance(condition, exp.Where) else condition
    for part in parts(condition):
        if isinstance(part, exp.EQ):
            yield part


def parts(condition: exp.Expr | None) -> list[exp.Expr]:
    """The conditions joined by AND, without brackets."""
    if condition is None:
        return []
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        return parts(condition.left) + parts(condition.right)
    return [condition]


def is_join_condition(scope: Scope, node: exp.Expr) -> bool:
    """Whether a condition of WHERE only says how two sources belong together."""
    if not isinstance(node, exp.EQ):
        return False
    ends = [scope.resolve(side) for side in node.unnest_operands()]
    return bool(ends[0] and ends[1] and ends[0][0] != ends[1][0] and {ends[0][0], ends[1][0]} <= set(scope.sources))


def column_words(column: Column) -> str:
    """A column's name as a noun: `joined date` for joined_on, `height in cm` for HeightCm, `artist ID`."""
    words = re.sub(r"\bid(s?)\b", r"ID\1", column.words.strip().lower())
    front, _, last = words.rpartition(" ")
    if front and last in ("on", "at") and not words.startswith("is "):
        return f"{front} {'date' if last == 'on' else 'time'}"
    if last == "by" and front in _AGENTS:
        return _AGENTS[front]
    if unit(column):
        return f"{front} in {last}"
    return f"number of {words}" if is_amount(column) else words


def unit(column: Column) -> str:
    """The unit at the end of a column's name (`minutes` for duration_minutes), or nothing."""
    front, _, last = column.words.strip().lower().rpartition(" ")
    return last if front and last in UNITS else ""


def is_amount(column: Column) -> bool:
    """Whether a column counts something, as `pages`, `seats`, `tickets sold` do."""
    words = re.sub(r" (sold|played|won|lost|scored|made)$", "", column.words.strip().lower())
    first, last = words.split(" ")[0], words.rpartition(" ")[2]
    uncounted = UNITS | {"sales", "earnings", "savings", "gross", "series", "details", "years", "ids"}
    return (
        column.type == "number"
        and singular(last) != last
        and last not in uncounted
        and words.count(" ") < 2
        and first not in _TOTALS
    )


def is_name(column: Column, noun: str) -> bool:
    """Whether a column says what a row is called, so that the row is named by it alone."""
    words = column.words.lower()
    if words in ("name", "title", "full name", "label") or words == noun:
        return True
    return words in (f"{noun} name", f"{noun} title") or bool(
        re.fullmatch(rf"{re.escape(noun.split()[-1])} name", words)
    )


def is_time(column: Column) -> bool:
    """Whether a column's values are dates, times or years."""
    return column.type == "time" or bool(re.search(r"\b(year|date)\b", column.words.lower()))


def is_flag(column: Column) -> bool:
    """Whether a column says yes or no."""
    return column.type == "boolean" or bool(re.match(r"(is|has|needs|can|was) ", column.words.lower()))


def is_plain_number(column: Column) -> bool:
    """Whether a column's numbers name something (years, dates, identifiers) and take no thousands separators."""
    words = column.words.lower().split()
    return is_time(column) or (bool(words) and words[-1] in _KEY_WORDS)


def is_aggregated(node: exp.Expr) -> bool:
    """Whether an expression sums up many rows, by itself and not in a nested query."""
    own = own_nodes(node, exp.AggFunc)
    return any(not isinstance(function.parent, exp.Window) for function in own)
