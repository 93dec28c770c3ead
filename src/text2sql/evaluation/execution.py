"""Execution accuracy: does the predicted query give the gold query's answer on every database of a folder?

The verdicts are those of the official Spider test-suite evaluation (Zhong, Yu, Klein 2020;
taoyds/test-suite-sql-eval, `eval_exec_match`): one database per folder gives *execution accuracy*, a folder of many
the *test-suite accuracy*. Read-only, under limits, and with every failure reported.

Where the verdict differs, on purpose:

- A prediction that is anything but one reading statement is wrong. The official code executes DDL, and by default
  drops whatever follows the first `;`.
- An empty prediction is wrong; the official code crashes on it, or finds it equal to an empty answer.
- The word "value" in a prediction is left alone; the official script replaces it by 1 before it executes.
- Time and memory limits end a query, which is then wrong; the official time limit does not fire.
- A gold query that fails is reported (`gold_error`) and the example counts as wrong; the official script ends.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from text2sql.database import ExecutionResult, SQLiteDatabase
from text2sql.errors import UserError
from text2sql.evaluation.parallel import share_among_workers
from text2sql.evaluation.results import ComparisonTooLargeError, results_equal
from text2sql.evaluation.workers import Worker, WorkerKilledError

GOLD_ROW_LIMIT = 2_000_000
"""A gold answer with more rows is not usable; a prediction needs no more rows than the gold answer to be judged."""
GRACE = 1.0
"""Seconds beyond the time limits of gold and prediction after which a worker process is killed."""

_TOKEN = re.compile(r"""'(?:''|[^'])*'|"(?:""|[^"])*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/|[\w$\#]+|.""", re.DOTALL)
_CURRENT_YEAR = re.compile(r"YEAR\s*\(\s*CURDATE\s*\(\s*\)\s*\)\s*", re.IGNORECASE)


class ExecutionPair(NamedTuple):
    """What is compared, and on which databases."""

    gold: str
    predicted: str
    databases: tuple[Path, ...]


@dataclass(frozen=True)
class ExecutionMatch:
    """A verdict. `reason` says why there is no match; the errors are those of the two queries, where they failed."""

    match: bool
    reason: str | None = None
    gold_error: str | None = None
    predicted_error: str | None = None


def database_instances(folder: Path) -> tuple[Path, ...]:
    """The databases on which a query of this folder's database is judged. Raises UserError where there is none."""
    paths = tuple(sorted(Path(folder).glob("*.sqlite")))
    if not paths:
        raise UserError(f"{folder} holds no *.sqlite file: give the folder of one database")
    return paths


def execution_match(
    gold_sql: str,
    predicted_sql: str,
    databases: Sequence[Path],
    keep_distinct: bool = False,
    time_limit: float = 30.0,
) -> ExecutionMatch:
    """Judge one prediction in this process, `time_limit` seconds for each query on each database.

    For predictions of unknown origin use `execution_matches`: a single instruction of the engine can outlast the
    limit here. `keep_distinct` leaves DISTINCT in the queries; the official setting removes it. Raises UserError
    when a database cannot be opened.
    """
    gold, predicted, ordered = _prepared(gold_sql, predicted_sql, keep_distinct)
    verdict = ExecutionMatch(False, "there is no database")
    for path in databases:
        with SQLiteDatabase(path, text_errors="ignore") as database:
            answer = database.run(gold, time_limit, GOLD_ROW_LIMIT)
            verdict = _judge(answer, predicted, database, ordered, time_limit)
        if not verdict.match:
            break
    return verdict


def execution_matches(
    pairs: Sequence[ExecutionPair],
    keep_distinct: bool = False,
    time_limit: float = 30.0,
    processes: int = 2,
    progress: bool = True,
) -> list[ExecutionMatch]:
    """Judge many predictions in worker processes that are killed when a query does not end.

    Returns the verdicts in the order of `pairs`. Raises UserError when a database is missing.
    """
    for path in {path for pair in pairs for path in pair.databases}:
        if not path.is_file():
            raise UserError(f"database {path} not found")
    # Equal golds follow each other, so that their answers are still at hand.
    order = sorted(range(len(pairs)), key=lambda index: (pairs[index].databases, pairs[index].gold))

    def work(worker: Worker, index: int) -> ExecutionMatch:
        return _judge_pair(worker, pairs[index], keep_distinct, time_limit)

    bar = "execution" if progress else None
    found = share_among_workers(_judge_in_worker, order, work, processes, bar)
    verdicts = dict(zip(order, found, strict=True))
    return [verdicts[index] for index in range(len(pairs))]


def _judge_pair(worker: Worker, pair: ExecutionPair, keep_distinct: bool, time_limit: float) -> ExecutionMatch:
    gold, predicted, ordered = _prepared(pair.gold, pair.predicted, keep_distinct)
    verdict = ExecutionMatch(False, "there is no database")
    for path in pair.databases:
        try:
            limit = 2 * time_limit + GRACE
            verdict = worker.call(os.fspath(path), gold, predicted, ordered, time_limit, time_limit=limit)
        except WorkerKilledError as killed:
            verdict = _killed(worker, gold, path, time_limit, str(killed))
        if not verdict.match:
            break
    return verdict


def _killed(worker: Worker, gold: str, path: Path, time_limit: float, why: str) -> ExecutionMatch:
    """Which of the two queries killed the worker? Ask again with the gold query alone."""
    try:
        worker.call(os.fspath(path), gold, gold, False, time_limit, time_limit=2 * time_limit + GRACE)
    except WorkerKilledError:
        return ExecutionMatch(False, "the gold query failed", gold_error=why)
    return ExecutionMatch(False, "the prediction failed", predicted_error=why)


def _judge_in_worker(path: str, gold: str, predicted: str, ordered: bool, time_limit: float) -> ExecutionMatch:
    return _judge(_gold_answer(path, gold, time_limit), predicted, _database(path), ordered, time_limit)


@lru_cache(maxsize=64)
def _database(path: str) -> SQLiteDatabase:
    return SQLiteDatabase(path, text_errors="ignore")


@lru_cache(maxsize=4)
def _gold_answer(path: str, gold: str, time_limit: float) -> ExecutionResult:
    return _database(path).run(gold, time_limit, GOLD_ROW_LIMIT)


def _judge(
    gold: ExecutionResult, predicted_sql: str, database: SQLiteDatabase, ordered: bool, time_limit: float
) -> ExecutionMatch:
    if gold.error or gold.truncated:
        error = gold.error or f"more than {GOLD_ROW_LIMIT} rows or too many bytes"
        return ExecutionMatch(False, "the gold query failed", gold_error=error)
    predicted = database.run(predicted_sql, time_limit, row_limit=len(gold.rows))
    if predicted.error:
        return ExecutionMatch(False, "the prediction failed", predicted_error=predicted.error)
    reason = _difference(gold, predicted, ordered)
    return ExecutionMatch(reason is None, reason)


def _difference(gold: ExecutionResult, predicted: ExecutionResult, ordered: bool) -> str | None:
    """Why the answers differ, or None for equal ones."""
    if predicted.truncated:
        return f"more rows or bytes than the gold answer's {len(gold.rows)} rows"
    if len(predicted.rows) != len(gold.rows):
        return f"{len(predicted.rows)} rows instead of {len(gold.rows)}"
    if gold.rows and len(predicted.columns) != len(gold.columns):
        return f"{len(predicted.columns)} columns instead of {len(gold.columns)}"
    try:
        if results_equal(gold.rows, predicted.rows, ordered):
            return None
        if ordered and results_equal(gold.rows, predicted.rows, False):
            return "the right rows in another order"
    except ComparisonTooLargeError:
        return "the columns could not be matched within the budget"
    return "other values"


def _prepared(gold: str, predicted: str, keep_distinct: bool) -> tuple[str, str, bool]:
    """Both queries as they are run, and whether the order of the rows counts."""
    gold, predicted = (_runnable(sql, keep_distinct) for sql in (gold, predicted))
    return gold, predicted, "order by" in gold.lower()


def _runnable(sql: str, keep_distinct: bool) -> str:
    for spaced, operator in (("> =", ">="), ("< =", "<="), ("! =", "!=")):
        sql = sql.replace(spaced, operator)
    if not keep_distinct:
        sql = _first_statement([token for token in _TOKEN.findall(sql) if token.lower() != "distinct"])
    return _CURRENT_YEAR.sub("2020", sql)


def _first_statement(tokens: list[str]) -> str:
    """The text without what follows a first `;`, if that is nothing. Else SQLite is left to refuse the whole text."""
    end = tokens.index(";") if ";" in tokens else len(tokens)
    first, rest = tokens[:end], [token for token in tokens[end:] if _says_something(token)]
    if rest and not any(map(_says_something, first)):
        return ""  # SQLite would skip an empty statement and run the next
    return "".join(tokens if rest else first)


def _says_something(token: str) -> bool:
    return not (token.isspace() or token == ";" or token.startswith(("--", "/*")))
