"""Do Spider's gold queries, written for another engine, give the rows that SQLite gives?

    python benchmarks/postgres.py --spider data/raw/spider --output docs/results/postgres.json
    python benchmarks/postgres.py --spider data/raw/spider --engine duckdb --split train

Loads each database that the split asks into PostgreSQL (a namespace each) or DuckDB (a database in memory each), runs
every gold query in SQLite and its transpiled form there, and compares the rows: columns in their places, rows in
order where the gold sorts, floats to 9 digits. Without `--url` a PostgreSQL server is started in a temporary folder,
collation C, as SQLite compares texts by bytes; it needs `initdb` and `pg_ctl` (Debian: postgresql). A server given by
`--url` keeps what is loaded, to be used again.

A difference gets a reason, all but the last only where another run shows it: *ties*, when both engines give the same
rows once every ORDER BY is extended by the selected columns; *contents*, when a SQLite database that holds what was
loaded (the file mixes numbers and texts in a column) gives the same rows; *types*, when only numbers and texts of the
same spelling differ, since a column of a result has one type; *bare column*, when one is selected that may be of any
row of its group.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import time
from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp
from tqdm import tqdm

from engines import ROW_LIMIT, TIME_LIMIT, DuckDB, Plan, Postgres, Rows, plan_for, rows_to_load, started_postgres
from text2sql.data.example import Example
from text2sql.data.spider import read_spider_split
from text2sql.database import SQLiteDatabase
from text2sql.database.dialect_grouping import bare_columns, is_aggregated
from text2sql.database.dialect_names import resolve_names
from text2sql.database.dialects import transpile

DIGITS = 9

Engine = Postgres | DuckDB


@dataclass(frozen=True)
class Outcome:
    """What became of one gold query. `verdict`: same, order, rows, error; unusable where SQLite itself fails."""

    id: str
    database: str
    gold: str
    written: str
    verdict: str
    reason: str = ""
    detail: str = ""


class Comparison:
    """One database in SQLite and in another engine."""

    def __init__(self, database: SQLiteDatabase, plan: Plan, engine: Engine) -> None:
        self.database, self.plan, self.engine = database, plan, engine
        self._twin: SQLiteDatabase | None = None

    @property
    def twin(self) -> SQLiteDatabase:
        """A SQLite database with the rows as they were loaded."""
        if self._twin is None:
            tables = self.plan.schema.tables
            rows = {t.name: rows_to_load(self.database, t.name, self.plan.types[t.name]) for t in tables}
            self._twin = SQLiteDatabase.from_rows(self.plan.schema, rows)
        return self._twin

    def outcome(self, example: Example) -> Outcome:
        """Run one gold query on both."""
        blank = Outcome(example.id, self.database.name, example.sql, "", "same")
        failure = self.database.run(example.sql, TIME_LIMIT, ROW_LIMIT).error
        if failure:
            return replace(blank, verdict="unusable", detail=failure)
        try:
            blank = replace(blank, written=transpile(example.sql, self.plan.schema, self.engine.dialect))
            verdict, detail = self.verdict(example.sql, self.database)
        except Exception as error:  # every failure of the engine or of transpile is an outcome
            return replace(blank, verdict="error", detail=" ".join(str(error).split())[:300])
        reason = self.reason(example.sql) if verdict != "same" else ""
        return replace(blank, verdict=verdict, reason=reason, detail=detail)

    def verdict(self, sql: str, database: SQLiteDatabase) -> tuple[str, str]:
        """same, order (the rows in another order) or rows (other rows), and the first difference."""
        gold, rows = self.answers(sql, database)
        same = Counter(gold) == Counter(rows)
        if same and (gold == rows or not is_sorted(sql)):
            return "same", ""
        detail = f"{len(rows)} rows instead of {len(gold)}" if len(rows) != len(gold) else first_difference(gold, rows)
        return "order" if same else "rows", detail

    def answers(self, sql: str, database: SQLiteDatabase) -> tuple[Rows, Rows]:
        """SQLite's rows and the engine's, of comparable values."""
        gold = database.run(sql, TIME_LIMIT, ROW_LIMIT).rows
        return normal_rows(gold), normal_rows(self.engine.run(transpile(sql, self.plan.schema, self.engine.dialect)))

    def reason(self, sql: str) -> str:
        """Why the rows differ, as far as it can be shown; empty where it cannot."""
        columns = len(self.database.run(sql, TIME_LIMIT, 1).columns)
        settled = without_ties(sql, columns)
        if self.verdict(settled, self.database)[0] == "same":
            return "ties"
        if self.plan.changes and self.verdict(settled, self.twin)[0] == "same":
            return "contents" if self.verdict(sql, self.twin)[0] == "same" else "contents and ties"
        gold, rows = self.answers(settled, self.database)
        if Counter(map(as_texts, gold)) == Counter(map(as_texts, rows)):
            return "types"
        tree = sqlglot.parse_one(sql, read="sqlite")
        if isinstance(tree, exp.Query):
            resolve_names(tree, self.plan.schema)
        bare = any(is_aggregated(select) and bare_columns(select) for select in tree.find_all(exp.Select))
        return "bare column" if bare else ""


def without_ties(sql: str, columns: int) -> str:
    """The query with each ORDER BY extended by all selected columns; `columns` is the number of the result's."""
    tree = sqlglot.parse_one(sql, read="sqlite")
    for query in tree.find_all(exp.Query):
        order = query.args.get("order")
        if order:
            count = columns if query is tree else len(query.selects)
            order.set("expressions", [*order.expressions, *map(exp.Literal.number, range(1, count + 1))])
    return tree.sql("sqlite")


def normal_rows(rows: Rows) -> Rows:
    """Rows whose values compare equal where the two engines mean the same value."""
    return [tuple(normal(value) for value in row) for row in rows]


def normal(value: Any) -> Any:
    """Whole numbers as ints, others to `DIGITS` digits, times as SQLite's texts."""
    if isinstance(value, bool | int):
        return int(value)
    if isinstance(value, float | Decimal):
        value = float(value)
        return int(value) if math.isfinite(value) and value.is_integer() else float(f"{value:.{DIGITS}g}")
    if isinstance(value, datetime.date | datetime.time):
        return str(value)
    return bytes(value) if isinstance(value, memoryview | bytearray) else value


def as_texts(row: tuple[Any, ...]) -> tuple[str, ...]:
    """The row with every value as text."""
    return tuple(map(str, row))


def first_difference(gold: Rows, rows: Rows) -> str:
    """The first rows that differ, short."""
    here, there = next(((a, b) for a, b in zip(gold, rows, strict=True) if a != b), ((), ()))
    return f"{str(here)[:120]} became {str(there)[:120]}"


def is_sorted(sql: str) -> bool:
    """Whether the order of the rows means anything: the outermost query sorts."""
    return sqlglot.parse_one(sql, read="sqlite").args.get("order") is not None


def measure(examples: list[Example], engine: Engine) -> list[Outcome]:
    """The outcomes of all examples that have a database, database by database."""
    by_database: dict[str, list[Example]] = {}
    for example in examples:
        if example.database:
            by_database.setdefault(example.database, []).append(example)
    outcomes = []
    for path, group in tqdm(by_database.items(), desc=engine.dialect, unit="database"):
        with SQLiteDatabase(path) as database:
            plan = plan_for(database)
            engine.load(database, plan)
            comparison = Comparison(database, plan, engine)
            outcomes += [comparison.outcome(example) for example in group]
    return outcomes


def summary(outcomes: list[Outcome], engine: Engine, split: str, seconds: float) -> dict[str, Any]:
    """Counts, per database too, and every query that did not give the same rows."""
    usable = [outcome for outcome in outcomes if outcome.verdict != "unusable"]
    databases: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        databases.setdefault(outcome.database, Counter())[outcome.verdict] += 1
    differing = [outcome for outcome in outcomes if outcome.verdict != "same"]
    return {
        "engine": f"{engine.dialect} {engine.version}",
        "split": split,
        "queries": len(outcomes),
        "sqlite_runs": len(usable),
        "runs": sum(outcome.verdict != "error" for outcome in usable),
        "same_rows": sum(outcome.verdict == "same" for outcome in usable),
        "reasons": dict(Counter(outcome.reason or outcome.verdict for outcome in differing)),
        "seconds": round(seconds, 1),
        "databases": {name: dict(counts) for name, counts in sorted(databases.items())},
        "differing": [vars(outcome) for outcome in differing],
    }


def main() -> None:
    """Load, run, compare, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spider", type=Path, default=Path("data/raw/spider"), help="folder of the official layout")
    parser.add_argument("--split", default="dev", help="dev (default), train, train_spider or train_others")
    parser.add_argument("--engine", choices=("postgres", "duckdb"), default="postgres")
    parser.add_argument("--url", help="a PostgreSQL server's URL; its role must be allowed to create schemas")
    parser.add_argument("--database", action="append", help="only this database; may be given several times")
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="holds the latest run per engine and split")
    arguments = parser.parse_args()
    examples = read_spider_split(arguments.spider, arguments.split)
    examples = [e for e in examples if not arguments.database or e.schema.name in arguments.database]
    start = time.perf_counter()
    engine: Engine = DuckDB() if arguments.engine == "duckdb" else Postgres(arguments.url or started_postgres())
    outcomes = measure(examples, engine)
    found = summary(outcomes, engine, arguments.split, time.perf_counter() - start)
    for key, value in found.items():
        if key not in ("databases", "differing"):
            print(f"{key:12} {value}")
    for outcome in found["differing"]:
        print(f"\n{outcome['id']} {outcome['verdict']} {outcome['reason']}: {outcome['detail']}")
        print(f"  {outcome['gold']}\n  {outcome['written']}")
    if arguments.output:
        runs = json.loads(arguments.output.read_text(encoding="utf-8")) if arguments.output.is_file() else {}
        runs[f"{arguments.engine} {arguments.split}"] = found
        arguments.output.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
