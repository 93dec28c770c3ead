"""SQLite's functions and operators that other engines lack or mean otherwise, in the engine's own words.

What sqlglot translates well is left to it: IFNULL, IIF, INSTR, GROUP_CONCAT, LIMIT with an offset, `==`. Runs after
names are resolved, so that the kinds of columns are known.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from text2sql.database.dialect_types import is_number, kind_of, to_number, to_text
from text2sql.errors import UserError

_DATE_FUNCTIONS = {"date": "date", "datetime": "timestamp", "time": "time"}
_MODIFIER = re.compile(r"([-+]?\d+(?:\.\d+)?) (second|minute|hour|day|month|year)s?")
_STARTS = {"start of day": "day", "start of month": "month", "start of year": "year"}


def rewrite_functions(query: exp.Query, dialect: str) -> None:
    """Replace what the engine does not know, in place. Raises UserError for what has no equal."""
    for node in reversed(list(query.walk(bfs=False))):
        rewrite = _REWRITES.get(type(node))
        new = rewrite(node, dialect) if rewrite else node
        if new is not node:
            node.replace(new)


def _like(node: exp.Expr, dialect: str) -> exp.Expr:
    """SQLite's LIKE ignores the case of ASCII letters and has no escape character of its own."""
    pattern = node.expression
    new: exp.Expr = node if dialect == "mysql" else exp.ILike(**node.args)
    escaped = isinstance(node.parent, exp.Escape)
    if dialect != "duckdb" and not escaped and isinstance(pattern, exp.Literal) and "\\" in pattern.name:
        return exp.Escape(this=new.copy(), expression=exp.Literal.string(""))
    return new


def _glob(node: exp.Expr, dialect: str) -> exp.Expr:
    if dialect == "duckdb":
        return node
    if not isinstance(node.expression, exp.Literal):
        raise UserError(f"GLOB needs a pattern in quotes to be run on {dialect}: {node.sql('sqlite')}")
    pattern = re.sub(r"[.+^$(){}|\\]", r"\\\g<0>", node.expression.name).replace("[\\^", "[^")
    pattern = "^" + pattern.replace("*", ".*").replace("?", ".") + "$"
    return exp.RegexpLike(this=to_text(node.this), expression=exp.Literal.string(pattern))


def _substring(node: exp.Expr, dialect: str) -> exp.Expr:
    """A negative start counts from the end; PostgreSQL's SUBSTRING has no such meaning."""
    start = node.args.get("start")
    if dialect != "postgres" or not isinstance(start, exp.Neg) or not start.this.is_int:
        return node
    end = exp.func("RIGHT", to_text(node.this), start.this)
    length = node.args.get("length")
    return exp.func("LEFT", end, length) if length else end


def _round(node: exp.Expr, dialect: str) -> exp.Expr:
    """PostgreSQL rounds floats to a number of digits only as numerics, and to whole numbers half to even."""
    if dialect == "postgres" and not isinstance(node.this, exp.Cast):
        node.set("this", exp.cast(to_number(node.this, dialect), "decimal"))
    return node


def _cast(node: exp.Expr, dialect: str) -> exp.Expr:
    """CAST never fails in SQLite: a text gives the number that it begins with; a fraction is cut off, not rounded."""
    to = node.args["to"]
    if to.is_type(*exp.DataType.INTEGER_TYPES):
        value = to_number(node.this, dialect)
        if kind_of(node.this) not in ("integer", "boolean"):
            value = exp.func("TRUNC" if dialect != "mysql" else "TRUNCATE", value, *_zero_digits(dialect))
        return exp.cast(value, "bigint")
    if to.is_type(*exp.DataType.NUMERIC_TYPES):
        return exp.cast(to_number(node.this, dialect), to)
    return node


def _zero_digits(dialect: str) -> list[exp.Expr]:
    return [exp.Literal.number(0)] if dialect == "mysql" else []


def _divide(node: exp.Expr, dialect: str) -> exp.Expr:
    """Whole numbers divide without a fraction; by zero gives NULL (sqlglot writes the NULLIF of plain divisions)."""
    left, right = node.this, node.expression
    if isinstance(right, exp.Literal) and right.name.strip("0."):
        node.set("safe", False)
    kinds = [kind_of(side) for side in (left, right)]
    if kinds == ["integer", "integer"]:
        return node if dialect == "postgres" and not node.find(exp.Sum) else _whole_division(node, dialect)
    unknown = [side for side, kind in zip((left, right), kinds, strict=True) if kind == "number"]
    if dialect == "mysql" or not set(kinds) <= {"integer", "number"} or _has_fraction(node):
        return node
    if dialect == "postgres":  # it divides by the types of its columns, but for a sum, which is numeric
        unknown = [exp.Max(this=total.this.copy()) for total in node.find_all(exp.Sum)]
        if not unknown:
            return node
    whole = exp.and_(*(_is_whole(side, dialect) for side in unknown))
    return exp.Case(ifs=[exp.If(this=whole, true=_whole_division(node, dialect))], default=node.copy())


def _whole_division(node: exp.Expr, dialect: str) -> exp.Expr:
    left, right = node.this.copy(), node.expression.copy()
    if not (isinstance(right, exp.Literal) and right.name.strip("0")):
        right = exp.func("NULLIF", right, exp.Literal.number(0))
    if dialect == "postgres":
        return exp.Anonymous(this="DIV", expressions=[left, right])
    return exp.IntDiv(this=left, expression=right)


def _has_fraction(node: exp.Expr) -> bool:
    """Whether a side is a float for certain: AVG, a literal with a point, a cast to float, or arithmetic with one."""
    return any(
        isinstance(part, exp.Avg)
        or (isinstance(part, exp.Literal) and not part.is_string and not part.is_int)
        or (isinstance(part, exp.Cast) and part.to.is_type("double", "float", "decimal"))
        for side in (node.this, node.expression)
        for part in side.walk()
    )


def _is_whole(node: exp.Expr, dialect: str) -> exp.Expr:
    """Whether an expression is of an integer type, as the engine sees it: PostgreSQL by halving a one of that type."""
    if dialect == "postgres":
        one = exp.Add(
            this=exp.Mul(this=node.copy(), expression=exp.Literal.number(0)), expression=exp.Literal.number(1)
        )
        return exp.EQ(
            this=exp.Div(this=exp.paren(one, copy=False), expression=exp.Literal.number(2), typed=True),
            expression=exp.Literal.number(0),
        )
    return exp.func("LOWER", exp.func("TYPEOF", node.copy())).isin("bigint", "integer", "smallint", "hugeint")


def _modulo(node: exp.Expr, dialect: str) -> exp.Expr:
    divisor = node.expression
    sides = [node.this, divisor]
    for place, side in enumerate(sides):
        if kind_of(side) != "integer":
            sides[place] = exp.cast(exp.func("TRUNC", to_number(side.copy(), dialect)), "bigint")
    if not (isinstance(divisor, exp.Literal) and divisor.name.strip("0")):
        sides[1] = exp.func("NULLIF", sides[1].copy(), exp.Literal.number(0))
    return exp.Mod(this=sides[0].copy(), expression=sides[1].copy())


def _format_time(node: exp.Expr, dialect: str) -> exp.Expr:
    """STRFTIME: of a text only where it begins like a date, else NULL as in SQLite."""
    moment = node.this.this if isinstance(node.this, exp.TsOrDsToTimestamp) else node.this
    if dialect == "mysql":
        return node
    node.set("this", _moment(moment, "timestamp", dialect))
    return _guarded(node, moment, dialect)


def _moment(value: exp.Expr, kind: str, dialect: str) -> exp.Expr:
    """A SQLite time value as a date or timestamp."""
    if isinstance(value, exp.Literal) and value.name.lower() == "now":
        return exp.CurrentDate() if kind == "date" else exp.cast(exp.CurrentTimestamp(), kind)
    return exp.cast(value.copy(), kind)


def _guarded(result: exp.Expr, value: exp.Expr, dialect: str) -> exp.Expr:
    if kind_of(value) != "text" or isinstance(value, exp.Literal):
        return result
    pattern = exp.Literal.string(r"^\d{4}-\d\d-\d\d")
    begins = exp.RegexpLike(this=value.copy(), expression=pattern)
    return exp.Case(ifs=[exp.If(this=begins, true=result.copy())])


def _anonymous(node: exp.Expr, dialect: str) -> exp.Expr:
    name, arguments = str(node.this).lower(), node.expressions
    if name == "total" and len(arguments) == 1:
        total = exp.Sum(this=to_number(arguments[0].copy(), dialect))
        return exp.func("COALESCE", exp.cast(total, "double"), exp.Literal.number("0.0"))
    if name in _DATE_FUNCTIONS and arguments:
        return _date(arguments, _DATE_FUNCTIONS[name], dialect)
    if name == "julianday" and len(arguments) == 1 and dialect != "mysql":
        epoch = exp.Extract(this=exp.var("EPOCH"), expression=_moment(arguments[0], "timestamp", dialect))
        days = exp.Div(this=epoch, expression=exp.Literal.number("86400.0"))
        return exp.paren(exp.Add(this=days, expression=exp.Literal.number("2440587.5")))
    return node


def _date_node(node: exp.Expr, dialect: str) -> exp.Expr:
    return _date([node.this, *node.expressions], "date", dialect) if node.this else node


def _date(arguments: list[exp.Expr], kind: str, dialect: str) -> exp.Expr:
    """DATE, DATETIME and TIME with SQLite's modifiers ('+7 days', 'start of month')."""
    if len(arguments) == 1:
        return _guarded(_moment(arguments[0], kind, dialect), arguments[0], dialect)
    value = _moment(arguments[0], "timestamp", dialect)
    for argument in arguments[1:]:
        value = _modified(value, argument.name.lower().strip() if isinstance(argument, exp.Literal) else "", argument)
    return _guarded(exp.cast(value, kind), arguments[0], dialect)


def _modified(value: exp.Expr, modifier: str, argument: exp.Expr) -> exp.Expr:
    found = _MODIFIER.fullmatch(modifier)
    if modifier in ("localtime", "utc", "auto"):
        return value
    if modifier in _STARTS:
        return exp.Anonymous(this="DATE_TRUNC", expressions=[exp.Literal.string(_STARTS[modifier]), value])
    if found is None:
        raise UserError(f"the date modifier {argument.sql('sqlite')} is known to SQLite only")
    interval = exp.Interval(this=exp.Literal.string(found[1].removeprefix("+")), unit=exp.var(found[2].upper()))
    return exp.Add(this=value, expression=interval)


def _negative_limit(node: exp.Expr, dialect: str) -> exp.Expr:
    """LIMIT -1 means no limit."""
    if isinstance(node.expression, exp.Neg) and node.parent:
        node.parent.set("limit", None)
    return node


def _concat(node: exp.Expr, dialect: str) -> exp.Expr:
    if all(is_number(side) for side in (node.this, node.expression)):
        node.set("this", to_text(node.this))
    return node


_REWRITES: dict[type, Callable[[exp.Expr, str], exp.Expr]] = {
    exp.Like: _like,
    exp.Glob: _glob,
    exp.Substring: _substring,
    exp.Round: _round,
    exp.Cast: _cast,
    exp.Div: _divide,
    exp.Mod: _modulo,
    exp.TimeToStr: _format_time,
    exp.Date: _date_node,
    exp.Anonymous: _anonymous,
    exp.Limit: _negative_limit,
    exp.DPipe: _concat,
}
