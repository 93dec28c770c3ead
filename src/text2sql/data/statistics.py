"""What is in a set: counts, lengths in tokens, how much is cut off, how much the target language covers.

Knows nothing of prompts: the caller passes `encode`, which says how long an example's prompt and answer are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from text2sql.data.example import Example
from text2sql.tokenizer import Tokenizer

Encode = Callable[[Example], tuple[int, int] | None]
"""Tokens of an example's prompt and of its answer, or None when the target language cannot say its SQL."""

_QUANTILES = {"median": 0.5, "p95": 0.95, "p99": 0.99, "longest": 1.0}


def statistics(
    examples: Iterable[Example],
    tokenizer: Tokenizer | None = None,
    encode: Encode | None = None,
    context: int | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Plain data about a set.

    Always: `questions`, `different_questions`, `different_sql`, `schemas`, `with_database`, `without_answer`,
    `tables_per_schema`, `columns_per_schema`. With `tokenizer`: `question_tokens` and `sql_tokens`. With `encode`:
    `prompt_tokens`, `answer_tokens` (lengths of those covered) and `covered`, the share of questions with an answer
    that the target language can say; with `context` too: `truncated`, the share of the covered that is longer.
    Lengths are {mean, median, p95, p99, longest}.
    """
    examples = list(examples)
    schemas = {example.schema.fingerprint: example.schema for example in _one_per_schema(examples)}
    result: dict[str, Any] = {
        "questions": len(examples),
        "different_questions": len({example.question.lower() for example in examples}),
        "different_sql": len({(example.schema.name, example.sql) for example in examples if example.sql}),
        "schemas": len(schemas),
        "with_database": sum(example.database is not None for example in examples),
        "without_answer": sum(not example.sql for example in examples),
        "tables_per_schema": _lengths([len(schema.tables) for schema in schemas.values()]),
        "columns_per_schema": _lengths([len(schema.columns) for schema in schemas.values()]),
    }
    if tokenizer is not None:
        result["question_tokens"] = _lengths([len(tokenizer.encode(example.question)) for example in examples])
        result["sql_tokens"] = _lengths([len(tokenizer.encode(example.sql)) for example in examples if example.sql])
    if encode is not None:
        answerable = [example for example in examples if example.sql]
        found = map(encode, tqdm(answerable, desc="encoding", unit="example", disable=not progress))
        pairs = [pair for pair in found if pair is not None]
        result["prompt_tokens"] = _lengths([prompt for prompt, _ in pairs])
        result["answer_tokens"] = _lengths([answer for _, answer in pairs])
        result["covered"] = len(pairs) / max(1, len(answerable))
        if context is not None:
            result["truncated"] = sum(sum(pair) > context for pair in pairs) / max(1, len(pairs))
    return result


def statistics_table(by_set: Mapping[str, Mapping[str, Any]]) -> str:
    """A Markdown table, one line per set; what was not counted for a set is a dash."""
    columns: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
        "questions": lambda s: f"{s['questions']:,}",
        "schemas": lambda s: f"{s['schemas']:,}",
        "different SQL": lambda s: f"{s['different_sql']:,}",
        "no answer": lambda s: f"{s['without_answer']:,}",
        "columns per schema": lambda s: _range(s.get("columns_per_schema")),
        "question tokens": lambda s: _range(s.get("question_tokens")),
        "SQL tokens": lambda s: _range(s.get("sql_tokens")),
        "prompt tokens": lambda s: _range(s.get("prompt_tokens")),
        "answer tokens": lambda s: _range(s.get("answer_tokens")),
        "covered": lambda s: _percent(s.get("covered")),
        "truncated": lambda s: _percent(s.get("truncated")),
    }
    lines = [f"| set | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    for name, numbers in by_set.items():
        lines.append(f"| {name} | {' | '.join(cell(numbers) or '-' for cell in columns.values())} |")
    return "\n".join([*lines, "", "Lengths are median / 99th percentile / longest.", ""])


def _one_per_schema(examples: Sequence[Example]) -> Iterable[Example]:
    """Examples of one schema share the object, and its fingerprint takes a while."""
    return {id(example.schema): example for example in examples}.values()


def _lengths(values: Sequence[int]) -> dict[str, float] | None:
    if not values:
        return None
    # "higher": a quantile is a length that occurs.
    quantiles = np.quantile(values, list(_QUANTILES.values()), method="higher")
    named = dict(zip(_QUANTILES, map(float, quantiles), strict=True))
    return {"mean": round(float(np.mean(values)), 2), **named}


def _range(lengths: Mapping[str, float] | None) -> str | None:
    return None if lengths is None else f"{lengths['median']:.0f} / {lengths['p99']:.0f} / {lengths['longest']:.0f}"


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.2f} %"
