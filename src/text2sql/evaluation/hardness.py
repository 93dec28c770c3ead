"""Spider's hardness of a query: easy, medium, hard or extra, from counts over its structure.

The counts follow the reference code, not its description: two accidents of that code (`_aggregates`) are kept, since
the published tables by hardness depend on them. On Spider dev they give 248 / 446 / 174 / 166. Nothing here looks at
a question or at a prediction.
"""

from __future__ import annotations

from text2sql.evaluation.spider_sql import NotSpiderSQL, parse
from text2sql.evaluation.spider_structure import Condition, Conditions, Query
from text2sql.schema import Schema

LEVELS = ("easy", "medium", "hard", "extra")
UNKNOWN = "unknown"
"""The level of a query that Spider's dialect cannot express."""


def hardness(sql: str, schema: Schema) -> str:
    """The level of a query: one of `LEVELS`, or `UNKNOWN` when Spider's dialect cannot express it."""
    try:
        return query_hardness(parse(sql, schema))
    except NotSpiderSQL:
        return UNKNOWN


def query_hardness(query: Query) -> str:
    """The level of a parsed query. Raises NotSpiderSQL when its conditions aren't joined by AND and OR."""
    clauses, nested, others = _clauses(query), len(_nested(query)), _others(query)
    if nested == 0:
        if clauses <= 1 and others == 0:
            return "easy"
        if (clauses <= 1 and others <= 2) or (clauses <= 2 and others < 2):
            return "medium"
        if (clauses <= 2 and others > 2) or (clauses == 3 and others <= 2):
            return "hard"
    elif nested == 1 and clauses <= 1 and others == 0:
        return "hard"
    return "extra"


def comparisons(conditions: Conditions) -> list[Condition]:
    """The conditions without the connectives: those at even places, as the reference counts.

    Raises NotSpiderSQL when a connective stands at an even place (the reference crashes there).
    """
    found = []
    for item in conditions[::2]:
        if isinstance(item, str):
            raise NotSpiderSQL("conditions without AND or OR between them")
        found.append(item)
    return found


def all_comparisons(query: Query) -> list[Condition]:
    """The conditions of ON, WHERE and HAVING."""
    return comparisons(query.join_conditions) + comparisons(query.where) + comparisons(query.having)


def all_connectives(query: Query) -> list[Condition | str]:
    """What stands at the connectives' places of ON, WHERE and HAVING."""
    return [*query.join_conditions[1::2], *query.where[1::2], *query.having[1::2]]


def _clauses(query: Query) -> int:
    """The reference's "component 1": WHERE, GROUP BY, ORDER BY, LIMIT, each JOIN, each OR, each LIKE."""
    present = [bool(query.where), bool(query.group_by), query.order_by is not None, query.limit]
    likes = sum(condition.operator == "like" for condition in all_comparisons(query))
    return sum(present) + max(len(query.tables) - 1, 0) + all_connectives(query).count("or") + likes


def _nested(query: Query) -> list[Query]:
    """Its "component 2": queries inside conditions, and the one behind a set operation."""
    values = [value for condition in all_comparisons(query) for value in (condition.value, condition.second_value)]
    return [value for value in (*values, query.set_query) if isinstance(value, Query)]


def _others(query: Query) -> int:
    """Its "others": more than one of aggregates, output columns, conditions in WHERE, columns in GROUP BY."""
    several = (_aggregates(query), len(query.select), len(query.where), len(query.group_by))
    return sum(count > 1 for count in several)


def _aggregates(query: Query) -> int:
    """Aggregates, counted with the reference's two accidents: in WHERE and HAVING it counts each NOT, and in HAVING
    each AND and OR, while aggregates inside an arithmetic unit of SELECT aren't seen."""
    units = query.order_by.units if query.order_by else ()
    ordered = [unit.left for unit in units] + [unit.right for unit in units if unit.right]
    return (
        sum(item.aggregate != "none" for item in query.select)
        + sum(condition.negated for condition in comparisons(query.where))
        + sum(column.aggregate != "none" for column in (*query.group_by, *ordered))
        + sum(isinstance(item, str) or item.negated for item in query.having)
    )
