"""Self-consistency: the query that most candidates agree on (Wang et al. 2022, "Self-consistency improves chain of
thought reasoning", section 2), agreement being equal rows where there are any (Shi et al. 2022, MBR-exec).

A model spreads its probability over spellings of one answer; its likeliest single query need not be its likeliest
answer. A query that fails, and one that could not be read, has no say. An answer without content proves no agreement,
as a hundred wrong conditions give it: such queries agree only if their texts do.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence

from sqlglot import exp

from text2sql.decoding.prediction import Prediction
from text2sql.pipeline.guidance import Run, says_something
from text2sql.prompting.canonical import Canonicalizer, canonical_text
from text2sql.prompting.expressions import CanonicalError


def vote(
    candidates: Sequence[Prediction], run: Run | None, canonicalizer: Canonicalizer, sampled: bool = False
) -> Prediction:
    """The first candidate of the group that weighs most; of groups that weigh the same, the earlier one's.

    `run` is None where there are no rows: texts are compared. A sample weighs 1, as drawing has weighed it already; a
    beam weighs its probability.
    """
    voters = [c for c in candidates if c.sql and (run is None or run(c.sql).error is None)] or list(candidates)
    keys = [agreement_key(voter.sql, run, canonicalizer) for voter in voters]
    weights: dict[Hashable, float] = {}
    for key, voter in zip(keys, voters, strict=True):
        weights[key] = weights.get(key, 0.0) + (1.0 if sampled else math.exp(voter.log_probability))
    return voters[keys.index(max(weights, key=lambda key: weights[key]))]


def agreement_key(sql: str, run: Run | None, canonicalizer: Canonicalizer) -> Hashable:
    """Equal for queries that agree: by their rows, in order under ORDER BY, else by `canonical_text`."""
    try:
        query: exp.Expr | None = canonicalizer.encode(sql)
    except CanonicalError:
        query = None
    result = run(sql) if run is not None else None
    if result is not None and result.error is None and says_something(result.rows):
        ordered = query is not None and query.args.get("order") is not None and len(result.rows) > 1
        return tuple(result.rows) if ordered else frozenset(Counter(result.rows).items())
    return canonical_text(query) if query is not None else sql
