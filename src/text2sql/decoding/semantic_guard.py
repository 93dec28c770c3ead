"""Queries that the grammar allows and that make no sense for the schema, found without reading a row.

Gold queries decide what counts as senseless: a check is here only if it refuses less than 0.5 % of Spider's train and
dev queries and of WikiSQL's dev queries each. What people do ask fails that: sums of text columns that hold numbers
(0.8 to 1.2 %), `<` on text (up to 1.8 %), joins off the foreign keys (6.2 %).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

from sqlglot import exp

from text2sql.prompting.canonical import Canonicalizer
from text2sql.prompting.expressions import POINTER, CanonicalError, on_condition, on_pairs
from text2sql.schema import Schema
from text2sql.sql_tree import own_nodes

Check = Callable[[exp.Select, Canonicalizer], bool]
"""Whether a canonical SELECT, apart from the queries nested in it, is senseless in one way."""


def objection(sql: str, canonicalizer: Canonicalizer) -> str | None:
    """What is senseless about a query over the canonicalizer's schema, or None."""
    try:
        query = canonicalizer.encode(sql)
    except CanonicalError as error:
        return str(error)
    return _senseless(query, canonicalizer)


def is_senseless(sql: str, canonicalizer: Canonicalizer) -> bool:
    """Whether `objection` finds sense lacking; of what is outside the canonical language nothing is known."""
    try:
        return _senseless(canonicalizer.encode(sql), canonicalizer) is not None
    except CanonicalError:
        return False


def _senseless(query: exp.Query, canonicalizer: Canonicalizer) -> str | None:
    for operation in query.find_all(exp.SetOperation):
        if operation.left == operation.right:
            return "a set operation of a query with itself"
    for select in query.find_all(exp.Select):
        for reason, senseless in CHECKS.items():
            if senseless(select, canonicalizer):
                return reason
    return None


def _repeats(select: exp.Select, canonicalizer: Canonicalizer) -> bool:
    return any(len(set(parts)) < len(parts) for parts in (select.expressions, _groups(select), _conditions(select)))


def _compares_number_with_words(select: exp.Select, canonicalizer: Canonicalizer) -> bool:
    for node in own_nodes(select, exp.Predicate):
        values = [node.args.get(part) for part in ("expression", "low", "high")] + node.expressions
        if _is_number(node.this, canonicalizer.schema) and (isinstance(node, exp.Like) or any(map(_is_words, values))):
            return True
    return False


def _groups_for_nothing(select: exp.Select, canonicalizer: Canonicalizer) -> bool:
    parts = [*select.expressions, select.args.get("having"), select.args.get("order")]
    aggregated = any(True for part in parts if part for _ in own_nodes(part, exp.AggFunc))
    return bool(_groups(select)) and not aggregated


def _mixes_rows_and_aggregates(select: exp.Select, canonicalizer: Canonicalizer) -> bool:
    items = select.expressions
    if _groups(select) or not any(isinstance(item, exp.AggFunc) for item in items):
        return False
    return any(isinstance(item, exp.Column) for item in items) or select.args.get("order") is not None


def _aggregates_its_groups(select: exp.Select, canonicalizer: Canonicalizer) -> bool:
    items = [item for item in select.expressions if isinstance(item, exp.AggFunc) and not isinstance(item, exp.Count)]
    return any(item.this in _groups(select) for item in items)


def _sums_key(select: exp.Select, canonicalizer: Canonicalizer) -> bool:
    schema = canonicalizer.schema
    keys = set(chain.from_iterable(_key_pairs(schema))) | {
        schema.column_number(table.name, name) for table in schema.tables for name in table.primary_key
    }
    nodes = own_nodes(select, exp.AggFunc)
    return any(isinstance(node, exp.Sum | exp.Avg) and _number(node.this) in keys for node in nodes)


def _shows_what_is_given(select: exp.Select, canonicalizer: Canonicalizer) -> bool:
    order = select.args.get("order")
    shown = [*select.expressions, *_groups(select), *(key.this for key in (order.expressions if order else ()))]
    return any(column in shown for column in _fixed(select))


def _fixes_twice(select: exp.Select, canonicalizer: Canonicalizer) -> bool:
    fixed = _fixed(select)
    ranges = [part for part in _conditions(select) if isinstance(part, exp.GT | exp.GTE | exp.LT | exp.LTE)]
    ranged = [part.this for part in ranges if isinstance(part.expression, exp.Literal)]
    return len(set(fixed)) < len(fixed) or any(column in fixed for column in ranged)


def _looks_up_unrelated(select: exp.Select, canonicalizer: Canonicalizer) -> bool:
    schema = canonicalizer.schema
    for node in own_nodes(select, exp.In):
        nested = node.args.get("query")
        one, other = _number(node.this), _number(nested.selects[0]) if nested is not None else None
        if one is not None and other is not None:
            alike = schema.columns[one][1].name.lower() == schema.columns[other][1].name.lower()
            if not alike and {one, other} not in _key_pairs(schema):
                return True
    return False


def _joins_past_key(select: exp.Select, canonicalizer: Canonicalizer) -> bool:
    keys = _key_pairs(canonicalizer.schema)
    for join in select.args.get("joins") or ():
        condition = on_condition(join)
        pairs = on_pairs(condition) if condition is not None else None
        if not pairs or any({one, other} in keys for one, other in pairs):
            continue
        tables = [(canonicalizer.table_of(one), canonicalizer.table_of(other)) for one, other in pairs]
        if all(canonicalizer.graph.default_pairs([first], second) for first, second in tables):
            return True
    return False


CHECKS: dict[str, Check] = {
    "the same item, group or condition twice": _repeats,
    "a number compared with words or a pattern": _compares_number_with_words,
    "groups of which nothing is aggregated": _groups_for_nothing,
    "an aggregate of all rows beside single rows or in an order": _mixes_rows_and_aggregates,
    "an aggregate of the column that makes the groups": _aggregates_its_groups,
    "a sum or average of a key": _sums_key,
    "a column that WHERE sets to one value is shown, grouped or ordered by": _shows_what_is_given,
    "a column that is set to two values, or to one and a range": _fixes_twice,
    "a column looked up among values of an unrelated one": _looks_up_unrelated,
    "tables joined on other columns than the foreign key between them": _joins_past_key,
}
"""What is senseless, and how it is found."""


def _groups(select: exp.Select) -> list[exp.Expr]:
    group = select.args.get("group")
    return group.expressions if group is not None else []


def _conditions(select: exp.Select) -> list[exp.Expr]:
    """The conditions that WHERE joins by AND."""
    where = select.args.get("where")
    if where is None:
        return []
    return list(where.this.flatten()) if isinstance(where.this, exp.And) else [where.this]


def _fixed(select: exp.Select) -> list[exp.Expr]:
    """The columns that WHERE sets equal to a value."""
    equal = [part for part in _conditions(select) if isinstance(part, exp.EQ)]
    return [part.this for part in equal if isinstance(part.expression, exp.Literal)]


def _key_pairs(schema: Schema) -> list[set[int]]:
    """The two column numbers of each foreign key, and of each part of one over several columns."""
    return [
        {schema.column_number(key.table, one), schema.column_number(key.referenced_table, other)}
        for key in schema.foreign_keys
        for one, other in zip(key.columns, key.referenced_columns, strict=False)
    ]


def _number(node: exp.Expr) -> int | None:
    """The column number of a pointer."""
    pointer = POINTER.fullmatch(node.name) if isinstance(node, exp.Column) and not node.table else None
    return int(pointer[2]) if pointer else None


def _is_number(node: exp.Expr, schema: Schema) -> bool:
    number = _number(node)
    return number is not None and schema.columns[number][1].type == "number"


def _is_words(value: object) -> bool:
    """Whether a value is text that no number can be read from."""
    if not isinstance(value, exp.Literal) or not value.is_string:
        return False
    try:
        float(value.name.replace(",", ""))
    except ValueError:
        return True
    return False
