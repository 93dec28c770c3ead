"""From verdicts on examples to numbers: means with their counts, tables by group, calibration.

Every metric is a mean over the examples that have its verdict, and `counts` says over how many. Execution on rebuilt
databases (not the official files) is never mixed with the official ones: its metrics end in `_rebuilt`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from text2sql.evaluation.calibration import calibration
from text2sql.evaluation.hardness import LEVELS
from text2sql.evaluation.report import Report

Entry = dict[str, Any]
"""One example of a report with its verdicts."""

METRICS = {
    "logical_form": "logical_form_accuracy",
    "logical_form_ordered": "logical_form_accuracy_ordered",
    "exact_match": "exact_match",
    "execution_match": "execution_accuracy",
    "execution_match_keep_distinct": "execution_accuracy_keep_distinct",
    "execution_match_fuzzed": "execution_accuracy_fuzzed",
    "answer_match": "execution_accuracy_unquirked",
    "subset_match": "subset_match",
    "exact_string_match": "exact_string_match",
    "valid_sql": "valid_sql",
    "unresolved_names": "schema_hallucination",
}
"""Verdict of an example -> name of its mean."""

ON_DATABASES = ("execution_match", "execution_match_keep_distinct", "execution_match_fuzzed", "subset_match")
IN_BREAKDOWNS = ("logical_form", "exact_match", "execution_match", "execution_match_fuzzed", "answer_match")
DECISIVE = ("execution_match", "logical_form", "exact_match")
"""Which verdict says that an example is right: the first that it has."""


def summarise(
    dataset: str, split: str, entries: list[Entry], clauses: dict[str, dict[str, float]] | None = None
) -> Report:
    """Metrics and breakdowns of the entries, which become the report's examples."""
    metrics, counts = means(entries, METRICS)
    telling = [entry for entry in entries if entry.get("gold_returns_something")]
    if telling:
        name = "execution_accuracy_gold_not_empty"
        metrics[name], counts[name] = mean(telling, "execution_match"), len(telling)
    breakdowns = {}
    if any("hardness" in entry for entry in entries):
        breakdowns["hardness"] = breakdown(entries, "hardness", LEVELS)
    if any("conditions" in entry for entry in entries):
        breakdowns["conditions"] = breakdown(entries, "conditions")
    if clauses:
        breakdowns["clause"] = clauses
    if any("hardness" in entry for entry in entries):
        breakdowns["database"] = breakdown(entries, "db_id")
    sure = [entry for entry in entries if entry.get("log_probability") is not None]
    if sure:
        confidences = [min(1.0, math.exp(entry["log_probability"])) for entry in sure]
        error, breakdowns["confidence"] = calibration(confidences, [is_right(entry) for entry in sure])
        metrics["expected_calibration_error"], counts["expected_calibration_error"] = error, len(sure)
    return Report(dataset, split, len(entries), metrics, counts, breakdowns=breakdowns, examples=entries)


def is_right(entry: Entry) -> bool:
    """Whether an example is answered rightly, by the first of `DECISIVE` that it has."""
    return bool(next((entry[verdict] for verdict in DECISIVE if verdict in entry), False))


def means(
    entries: Sequence[Entry], verdicts: Sequence[str] | dict[str, str]
) -> tuple[dict[str, float], dict[str, int]]:
    """Mean of each verdict that some entry has, and over how many; rebuilt databases apart."""
    found, counts = {}, {}
    for verdict in verdicts:
        judged = [entry for entry in entries if verdict in entry]
        rebuilt = [entry for entry in judged if entry.get("rebuilt_database")] if verdict in ON_DATABASES else []
        official = [entry for entry in judged if not entry.get("rebuilt_database")] if rebuilt else judged
        for name, group in ((METRICS[verdict], official), (f"{METRICS[verdict]}_rebuilt", rebuilt)):
            if group:
                found[name], counts[name] = mean(group, verdict), len(group)
    return found, counts


def mean(entries: Sequence[Entry], verdict: str) -> float:
    """Share of the entries whose verdict is true (or, for lists, not empty)."""
    return sum(bool(entry[verdict]) for entry in entries) / len(entries)


def breakdown(entries: Sequence[Entry], key: str, order: Sequence[str] = ()) -> dict[str, dict[str, float]]:
    """Group -> metrics, for the groups that have one value of `key`."""
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[str(entry[key])].append(entry)
    names = [name for name in order if name in groups] + sorted(groups.keys() - set(order))
    return {name: {"count": len(groups[name]), **means(groups[name], IN_BREAKDOWNS)[0]} for name in names}
