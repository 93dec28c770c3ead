"""Questions over two or three tables along foreign keys: columns of both sides, numbers per referenced row, links."""

from __future__ import annotations

from text2sql.english import plural, with_article
from text2sql.synthesis.catalogue import ColumnFacts, Reference, TableFacts
from text2sql.synthesis.conditions import draw_condition
from text2sql.synthesis.frames import say
from text2sql.synthesis.query import COUNT, Comparison, Field, Join, Query
from text2sql.synthesis.ranking import (
    aggregate_fields,
    aggregate_slots,
    best,
    draw_aggregates,
    draw_order,
    number_words,
    rankable,
)
from text2sql.synthesis.rows import (
    Desk,
    Draft,
    Rows,
    askable,
    column_slots,
    draw_columns,
    draw_rows,
    joins_along,
    owned,
    said,
)
from text2sql.synthesis.shapes_grouped import draw_count, groupable


def columns_of_both(desk: Desk) -> Draft | None:
    """Columns of rows together with columns of what they refer to, or the latter alone."""
    drawn = _draw_referring(desk)
    if drawn is None:
        return None
    (rows, reference), random = drawn, desk.random
    alone = random.random() < 0.3
    own = [] if alone else draw_columns(desk, rows.table, (5, 1), rows.fixed())
    other = draw_columns(desk, reference.parent, (5, 1))
    if not other or not (alone or own):
        return None
    order = draw_order(rows.table, own, random) if random.random() < 0.15 else None
    slots = rows.slots(random) | role_slots(reference, other, desk) | {"order": order.words if order else ""}
    slots |= column_slots(own, random) if own else {}
    frame = "join_parent" if alone else "join_columns"
    question, phrasing = say(frame, random, **slots)
    fields = [Field(column) for column in own] + [Field(column, 1) for column in other]
    ordering = {"order": Field(order.column), "descending": order.descending} if order else {}
    return Draft(question, rows.query(fields, **ordering), frame, phrasing)


def _draw_referring(desk: Desk, weights: tuple[float, ...] = (5, 4, 1)) -> tuple[Rows, Reference] | None:
    """Rows of a child table, joined with the table that one of its foreign keys refers to."""
    reference = desk.reference()
    rows = draw_rows(desk, reference.child, weights) if reference and askable(reference.child) else None
    if reference is None or rows is None:
        return None
    rows.sources, rows.joins = (reference.child, reference.parent), joins_along([reference])
    return rows, reference


def role_slots(reference: Reference, columns: list[ColumnFacts], desk: Desk) -> dict[str, str]:
    """The referenced row: `{role}`, `{roles}`, its columns `{c2}`, `{cs2}`, and both `{role_c}`, `{role_cs}`."""
    own = column_slots(columns, desk.random)
    both = column_slots(columns, desk.random, reference.role)
    return {
        "role": reference.role,
        "roles": plural(reference.role),
        "role_its": "their" if reference.parent.person else "its",
        "c2": own["c"],
        "cs2": own["cs"],
        "role_c": both["c"],
        "role_cs": both["cs"],
    }


def columns_of_two_parents(desk: Desk) -> Draft | None:
    """A column of each of two rows that a row refers to: three tables."""
    random = desk.random
    drawn = _draw_referring(desk, (4, 4))
    if drawn is None:
        return None
    rows, first = drawn
    others = [r for r in desk.references_of(rows.table) if r is not first and askable(r.parent)]
    if not others:
        return None
    second = random.choice(others)
    one, two = (draw_columns(desk, r.parent, (1,)) for r in (first, second))
    if not one or not two:
        return None
    rows.sources = (rows.table, first.parent, second.parent)
    rows.joins += (Join(Field(second.column, 0), Field(second.target, 2)),)
    slots = rows.slots(random) | {"order": ""}
    for name, reference, columns in (("one", first, one), ("two", second, two)):
        words = column_slots(columns, random, reference.role)
        slots |= {name: words["c"], f"{name}s": words["cs"]}
    question, phrasing = say("two_parents", random, **slots)
    return Draft(question, rows.query([Field(one[0], 1), Field(two[0], 2)]), "two_parents", phrasing)


def parent_of_extreme(desk: Desk) -> Draft | None:
    """A column of what the row at an end of an order refers to."""
    random, drawn = desk.random, _draw_referring(desk, (4, 2))
    if drawn is None:
        return None
    rows, reference = drawn
    ranked, columns = rankable(rows.table), draw_columns(desk, reference.parent, (1,))
    if not ranked or not columns:
        return None
    column = random.choice(ranked)
    descending = bool(column.nulls) or random.random() < 0.6
    words = role_slots(reference, columns, desk)
    slots = rows.slots(random) | column_slots(columns, random)
    slots["c"] = random.choice((words["role_c"], f"{words['c2']} of the {reference.role}"))
    slots |= {"best": best(rows, column, descending, random), "its": "the"}
    question, phrasing = say("superlative", random, **slots)
    query = rows.query([Field(columns[0], 1)], order=Field(column), descending=descending, limit=1)
    return Draft(question, query, "parent_of_extreme", phrasing)


def _draw_family(desk: Desk) -> tuple[Rows, Reference, ColumnFacts] | None:
    """Rows of a child table joined with a parent, and the column that names the parent."""
    reference = desk.reference()
    if reference is None or reference.parent.display is None or reference.target is not reference.parent.key:
        return None
    linked = [far for near, far in _link_pairs(desk, reference.child) if near is reference]
    rows = draw_rows(desk, reference.child, (5, 2) if not linked else (1,))
    if rows is None or rows.single or not (linked or askable(reference.child)):
        return None
    rows.sources, rows.joins = (reference.child, reference.parent), joins_along([reference])
    if linked:  # a book's rows in the table of book authors are its authors
        rows.noun = linked[0].role, plural(linked[0].role)
    return rows, reference, reference.parent.display


def children_per_parent(desk: Desk) -> Draft | None:
    """How many rows refer to each row of another table; the counted table comes first in the query."""
    drawn = _draw_family(desk)
    if drawn is None:
        return None
    (rows, reference, name), random = drawn, desk.random
    slots = _family_slots(desk, rows, reference, name)
    aggregates = draw_aggregates(rows.table, random, most=1) if random.random() < 0.4 else None
    group = Field(reference.column)
    if aggregates:
        slots |= aggregate_slots(*aggregates, random)
        question, phrasing = say("children_aggregate", random, **slots)
        query = rows.query([Field(name, 1), *aggregate_fields(*aggregates)], group=group)
        return Draft(question, query, "children_aggregate", phrasing)
    question, phrasing = say("children_count", random, **slots)
    return Draft(question, rows.query([Field(name, 1), COUNT], group=group), "children_count", phrasing)


def _family_slots(desk: Desk, rows: Rows, reference: Reference, name: ColumnFacts) -> dict[str, str]:
    return rows.slots(desk.random) | role_slots(reference, [name], desk)


def parent_with_most(desk: Desk) -> Draft | None:
    """The row (or the few rows) that most rows refer to."""
    drawn = _draw_family(desk)
    if drawn is None:
        return None
    (rows, reference, name), random = drawn, desk.random
    descending, count = random.random() < 0.8, random.choice((1, 1, 1, 2, 3, 5))
    slots = _family_slots(desk, rows, reference, name) | {"most": "most" if descending else "fewest"}
    slots["k"] = number_words(count, random)
    question, phrasing = say("most_children" if count == 1 else "most_children.top", random, **slots)
    group = Field(reference.column)
    query = rows.query([Field(name, 1)], group=group, order=COUNT, descending=descending, limit=count)
    return Draft(question, query, "most_children", phrasing)


def parents_by_count(desk: Desk) -> Draft | None:
    """The rows that more or fewer rows than a number refer to."""
    drawn = _draw_family(desk)
    if drawn is None:
        return None
    (rows, reference, name), random = drawn, desk.random
    operator, count, words = draw_count(desk, max(2, rows.table.rows // max(1, reference.parent.rows)))
    slots = _family_slots(desk, rows, reference, name) | {"cmp": words}
    if count == 1:
        slots["things"] = rows.noun_phrase(random, False)
    question, phrasing = say("having_children", random, **slots)
    having = Comparison(COUNT, operator, count)
    query = rows.query([Field(name, 1)], group=Field(reference.column), having=having)
    return Draft(question, query, "having_children", phrasing)


def per_parent_group(desk: Desk) -> Draft | None:
    """A count or an aggregate of rows for each value of a column of what they refer to."""
    drawn, random = _draw_referring(desk, (5, 2)), desk.random
    if drawn is None:
        return None
    rows, reference = drawn
    columns = groupable(reference.parent)
    if not columns:
        return None
    column = random.choice(columns)
    role_noun = owned(reference.role, said(column, random))
    slots = rows.slots(random) | {"g": role_noun, "gs": plural(role_noun)}
    group = Field(column, 1)
    aggregates = draw_aggregates(rows.table, random, most=1) if random.random() < 0.5 else None
    if aggregates:
        question, phrasing = say("group_aggregate", random, **slots, **aggregate_slots(*aggregates, random))
        query = rows.query([group, *aggregate_fields(*aggregates)], group=group)
        return Draft(question, query, "join_group_aggregate", phrasing)
    question, phrasing = say("group_count", random, **slots)
    return Draft(question, rows.query([group, COUNT], group=group), "join_group_count", phrasing)


def linked_rows(desk: Desk) -> Draft | None:
    """Rows that a link table connects with rows under a condition: three tables."""
    random = desk.random
    links = [pair for table in desk.catalogue.tables for pair in _link_pairs(desk, table)]
    if not links:
        return None
    near, far = random.choice(links)
    columns, condition = draw_columns(desk, near.parent, (4, 1)), draw_condition(far.parent, random)
    if not columns or condition is None:
        return None
    role, modifier = far.role, condition.modifier(random, False)
    slots = column_slots(columns, random) | {
        "plural": near.parent.plural,
        "link": f"{random.choice(('that have', 'with', 'linked to'))} {with_article(role)} {modifier}",
        "link_does": f"have {with_article(role)} {modifier}",
    }
    question, phrasing = say("linked", random, **slots)
    comparison = condition.comparison
    moved = Comparison(Field(comparison.left.column, 2), comparison.operator, comparison.right)
    joins = (Join(Field(near.target, 0), Field(near.column, 1)), Join(Field(far.column, 1), Field(far.target, 2)))
    sources = (near.parent, near.child, far.parent)
    query = Query(tuple(Field(c) for c in columns), sources, joins, (moved,), distinct=True)
    return Draft(question, query, "linked", phrasing)


def _link_pairs(desk: Desk, table: TableFacts) -> list[tuple[Reference, Reference]]:
    """Both directions through a table that is little more than two foreign keys."""
    references = desk.references_of(table)
    if len(references) != 2 or askable(table) or references[0].parent is references[1].parent:
        return []
    return [(references[0], references[1]), (references[1], references[0])]
