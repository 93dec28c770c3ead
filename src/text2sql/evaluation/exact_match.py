"""Spider's exact set match: do two queries have the same parts, order and values aside?

Both queries are parsed into Spider's structure (`spider_sql`), values are dropped and columns joined by foreign keys
are made one; then ten components are compared, most of them as sets, and the tables of FROM. Values, DISTINCT and join
conditions don't count: this measures form, not whether the answer is right. Definition: Yu et al. 2018, "Spider",
section 6.

The verdict equals that of the reference (taoyds/test-suite-sql-eval, `evaluation.py --etype match`) wherever that
gives one, accidents included, except that

- the reference replaces each lower-case `value` of a prediction by `1` beforehand, so that no prediction over a column
  `market_value` can match, not even the gold query; here the text is taken as it is;
- the reference uses an English tokenizer, which splits `gotta`, `cannot` and the like in two and takes a full stop
  before a space for a sentence's end; here both stay as they are;
- queries nested more than 50 deep count as wrong.

Where the reference crashes there is a verdict: an unreadable gold query matches nothing and is reported, conditions
that AND and OR don't join are unreadable, and lists that it cannot sort or hash are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from text2sql.evaluation.hardness import (
    LEVELS,
    UNKNOWN,
    all_comparisons,
    all_connectives,
    comparisons,
    query_hardness,
)
from text2sql.evaluation.spider_sql import NotSpiderSQL, parse
from text2sql.evaluation.spider_structure import (
    ColumnUnit,
    Conditions,
    OrderBy,
    Query,
    SchemaNames,
    SelectItem,
    Value,
    ValueUnit,
    schema_names,
)
from text2sql.schema import Schema

COMPONENTS = (
    "select",
    "select(no AGG)",
    "where",
    "where(no OP)",
    "group(no Having)",
    "group",
    "order",
    "and/or",
    "IUEN",
    "keywords",
)
"""The reference's names, in its order. IUEN is INTERSECT, UNION, EXCEPT, NESTED."""


class Component(NamedTuple):
    """The verdict on one component, and whether gold and prediction have it at all (for recall and accuracy)."""

    match: bool
    in_gold: bool
    in_prediction: bool


@dataclass(frozen=True)
class ExactMatch:
    """The verdict on one prediction.

    `components` has a verdict for each of `COMPONENTS`; a component that both queries lack matches. `hardness` is the
    gold query's. `reason` says in a few words why there is no match, None when there is one. `presence` says for each
    component whether gold and prediction have it; only `exact_match_summary` needs it.
    """

    match: bool
    components: dict[str, bool]
    hardness: str
    reason: str | None
    presence: dict[str, tuple[bool, bool]] = field(default_factory=dict, repr=False)


def exact_match(gold_sql: str, predicted_sql: str, schema: Schema) -> ExactMatch:
    """Compare a prediction with the gold query over a schema. Never raises, whatever the texts."""
    names = schema_names(schema)
    try:
        gold = parse(gold_sql, schema)
        level = query_hardness(gold)
        gold = _comparable(gold, names)
    except NotSpiderSQL as error:
        return ExactMatch(False, dict.fromkeys(COMPONENTS, False), UNKNOWN, f"gold query: {error}")
    reason = None
    try:
        predicted = _comparable(parse(predicted_sql, schema), names)
    except NotSpiderSQL as error:
        predicted, reason = Query(), f"prediction: {error}"
    components = _components(gold, predicted)
    match = _all_equal(components, gold, predicted)
    if not match and reason is None:
        different = [name for name, component in components.items() if not component.match]
        reason = f"different: {', '.join(different or ['tables'])}"
    return ExactMatch(
        match,
        {name: component.match for name, component in components.items()},
        level,
        reason,
        {name: (component.in_gold, component.in_prediction) for name, component in components.items()},
    )


def _comparable(query: Query, names: SchemaNames) -> Query:
    """The query without values and DISTINCT, one column standing for all that foreign keys join."""
    return _unify(_without_values(query), names.representative, frozenset(query.tables))


def _without_values(query: Query) -> Query:
    """Values dropped, also in queries inside conditions and behind set operations; those in FROM keep theirs."""
    return replace(
        query,
        join_conditions=_conditions_without_values(query.join_conditions),
        where=_conditions_without_values(query.where),
        having=_conditions_without_values(query.having),
        set_query=query.set_query and _without_values(query.set_query),
    )


def _conditions_without_values(conditions: Conditions) -> Conditions:
    def bare(value: Value) -> Value:
        return _without_values(value) if isinstance(value, Query) else None

    found = list(conditions)
    found[::2] = [
        condition._replace(value=bare(condition.value), second_value=bare(condition.second_value))
        for condition in comparisons(conditions)
    ]
    return tuple(found)


def _unify(query: Query, representative: Mapping[str, str], tables: frozenset[str | Query]) -> Query:
    """Columns of `tables` replaced by their representatives and DISTINCT forgotten.

    `tables` are the outermost query's, also for the query behind a set operation. Queries inside conditions and FROM
    stay as they are. Both are the reference's habits.
    """

    def column(unit: ColumnUnit) -> ColumnUnit:
        joined = unit.column.partition(".")[0] in tables
        return ColumnUnit(unit.aggregate, representative.get(unit.column, unit.column) if joined else unit.column, None)

    def value(unit: ValueUnit) -> ValueUnit:
        return ValueUnit(unit.operator, column(unit.left), unit.right and column(unit.right))

    def conditions(items: Conditions) -> Conditions:
        found = list(items)
        found[::2] = [condition._replace(unit=value(condition.unit)) for condition in comparisons(items)]
        return tuple(found)

    order = query.order_by
    return replace(
        query,
        select=tuple(SelectItem(item.aggregate, value(item.unit)) for item in query.select),
        where=conditions(query.where),
        group_by=tuple(column(unit) for unit in query.group_by),
        having=conditions(query.having),
        order_by=order and OrderBy(order.direction, tuple(value(unit) for unit in order.units)),
        set_query=query.set_query and _unify(query.set_query, representative, tables),
    )


def _equal(gold: Query, predicted: Query) -> bool:
    return _all_equal(_components(gold, predicted), gold, predicted)


def _all_equal(components: dict[str, Component], gold: Query, predicted: Query) -> bool:
    """Every component equal, and the tables of FROM as a multiset (when gold has any)."""
    if not all(component.match for component in components.values()):
        return False
    return not gold.tables or Counter(gold.tables) == Counter(predicted.tables)


def _components(gold: Query, predicted: Query) -> dict[str, Component]:
    """The ten components of `COMPONENTS`."""
    gold_where, predicted_where = comparisons(gold.where), comparisons(predicted.where)
    compared = (
        _same_items(gold.select, predicted.select),
        _same_items([item.unit for item in gold.select], [item.unit for item in predicted.select]),
        _same_items(gold_where, predicted_where),
        _same_items([item.unit for item in gold_where], [item.unit for item in predicted_where]),
        _same_items(_group_names(gold), _group_names(predicted)),
        _same_group(gold, predicted),
        _same_order(gold, predicted),
        _same_connectives(gold, predicted),
        _same_set_operation(gold, predicted),
        _same_items(sorted(_keywords(gold)), sorted(_keywords(predicted))),
    )
    return dict(zip(COMPONENTS, compared, strict=True))


def _same_items(gold: Iterable[Hashable], predicted: Iterable[Hashable]) -> Component:
    """Equal as multisets."""
    wanted, found = Counter(gold), Counter(predicted)
    return Component(wanted == found, bool(wanted), bool(found))


def _group_names(query: Query) -> list[str]:
    """GROUP BY's columns without their tables."""
    return [unit.column.rpartition(".")[2] for unit in query.group_by]


def _same_group(gold: Query, predicted: Query) -> Component:
    """GROUP BY as a list with tables, and HAVING as a list."""
    columns = [[unit.column for unit in query.group_by] for query in (gold, predicted)]
    same = columns[0] == columns[1] and (not columns[0] or gold.having == predicted.having)
    return Component(same, bool(columns[0]), bool(columns[1]))


def _same_order(gold: Query, predicted: Query) -> Component:
    """ORDER BY, and LIMIT present in both or in neither."""
    same = gold.order_by == predicted.order_by and (gold.order_by is None or gold.limit == predicted.limit)
    return Component(same, gold.order_by is not None, predicted.order_by is not None)


def _same_connectives(gold: Query, predicted: Query) -> Component:
    """Which of AND and OR occur in WHERE. As in the reference, the two presences are swapped when they differ."""
    wanted, found = set(gold.where[1::2]), set(predicted.where[1::2])
    return Component(True, True, True) if wanted == found else Component(False, bool(found), bool(wanted))


def _same_set_operation(gold: Query, predicted: Query) -> Component:
    """The same set operation with an equal query behind it."""
    same = gold.set_operation == predicted.set_operation
    if same and gold.set_query and predicted.set_query:
        same = _equal(gold.set_query, predicted.set_query)
    return Component(same, gold.set_query is not None, predicted.set_query is not None)


def _keywords(query: Query) -> set[str]:
    """The words that stand for a query's clauses, set operation, direction and kinds of condition."""
    present = {
        "where": bool(query.where),
        "group": bool(query.group_by),
        "having": bool(query.having),
        "order": query.order_by is not None,
        "limit": query.limit,
        "or": "or" in all_connectives(query),
        "not": any(condition.negated for condition in all_comparisons(query)),
    }
    found = {word for word, is_present in present.items() if is_present}
    found |= {condition.operator for condition in all_comparisons(query)} & {"in", "like"}
    found |= {query.order_by.direction} if query.order_by else set()
    return found | ({query.set_operation} if query.set_operation else set())


def exact_match_summary(results: Iterable[ExactMatch]) -> dict[str, Any]:
    """The reference's table: per hardness and for all, counts, exact match and each component's scores.

    `{level: {count, exact_match, components: {name: {accuracy, recall, f1}}}}`, fractions. A component's accuracy is
    over the examples whose prediction has it, its recall over those whose gold has it. As in the reference, f1 is 1
    where both are 0. The level "unknown" appears when there are gold queries that cannot be parsed; they count in
    "all" as wrong.
    """
    examples = list(results)
    groups = {level: [example for example in examples if example.hardness == level] for level in (*LEVELS, UNKNOWN)}
    if not groups[UNKNOWN]:
        del groups[UNKNOWN]
    return {level: _table_column(group) for level, group in {**groups, "all": examples}.items()}


def _table_column(examples: list[ExactMatch]) -> dict[str, Any]:
    components = {}
    for name in COMPONENTS:
        accuracy = _rate([e.components[name] for e in examples if e.presence.get(name, (False, False))[1]])
        recall = _rate([e.components[name] for e in examples if e.presence.get(name, (False, False))[0]])
        f1 = 2 * accuracy * recall / (accuracy + recall) if accuracy + recall else float(bool(examples))
        components[name] = {"accuracy": accuracy, "recall": recall, "f1": f1}
    return {
        "count": len(examples),
        "exact_match": _rate([example.match for example in examples]),
        "components": components,
    }


def _rate(verdicts: list[bool]) -> float:
    return sum(verdicts) / len(verdicts) if verdicts else 0.0
