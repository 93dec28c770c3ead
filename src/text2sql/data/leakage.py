"""The leak guard: nothing that is scored may be trained on.

Three things are compared with the evaluation sets (WikiSQL dev, test and holdout, Spider dev, as far as they were
downloaded): the question, by its letters and digits, lower-cased; the table, by WikiSQL's id and by header and first
row; the whole schema, by the names of its tables and columns. Pretraining rows are compared line by line.

The official files overlap with themselves, and whoever trains on WikiSQL or Spider as published trains on that:
short questions occur in train and dev about different tables ("How many players are there?"), and WikiSQL collected
some Wikipedia tables twice (`1-10264179-2` and `2-10264179-2` are one). Such overlaps are counted apart as
`official` and not refused; `LeakGuard.without_leaks` can leave them out as well. An evaluation table under its own
id or an evaluation schema is refused wherever it comes from.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tqdm import tqdm

from text2sql.data import spider, wikisql
from text2sql.data.example import Example
from text2sql.data.wikisql import WikiSQLTables, read_wikisql
from text2sql.database import connect
from text2sql.errors import UserError
from text2sql.schema import Schema, quote_identifier

_BENCHMARKS = {"wikisql": "wikisql", "wikisql_joined": "wikisql", "spider": "spider", "spider_syn": "spider"}
"""Source of a training example -> the benchmark whose official files it belongs to."""

_WORDS = re.compile(r"[^\W_]+")

TableKey = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class Leak:
    """One training item that repeats an evaluation item."""

    kind: str
    """question, table or schema."""
    training: str
    """The training example's or row's id."""
    evaluation: str
    """The evaluation example's id, table id or database name."""
    official: bool = False
    """Whether the benchmark's own files repeat each other here."""


@dataclass
class LeakReport:
    """What `LeakGuard.check` found: `leaks` are refused, `official` overlaps only counted."""

    name: str
    checked: int = 0
    leaks: list[Leak] = field(default_factory=list)
    official: list[Leak] = field(default_factory=list)

    def add(self, found: Iterable[Leak]) -> None:
        """Count one more item and what was found about it."""
        self.checked += 1
        for leak in dict.fromkeys(found):
            (self.official if leak.official else self.leaks).append(leak)

    def __str__(self) -> str:
        official = f"; within the official files {_counts(self.official)}" if self.official else ""
        return f"{self.name}: {self.checked} checked, {_counts(self.leaks)}{official}"


class LeakGuard:
    """Knows the evaluation sets; says of training items whether they repeat one."""

    def __init__(self, evaluation: Iterable[Example], first_rows: Mapping[str, Sequence[Any]] | None = None):
        """`first_rows` gives the first row of WikiSQL tables, those of training among them, by table id."""
        self._first_rows = first_rows or {}
        self._questions: dict[str, list[tuple[str, str]]] = {}
        self._table_ids: set[str] = set()
        self._pages: dict[str, str] = {}
        self._tables: dict[TableKey, tuple[str, str]] = {}
        self._schemas: dict[frozenset[Any], str] = {}
        self._contents: dict[str, list[TableKey]] = {}
        for example in evaluation:
            benchmark = _BENCHMARKS.get(example.source, example.source)
            self._questions.setdefault(normalise(example.question), []).append((example.id, benchmark))
            for key in self._table_keys(example):
                self._tables[key] = example.schema.name, benchmark
            if example.logical_form is not None:
                self._table_ids.add(example.schema.name)
                self._pages[_page(example.schema.name)] = example.schema.name
            else:
                self._schemas[_structure(example.schema)] = example.schema.name
        self._longest = 2 * max(map(len, self._questions), default=0)

    @classmethod
    def for_directory(cls, directory: Path | str) -> LeakGuard:
        """A guard that knows every evaluation split found under the data directory."""
        directory = Path(directory)
        evaluation: list[Example] = []
        first_rows: dict[str, Sequence[Any]] = {}
        folder = directory / "wikisql"
        tables: dict[str, WikiSQLTables] = {}
        for split in wikisql.available_splits(folder):
            if split in ("dev", "test", "holdout"):
                tables[split] = WikiSQLTables(folder, split)
                evaluation += read_wikisql(folder, split, tables=tables[split])
        for official in tables.values():
            first_rows |= {table_id: rows[0] for table_id in official if (rows := official.rows(table_id))}
        if "dev" in spider.available_splits(directory / "spider"):
            evaluation += spider.read_spider_split(directory / "spider", "dev")
        return cls(evaluation, first_rows)

    def __len__(self) -> int:
        """How many different questions are guarded."""
        return len(self._questions)

    def leaks_of(self, example: Example) -> list[Leak]:
        """What an example repeats, one leak per kind."""
        benchmark = _BENCHMARKS.get(example.source)
        leaks = []
        if hits := self._questions.get(normalise(example.question)):
            official = all(benchmark == of for _, of in hits)
            leaks.append(Leak("question", example.id, hits[0][0], official))
        if (name := self._schemas.get(_structure(example.schema))) is not None:
            leaks.append(Leak("schema", example.id, name))
        twins = ((self._pages.get(_page(table.name)), table.name) for table in _official_tables(example))
        if found := sorted((name in self._table_ids, twin) for twin, name in twins if twin is not None):
            same, twin = found[-1]
            leaks.append(Leak("table", example.id, twin, official=not same))
        elif table := next(filter(None, map(self._tables.get, self._table_keys(example))), None):
            leaks.append(Leak("table", example.id, table[0], official=benchmark == table[1]))
        return leaks

    def check(self, training: Iterable[Example], name: str = "training", progress: bool = False) -> LeakReport:
        """Look at every training example."""
        report = LeakReport(name)
        for example in tqdm(training, desc="leak guard", unit="example", disable=not progress):
            report.add(self.leaks_of(example))
        return report

    def without_leaks(
        self, training: Iterable[Example], keep_official: bool = True
    ) -> tuple[list[Example], LeakReport]:
        """The examples that repeat nothing, and the report on all; official overlaps stay unless told otherwise."""
        report, kept = LeakReport("training"), []
        for example in training:
            leaks = self.leaks_of(example)
            report.add(leaks)
            if all(leak.official and keep_official for leak in leaks):
                kept.append(example)
        return kept, report

    def row_is_clean(self, row: Mapping[str, Any]) -> bool:
        """Whether a pretraining row repeats nothing: the `keep` of `read_corpus`."""
        return next(self.leaks_of_row(row), None) is None

    def leaks_of_row(self, row: Mapping[str, Any], identity: str = "row") -> Iterator[Leak]:
        """What a pretraining row repeats, in its `text`, `table`, `table_id`, `question` or `questions`."""
        if (page := self._pages.get(_page(str(row.get("table_id", ""))))) is not None:
            yield Leak("table", identity, page)
        for header, first_row in _row_tables(row):
            if (table := self._tables.get(_table_key(header, first_row) or ((), ()))) is not None:
                yield Leak("table", identity, table[0])
        for line in _row_lines(row):
            if len(line) <= self._longest and (hits := self._questions.get(normalise(line))):
                yield Leak("question", identity, hits[0][0])

    def check_rows(self, rows: Iterable[Mapping[str, Any]], name: str, progress: bool = False) -> LeakReport:
        """Look at every row of a pretraining corpus (`corpora.read_rows`)."""
        report = LeakReport(name)
        for number, row in enumerate(tqdm(rows, desc=name, unit="row", disable=not progress), start=1):
            report.add(self.leaks_of_row(row, f"{name}/{number}"))
        return report

    def _table_keys(self, example: Example) -> list[TableKey]:
        """Header and first row of the example's tables, as far as their contents are known."""
        if official := _official_tables(example):
            rows = ((table, self._first_rows.get(table.name)) for table in official)
            keys = (_table_key([c.label for c in table.tables[0].columns], row) for table, row in rows if row)
            return [key for key in keys if key]
        if example.database is None:
            return []
        if example.database not in self._contents:
            self._contents[example.database] = list(_database_keys(example.database))
        return self._contents[example.database]


def assert_no_leakage(
    training: Iterable[Example], guard: LeakGuard, name: str = "training", progress: bool = False
) -> LeakReport:
    """The report of `guard.check`. Raises UserError when a training example repeats an evaluation item."""
    return _refuse(guard.check(training, name, progress))


def assert_no_row_leakage(
    rows: Iterable[Mapping[str, Any]], guard: LeakGuard, name: str, progress: bool = False
) -> LeakReport:
    """The same for the rows of a pretraining corpus."""
    return _refuse(guard.check_rows(rows, name, progress))


def normalise(text: str) -> str:
    """Letters and digits, lower-cased: what two questions must share to count as one."""
    return "".join(_WORDS.findall(text.lower()))


def _refuse(report: LeakReport) -> LeakReport:
    if report.leaks:
        first = report.leaks[0]
        raise UserError(
            f"{report.name}: {_counts(report.leaks)} of evaluation sets among {report.checked} items, the first: "
            f"{first.kind} of {first.training} is that of {first.evaluation}; leave the set out or filter it"
        )
    return report


def _counts(leaks: list[Leak]) -> str:
    counts = Counter(leak.kind for leak in leaks)
    return ", ".join(f"{counts[kind]} repeated {kind}s" for kind in sorted(counts)) or "no repeats"


def _official_tables(example: Example) -> Sequence[Schema]:
    """The WikiSQL tables that an example is about, in a joined schema too."""
    return [example.schema] if example.logical_form is not None else example.origins


def _page(table_id: str) -> str:
    """A WikiSQL id without its phase: the table's place in Wikipedia."""
    return table_id.partition("-")[2]


def _structure(schema: Schema) -> frozenset[Any]:
    return frozenset((normalise(t.name), frozenset(normalise(c.name) for c in t.columns)) for t in schema.tables)


def _table_key(header: Iterable[Any], row: Iterable[Any]) -> TableKey | None:
    """Comparable form of header and first row, or None where they are too little to tell tables apart."""
    names = tuple(normalise(str(name)) for name in header)
    cells = tuple(map(_cell, row))
    return (names, cells) if sum(map(bool, names)) > 1 and sum(map(bool, cells)) > 1 else None


def _cell(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else normalise(str(value))


def _database_keys(path: str) -> Iterator[TableKey]:
    with connect(path) as database:
        for table in database.schema.tables:
            rows = database.run(f"select * from {quote_identifier(table.name)} limit 1").rows
            if rows and (key := _table_key([column.name for column in table.columns], rows[0])):
                yield key


def _row_tables(row: Mapping[str, Any]) -> Iterator[tuple[list[Any], list[Any]]]:
    """Header and first row of the tables in a pretraining row, given as data or written in the text."""
    table = row.get("table")
    if isinstance(table, Mapping) and table.get("rows"):
        yield table["header"], table["rows"][0]
    lines = row.get("text", "").split("\n")
    for line, following in pairwise(lines):
        if line.startswith("Columns: "):
            yield line.removeprefix("Columns: ").split(" | "), following.split(" | ")


def _row_lines(row: Mapping[str, Any]) -> Iterator[str]:
    """Whatever in a pretraining row might be a question."""
    for item in (row, *row.get("questions", ())):
        question = item.get("question") if isinstance(item, Mapping) else item
        if isinstance(question, str):
            yield question
    for line in row.get("text", "").split("\n"):
        yield line.removeprefix("Question: ")
