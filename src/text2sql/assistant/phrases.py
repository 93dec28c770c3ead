"""Which rows a SELECT is about, in words: `films released after 2015 whose genre is Drama`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlglot import exp

from text2sql.assistant.clauses import COMPARISONS, Clauses, flag_noun, unwrapped, where_parts
from text2sql.assistant.english import article, joined, plural, singular, who
from text2sql.assistant.sql_meaning import (
    NoWordsError,
    Scope,
    Source,
    is_aggregated,
    is_amount,
    is_join_condition,
    is_name,
    is_time,
    parts,
)
from text2sql.schema import Schema

_PARTICIPLES = {
    "release": "released", "publication": "published", "founding": "founded", "foundation": "founded",
    "opening": "opened", "purchase": "purchased", "hire": "hired", "birth": "born", "creation": "created",
    "registration": "registered", "construction": "built",
    "enrollment": "enrolled", "delivery": "delivered", "booking": "booked", "debut": "debuted", "death": "died",
    "start": "started", "end": "ended", "arrival": "arrived", "graduation": "graduated",
}  # fmt: skip
"""From the noun in a column's name (`release date`) to what happened."""
_PAST = frozenset(
    """released published founded opened purchased bought hired sold borrowed returned scheduled repaired paid built
    created updated ordered delivered shipped booked registered recorded issued signed""".split()
)
_ACTIVE = frozenset("joined enrolled debuted died started ended arrived graduated retired left departed".split())
"""Past tenses that need `who` or `that` before them."""
_COUNT_WORDS = {exp.GT: "more than", exp.GTE: "at least", exp.LT: "fewer than", exp.LTE: "at most", exp.EQ: "exactly"}


class Phrases(Clauses):
    """The rows, groups and nested queries of one SELECT in words."""

    def __init__(self, select: exp.Select, schema: Schema, outer: Scope | None = None) -> None:
        super().__init__(Scope(select, schema, outer))
        self.select, self.schema = select, schema
        sources = self.scope.sources
        keys = select.args["group"].expressions if select.args.get("group") else []
        self.keys: list[exp.Expr] = [self._by_position(key) for key in keys]
        self.group_source = self._group_source()
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
        for key in self.keys[:1] if len(self.scope.sources) > 1 else []:
            resolved = self.scope.resolve(key) if isinstance(key, exp.Column) else None
            if resolved is None or resolved[0].table is None:
                continue
            source, column = resolved
            if column.name in source.table.primary_key[:1] or is_name(column, source.noun):  # type: ignore[union-attr]
                return source
            return next((k.parent for k in self.scope.links if k.child == source and k.column == column), None)
        return None

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
        for part in where_parts(self.select):
            named = self.scope.mentioned(part)
            if is_join_condition(self.scope, part) or (self.keys and named == [self.group_source]):
                continue
            if set(named) <= own or len(named) != 1:
                near.append(part)
            else:
                far.setdefault(named[0], []).append(part)
        words = [self.modifier(part) for part in near]
        words += [self._other_row(source, conditions) for source, conditions in far.items()]
        return assembled(words + self._unmentioned(set(far)))

    def _other_row(self, source: Source, conditions: list[exp.Expr]) -> str:
        """`with the book Café Philosophy`, `with a film whose genre is Drama`: rows that the subject may have many of."""
        before, self.subject = self.subject, source
        try:
            first = conditions[0]
            column = self.scope.resolve(first.left) if _is_column_equality(first) else None
            value = self.value(first.right) if column else None
            if len(conditions) == 1 and column and value and is_name(column[1], source.noun):
                return f"with the {source.noun} {value}"
            return f"with {article(source.noun)} {assembled([self.modifier(c) for c in conditions])}"
        finally:
            self.subject = before

    def _unmentioned(self, described: set[Source]) -> list[str]:
        """Inner joins that only ask for a partner: `with at least one trip`."""
        if self.subject is None or self.keys:
            return []
        own = {self.subject, *self.scope.ancestors(self.subject), *described}
        outer = {j.this.alias_or_name.lower() for j in self.select.args.get("joins") or [] if j.side}
        linked = {s for k in self.scope.links for s in (k.child, k.parent)}
        used = {s for e in self.select.expressions for s in self.scope.mentioned(e)}
        leaves = [s for s in self.scope.sources if sum(s in (k.child, k.parent) for k in self.scope.links) == 1]
        asked = [s for s in leaves if s in linked - own - used and s.alias not in outer]
        return [f"with at least one {source.noun}" for source in asked]

    def modifier(self, node: exp.Expr) -> str:
        """One condition behind the noun: `whose genre is Jazz`, `released in 2023`, `without a website`."""
        node = node.unnest()
        flag = self.flag(node)
        if flag:
            return self._flag_modifier(*flag)
        if isinstance(node, exp.And) or (isinstance(node, exp.Or) and not self.same_column(node)):
            return f"for which {self.clause(node)}"
        same = self.same_column(node)
        if same:
            return f"whose {self.operand(same[0]).removeprefix('the ')} is {joined(same[1], 'or')}"
        negated = isinstance(node, exp.Not)
        inner = node.this.unnest() if negated else node
        if isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null):
            return f"{'with' if negated else 'without'} {article(re.sub(r' ID$', '', self.term(inner.this)))}"
        partner = self._partner(inner, negated or bool(node.args.get("negate")))
        if partner:
            return partner
        return self._happened(node) or self._named(node) or self._amount(node) or self._whose(node)

    def _named(self, node: exp.Expr) -> str | None:
        """`named FC Kestrel`, `titled Água Viva`, for the subject's own name."""
        resolved = self.scope.resolve(node.left) if _is_column_equality(node) else None
        value = self.value(node.args["expression"]) if resolved else None
        if not resolved or not value or resolved[0] != self.subject or not is_name(resolved[1], resolved[0].noun):
            return None
        return f"{'titled' if resolved[1].words.lower().endswith('title') else 'named'} {value}"

    def _amount(self, node: exp.Expr) -> str | None:
        """`with more than 800 pages`, for the subject's own column that counts something."""
        left = node.left if isinstance(node, COMPARISONS) and type(node) in _COUNT_WORDS else None
        resolved = self.scope.resolve(left) if isinstance(left, exp.Column) else None
        value = self.value(node.args["expression"]) if resolved else None
        if not resolved or not value or resolved[0] != self.subject or not is_amount(resolved[1]):
            return None
        words = resolved[1].words.lower()
        return f"with {_COUNT_WORDS[type(node)]} {value} {singular(words) if value == '1' else words}"

    def _whose(self, node: exp.Expr) -> str:
        left, verb = self.predicate(node)
        return f"whose {left.removeprefix('the ')} {verb}" if left.startswith("the ") else f"for which {left} {verb}"

    def _flag_modifier(self, source: Source, words: str, holds: bool) -> str:
        word, _, rest = words.partition(" ")
        own = source == self.subject
        if word == "has" and rest and own:
            return f"{'with' if holds else 'without'} {article(rest)}"
        whose = "" if own else f"whose {self.scope.relation(source)} is "
        return f"{whose}{'' if holds else 'not '}marked as {flag_noun(words)}"

    def _happened(self, node: exp.Expr) -> str | None:
        """`released after 2015`, `who joined before 2020`, for the subject's own dates."""
        inner = node.this if isinstance(node, exp.Not) else node
        resolved = self.scope.resolve(inner.this) if isinstance(inner.this, exp.Column) else None
        if not resolved or resolved[0] != self.subject or not is_time(resolved[1]) or not self.subject:
            return None
        words = resolved[1].words.lower()
        verb = self.predicate(node)[1].removeprefix("is ")
        if not re.match(r"in |after |before |between |.* or (later|earlier)$|(\d+ \w+ )?\d{4}$", verb) or "the " in verb:
            return None
        verb = re.sub(r"^(?=\d+ )", "on ", re.sub(r"^(?=\d{4}\b)", "in ", verb))
        if words in ("year", "date", f"{self.subject.noun} year", f"{self.subject.noun} date"):
            return f"from {re.sub('^(in|on) ', '', verb)}" if not verb.startswith("between") else None
        front = words.rpartition(" ")[0]
        event = _PARTICIPLES.get(front, front)
        if event in _ACTIVE:
            return f"{who(self.subject.noun)} {event} {verb}"
        return f"{event} {verb}" if event in _PAST or event == "born" else None

    def _partner(self, node: exp.Expr, negated: bool) -> str | None:
        """`id NOT IN (SELECT patient_id FROM appointment)` is `without any appointment`."""
        nested = node.args.get("query") if isinstance(node, exp.In) else None
        nested = nested.unnest() if nested is not None else None
        if not isinstance(nested, exp.Select) or nested.args.get("group") or nested.args.get("limit"):
            return None
        resolved = self.scope.resolve(node.this) if isinstance(node.this, exp.Column) else None
        inner = Phrases(nested, self.schema, self.scope)
        if not resolved or resolved[0] != self.subject or not self.subject.table or len(inner.scope.sources) != 1:
            return None
        other = inner.scope.sources[0]
        if resolved[1].name not in self.subject.table.primary_key or other.table in (None, self.subject.table):
            return None
        rows = inner.qualifiers()
        key = inner.select.expressions[0]
        if rows == f"with {article(re.sub(r' ID$', '', inner.term(key)))}":
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
        if isinstance(node, COMPARISONS) and isinstance(node.left, exp.Count) and type(node) in _COUNT_WORDS:
            value = self.value(node.right)
            if value:
                noun = f"{self.count_noun(node.left)} {self.qualifiers()}".rstrip()
                return f"with {_COUNT_WORDS[type(node)]} {value} {self.agreeing(value, noun)}"
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
        if any(isinstance(e.unalias(), exp.Star) for e in items) or not items:
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
        resolved = self.scope.resolve(unwrapped(items[0].unalias())) if len(items) == 1 and _is_column(items[0]) else None
        if not resolved or resolved[0] != (self.group_source if self.keys else self.subject):
            return False
        source, column = resolved
        return is_name(column, source.noun) or bool(source.table and source.table.primary_key == (column.name,))

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

    def superlative(self, many: bool = False) -> str:
        """`album with the highest price`, `genre with the most albums`; needs one ORDER BY term."""
        ordered = self.order()[0]
        rows = self.groups(many) if self.keys else self.rows(many)
        return f"{self.columns_of(rows, many)} with {self.extreme_of(ordered)}"

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


def set_operation(node: exp.SetOperation, schema: Schema, outer: Scope | None = None, positive: bool = True) -> str:
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


def assembled(words: list[str]) -> str:
    """Modifiers in an order that cannot be misread: `released in 2020 whose genre is Jazz, with a website`."""
    heads = [text.split()[0] for text in words]
    fact = [text for text, head in zip(words, heads, strict=True) if head in ("whose", "who", "that", "for")]
    having = [text for text, head in zip(words, heads, strict=True) if head in ("with", "without")]
    event = [text for text in words if text not in fact and text not in having]
    front = " ".join(filter(None, [joined(event), joined(fact)]))
    if all(text.startswith("with ") for text in having):
        having = having[:1] + [text.removeprefix("with ") for text in having[1:]]
    return (", " if fact else " ").join(filter(None, [front, joined(having)]))


def _is_column(node: exp.Expr) -> bool:
    return isinstance(unwrapped(node.unalias()), exp.Column)


def _is_column_equality(node: exp.Expr) -> bool:
    return isinstance(node, exp.EQ) and isinstance(node.left, exp.Column)


def _sqls(nodes: Iterable[exp.Expr]) -> list[str]:
    return [node.sql() for node in nodes]
