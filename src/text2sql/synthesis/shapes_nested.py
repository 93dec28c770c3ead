"""Questions with a query inside a query: above average, equal to the most, without any, with some."""

from __future__ import annotations

from text2sql.english import article, is_plural, with_article
from text2sql.synthesis.catalogue import ColumnFacts, Reference, TableFacts
from text2sql.synthesis.conditions import quoted
from text2sql.synthesis.frames import say
from text2sql.synthesis.patterns import expand
from text2sql.synthesis.query import COUNT, Comparison, Field, Query
from text2sql.synthesis.ranking import extreme_words, rankable
from text2sql.synthesis.rows import Desk, Draft, column_slots, draw_columns, draw_rows
from text2sql.synthesis.wording import Forms

_ABOVE = {
    ">": ("(above|over|higher than|greater than|more than)", "(more|a larger number of)", "above"),
    "<": ("(below|under|lower than|less than|smaller than)", "(fewer|a smaller number of)", "below"),
}


def _averages(beyond: str, amount: str, side: str) -> dict[bool, Forms]:
    """By whether the column's noun is a plural: "fewer pages than average", "a price below the average"."""
    return {
        True: Forms((f"with {amount} {{c}} than [the ]average",), (f"have {amount} {{c}} than [the ]average",)),
        False: Forms(
            (
                f"with {{a_c}} {beyond} [the ]average",
                f"whose {{c}} is {beyond} [the ]average",
                f"whose {{c}} is {beyond} the average {{c}}",
                f"with {{a_c}} {beyond} the average of all {{plural}}",
                f"with {side}-average {{c}}",
            ),
            (f"have {{a_c}} {beyond} [the ]average",),
        ),
    }


_AVERAGE = {operator: _averages(*texts) for operator, texts in _ABOVE.items()}
_EXTREME = {
    True: Forms(("that share the {extreme} of all", "tied for the {extreme}"), ("share the {extreme} of all",)),
    False: Forms(
        (
            "that share the {extreme}",
            "whose {c} (equals|is equal to|is exactly) the {extreme} of all {plural}",
            "tied for the {extreme}",
            "whose {c} is the {extreme}[ of all| there is| on record]",
            "whose {c} matches the {extreme}",
        ),
        ("share the {extreme}",),
    ),
}
_SAME = Forms(
    (
        "with the same {c} as {v}",
        "that have the same {c} as {v}",
        "whose {c} is the same as that of {v}",
        "that share the {c} of {v}",
    ),
    ("have the same {c} as {v}",),
)
_COMPARATIVES = {
    (">", "time"): "a (later|more recent) {c}",
    ("<", "time"): "an earlier {c}",
    (">", "many"): "more {c}",
    ("<", "many"): "fewer {c}",
    (">", "one"): "a (higher|larger|greater) {c}",
    ("<", "one"): "a (lower|smaller) {c}",
}


def compared_with_average(desk: Desk) -> Draft | None:
    """Rows whose number is above or below the average."""
    random, table = desk.random, desk.table()
    numbers = [c for c in table.of_kind("number") if c.summable and c.distinct > 3] if table else []
    if table is None or not numbers:
        return None
    column, operator = random.choice(numbers), random.choice("><")
    inner = Query((Field(column, 0, "avg"),), (table,))
    forms = _AVERAGE[operator][is_plural(column.noun)]
    return _nested_list(desk, table, Comparison(Field(column), operator, inner), forms, "average")


def equal_to_extreme(desk: Desk) -> Draft | None:
    """All rows that share the greatest or least value."""
    random, table = desk.random, desk.table()
    ranked = rankable(table) if table else []
    if table is None or not ranked:
        return None
    column, name = random.choice(ranked), random.choice(("max", "max", "min"))
    extreme = extreme_words(column, name == "max", random)
    comparison = Comparison(Field(column), "=", Query((Field(column, 0, name),), (table,)))
    return _nested_list(desk, table, comparison, _EXTREME[is_plural(column.noun)], "extreme", extreme=extreme)


def compared_with_row(desk: Desk) -> Draft | None:
    """Rows with a larger, smaller or equal value than a named row has."""
    random, table = desk.random, desk.table()
    if table is None or table.display is None or not table.display.values or table.display.distinct < table.rows:
        return None
    columns = [c for c in table.columns if c.kind in ("number", "category", "year", "date") and not c.nulls]
    if not columns:
        return None
    column, value = random.choice(columns), random.choice(table.display.values)
    operator = "=" if column.kind == "category" else random.choice("><")
    forms = _SAME if operator == "=" else _row_forms(column, operator)
    condition = Comparison(Field(table.display), "=", value)
    comparison = Comparison(Field(column), operator, Query((Field(column),), (table,), (), (condition,)))
    name = random.choice(("", f"the {table.singular} ")) + quoted(value, random)
    return _nested_list(desk, table, comparison, forms, "row", v=name)


def _row_forms(column: ColumnFacts, operator: str) -> Forms:
    manner = "time" if column.kind in ("year", "date") else "many" if is_plural(column.noun) else "one"
    words = _COMPARATIVES[operator, manner] + " than {v}"
    return Forms((f"with {words}", f"that have {words}"), (f"have {words}",))


def _nested_list(
    desk: Desk, table: TableFacts, nested: Comparison, forms: Forms, shape: str, **more: str
) -> Draft | None:
    """Columns (or the number) of rows under a comparison with an inner query."""
    random, column = desk.random, nested.left.column
    assert column is not None
    more |= {"c": column.noun, "a_c": with_article(column.noun), "plural": table.plural}
    slots = {
        "things": f"{table.plural} {expand(random.choice(forms.modifiers), random, **more)}",
        "does": expand(random.choice(forms.predicates), random, **more),
        "plural": table.plural,
        "who": "who" if table.person else "that",
        "order": "",
    }
    columns = draw_columns(desk, table, (5, 2))
    if not columns:
        return None
    if random.random() < 0.2:
        frame, fields = random.choice(("count", "count.which")), [COUNT]
    else:
        frame, fields = "list.which" if random.random() < 0.35 else "list.plural", [Field(c) for c in columns]
    question, phrasing = say(frame, random, **slots | column_slots(columns, random))
    query = Query(tuple(fields), (table,), (), (nested,))
    return Draft(question, query, f"nested.{shape}:{frame}", phrasing)


def _draw_family(desk: Desk) -> Reference | None:
    reference = desk.reference()
    return reference if reference and reference.target is reference.parent.key else None


def parents_without_children(desk: Desk) -> Draft | None:
    """Rows that no row (under a condition) refers to: NOT IN."""
    reference, random = _draw_family(desk), desk.random
    if reference is None:
        return None
    rows = draw_rows(desk, reference.child, (3, 2))
    if rows is None or reference.column.nulls:  # NOT IN a list with NULL is never true
        return None
    parent = reference.parent
    slots = _parent_slots(reference) | {"things": _as_role(reference, rows.noun_phrase(random, True))}
    comparison = Comparison(Field(reference.target), "NOT IN", rows.query([Field(reference.column)]))
    if random.random() < 0.25:
        question, phrasing = say("count_without", random, **slots)
        return Draft(question, Query((COUNT,), (parent,), (), (comparison,)), "without_children.count", phrasing)
    columns = draw_columns(desk, parent, (5, 1))
    if not columns:
        return None
    question, phrasing = say("without_children", random, **slots, **column_slots(columns, random))
    query = Query(tuple(Field(c) for c in columns), (parent,), (), (comparison,))
    return Draft(question, query, "without_children", phrasing)


def _parent_slots(reference: Reference) -> dict[str, str]:
    return {"parents": reference.parent.plural, "parent": reference.parent.singular}


def _as_role(reference: Reference, things: str) -> str:
    """Says by which of several foreign keys the rows refer: `trips as start station`."""
    return things if reference.alone else f"{things} as {reference.role}"


def parents_with_children(desk: Desk) -> Draft | None:
    """Rows that some row under a condition refers to: IN."""
    reference, random = _draw_family(desk), desk.random
    rows = draw_rows(desk, reference.child, (0, 1)) if reference else None
    columns = draw_columns(desk, reference.parent, (5, 1)) if reference else []
    if reference is None or rows is None or not columns:
        return None
    one = rows.noun_phrase(random, False)
    one = f"{random.choice(('at least one', 'some', article(one)))} {one}"
    children = random.choice((one, rows.noun_phrase(random, True)))
    slots = _parent_slots(reference) | {"children": _as_role(reference, children)} | column_slots(columns, random)
    question, phrasing = say("with_children", random, **slots)
    comparison = Comparison(Field(reference.target), "IN", rows.query([Field(reference.column)]))
    query = Query(tuple(Field(c) for c in columns), (reference.parent,), (), (comparison,))
    return Draft(question, query, "with_children", phrasing)
