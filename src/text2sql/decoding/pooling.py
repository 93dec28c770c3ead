"""The answers of several prompts of one question, pooled into one list.

A model that points at id tokens still leans on the order in which a schema is listed. Reading it in several orders and
adding up each query's probability averages that out, as test-time augmentation does for pictures (Krizhevsky et al.
2012, section 4.1); spellings of one query, such as a value as a cell or as words, count together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from text2sql.decoding.prediction import Prediction
from text2sql.prompting.canonical import Canonicalizer, canonical_text
from text2sql.prompting.expressions import CanonicalError


def pooled(orders: Sequence[Sequence[Prediction]], canonicalizer: Canonicalizer) -> list[Prediction]:
    """The different queries among the orders' predictions, the likeliest on average first.

    Each has the SQL that the first order to find it gave and the log of its mean probability, an order that did not
    find it counting as 0. Predictions without SQL come last, as they are.
    """
    log_probabilities: dict[str, list[float]] = {}
    first: dict[str, Prediction] = {}
    failed = []
    for prediction in chain.from_iterable(orders):
        if not prediction.sql:
            failed.append(prediction)
            continue
        key = _key(prediction.sql, canonicalizer)
        first.setdefault(key, prediction)
        log_probabilities.setdefault(key, []).append(prediction.log_probability)
    means = {key: _log_sum(found) - math.log(len(orders)) for key, found in log_probabilities.items()}
    return [replace(first[key], log_probability=means[key]) for key in sorted(means, key=lambda k: -means[k])] + failed


def _log_sum(logs: Sequence[float]) -> float:
    """Log of the sum of what `logs` are the logs of; none is so small that it becomes 0."""
    highest = max(logs)
    return highest + math.log(sum(math.exp(log - highest) for log in logs))


def _key(sql: str, canonicalizer: Canonicalizer) -> str:
    """Equal for spellings of one query."""
    try:
        return canonical_text(canonicalizer.encode(sql))
    except CanonicalError:
        return sql
