"""A query that was answered, and what a follow-up may change in it: filter, order, limit, columns, groups.

Edits are made in the syntax tree of the SQL, in the database's own dialect. A query that is more than one SELECT over
plain tables is not edited, except that its rows can be counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import sqlglot
from sqlglot import exp

from text2sql.assistant.resolving import Resolver
from text2sql.prompting.expressions import to_sql
from text2sql.schema import Schema, is_plain_name
from text2sql.sql_tree import from_items

AGGREGATES: dict[str, type[exp.AggFunc]] = {"avg": exp.Avg, "sum": exp.Sum, "max": exp.Max, "min": exp.Min}
COMPARISONS: dict[str, type[exp.Binary]] = {
    "=": exp.EQ, "!=": exp.NEQ, "<": exp.LT, "<=": exp.LTE, ">": exp.GT, ">=": exp.GTE,
}  # fmt: skip
_LOWER, _UPPER = (exp.GT, exp.GTE), (exp.LT, exp.LTE)


class NotEditableError(ValueError):
    """A query that a follow-up cannot be applied to."""


class Query:
    """One SELECT over plain tables; every edit gives a new SQL text and leaves the query as it is."""

    def __init__(self, sql: str, schema: Schema, dialect: str) -> None:
        """Raises NotEditableError for other SQL, and for tables that the schema lacks."""
        try:
            tree = sqlglot.parse_one(sql, read=dialect)
        except (sqlglot.errors.SqlglotError, RecursionError) as error:
            raise NotEditableError(sql) from error
        if not isinstance(tree, exp.Select) or tree.args.get("with_") or not tree.args.get("from_"):
            raise NotEditableError(sql)
        self.tree, self.schema, self.dialect = tree, schema, dialect
        self._qualifiers: dict[int, str] = {}
        self.tables: list[int] = []
        for source in from_items(tree):
            if not isinstance(source, exp.Table) or schema.table(source.name) is None:
                raise NotEditableError(sql)
            self.tables.append(schema.table_number(source.name))
            self._qualifiers.setdefault(self.tables[-1], source.alias_or_name)
        order = tree.args.get("order")
        ordered = order.expressions if order else []
        places = [*tree.expressions, *ordered, *filter(None, [tree.args.get("where"), tree.args.get("group")])]
        mentioned = [number for place in places for number in self._columns(place)]
        self.shown = [number for place in tree.expressions for number in self._columns(place)]
        self.resolver = Resolver(schema, self._main_first(), list(dict.fromkeys(mentioned)))

    # -- reading --------------------------------------------------------------------------------------------------

    @property
    def main_table(self) -> int:
        """The table whose rows are shown."""
        return self._main_first()[0]

    @property
    def aggregates(self) -> list[exp.AggFunc]:
        """The aggregates shown."""
        return [found for place in self.tree.expressions for found in place.find_all(exp.AggFunc)]

    @property
    def grouped(self) -> bool:
        """Whether its rows are groups."""
        return self.tree.args.get("group") is not None

    @property
    def ordering(self) -> exp.Ordered | None:
        """What the rows are sorted by first."""
        order = self.tree.args.get("order")
        return order.expressions[0] if order else None

    @property
    def limited(self) -> bool:
        """Whether only some of its rows are shown."""
        return self.tree.args.get("limit") is not None

    def conditions(self) -> list[exp.Expr]:
        """The conditions of WHERE that must all hold."""
        where = self.tree.args.get("where")
        if where is None:
            return []
        condition = where.this.unnest()
        return list(condition.flatten()) if isinstance(condition, exp.And) else [condition]

    def compared(self, number: int) -> list[exp.Expr]:
        """The conditions that compare a column with literals."""
        return [c for c in self.conditions() if literals_of(c) and self.number(c.this) == number]

    def number(self, node: exp.Expr | None) -> int | None:
        """The number of a column node; None for other nodes and unknown columns."""
        return next(iter(self._columns(node)), None) if isinstance(node, exp.Column) else None

    def _columns(self, node: exp.Expr) -> list[int]:
        by_name = {name.lower(): number for number, name in self._qualifiers.items()}
        found = []
        for column in node.find_all(exp.Column):
            tables = [by_name.get(column.table.lower())] if column.table else self.tables
            for number in tables:
                table = self.schema.tables[number] if number is not None else None
                if table is not None and table.column(column.name) is not None:
                    found.append(self.schema.column_number(table.name, column.name))
                    break
        return found

    def _main_first(self) -> list[int]:
        shown = [self.schema.table_number(self.schema.columns[number][0].name) for number in self.shown]
        return list(dict.fromkeys([*shown, *self.tables]))

    # -- editing --------------------------------------------------------------------------------------------------

    def column(self, number: int) -> exp.Column:
        """A column as a node, qualified where there are several tables."""
        table, column = self.schema.columns[number]
        folded = self.dialect != "sqlite" and column.name != column.name.lower()
        name = exp.to_identifier(column.name, quoted=folded or not is_plain_name(column.name))
        alias = self._qualifiers[self.schema.table_number(table.name)]
        return exp.column(name, table=exp.to_identifier(alias) if len(self.tables) > 1 else None)

    def comparison(self, number: int, operator: str, value: str | int | float) -> exp.Expr:
        """A column compared with a value: an operator of `COMPARISONS`."""
        return COMPARISONS[operator](this=self.column(number), expression=_literal(value))

    def filtered(self, conditions: Sequence[exp.Expr], replacing: Sequence[exp.Expr] = ()) -> str:
        """With more conditions, some of the old ones gone."""
        kept = [c.copy() for c in self.conditions() if not any(c is old for old in replacing)]
        tree = self.tree.copy()
        parts = [exp.Paren(this=c) if isinstance(c, exp.Or) else c for c in [*kept, *conditions]]
        tree.set("where", None)
        if parts:  # put together by hand: `exp.and_` would put each pair into parentheses
            tree.set("where", exp.Where(this=reduce(lambda one, other: exp.And(this=one, expression=other), parts)))
        return self._text(tree)

    def replaced_by(self, new: exp.Expr) -> list[exp.Expr]:
        """Old conditions that a new one on the same column takes the place of: equalities and bounds of its side."""
        number = self.number(new.this)
        found = []
        for old in self.compared(number) if number is not None else []:
            same_side = any(isinstance(old, side) and isinstance(new, side) for side in (_LOWER, _UPPER))
            equality = isinstance(old, exp.EQ | exp.Like | exp.In | exp.Between) and not isinstance(new, exp.NEQ)
            if same_side or equality or _contradict(old, new):
                found.append(old)
        return found

    def among(self, number: int, values: Sequence[str | int | float]) -> exp.Expr:
        """A column that is one of some values."""
        if len(values) == 1:
            return self.comparison(number, "=", values[0])
        return exp.In(this=self.column(number), expressions=[_literal(value) for value in values])

    def having(self, operator: str, value: float) -> str:
        """Only groups whose one aggregate compares so with a number."""
        if not self.grouped or len(self.aggregates) != 1:
            raise NotEditableError("there is no aggregate to compare")
        condition = COMPARISONS[operator](this=self.aggregates[0].copy(), expression=_literal(value))
        return self._text(self.tree.copy().having(condition, copy=False))

    def excluding(self, conditions: Sequence[exp.Expr]) -> str:
        """Without the rows for which all the conditions hold."""
        together = reduce(lambda one, other: exp.And(this=one, expression=other), conditions)
        return self.filtered([exp.Not(this=exp.Paren(this=together))])

    def counted(self) -> str:
        """The number of its rows."""
        tree = self.tree.copy()
        distinct = tree.args.get("distinct")
        if self.grouped or self.limited or (distinct and len(tree.expressions) > 1):
            for place in tree.expressions:
                if not isinstance(place, exp.Column | exp.Alias):
                    place.replace(exp.alias_(place.copy(), f"value_{place.index or 0}"))
            counting = exp.select(exp.Count(this=exp.Star())).from_(tree.subquery("rows_found"))
            return self._text(counting)
        counted = exp.Distinct(expressions=[tree.expressions[0].copy()]) if distinct else exp.Star()
        tree.set("distinct", None)
        tree.set("order", None)
        return self._text(tree.select(exp.Count(this=counted), append=False, copy=False))

    def aggregated(self, function: str, number: int) -> str:
        """One number over all its rows, or over each group: a function of `AGGREGATES` of a column."""
        tree = self.tree.copy()
        value = AGGREGATES[function](this=self.column(number))
        kept = [place for place in tree.expressions if self.grouped and isinstance(place, exp.Column)]
        tree.select(*kept, value, append=False, copy=False)
        for part in ("order", "limit", "distinct"):
            tree.set(part, None)
        return self._text(tree)

    def showing(self, numbers: Sequence[int], also: bool) -> str:
        """With other columns, or with more of them."""
        if self.grouped:
            raise NotEditableError("the rows are groups")
        columns = [self.column(number) for number in numbers if not (also and number in self.shown)]
        return self._text(self.tree.copy().select(*columns, append=also and not self.aggregates, copy=False))

    def ordered(self, by: exp.Expr | int | None, descending: bool, limit: int | None = None) -> str:
        """Sorted by a column, an expression or what it is sorted by; with a limit, if there is to be a new one."""
        old = self.ordering
        node = old.this.copy() if by is None and old else self.column(by) if isinstance(by, int) else by
        if node is None:
            raise NotEditableError("nothing to sort by")
        tree = self.tree.copy().order_by(self._direction(node, descending), append=False, copy=False)
        return self._text(tree.limit(limit, copy=False) if limit is not None else tree)

    def _direction(self, node: exp.Expr, descending: bool) -> exp.Ordered:
        """An item of ORDER BY, with NULLs where the dialect puts them when nothing is said."""
        text = f"SELECT 1 ORDER BY x{' DESC' if descending else ''}"
        ordered = sqlglot.parse_one(text, read=self.dialect).args["order"].expressions[0]
        ordered.set("this", node)
        return ordered

    def first(self, limit: int) -> str:
        """Its first rows."""
        return self._text(self.tree.copy().limit(limit, copy=False))

    def per(self, number: int) -> str:
        """The same aggregate for each value of a column; the number of rows where there is no aggregate."""
        if self.grouped or self.limited:
            raise NotEditableError("the rows are groups or cut off")
        values = self.aggregates or [exp.Count(this=exp.Star())]
        tree = self.tree.copy()
        tree.set("order", None)
        tree.set("distinct", None)
        tree.select(self.column(number), *(value.copy() for value in values), append=False, copy=False)
        return self._text(tree.group_by(self.column(number), copy=False))

    def distinct(self) -> str:
        """Without repeated rows."""
        return self._text(self.tree.copy().distinct(copy=False))

    def _text(self, tree: exp.Expr) -> str:
        return to_sql(tree) if self.dialect == "sqlite" else tree.sql(self.dialect)


def _literal(value: str | int | float) -> exp.Literal:
    return exp.Literal(this=str(value), is_string=isinstance(value, str))


def _contradict(one: exp.Expr, other: exp.Expr) -> bool:
    """Whether two bounds of one column leave nothing between them."""
    if isinstance(other, _LOWER):
        one, other = other, one
    if not (isinstance(one, _LOWER) and isinstance(other, _UPPER)):
        return False
    low, high = literals_of(one), literals_of(other)
    if not low or not high or low[0].is_string != high[0].is_string:
        return False
    if low[0].is_string:
        return low[0].this >= high[0].this
    return float(low[0].this) >= float(high[0].this)


def literals_of(condition: exp.Expr) -> list[exp.Literal]:
    """The literals that a condition compares a column with; none for another kind of condition."""
    if not isinstance(condition.this, exp.Column) or condition.args.get("negate"):  # NOT LIKE
        return []
    if isinstance(condition, exp.Between):
        values = [condition.args["low"], condition.args["high"]]
    else:
        values = condition.expressions if isinstance(condition, exp.In) else [condition.expression]
    return [value for value in values if isinstance(value, exp.Literal)]
