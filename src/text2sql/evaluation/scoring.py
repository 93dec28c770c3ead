"""Predictions against gold: every verdict that a set allows on every example, gathered into a `Report`.

WikiSQL: logical form, and execution on the tables that have rows. Everything else: exact set match and what the text
says, execution where there is a database, and, if asked for, execution on variants of the database's contents. Every
example gets a verdict; an empty or broken prediction is wrong, never left out.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from text2sql.data.example import Example, LogicalForm
from text2sql.data.spider import is_rebuilt
from text2sql.database import SQLiteDatabase
from text2sql.errors import UserError
from text2sql.evaluation.answers import Answers, compare_answers, gold_answer
from text2sql.evaluation.exact_match import COMPONENTS, ExactMatch, exact_match_summary
from text2sql.evaluation.execution import (
    GRACE,
    ExecutionMatch,
    ExecutionPair,
    database_instances,
    execution_matches,
)
from text2sql.evaluation.fuzzing import fuzzed_databases
from text2sql.evaluation.hardness import UNKNOWN
from text2sql.evaluation.parallel import call_in_workers
from text2sql.evaluation.report import Report
from text2sql.evaluation.summary import summarise
from text2sql.evaluation.texts import TextVerdict, judge_text
from text2sql.evaluation.ties import has_ties
from text2sql.evaluation.wikisql_scoring import Rows, score_wikisql

TEXT_TIME_LIMIT = 10.0
"""Seconds that the judgement of one text may take: only a text made to keep a parser busy needs more than a few
milliseconds."""


@dataclass(frozen=True)
class ScoringOptions:
    """How to score. `keep_distinct` says by which of the two execution verdicts reasons and variants go."""

    time_limit: float = 30.0
    """Seconds by the wall clock that one query may run on one database; the official limit, so that a busy machine
    does not change a verdict."""
    processes: int = 2
    fuzz: int = 0
    """Variants of each database's contents on which a right prediction must stay right."""
    seed: int = 0
    """Seeds the variants."""
    keep_distinct: bool = False
    progress: bool = False


def score(
    examples: Sequence[Example],
    predictions: Sequence[str],
    options: ScoringOptions | None = None,
    rows: Rows | None = None,
    forms: Sequence[LogicalForm | None] | None = None,
    log_probabilities: Sequence[float | None] | None = None,
) -> Report:
    """Score SQL texts, one per example in the same order.

    `rows` gives the cells of a WikiSQL example's table, `forms` the predicted queries where they are known as WikiSQL
    forms. Raises UserError when the numbers of the two differ, and when variants are asked for where there are no
    databases.
    """
    options = options or ScoringOptions()
    if len(examples) != len(predictions):
        raise UserError(
            f"{len(predictions)} predictions for {len(examples)} examples: each needs one, empty if need be"
        )
    if not examples:
        raise UserError("there is nothing to score: the set is empty")
    of_wikisql = all(example.logical_form is not None for example in examples)
    if options.fuzz and (of_wikisql or all(example.database is None for example in examples)):
        raise UserError(f"{examples[0].source} has no databases to make variants of: leave --fuzz out")
    if of_wikisql:
        verdicts, clauses = score_wikisql(examples, predictions, rows, forms)
    else:
        verdicts, clauses = _score_sql(examples, predictions, options)
    entries = []
    for n, (example, prediction) in enumerate(zip(examples, predictions, strict=True)):
        known = {"id": example.id, "db_id": example.schema.name, "question": example.question}
        entry = {**known, "gold": example.sql, "prediction": prediction, **verdicts[n]}
        if log_probabilities is not None and log_probabilities[n] is not None:
            entry["log_probability"] = log_probabilities[n]
        entries.append(entry)
    return summarise(examples[0].source, examples[0].split, entries, clauses)


def _score_sql(
    examples: Sequence[Example], predictions: Sequence[str], options: ScoringOptions
) -> tuple[list[dict[str, Any]], dict[str, dict[str, float]]]:
    """The verdicts on each example, and the scores clause by clause."""
    calls = [(e.sql, sql, e.schema) for e, sql in zip(examples, predictions, strict=True)]
    bar = "texts" if options.progress else None
    texts = [
        found if isinstance(found, TextVerdict) else _unreadable(str(found))
        for found in call_in_workers(judge_text, calls, TEXT_TIME_LIMIT, options.processes, bar)
    ]
    verdicts = [_text_entry(text) for text in texts]
    _execute(examples, predictions, verdicts, options)
    summary = exact_match_summary(text.exact for text in texts)["all"]["components"]
    clauses = {
        name: {"count": sum(text.exact.presence.get(name, (False, False))[0] for text in texts), **scores}
        for name, scores in summary.items()
    }
    return verdicts, clauses


def _unreadable(why: str) -> TextVerdict:
    exact = ExactMatch(False, dict.fromkeys(COMPONENTS, False), UNKNOWN, f"prediction: {why}")
    return TextVerdict(exact, False, [], False)


def _text_entry(text: TextVerdict) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "exact_match": text.exact.match,
        "components": text.exact.components,
        "hardness": text.exact.hardness,
        "exact_string_match": text.same_text,
        "valid_sql": text.valid,
        "unresolved_names": text.unresolved,
    }
    return entry | ({"reason": f"exact match: {text.exact.reason}"} if text.exact.reason else {})


def _execute(
    examples: Sequence[Example], predictions: Sequence[str], verdicts: list[dict[str, Any]], options: ScoringOptions
) -> None:
    """Add the verdicts of execution to those examples that have a database."""
    runnable = [n for n, example in enumerate(examples) if example.database is not None]
    pairs = [ExecutionPair(examples[n].sql, predictions[n], instances(examples[n])) for n in runnable]
    removed = _judge(pairs, False, options)
    kept = _judge_again_with_distinct(pairs, removed, options)
    shown = kept if options.keep_distinct else removed
    answers = _answers(pairs, removed, kept, options)
    golds = _gold_answers(pairs, removed, kept, options)
    fuzzed = _fuzz([examples[n] for n in runnable], pairs, shown, options) if options.fuzz else shown
    for place, n in enumerate(runnable):
        entry = verdicts[n]
        entry["execution_match"] = removed[place].match
        entry["execution_match_keep_distinct"] = kept[place].match
        entry["subset_match"] = kept[place].match
        if options.fuzz:
            entry["execution_match_fuzzed"] = fuzzed[place].match
        if is_rebuilt(examples[n]):
            entry["rebuilt_database"] = True
        if removed[place].gold_error:
            entry["gold_failed"] = True
        if place in golds:
            entry["gold_answer"] = golds[place]
        if place in answers:
            found = answers[place]
            entry |= {"gold_answer": found.gold, "predicted_answer": found.predicted}
            entry["subset_match"] = kept[place].match or found.subset
        reason = _execution_reason(fuzzed[place])
        if reason:
            entry["reason"] = "; ".join(filter(None, [entry.get("reason"), f"execution: {reason}"]))


def instances(example: Example) -> tuple[Path, ...]:
    """The databases on which an example is judged: all in the folder, if it is one database's, as Spider has it."""
    path = Path(example.database or "")
    return database_instances(path.parent) if path.parent.name == example.schema.name else (path,)


def _judge(pairs: list[ExecutionPair], keep_distinct: bool, options: ScoringOptions) -> list[ExecutionMatch]:
    if not pairs:  # no need to start processes
        return []
    return execution_matches(pairs, keep_distinct, options.time_limit, options.processes, options.progress)


def _judge_again_with_distinct(
    pairs: list[ExecutionPair], removed: list[ExecutionMatch], options: ScoringOptions
) -> list[ExecutionMatch]:
    """The verdicts with DISTINCT kept. Without a DISTINCT or `;` in a pair both ways run the same texts."""
    differing = [n for n, p in enumerate(pairs) if any(mark in (p.gold + p.predicted).lower() for mark in _MARKS)]
    kept = list(removed)
    for n, found in zip(differing, _judge([pairs[n] for n in differing], True, options), strict=True):
        kept[n] = found
    return kept


_MARKS = ("distinct", ";")


def _answers(
    pairs: list[ExecutionPair], removed: list[ExecutionMatch], kept: list[ExecutionMatch], options: ScoringOptions
) -> dict[int, Answers]:
    """Both answers for the pairs that some verdict calls wrong and whose queries run."""
    failed = [bool(r.gold_error or r.predicted_error or k.predicted_error) for r, k in zip(removed, kept, strict=True)]
    wrong = [n for n in range(len(pairs)) if not (failed[n] or (removed[n].match and kept[n].match))]
    calls = [([*map(str, pairs[n].databases)], pairs[n].gold, pairs[n].predicted, options.time_limit) for n in wrong]
    bar = "answers" if options.progress and wrong else None
    databases = max((len(pair.databases) for pair in pairs), default=1)
    limit = 2 * options.time_limit * databases + GRACE
    found = call_in_workers(compare_answers, calls, limit, options.processes, bar)
    return {
        n: answers if isinstance(answers, Answers) else Answers("", f"error: {answers}", False)
        for n, answers in zip(wrong, found, strict=True)
    }


def _gold_answers(
    pairs: list[ExecutionPair], removed: list[ExecutionMatch], kept: list[ExecutionMatch], options: ScoringOptions
) -> dict[int, str]:
    """The gold answer, on the first database, where the prediction gave none: what a reader compares an error with."""
    both = enumerate(zip(removed, kept, strict=True))
    failing = [n for n, (r, k) in both if not r.gold_error and (r.predicted_error or k.predicted_error)]
    if not failing:
        return {}
    calls = [(str(pairs[n].databases[0]), pairs[n].gold, options.time_limit) for n in failing]
    found = call_in_workers(gold_answer, calls, options.time_limit + GRACE, options.processes)
    return {n: str(answer) for n, answer in zip(failing, found, strict=True) if isinstance(answer, str)}


def _fuzz(
    examples: list[Example], pairs: list[ExecutionPair], found: list[ExecutionMatch], options: ScoringOptions
) -> list[ExecutionMatch]:
    """The verdicts when a prediction that is right must be so on every variant of the database too."""
    golds: dict[Path, list[str]] = defaultdict(list)
    for pair in pairs:
        golds[pair.databases[0]].append(pair.gold)
    schemas = {pair.databases[0]: example.schema for pair, example in zip(pairs, examples, strict=True)}
    right = [n for n, match in enumerate(found) if match.match]
    with tempfile.TemporaryDirectory(prefix="text2sql-fuzz-") as folder:
        variants: dict[tuple[Path, str], tuple[Path, ...]] = {}
        for number, (path, queries) in enumerate(golds.items()):
            made = fuzzed_databases(
                path, schemas[path], queries, options.fuzz, options.seed, Path(folder) / str(number)
            )
            variants |= {(path, gold): usable for gold, usable in _without_ties(queries, made).items()}
        pairs = [pair._replace(databases=variants[pair.databases[0], pair.gold]) for pair in pairs]
        right = [n for n in right if pairs[n].databases]
        again = _judge([pairs[n] for n in right], options.keep_distinct, options)
    verdicts = list(found)
    for n, match in zip(right, again, strict=True):
        verdicts[n] = match if match.match else ExecutionMatch(False, f"on a variant: {_execution_reason(match)}")
    return verdicts


def _without_ties(golds: Sequence[str], variants: Sequence[Path]) -> dict[str, tuple[Path, ...]]:
    """For each gold query the variants that give it one answer."""
    usable: dict[str, tuple[Path, ...]] = dict.fromkeys(golds, ())
    for variant in variants:
        with SQLiteDatabase(variant, text_errors="ignore") as database:
            for gold in usable:
                if not has_ties(gold, database):
                    usable[gold] += (variant,)
    return usable


def _execution_reason(found: ExecutionMatch) -> str | None:
    if found.match:
        return None
    return ": ".join(filter(None, [found.reason, found.gold_error or found.predicted_error]))
