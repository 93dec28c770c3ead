"""Grouping as strict engines want it, with the rows that SQLite gives.

SQLite lets SELECT, HAVING and ORDER BY use columns that are neither grouped nor aggregated: their values come from
the row that has the single min() or max() of the query, else from the first row of the group
(sqlite.org/lang_select.html, "bare columns"). A bare column that its group determines (through a primary key, over
equalities of inner joins) is added to GROUP BY; any other is taken by an aggregate from the same row.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from text2sql.database.dialect_names import Source, identifier, sources_of
from text2sql.database.dialect_types import kind_of
from text2sql.sql_tree import own_nodes

Key = tuple[str, str]
"""(tag of a source, column's lower-case name)."""


def strict_grouping(query: exp.Query, dialect: str) -> None:
    """Rewrite every SELECT of the query in place."""
    for select in reversed(list(query.find_all(exp.Select))):
        _write_out_group(select)
        if is_aggregated(select):
            _expand_stars(select)
            _replace_bare_columns(select, dialect)
        _sort_distinct(select, dialect)


def is_aggregated(select: exp.Select) -> bool:
    """Whether a SELECT gives one row per group."""
    return bool(select.args.get("group")) or any(True for _ in _aggregates(select))


def bare_columns(select: exp.Select) -> list[exp.Column]:
    """Columns outside of aggregates that the group does not determine."""
    determined = _determined(select, group_keys(select))
    return [column for column in _ungrouped(select) if column_key(column) not in determined]


def _aggregates(select: exp.Select) -> Iterator[exp.AggFunc]:
    for clause in ("expressions", "having", "order"):
        parts = select.args.get(clause) or []
        for part in parts if isinstance(parts, list) else [parts]:
            for node in own_nodes(part, exp.AggFunc):
                if not isinstance(node.parent, exp.Window):
                    yield node


def _write_out_group(select: exp.Select) -> None:
    """GROUP BY positions as the expressions they mean; constants, which cannot tell rows apart, are left out."""
    group = select.args.get("group")
    if not group:
        return
    terms = []
    for term in group.expressions:
        if term.is_int and 0 < int(term.name) <= len(select.selects):
            term = select.selects[int(term.name) - 1].unalias().copy()
        if not isinstance(term.unnest(), exp.Literal):
            terms.append(term)
    if terms or any(True for _ in _aggregates(select)):
        select.set("group", exp.Group(expressions=terms) if terms else None)


def _expand_stars(select: exp.Select) -> None:
    items: list[exp.Expr] = []
    for item in select.selects:
        if item.is_star and not item.find(exp.AggFunc):
            wanted = item.meta.get("source")
            items += [c for s in sources_of(select) if wanted in (None, s.tag) for c in _columns(s)]
        else:
            items.append(item)
    select.set("expressions", items)


def _columns(source: Source) -> Iterator[exp.Column]:
    for output in source.columns.values():
        column = exp.Column(this=identifier(output.name), table=identifier(source.name))
        column.meta.update(kind=output.kind, source=source.tag)
        yield column


def column_key(column: exp.Column) -> Key | None:
    """What the column is, however it is written; None where that is not known."""
    tag = column.meta.get("source")
    return (tag, column.name.lower()) if tag and not column.meta.get("alias") else None


def group_keys(select: exp.Select) -> set[Key]:
    """The plain columns of GROUP BY."""
    group = select.args.get("group")
    keys = (
        {column_key(term.unnest()) for term in group.expressions if isinstance(term.unnest(), exp.Column)}
        if group
        else set()
    )
    return {key for key in keys if key}


def _ungrouped(select: exp.Select) -> list[exp.Column]:
    """Columns of SELECT, HAVING and ORDER BY that are outside of aggregates and of grouped expressions."""
    tags = {source.tag for source in sources_of(select)}
    group = select.args.get("group")
    grouped = {term.sql() for term in group.expressions} if group else set()
    keys = group_keys(select)
    found = []
    for clause in ("expressions", "having", "order"):
        parts = select.args.get(clause) or []
        for part in parts if isinstance(parts, list) else [parts]:
            for column in own_nodes(part, exp.Column):
                key = column_key(column)
                if key and key[0] in tags and key not in keys and not _is_covered(column, part, grouped):
                    found.append(column)
    return found


def _is_covered(column: exp.Expr, part: exp.Expr, grouped: set[str]) -> bool:
    node: exp.Expr | None = column
    while node is not None:
        if isinstance(node, exp.AggFunc) or node.sql() in grouped:
            return True
        if node is part:
            return False
        node = node.parent
    return False


def _replace_bare_columns(select: exp.Select, dialect: str) -> None:
    ungrouped = _ungrouped(select)
    determined = _determined(select, group_keys(select))
    extreme = _single_extreme(select)
    group = select.args.get("group")
    for column in ungrouped:
        if group and column_key(column) in determined:
            if column.sql() not in {term.sql() for term in group.expressions}:
                group.append("expressions", column.copy())
        else:
            _replace(column, _from_row(column.copy(), extreme, dialect))


def _replace(column: exp.Column, value: exp.Expr) -> None:
    """Put an aggregate in a column's place; a column of the result keeps its name."""
    if isinstance(column.parent, exp.Select):
        value = exp.alias_(value, identifier(column.name))
    column.replace(value)


def _single_extreme(select: exp.Select) -> exp.Expr | None:
    """The min() or max() of a SELECT if it has exactly one, however often written."""
    found = {node.sql(): node for node in _aggregates(select) if isinstance(node, exp.Min | exp.Max)}
    return next(iter(found.values())) if len(found) == 1 else None


def _from_row(column: exp.Expr, extreme: exp.Expr | None, dialect: str) -> exp.Expr:
    """The column's value in the row with the extreme value, or in the group's first row."""
    if dialect == "postgres":
        return _first_of_array(column, extreme)
    if extreme is None:
        return exp.AnyValue(this=column) if dialect == "mysql" else exp.First(this=column)
    value = extreme.this.expressions[0] if isinstance(extreme.this, exp.Distinct) else extreme.this
    if dialect == "mysql":
        return _first_of_text(column, value.copy(), isinstance(extreme, exp.Max))
    return exp.func("ARG_MAX" if isinstance(extreme, exp.Max) else "ARG_MIN", column, value.copy(), dialect="duckdb")


def _first_of_array(column: exp.Expr, extreme: exp.Expr | None) -> exp.Expr:
    inner = column
    if extreme is not None:
        value = extreme.this.expressions[0] if isinstance(extreme.this, exp.Distinct) else extreme.this
        term = exp.Ordered(this=value.copy(), desc=isinstance(extreme, exp.Max), nulls_first=False)
        inner = exp.Order(this=column, expressions=[term])
    collected = exp.paren(exp.ArrayAgg(this=inner), copy=False)
    first = exp.Bracket(this=collected, expressions=[exp.Literal.number(1)], offset=1)
    first.meta.update(kind=column.meta.get("kind"))
    return first


def _first_of_text(column: exp.Expr, value: exp.Expr, descending: bool) -> exp.Expr:
    """MySQL has no ordered aggregate but GROUP_CONCAT; the separator is a control character."""
    separator = exp.Literal.string("\x1f")
    ordered = exp.Order(this=column, expressions=[exp.Ordered(this=value, desc=descending)])
    joined = exp.GroupConcat(this=ordered, separator=separator)
    return exp.Anonymous(this="SUBSTRING_INDEX", expressions=[joined, separator.copy(), exp.Literal.number(1)])


def _determined(select: exp.Select, keys: set[Key]) -> set[Key]:
    """All columns whose value is the same in all rows of a group: the closure over equalities and primary keys."""
    determined = set(keys)
    equalities = list(_equalities(select))
    size = -1
    while size != len(determined):
        size = len(determined)
        for left, right in equalities:
            if right is None or right in determined:
                determined.add(left)
            if right is not None and left in determined:
                determined.add(right)
        for source in sources_of(select):
            if source.key and all((source.tag, name) in determined for name in source.key):
                determined |= {(source.tag, name) for name in source.columns}
    return determined


def _equalities(select: exp.Select) -> Iterator[tuple[Key, Key | None]]:
    """Column pairs that are equal in every row; (column, None) for a column that equals a constant."""
    joins = select.args.get("joins") or []
    inner = not any(join.side for join in joins)
    conditions = [join.args["on"] for join in joins if join.args.get("on")] if inner else []
    where = select.args.get("where")
    for condition in [*conditions, *([where.this] if where else [])]:
        for part in condition.unnest().flatten() if isinstance(condition.unnest(), exp.And) else [condition.unnest()]:
            yield from _equality(part.unnest())


def _equality(part: exp.Expr) -> Iterator[tuple[Key, Key | None]]:
    if not isinstance(part, exp.EQ):
        return
    for left, right in ((part.this, part.expression), (part.expression, part.this)):
        key = column_key(left) if isinstance(left, exp.Column) else None
        other = column_key(right) if isinstance(right, exp.Column) else None
        if key and (other or isinstance(right, exp.Literal)):
            yield key, other


def _sort_distinct(select: exp.Select, dialect: str) -> None:
    """SELECT DISTINCT sorted by something that is not selected: by its value in the first row of the duplicates."""
    order = select.args.get("order")
    if not select.args.get("distinct") or not order or any(item.is_star for item in select.selects):
        return
    outside = [term for term in order.expressions if not _is_selected(term.this, select)]
    if not outside:
        return
    if not is_aggregated(select):
        select.set("distinct", None)
        select.set("group", exp.Group(expressions=[item.unalias().copy() for item in select.selects]))
        _replace_bare_columns(select, dialect)
        return
    selected = {column_key(c) for c in (i.unalias() for i in select.selects) if isinstance(c, exp.Column)}
    if group_keys(select) and group_keys(select) <= selected and len(group_keys(select)) == _group_size(select):
        select.set("distinct", None)  # one row per group, told apart by the selected columns
    else:
        _wrap_distinct(select, dialect)


def _group_size(select: exp.Select) -> int:
    return len({term.sql() for term in select.args["group"].expressions})


def _wrap_distinct(select: exp.Select, dialect: str) -> None:
    """The groups become a query of their own, whose equal rows are then taken together."""
    order, tail = select.args["order"], ("order", "limit", "offset", "distinct", "with_")
    inner = exp.Select(**{key: value for key, value in select.args.items() if key not in tail})
    names = [item.alias_or_name or f"column_{place}" for place, item in enumerate(select.selects, 1)]
    values = [item.unalias() for item in select.selects]
    keys = [_written_out(term.this, values, names) for term in order.expressions]
    inner.set(
        "expressions",
        [exp.alias_(value.copy(), f"value_{place}") for place, value in enumerate(values, 1)]
        + [exp.alias_(key.copy(), f"key_{place}") for place, key in enumerate(keys, 1)],
    )
    for place, term in enumerate(order.expressions, 1):
        term.set("this", _from_row(exp.column(f"key_{place}"), None, dialect))
    kept = {key: select.args[key] for key in tail if key != "distinct" and select.args.get(key)}
    select.args.clear()
    columns = [exp.column(f"value_{place}") for place in range(1, len(values) + 1)]
    for column, value in zip(columns, values, strict=True):
        column.meta["kind"] = kind_of(value)
    named = [exp.alias_(c, identifier(name)) for c, name in zip(columns, names, strict=True)]
    select.set("expressions", named)
    select.set("from_", exp.From(this=exp.Subquery(this=inner, alias=exp.TableAlias(this=identifier("grouped")))))
    select.set("group", exp.Group(expressions=[column.copy() for column in columns]))
    for key, value in kept.items():
        select.set(key, value)


def _written_out(term: exp.Expr, values: list[exp.Expr], names: list[str]) -> exp.Expr:
    """The expression that a term of ORDER BY means by a position or an alias."""
    if term.is_int and 0 < int(term.name) <= len(values):
        return values[int(term.name) - 1]
    if term.meta.get("alias"):
        return next((v for v, name in zip(values, names, strict=True) if name.lower() == term.name.lower()), term)
    return term


def _is_selected(term: exp.Expr, select: exp.Select) -> bool:
    if term.is_int or (isinstance(term, exp.Column) and term.meta.get("alias")):
        return True
    key = column_key(term) if isinstance(term, exp.Column) else None
    values = [item.unalias() for item in select.selects]
    return any(
        (key and isinstance(value, exp.Column) and column_key(value) == key) or value.sql() == term.sql()
        for value in values
    )
