"""Expressions and conditions of SQL in words: `the average price`, `the genre is Jazz`.

A *term* is a noun phrase without with_article, an *operand* a whole one, a *clause* a sentence about one row.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

from sqlglot import exp

from text2sql.assistant import cells
from text2sql.assistant.sql_meaning import (
    NoWordsError,
    Scope,
    Source,
    column_words,
    is_flag,
    is_name,
    is_plain_number,
    is_time,
    parts,
)
from text2sql.english import joined, plural, with_article
from text2sql.schema import Column, words_of

_EXTREMES = {
    "duration": ("longest", "shortest"),
    "length": ("longest", "shortest"),
    "distance": ("longest", "shortest"),
    "capacity": ("largest", "smallest"),
    "size": ("largest", "smallest"),
    "area": ("largest", "smallest"),
    "population": ("largest", "smallest"),
}
_NUMBER_VERBS: dict[type[exp.Expr], str] = {
    exp.EQ: "is {}", exp.NEQ: "is not {}", exp.NullSafeEQ: "is {}", exp.NullSafeNEQ: "is not {}",
    exp.GT: "is above {}", exp.GTE: "is at least {}", exp.LT: "is below {}", exp.LTE: "is at most {}",
}  # fmt: skip
_TIME_VERBS: dict[type[exp.Expr], str] = {
    exp.GT: "after {}", exp.GTE: "{} or later", exp.LT: "before {}", exp.LTE: "{} or earlier",
}  # fmt: skip
_MIRRORED: dict[type[exp.Expr], type[exp.Binary]] = {
    exp.EQ: exp.EQ, exp.GT: exp.LT, exp.LT: exp.GT, exp.GTE: exp.LTE, exp.LTE: exp.GTE,
}  # fmt: skip
COMPARISONS = tuple(_NUMBER_VERBS)
_ARITHMETIC = {exp.Add: "plus", exp.Sub: "minus", exp.Mul: "times", exp.Div: "divided by"}
_ADJECTIVES: dict[type[exp.Expr], str] = {exp.Avg: "average", exp.Sum: "total"}
_TRUTH = {
    "1": True, "true": True, "t": True, "y": True, "yes": True,
    "0": False, "false": False, "f": False, "n": False, "no": False,
}  # fmt: skip
_WRAPPERS = (exp.Paren, exp.Cast, exp.TryCast, exp.Collate, exp.AnyValue, exp.Lower, exp.Upper, exp.Trim, exp.Round)
_AMBIGUOUS = re.compile(r"[,;:“”\"'()]| (and|or|is|of|with) |\(empty\)")


class Clauses(ABC):
    """Words for the expressions of one SELECT; `subject` is the source that the sentence is about."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.subject: Source | None = None
        self.owners = False  # whether the subject's columns too are named with their owner

    @abstractmethod
    def query(self, node: exp.Query) -> str:
        """A nested query as a noun phrase in the plural, or with its article where it gives one value."""

    @abstractmethod
    def counted(self) -> str:
        """What count(*) counts, in the plural."""

    def column(self, node: exp.Column) -> str:
        """The column's name, with its owner's where that is not the subject."""
        resolved = self.scope.resolve(node)
        if resolved is None:
            return words_of(node.name)
        source, column = resolved
        words = column_words(column)
        if (source == self.subject and not self.owners) or (
            len(self.scope.sources) == 1 and source in self.scope.sources
        ):
            return words
        owner = self.scope.relation(source)
        if is_name(column, source.noun):
            return owner
        return words if words.startswith(owner) or source.query else f"{owner} {words}"

    def term(self, node: exp.Expr) -> str:
        """A noun phrase without article. Raises NoWordsError for what has none."""
        node = unwrapped(node)
        if isinstance(node, exp.Column) and not isinstance(node.this, exp.Star):
            return self.column(node)
        if isinstance(node, exp.AggFunc):
            return self._aggregate(node)
        if isinstance(node, exp.Alias):
            return self.term(node.this)
        if type(node) in _ARITHMETIC and isinstance(node, exp.Binary):
            left, right = self.operand(node.left), self.operand(node.right)
            return f"{left} {_ARITHMETIC[type(node)]} {right}".removeprefix("the ")
        if isinstance(node, exp.Length):
            return f"length of {self.operand(node.this)}"
        raise NoWordsError(node.key)

    def _aggregate(self, node: exp.AggFunc) -> str:
        inner = node.this
        if isinstance(node, exp.Count):
            return f"number of {self.count_noun(node)}"
        if isinstance(inner, exp.Distinct) and len(inner.expressions) == 1:
            inner = inner.expressions[0]
            if isinstance(node, exp.Avg | exp.Sum):
                return f"{_ADJECTIVES[type(node)]} of the different {plural(self.term(inner))}"
        if inner is None or isinstance(inner, exp.Star | exp.Distinct):
            raise NoWordsError(node.key)
        words = self.term(inner)
        if isinstance(node, exp.Max | exp.Min):
            return f"{self.extreme(inner, isinstance(node, exp.Max))} {words}"
        adjective = _ADJECTIVES.get(type(node))
        if adjective is None:
            raise NoWordsError(node.key)
        return f"{adjective} of the {words}" if words.startswith(adjective) else f"{adjective} {words}"

    def count_noun(self, node: exp.Count) -> str:
        """What a COUNT counts, in the plural: `albums`, `different genres`."""
        inner = node.this
        if self.scope.finest(self.scope.sources) is None and not isinstance(inner, exp.Distinct):
            nouns = [source.noun for source in self.scope.sources]
            return f"combinations of {joined(nouns)}" if len(nouns) > 1 and "row" not in nouns else "rows"
        if isinstance(inner, exp.Distinct):
            return "different " + joined([self.kind_of(e) for e in inner.expressions])
        resolved = self.scope.resolve(inner)
        if resolved is None or not resolved[0].table:
            return self.counted() if not self._may_be_missing() else "rows"
        source, column = resolved
        if column.name in source.table.primary_key:  # type: ignore[union-attr]
            return source.nouns
        known = is_name(column, source.noun) or (self._may_be_missing() and source == self.subject)
        return (
            self.counted() if known else f"{self.counted()} with {with_article(re.sub(r' ID$', '', self.term(inner)))}"
        )

    def _may_be_missing(self) -> bool:
        """Whether an outer join gives rows in which the subject is missing, which count(*) counts too."""
        joins = self.scope.select.args.get("joins") or []
        sides = {join.this.alias_or_name.lower(): join.side.upper() for join in joins}
        outer = any(side in ("RIGHT", "FULL") for side in sides.values())
        return outer or (self.subject is not None and sides.get(self.subject.alias) == "LEFT")

    def kind_of(self, node: exp.Expr) -> str:
        """What an expression's different values are, in the plural: a key stands for its row."""
        resolved = self.scope.resolve(node)
        if resolved and resolved[0].table and resolved[0].table.primary_key == (resolved[1].name,):
            return resolved[0].nouns
        return plural(re.sub(r" ID$", "", self.term(node)))

    def extreme(self, node: exp.Expr, highest: bool) -> str:
        """`highest`, `earliest`, `longest`: the superlative that goes with an expression's values."""
        column = self.column_of(node)
        if column and is_time(column):
            return "latest" if highest else "earliest"
        words = column_words(column).split() if column else []
        if words and words[-1] in ("name", "title"):
            return f"alphabetically {'last' if highest else 'first'}"
        pair = next((_EXTREMES[w] for w in words if w in _EXTREMES), ("highest", "lowest"))
        return pair[0 if highest else 1]

    def column_of(self, node: exp.Expr | None) -> Column | None:
        """The column whose values an expression has, through MIN, MAX, AVG and casts."""
        node = unwrapped(node) if node is not None else None
        while isinstance(node, exp.Min | exp.Max | exp.Avg | exp.Alias | exp.Paren):
            node = unwrapped(node.this)
        resolved = self.scope.resolve(node)
        return resolved[1] if resolved else None

    def operand(self, node: exp.Expr, column: Column | None = None) -> str:
        """A whole noun phrase: a value, `the price`, or what a nested query gives; `column` is what it stands beside.

        Raises NoWordsError for an expression that has no words.
        """
        node = unwrapped(node)
        if not isinstance(node, exp.Expr):  # sqlglot holds some parts of odd statements as text
            raise NoWordsError("no expression")
        if isinstance(node, exp.Query):
            return self.query(node)
        value = self.value(node, column)
        return value if value is not None else f"the {self.term(node)}"

    def value(self, node: exp.Expr, column: Column | None = None) -> str | None:
        """A literal as people read it, None for anything else."""
        node = unwrapped(node)
        if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal):
            return f"-{self.value(node.this, column)}"
        if isinstance(node, exp.Boolean | exp.Null):
            return "not known" if isinstance(node, exp.Null) else "true" if node.this else "false"
        if self.scope.is_text(node):
            return _text(node.name)
        if not isinstance(node, exp.Literal):
            return None
        return _text(node.this) if node.is_string else _number(node.this, column)

    def clause(self, node: exp.Expr) -> str:
        """A condition as a sentence about one row: `the genre is Jazz`. Raises NoWordsError where there is none."""
        node = node.unnest()
        if isinstance(node, exp.And | exp.Or):
            return self._connected(node)
        flag = self.flag(node)
        if flag:
            source, words, holds = flag
            return f"the {source.noun} {flag_verb(words, holds)}"
        if isinstance(node, exp.Exists) or (isinstance(node, exp.Not) and isinstance(node.this.unnest(), exp.Exists)):
            inner, verb = (node.this, "are") if isinstance(node, exp.Exists) else (node.this.unnest().this, "are no")
            return f"there {verb} {self.query(inner.unnest() if not isinstance(inner, exp.Query) else inner)}"
        left, verb = self.predicate(node)
        return f"{left} {verb}"

    def _connected(self, node: exp.And | exp.Or) -> str:
        same = self.same_column(node)
        if same:
            return f"{self.operand(same[0])} is {joined(same[1], 'or')}"
        inner = [p.unnest() for p in node.flatten()]
        words = [self.clause(p) for p in inner]
        if isinstance(node, exp.And):
            return joined([f"either {w}" if isinstance(p, exp.Or) else w for p, w in zip(inner, words, strict=True)])
        return " or ".join(words)

    def same_column(self, node: exp.Expr) -> tuple[exp.Expr, list[str]] | None:
        """Column and values of `a = 1 OR a = 2`."""
        equalities = [p.unnest() for p in node.flatten()] if isinstance(node, exp.Or) else []
        columns = {e.this.sql() if isinstance(e, exp.EQ) else str(id(e)) for e in equalities}
        if len(columns) != 1:
            return None
        column = self.column_of(equalities[0].this)
        values = [self.value(e.args["expression"], column) for e in equalities]
        return (equalities[0].this, [v for v in values if v]) if all(values) and column else None

    def flag(self, node: exp.Expr) -> tuple[Source, str, bool] | None:
        """Source, column in words and truth of a condition on a yes-or-no column."""
        negated, node = negation(node)
        holds = not negated
        if isinstance(node, exp.EQ | exp.NEQ | exp.Is) and isinstance(node.left, exp.Column):
            truth = _TRUTH.get((self.value(node.right) or "").lower())
            if truth is None:
                return None
            holds = holds is (truth is not isinstance(node, exp.NEQ))
            node = node.left
        resolved = self.scope.resolve(node)
        if resolved is None or not is_flag(resolved[1]) or resolved[0].query:
            return None
        return resolved[0], resolved[1].words.lower(), holds

    def predicate(self, node: exp.Expr) -> tuple[str, str]:
        """Subject and verb phrase of a condition: (`the price`, `is above 10`). Raises NoWordsError."""
        negated, node = negation(node)
        left = node.this
        if type(node) in _MIRRORED and self.value(left) is not None:
            node = _MIRRORED[type(node)](this=node.args["expression"], expression=left)
            left = node.this
        subject, column = self.operand(left), self.column_of(left)
        verb = self.verb(node, column, negated)
        nested = node.find(exp.Select) is not None and " ID" not in verb and " code" not in verb
        return subject.removesuffix(" ID") if nested else subject, verb

    def verb(self, node: exp.Expr, column: Column | None, negated: bool) -> str:
        """The verb phrase of a condition: `is above 10`, `contains “x”`, `is not known`. Raises NoWordsError."""
        no = "not " if negated else ""
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            return "is known" if negated else "is not known"
        if isinstance(node, COMPARISONS) and not negated:
            return self._comparison(node, column)
        if isinstance(node, exp.Between):
            low, high = (self.operand(node.args[key], column) for key in ("low", "high"))
            return f"is {no}between {low} and {high}"
        if isinstance(node, exp.Like | exp.ILike):
            return like(str(node.expression.name), column, negated)
        if isinstance(node, exp.In):
            return self._membership(node, column, no)
        raise NoWordsError(node.key)

    def _comparison(self, node: exp.Expr, column: Column | None) -> str:
        right = unwrapped(node.args["expression"])
        value = self.value(right, column)
        if value is not None and column and is_time(column) and type(node) in _TIME_VERBS:
            return "is " + _TIME_VERBS[type(node)].format(value)
        return _NUMBER_VERBS[type(node)].format(value if value is not None else self.operand(right, column))

    def _membership(self, node: exp.In, column: Column | None, no: str) -> str:
        nested = node.args.get("query")
        if nested is not None:
            return f"is {no}among the {self.query(nested)}".replace("among the the ", "among the ")
        values = [self.operand(e, column) for e in node.expressions]
        shown = [*values[:8], f"one of {len(values) - 8} more"] if len(values) > 9 else values
        return f"is {'neither ' if no and len(shown) > 1 else no}{joined(shown, 'nor' if no else 'or')}"


def negation(node: exp.Expr) -> tuple[bool, exp.Expr]:
    """Whether a condition is negated, and what it negates: sqlglot keeps the NOT of `NOT LIKE` inside of the LIKE."""
    negated = isinstance(node, exp.Not)
    inner = node.this.unnest() if negated else node
    return negated != bool(inner.args.get("negate")), inner


def unwrapped(node: exp.Expr) -> exp.Expr:
    """The expression inside brackets, casts and functions that leave a value's meaning alone."""
    while isinstance(node, _WRAPPERS):
        node = node.this
    return node.this if isinstance(node, exp.Subquery) and not node.alias else node


def flag_verb(words: str, holds: bool) -> str:
    """`is marked as electric`, `has no shelter`."""
    word, _, rest = words.partition(" ")
    if word == "has" and rest:
        return f"has {with_article(rest) if holds else 'no ' + rest}"
    return f"is {'' if holds else 'not '}marked as {flag_noun(words)}"


def flag_noun(words: str) -> str:
    """`electric` for is_electric; another name is quoted."""
    word, _, rest = words.partition(" ")
    return rest if word in ("is", "was") and rest else words if " " not in words else f"“{words}”"


def like(pattern: str, column: Column | None, negated: bool) -> str:
    """The verb phrase of a LIKE."""
    period = re.fullmatch(r"(\d{4})(?:-(\d{2})(?:-)?)?-?%", pattern) if column and is_time(column) else None
    if period:
        return f"is {'not ' if negated else ''}in {cells.month(period[1], period[2])}"
    bare = pattern.strip("%")
    if re.search(r"[%_]", bare) or not bare:
        return f"{'does not match' if negated else 'matches'} the pattern “{cells.clean(pattern)}”"
    start, end = not pattern.startswith("%"), not pattern.endswith("%")
    verb = "is" if start and end else "start with" if start else "end with" if end else "contain"
    if verb == "is":
        return f"is {'not ' if negated else ''}{_text(bare)}"
    first, _, rest = verb.partition(" ")
    verb = f"does not {verb}" if negated else f"{first}s {rest}".rstrip()
    return f"{verb} “{cells.clean(bare)}”"


def _text(value: str) -> str:
    shown = cells.date(cells.clean(value))
    return f"“{shown}”" if _AMBIGUOUS.search(shown) or shown.lower() in ("not known", "null") else shown


def _number(text: str, column: Column | None) -> str:
    try:
        value = float(text) if re.search(r"[.eE]", text) else int(text)
    except ValueError:
        return cells.clean(text)
    exact = f"{value:,}" if isinstance(value, float) else cells.number(value, bool(column and is_plain_number(column)))
    return exact.removesuffix(".0")


def where_parts(select: exp.Select) -> list[exp.Expr]:
    """The conditions of a SELECT's WHERE."""
    where = select.args.get("where")
    return parts(where.this) if where is not None else []
