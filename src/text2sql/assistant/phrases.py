"""Which rows a SELECT is about, in words: `films released after 2015 whose genre is Drama`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlglot import exp

from text2sql.assistant.clauses import unwrapped, where_parts
from text2sql.assistant.modifiers import COUNT_WORDS, Modifiers, assembled
from text2sql.assistant.sql_meaning import (
    NoWordsError,
    Scope,
    Source,
    is_aggregated,
    is_join_condition,
    is_name,
    parts,
)
from text2sql.english import joined, plural, with_article
from text2sql.schema import Schema


class Phrases(Modifiers):
    """The rows, groups and nested queries of one SELECT in words."""

    def __init__(self, select: exp.Select, schema: Schema, outer: Scope | None = None) -> None:
        if not select.expressions:
            raise NoWordsError("nothing is selected")
        super().__init__(Scope(select, schema, outer))
        self.select, self.schema = select, schema
        sources = self.scope.sources
        keys = select.args["group"].expressions if select.args.get("group") else []
        self.keys: list[exp.Expr] = [self._by_position(key) for key in keys]
        self.group_source = self._group_source()
        if self.group_source:  # the row's other columns add nothing to its key
            self.keys[1:] = [k for k in self.keys[1:] if self.scope.mentioned(k) != [self.group_source]]
        projected = [s for e in select.expressions for s in self.scope.mentioned(e)]
        rest = [s for s in sources if s != self.group_source] or sources
        pool = rest if self.keys or not projected or is_aggregated(select.expressions[0]) else projected
        self.subject = self.scope.finest(list(dict.fromkeys(pool))) or (pool[0] if pool else None)

    def _by_position(self, key: exp.Expr) -> exp.Expr:
        """GROUP BY 1 and GROUP BY alias stand for what SELECT lists."""
        listed = self.select.expressions
        if isinstance(key, exp.Literal) and key.this.isdigit() and 0 < int(key.this) <= len(listed):
            return unwrapped(listed[int(key.this) - 1].unalias())
        named = [e for e in listed if e.alias and e.alias == key.name]
        known = isinstance(key, exp.Column) and self.scope.resolve(key)
        return unwrapped(named[0].unalias()) if named and not known else key

    def _group_source(self) -> Source | None:
        """The source whose rows the groups are: grouped by its key, its name, or a key that refers to it."""
        resolved = self.scope.resolve(self.keys[0]) if self.keys else None
        if resolved is None or resolved[0].table is None:
            return None
        source, column = resolved
        parent = next((k.parent for k in self.scope.links if k.child == source and k.column == column), None)
        if parent is not None:
            return parent
        key = source.table.primary_key  # type: ignore[union-attr]
        own = key == (column.name,) and not self._refers(source, column.name)
        named = is_name(column, source.noun) and len(self.scope.sources) > 1
        return source if own or named else None

    # -- the noun of a row -------------------------------------------------------------------------------------

    def counted(self) -> str:
        if self.subject is None:
            return "rows"
        named = self.subject.query is None
        return self.subject.nouns if named else "rows"

    def group_noun(self) -> str:
        """What one group is: `artist`, `genre`, `combination of city and year`."""
        if self.group_source:
            return self.scope.relation(self.group_source)
        nouns = [re.sub(r" ID$", "", self.term(key)) for key in self.keys]
        return nouns[0] if len(nouns) == 1 else f"combination of {joined(nouns)}"

    # -- modifiers ---------------------------------------------------------------------------------------------

    def qualifiers(self) -> str:
        """What WHERE and the joins say of the subject's rows, to be put behind the noun; may be empty."""
        own = {self.subject, *(self.scope.ancestors(self.subject) if self.subject else [])}
        near: list[exp.Expr] = []
        far: dict[Source, list[exp.Expr]] = {}
        summed = [e for e in self.select.expressions if is_aggregated(e)]
        described = {s for e in [*self.keys, *summed] for s in self.scope.mentioned(e)}
        for part in where_parts(self.select):
            if is_join_condition(self.scope, part):
                continue
            named = self.scope.mentioned(part)
            described |= set(named)
            if self.keys and named == [self.group_source]:
                continue
            if set(named) <= own or len(named) != 1:
                near.append(part)
            else:
                far.setdefault(named[0], []).append(part)
        words = [self.modifier(part) for part in near]
        words += [self._other_row(source, conditions) for source, conditions in far.items()]
        return assembled(words + self._unmentioned(described))

    def _other_row(self, source: Source, conditions: list[exp.Expr]) -> str:
        """`with the book Café Philosophy`, `with a film whose genre is Drama`: a row of which there may be many."""
        before, self.subject = self.subject, source
        try:
            first = conditions[0]
            column = self.scope.resolve(first.this) if isinstance(first, exp.EQ) else None
            value = self.value(first.args["expression"]) if column else None
            if len(conditions) == 1 and column and value and is_name(column[1], source.noun):
                return f"with the {source.noun} {value}"
            return f"with {with_article(source.noun)} {assembled([self.modifier(c) for c in conditions])}"
        finally:
            self.subject = before

    def _unmentioned(self, described: set[Source]) -> list[str]:
        """Inner joins that only ask for a partner: `with at least one trip`."""
        if self.subject is None or any(join.side for join in self.select.args.get("joins") or []):
            return []
        sorted_by = {s for e in self.order() for s in self.scope.mentioned(e)}
        described = described | (set() if self.keys else sorted_by)
        described |= {self.group_source} if self.group_source else set()
        parents = self.scope.ancestors(self.subject)
        words = [
            f"with {with_article(self.scope.relation(s))}" for s in parents if self._is_end(s) and s not in described
        ]
        if self.keys:
            return words
        used = {s for e in self.select.expressions for s in self.scope.mentioned(e)} | described
        others = [s for s in self.scope.sources if s not in (self.subject, *parents) and s not in used]
        ends = [s for s in others if sum(s in (k.child, k.parent) for k in self.scope.links) == 1]
        return words + [f"with at least one {source.noun}" for source in ends]

    def _is_end(self, source: Source) -> bool:
        """Whether a joined parent refers to no further joined table, which would imply it."""
        return not any(link.child == source for link in self.scope.links)

    def partner(self, node: exp.Expr, negated: bool) -> str | None:
        """`id NOT IN (SELECT patient_id FROM appointment)` is `without any appointment`."""
        nested = node.args.get("query") if isinstance(node, exp.In) else None
        nested = nested.unnest() if nested is not None else None
        if not isinstance(nested, exp.Select) or nested.args.get("group") or nested.args.get("limit"):
            return None
        resolved = self.scope.resolve(node.this)
        inner = Phrases(nested, self.schema, self.scope)
        if not resolved or resolved[0] != self.subject or not self.subject.table or len(inner.scope.sources) != 1:
            return None
        other = inner.scope.sources[0]
        if resolved[1].name not in self.subject.table.primary_key or other.table in (None, self.subject.table):
            return None
        rows = inner.qualifiers()
        key = inner.select.expressions[0]
        if rows == f"with {with_article(re.sub(r' ID$', '', inner.term(key)))}":
            rows = ""  # WHERE key IS NOT NULL only guards against NOT IN's surprise
        words = f"{other.noun} {rows}".rstrip()
        return f"without any {words}" if negated else f"with at least one {words}"

    # -- rows, groups, queries ---------------------------------------------------------------------------------

    def rows(self, many: bool = True, all_rows: bool = False) -> str:
        """The rows that WHERE leaves: `albums released after 2015`, `all albums`."""
        if self.subject is None:
            raise NoWordsError("no FROM")
        noun = self.counted() if many else self.subject.noun
        words = self.qualifiers()
        return " ".join(filter(None, ["all" if all_rows and not words and many else "", noun, words]))

    def groups(self, many: bool = True) -> str:
        """The groups that HAVING leaves: `artists with at least 3 albums`."""
        noun = self.group_noun()
        having = self.select.args.get("having")
        words = [self._group_modifier(part) for part in parts(having.this)] if having is not None else []
        words = [*self._group_conditions(), *words]
        if having is None and not self.order() and self.qualifiers():
            words.append(f"of {self.rows()}")
        return f"{plural(noun) if many else noun} {assembled(words)}".rstrip()

    def _group_conditions(self) -> list[str]:
        """What WHERE says of the groups' own rows."""
        before, self.subject = self.subject, self.group_source
        try:
            own = [p for p in where_parts(self.select) if self.scope.mentioned(p) == [self.group_source]]
            return [self.modifier(part) for part in own]
        finally:
            self.subject = before

    def _group_modifier(self, node: exp.Expr) -> str:
        node = node.unnest()
        if type(node) in COUNT_WORDS and isinstance(node.this, exp.Count):
            value = self.value(node.args["expression"])
            if value:
                noun = f"{self.count_noun(node.this)} {self.qualifiers()}".rstrip()
                return f"with {COUNT_WORDS[type(node)]} {value} {self.agreeing(value, noun)}"
        return self._whose(node) if not isinstance(node, exp.Or) else f"for which {self.clause(node)}"

    def agreeing(self, value: str, nouns: str) -> str:
        subject = self.subject
        return nouns.replace(subject.nouns, subject.noun, 1) if value == "1" and subject else nouns

    def query(self, node: exp.Query) -> str:
        node = unwrapped(node)  # type: ignore[assignment]
        if isinstance(node, exp.SetOperation):
            return set_operation(node, self.schema, self.scope)
        if not isinstance(node, exp.Select):
            raise NoWordsError(node.key)
        return Phrases(node, self.schema, self.scope).noun_phrase()

    def noun_phrase(self, article: bool = True) -> str:
        """What the SELECT gives: `the average price of all albums`, `countries of artists ...`. Raises NoWordsError."""
        items = self.select.expressions
        if all(isinstance(e.unalias(), exp.Literal | exp.Star) for e in items) or any(e.is_star for e in items):
            return self.rows()
        if all(is_aggregated(e) for e in items) and not self.keys:
            words = f"{joined([self.term(e) for e in items])}{self.of_rows(items)}"
            return f"the {words}" if article else words
        if self._is_one():
            return ("the " if article else "") + self.superlative()
        if self.select.args.get("limit") is not None:
            raise NoWordsError("LIMIT in a nested query")
        return self.columns_of(self.groups() if self.keys else self.rows())

    def columns_of(self, rows: str, many: bool = True) -> str:
        """`countries of artists ...`, or just the rows where the column only names or identifies them."""
        items = [e for e in self.select.expressions if not is_aggregated(e)]
        if self.stands_for_row(items) or not items or (self.keys and [e.sql() for e in items] == _sqls(self.keys)):
            return rows
        terms = [self.term(e) for e in items]
        return f"{joined([plural(t) if many else t for t in terms])} of {rows if many else 'the ' + rows}"

    def stands_for_row(self, items: list[exp.Expr]) -> bool:
        """Whether one listed column names the row, or is its key."""
        resolved = self.scope.resolve(unwrapped(items[0].unalias())) if len(items) == 1 else None
        if not resolved or resolved[0] != (self.group_source if self.keys else self.subject):
            return False
        source, column = resolved
        own_key = source.table is not None and source.table.primary_key == (column.name,)
        return is_name(column, source.noun) or (own_key and not self._refers(source, column.name))

    def _refers(self, source: Source, name: str) -> bool:
        return any(
            source.table and k.table == source.table.name and k.columns == (name,) for k in self.schema.foreign_keys
        )

    def of_rows(self, items: Iterable[exp.Expr], all_rows: bool = True) -> str:
        """` of albums whose ...` behind an aggregate; a count has named its rows already."""
        counts = all(isinstance(unwrapped(e.unalias()), exp.Count) for e in items)
        distinct = any(e.find(exp.Distinct) for e in items)
        if counts and not distinct:
            return f" {self.qualifiers()}".rstrip()
        return f" of {self.rows(all_rows=all_rows)}"

    def _is_one(self) -> bool:
        limit = self.select.args.get("limit")
        return limit is not None and limit.expression.sql() == "1" and len(self.order()) == 1

    def order(self) -> list[exp.Ordered]:
        """The terms of ORDER BY."""
        order = self.select.args.get("order")
        return order.expressions if order is not None else []

    def superlative(self, many: bool = False, alone: bool = True) -> str:
        """`album with the highest price`, `genre with the most albums`; needs an ORDER BY term.

        `alone` says that only one column is listed, so that it may have to be named: `coach of the club with ...`.
        """
        if not self.keys and self.subject is None:
            raise NoWordsError("no FROM")
        noun = self.group_noun() if self.keys else self.subject.noun  # type: ignore[union-attr]
        noun = plural(noun) if many else noun
        what = self.columns_of(noun, many) if alone else noun
        return f"{what} with {self.extreme_of(self.order()[0])}{self._among()}"

    def _among(self) -> str:
        """` among albums released in 2023`: the rows or groups of which an extreme is the extreme."""
        if not self.keys:
            return f" among {self.rows()}" if self.qualifiers() else ""
        having = self.select.args.get("having") is not None
        return f" among {self.groups()}" if having or self._group_conditions() else ""

    def extreme_of(self, ordered: exp.Ordered) -> str:
        """`the highest price`, `the most albums released in 2023`, `the fewest trips`."""
        node = unwrapped(self.order_target(ordered))
        highest = bool(ordered.args.get("desc"))
        if isinstance(node, exp.Count):
            words = f"{self.count_noun(node)} {self.qualifiers()}".rstrip()
            return f"the {'most' if highest else 'fewest'} {words}"
        of = self.of_rows([node], all_rows=False) if self.keys and (self.group_source or self.qualifiers()) else ""
        return f"the {self.extreme(node, highest)} {self.term(node)}{of}"

    def order_target(self, ordered: exp.Ordered) -> exp.Expr:
        """What an ORDER BY term sorts by; an alias or a position stands for what SELECT lists."""
        return self._by_position(ordered.this)


def set_operation(node: exp.SetOperation, schema: Schema, outer: Scope | None = None) -> str:
    """`countries of artists ... that are also countries of ...`. Raises NoWordsError."""
    left, right = (_side(side, schema, outer) for side in (node.left, node.right))
    if isinstance(node, exp.Union):
        return f"{left} together with {right}"
    return f"{left} that are {'also' if isinstance(node, exp.Intersect) else 'not'} {right}"


def _side(node: exp.Expr, schema: Schema, outer: Scope | None) -> str:
    node = unwrapped(node)
    if isinstance(node, exp.SetOperation):
        return set_operation(node, schema, outer)
    if not isinstance(node, exp.Select):
        raise NoWordsError(node.key)
    return Phrases(node, schema, outer).noun_phrase()


def _sqls(nodes: Iterable[exp.Expr]) -> list[str]:
    return [node.sql() for node in nodes]
