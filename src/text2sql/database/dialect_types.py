"""Coarse types of expressions, and the casts that strict engines want where SQLite converts by itself.

SQLite compares a text with a number by the column's affinity (sqlite.org/datatype3.html, section 4), reads the
leading digits of a text in arithmetic, and counts with truth values. `add_casts` writes these conversions out.

Kinds are those of `schema.COLUMN_TYPES`, and "integer" where a number is known to be whole; None is not known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime

from sqlglot import exp

_Kinds = tuple[type[exp.Expr], ...]
_TEXT: _Kinds = (exp.DPipe, exp.Concat, exp.Substring, exp.Upper, exp.Lower, exp.Trim, exp.TimeToStr)
_TEXT += (exp.GroupConcat, exp.Replace, exp.Left, exp.Right)
_INTEGER = (exp.Count, exp.Length, exp.StrPosition)
_NUMBER = (exp.Sum, exp.Avg, exp.Round, exp.Mod)
_SAME = (exp.Paren, exp.Min, exp.Max, exp.Abs, exp.Neg, exp.Distinct, exp.Alias, exp.First, exp.AnyValue)
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_TRUTH: _Kinds = (*_COMPARISONS, exp.And, exp.Or, exp.Not, exp.In, exp.Between, exp.Like, exp.ILike)
_TRUTH += (exp.Glob, exp.Is, exp.Exists, exp.Boolean, exp.RegexpLike)
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)
_TEXT_ARGUMENTS: _Kinds = (exp.Substring, exp.Upper, exp.Lower, exp.Length, exp.Trim, exp.StrPosition)
_TEXT_ARGUMENTS += (exp.GroupConcat, exp.Replace, exp.Like, exp.ILike, exp.Glob, exp.DPipe)
_NUMBER_ARGUMENT = (exp.Sum, exp.Avg, exp.Abs, exp.Round, exp.Neg)
_NUMERAL = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")
_PREFIX = r"^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_TRUTH_WORDS = frozenset({"t", "f", "true", "false", "1", "0", "yes", "no", "y", "n", "on", "off"})


def kind_of(node: exp.Expr | None) -> str | None:
    """The coarse type of an expression's value."""
    if isinstance(node, exp.Column):
        kind: str | None = node.meta.get("kind")
        return kind
    if isinstance(node, exp.Literal):
        return "text" if node.is_string else "integer" if node.is_int else "number"
    for kinds, name in ((_TEXT, "text"), (_INTEGER, "integer"), (_TRUTH, "boolean")):
        if isinstance(node, kinds):
            return name
    if isinstance(node, exp.Cast):
        return _cast_kind(node)
    if isinstance(node, exp.Date | exp.CurrentDate | exp.CurrentTimestamp):
        return "time"
    if isinstance(node, _SAME):
        return kind_of(node.expressions[0] if isinstance(node, exp.Distinct) else node.this)
    if isinstance(node, _ARITHMETIC):
        whole = all(kind_of(side) in ("integer", "boolean") for side in (node.this, node.expression))
        return "integer" if whole else "number"
    if isinstance(node, _NUMBER):
        return "number"
    if isinstance(node, exp.Query):
        first = node.selects[0] if node.selects else None
        return kind_of(first)
    return _kind_of_choice(node)


def _kind_of_choice(node: exp.Expr | None) -> str | None:
    kinds = {kind_of(branch) for branch in branches(node) if not isinstance(branch, exp.Null)}
    if kinds <= {"integer", "number"} and kinds:
        return "integer" if kinds == {"integer"} else "number"
    return kinds.pop() if len(kinds) == 1 else "text" if "text" in kinds else None


def branches(node: exp.Expr | None) -> Iterator[exp.Expr]:
    """The values that a CASE, IIF or COALESCE can have."""
    if isinstance(node, exp.Coalesce | exp.Greatest | exp.Least):
        yield node.this
        yield from node.expressions
    elif isinstance(node, exp.Case):
        yield from (part.args["true"] for part in node.args["ifs"])
    elif isinstance(node, exp.If):
        yield node.args["true"]
        if node.args.get("false"):
            yield node.args["false"]
    if isinstance(node, exp.Case) and node.args.get("default"):
        yield node.args["default"]


def _cast_kind(node: exp.Cast) -> str | None:
    to = node.to
    if to.is_type(*exp.DataType.INTEGER_TYPES):
        return "integer"
    if to.is_type(*exp.DataType.NUMERIC_TYPES):
        return "number"
    if to.is_type(*exp.DataType.TEXT_TYPES):
        return "text"
    if to.is_type(*exp.DataType.TEMPORAL_TYPES):
        return "time"
    return "boolean" if to.is_type("boolean") else None


def is_number(node: exp.Expr | None) -> bool:
    """Whether an expression's value is known to be a number."""
    return kind_of(node) in ("number", "integer")


def to_text(node: exp.Expr) -> exp.Expr:
    """The value as text: a literal as one, anything else by a cast; text stays."""
    if isinstance(node, exp.Literal):
        return exp.Literal.string(node.name)
    if kind_of(node) == "boolean":
        node = exp.cast(node, "int")
    return node if kind_of(node) == "text" else exp.cast(node, "text")


def to_number(node: exp.Expr, dialect: str) -> exp.Expr:
    """The value as SQLite counts with it: the number that a text begins with, else 0; 1 and 0 for truth values."""
    return _as_number(node, dialect, _PREFIX, exp.Literal.number(0))


def to_comparable(node: exp.Expr, dialect: str) -> exp.Expr:
    """The value as SQLite compares it with a number: a text that is none is greater than all numbers."""
    return _as_number(node, dialect, _PREFIX + r"\s*$", exp.cast(exp.Literal.string("Infinity"), "double"))


def _as_number(node: exp.Expr, dialect: str, pattern: str, otherwise: exp.Expr) -> exp.Expr:
    kind = kind_of(node)
    if isinstance(node, exp.Literal) and node.is_string and _NUMERAL.fullmatch(node.name):
        return numeral(node)
    if kind == "boolean":
        return exp.cast(node, "int")
    if kind not in ("text", "time"):
        return node
    text = to_text(node)
    if dialect == "mysql":
        return exp.paren(exp.Add(this=text, expression=exp.Literal.number(0)))
    if dialect == "duckdb":
        found = exp.func(
            "NULLIF", exp.func("REGEXP_EXTRACT", text, exp.Literal.string(pattern)), exp.Literal.string("")
        )
    else:
        found = exp.Anonymous(this="SUBSTRING", expressions=[text, exp.Literal.string(pattern)])
    value = exp.func("COALESCE", exp.cast(found, "double"), otherwise)
    return exp.Case(ifs=[exp.If(this=text.copy().is_(exp.null()).not_(), true=value)])


def numeral(node: exp.Literal) -> exp.Expr:
    """A string that spells a number, as a number."""
    text = node.name.strip().removeprefix("+")
    return exp.Neg(this=exp.Literal.number(text[1:])) if text.startswith("-") else exp.Literal.number(text)


def add_casts(query: exp.Query, dialect: str) -> None:
    """Write out SQLite's conversions, in place, from the innermost expression outwards."""
    for node in reversed(list(query.walk(bfs=False))):
        if isinstance(node, _COMPARISONS):
            _match(node, ("this", "expression"), _agree(node, dialect))
        elif isinstance(node, exp.Between):
            for bound in ("low", "high"):
                _match(node, ("this", bound), _agree(node, dialect))
        elif isinstance(node, exp.In):
            _match_list(node, dialect)
        elif isinstance(node, exp.SetOperation):
            _match_columns(node)
        else:
            _convert_arguments(node, dialect)
        _convert_conditions(node, dialect)


Pair = tuple[exp.Expr, exp.Expr]


def _match(node: exp.Expr, keys: tuple[str, str], agree: Callable[[exp.Expr, exp.Expr], Pair]) -> None:
    sides = agree(node.args[keys[0]], node.args[keys[1]])
    for key, side in zip(keys, sides, strict=True):
        node.set(key, side)


def _agree(node: exp.Expr, dialect: str) -> Callable[[exp.Expr, exp.Expr], Pair]:
    """How the two sides of a comparison come to one type; without equality texts are compared as numbers."""
    exact = isinstance(node, exp.EQ | exp.NEQ | exp.NullSafeEQ | exp.NullSafeNEQ | exp.In)

    def agree(left: exp.Expr, right: exp.Expr) -> Pair:
        if isinstance(left, exp.Literal) and not isinstance(right, exp.Literal):
            second, first = agree(right, left)
            return first, second
        if isinstance(right, exp.Literal):
            return _with_literal(left, right)
        kinds = {"number" if is_number(side) else kind_of(side) for side in (left, right)}
        if kinds == {"number", "boolean"}:
            return to_number(left, dialect), to_number(right, dialect)
        if kinds == {"number", "text"} and not exact:
            return to_comparable(left, dialect), to_comparable(right, dialect)
        if len(kinds) == 2 and None not in kinds:
            return to_text(left), to_text(right)
        return left, right

    return agree


def _with_literal(value: exp.Expr, literal: exp.Literal) -> Pair:
    kind = "number" if is_number(value) else kind_of(value)
    if not literal.is_string:
        if kind == "boolean" and literal.name in ("0", "1"):
            return value, exp.Boolean(this=literal.name == "1")
        if kind == "boolean":
            return exp.cast(value, "int"), literal
        return (to_text(value), to_text(literal)) if kind in ("text", "time") else (value, literal)
    if kind == "number":
        return (value, numeral(literal)) if _NUMERAL.fullmatch(literal.name) else (to_text(value), literal)
    if kind == "time" and not _is_moment(literal.name):
        return to_text(value), literal
    if kind == "boolean" and literal.name.lower() not in _TRUTH_WORDS:
        return to_text(value), literal
    return value, literal


def _is_moment(text: str) -> bool:
    """Whether a text is a whole date, with or without the time, that every engine reads."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return re.match(r"\d{4}-\d\d-\d\d", text) is not None


def _match_list(node: exp.In, dialect: str) -> None:
    """IN: each value agrees with the left side; where they do not agree among each other, all are texts."""
    agree = _agree(node, dialect)
    query = node.args.get("query")
    if isinstance(query, exp.Query):
        kinds = [("number" if is_number(side) else kind_of(side)) for side in (node.this, query)]
        if None not in kinds and kinds[0] != kinds[1]:
            node.set("this", to_text(node.this))
            _cast_column(query, 0)
        return
    pairs = [agree(node.this, value) for value in node.expressions]
    if len({left.sql() for left, _ in pairs}) > 1:
        pairs = [(to_text(node.this), to_text(value)) for value in node.expressions]
    if pairs:
        node.set("this", pairs[0][0])
        node.set("expressions", [right for _, right in pairs])


def _match_columns(node: exp.SetOperation) -> None:
    """UNION, INTERSECT, EXCEPT: columns whose types differ become texts on both sides."""
    for place, (left, right) in enumerate(zip(node.this.selects, node.expression.selects, strict=False)):
        kinds = {"number" if is_number(side) else kind_of(side) for side in (left, right)}
        if len(kinds) == 2 and None not in kinds and not {"star"} & kinds:
            for side in (node.this, node.expression):
                _cast_column(side, place)


def _cast_column(query: exp.Expr, place: int) -> None:
    """Make one column of a query text, in each SELECT of a set operation; its name stays."""
    if isinstance(query, exp.SetOperation):
        _cast_column(query.this, place)
        _cast_column(query.expression, place)
    elif isinstance(query, exp.Subquery):
        _cast_column(query.this, place)
    elif isinstance(query, exp.Query) and place < len(query.selects):
        item = query.selects[place]
        value = to_text(item.unalias().copy())
        if value == item:
            return
        name = item.alias_or_name
        item.replace(exp.alias_(value, name, quoted=True) if name and not isinstance(item, exp.Literal) else value)


def _convert_arguments(node: exp.Expr, dialect: str) -> None:
    if isinstance(node, _TEXT_ARGUMENTS):
        keys = ("this", "expression") if isinstance(node, exp.Binary) else ("this",)
        _convert(node, keys, lambda value: value if kind_of(value) in ("text", None) else to_text(value))
    elif isinstance(node, _ARITHMETIC) and not isinstance(node.expression, exp.Interval):
        _convert(node, ("this", "expression"), lambda value: to_number(value, dialect))
    elif isinstance(node, _NUMBER_ARGUMENT) or (
        isinstance(node, exp.Min | exp.Max) and kind_of(node.this) == "boolean"
    ):
        _convert(node, ("this",), lambda value: to_number(value, dialect))
    elif isinstance(node, exp.Case | exp.If | exp.Coalesce | exp.Greatest | exp.Least):
        _unify_branches(node)


def _convert(node: exp.Expr, keys: tuple[str, ...], function: Callable[[exp.Expr], exp.Expr]) -> None:
    for key in keys:
        value = node.args[key]
        if isinstance(value, exp.Distinct):
            value.set("expressions", [function(item) for item in value.expressions])
        elif not isinstance(value, exp.Null | exp.Star):
            node.set(key, function(value))


def _unify_branches(node: exp.Expr) -> None:
    if isinstance(node, exp.If) and isinstance(node.parent, exp.Case):
        return
    values = [value for value in branches(node) if not isinstance(value, exp.Null)]
    kinds = {"number" if is_number(value) else kind_of(value) for value in values}
    if "text" in kinds and len(kinds) > 1:
        for value in values:
            value.replace(to_text(value.copy()))


def _convert_conditions(node: exp.Expr, dialect: str) -> None:
    """Numbers and texts where a truth value is wanted: true when not zero."""
    keys: tuple[str, ...] = ()
    if isinstance(node, exp.Where | exp.Having | exp.Not):
        keys = ("this",)
    elif isinstance(node, exp.And | exp.Or):
        keys = ("this", "expression")
    elif isinstance(node, exp.Join):
        keys = ("on",) if node.args.get("on") else ()
    elif isinstance(node, exp.If) and not (isinstance(node.parent, exp.Case) and node.parent.this):
        keys = ("this",)
    for key in keys:
        value = node.args[key]
        if kind_of(value) in ("number", "integer", "text", "time"):
            node.set(key, exp.NEQ(this=to_number(value, dialect), expression=exp.Literal.number(0)))
