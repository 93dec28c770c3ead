"""Verdicts on WikiSQL predictions: the two official scores, ours beside them, and the parts of the query one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from text2sql.data.example import Example, LogicalForm
from text2sql.data.wikisql import to_logical_form, to_sql
from text2sql.errors import UserError
from text2sql.evaluation.hallucination import is_valid_sql, unresolved_names
from text2sql.evaluation.texts import normalised_sql
from text2sql.evaluation.wikisql import WikiSQLExecutor, logical_form_match

Rows = Callable[[Example], list[list[Any]]]
"""The rows of a WikiSQL example's table."""

PARTS = ("select", "aggregate", "where columns", "where operators", "where")


def score_wikisql(
    examples: Sequence[Example],
    predictions: Sequence[str],
    rows: Rows | None = None,
    forms: Sequence[LogicalForm | None] | None = None,
) -> tuple[list[dict[str, Any]], dict[str, dict[str, float]]]:
    """The verdicts on each example, and the accuracy of each of `PARTS`.

    `forms` are the predicted queries where they are known; else they are read from the texts.
    """
    if forms is None:
        forms = [to_logical_form(sql, e.schema) for e, sql in zip(examples, predictions, strict=True)]
    verdicts = [
        _verdict(example, sql, form, rows(example) if rows else [])
        for example, sql, form in zip(examples, predictions, forms, strict=True)
    ]
    count = len(verdicts)
    clauses = {
        part: {"count": count, "accuracy": sum(v["components"][part] for v in verdicts) / count} for part in PARTS
    }
    return verdicts, clauses


def _verdict(example: Example, sql: str, form: LogicalForm | None, cells: list[list[Any]]) -> dict[str, Any]:
    gold = example.logical_form
    assert gold is not None
    valid, unresolved = _validity(sql, form, example)
    verdict: dict[str, Any] = {
        "query": form and {"sel": form.select, "agg": form.aggregate, "conds": [list(c) for c in form.conditions]},
        "logical_form": form is not None and logical_form_match(gold, form),
        "logical_form_ordered": form is not None and logical_form_match(gold, form, ordered=True),
        "components": {part: form is not None and _part(gold, part) == _part(form, part) for part in PARTS},
        "conditions": len(gold.conditions),
        "exact_string_match": normalised_sql(example.sql) == normalised_sql(sql),
        "valid_sql": valid,
        "unresolved_names": unresolved,
    }
    if not verdict["logical_form"]:
        different = [part for part, same in verdict["components"].items() if not same]
        verdict["reason"] = f"different: {', '.join(different)}" if form else "the prediction is no WikiSQL query"
    if cells:
        with WikiSQLExecutor(example.schema, cells) as executor:
            answer = executor.run(gold)
            verdict["execution_match"] = form is not None and executor.match(gold, form)
            verdict["answer_match"] = form is not None and executor.answer_match(gold, form)
            verdict["gold_returns_something"] = isinstance(answer, list) and any(v not in (None, 0) for v in answer)
            if not (verdict["execution_match"] and verdict["logical_form"]):
                found = executor.run(form) if form is not None else "no query"
                verdict |= {"gold_answer": str(answer)[:200], "predicted_answer": str(found)[:200]}
    return verdict


def _part(form: LogicalForm, part: str) -> Any:
    """What is compared of a query, conditions as multisets without regard to their order."""
    conditions = [(column, operator, str(value).lower()) for column, operator, value in form.conditions]
    return {
        "select": form.select,
        "aggregate": form.aggregate,
        "where columns": Counter(column for column, _, _ in conditions),
        "where operators": Counter((column, operator) for column, operator, _ in conditions),
        "where": set(conditions),
    }[part]


def _validity(sql: str, form: LogicalForm | None, example: Example) -> tuple[bool, list[str]]:
    """Whether SQLite takes the text, and its invented names. What our own writer writes needs no look."""
    if not sql:
        return False, []
    if form is not None:
        try:
            if normalised_sql(to_sql(form, example.schema)) == normalised_sql(sql):
                return True, []
        except UserError:  # numbers that stand for nothing
            return False, []
    return is_valid_sql(sql, example.schema), unresolved_names(sql, example.schema)
