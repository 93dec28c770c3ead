"""Exact set match against the official script's recorded verdicts, and our parse against the one in Spider's files.

The verdicts were recorded by running the official code; how, and under which licence, is in fixtures/README.md. The
ones over Spider's databases need tables.json (mark `data`); those over a schema made up for the purpose don't.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model_verdicts import COUNTS, model_verdicts
from text2sql.evaluation.exact_match import COMPONENTS, ExactMatch, exact_match, exact_match_summary
from text2sql.evaluation.spider_sql import AGGREGATES, CONDITION_OPERATORS, UNIT_OPERATORS, parse
from text2sql.evaluation.spider_structure import (
    ColumnUnit,
    Condition,
    OrderBy,
    Query,
    SelectItem,
    Value,
    ValueUnit,
)
from text2sql.schema import Schema

FIXTURES = Path(__file__).parent / "fixtures"


def recorded(name: str) -> list[dict[str, Any]]:
    with gzip.open(FIXTURES / name, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def schemas(data_mirror: Path) -> dict[str, Schema]:
    entries = json.loads((data_mirror / "spider" / "tables.json").read_text())
    return {entry["db_id"]: Schema.from_spider(entry) for entry in entries}


def examples(data_mirror: Path, name: str) -> list[dict[str, Any]]:
    return json.loads((data_mirror / "spider" / name).read_text())


def verdict(result: ExactMatch) -> str:
    """Our verdict in the fixture's spelling: match, readable, hardness, and per component right + presence."""
    readable = not (result.reason or "").startswith("prediction: ")
    components = "".join(
        str(result.components[name] + 2 * result.presence[name][1] + 4 * result.presence[name][0])
        for name in COMPONENTS
    )
    return f"{result.match:d}{readable:d}{result.hardness}{components}"


def disagreements(lines: list[dict[str, Any]], schemas: dict[str, Schema]) -> Iterator[tuple[str, str, str, str]]:
    for line in lines:
        for predicted, official in line["predictions"]:
            ours = verdict(exact_match(line["gold"], predicted, schemas[line["db_id"]]))
            if ours != official:
                yield line["gold"], predicted, official, ours


def test_grammar_walks_have_the_official_verdicts() -> None:
    header, *lines = recorded("spider_exact_match_grammar_verdicts.jsonl.gz")
    schema = Schema.from_spider(header["schema"])
    assert sum(len(line["predictions"]) for line in lines) == 3_300
    assert list(disagreements(lines, {schema.name: schema})) == []


@pytest.mark.data
def test_mutated_golds_have_the_official_verdicts(schemas: dict[str, Schema]) -> None:
    lines = recorded("spider_exact_match_verdicts.jsonl.gz")
    official = Counter(verdict[:2] for line in lines for _, verdict in line["predictions"])
    assert official == {"11": 3_880, "01": 4_311, "00": 4_637}  # match, no match, not readable
    assert list(disagreements(lines, schemas)) == []


@pytest.mark.data
def test_model_predictions_have_the_official_verdicts(data_mirror: Path, schemas: dict[str, Schema]) -> None:
    cases = list(model_verdicts(data_mirror / "spider" / "dev.json"))
    assert Counter(case.model for case in cases) == COUNTS
    ours = [verdict(exact_match(case.gold, case.prediction, schemas[case.db_id])) for case in cases]
    assert [(*case[:4], our) for case, our in zip(cases, ours, strict=True) if our != case.exact_match] == []
    assert Counter(our[:2] for our in ours) == {"11": 2_033, "01": 1_092, "00": 299}


@pytest.mark.data
def test_summary_is_the_official_table(schemas: dict[str, Schema]) -> None:
    """What the official script printed for each gold's first prediction, where a line of a file can hold that."""
    official = json.loads((FIXTURES / "spider_exact_match_table.json").read_text())
    results = []
    for line in recorded("spider_exact_match_verdicts.jsonl.gz"):
        predicted = line["predictions"][0][0]
        if predicted.strip() and "\n" not in predicted and "\r" not in predicted and "value" not in predicted:
            results.append(exact_match(line["gold"], predicted, schemas[line["db_id"]]))
    summary = exact_match_summary(results)
    assert [summary[level]["count"] for level in official["levels"]] == official["rows"]["count"]
    assert [round(summary[level]["exact_match"], 3) for level in official["levels"]] == official["rows"]["exact match"]
    for rate in ("accuracy", "recall", "f1"):
        for name in COMPONENTS:
            ours = [summary[level]["components"][name][rate] for level in official["levels"]]
            assert ours == pytest.approx(official[rate][name], abs=5.1e-4), (rate, name)


@pytest.mark.data
def test_dev_golds_match_themselves_with_the_official_hardness(data_mirror: Path, schemas: dict[str, Schema]) -> None:
    results = [exact_match(e["query"], e["query"], schemas[e["db_id"]]) for e in examples(data_mirror, "dev.json")]
    assert all(result.match and all(result.components.values()) for result in results)
    assert Counter(result.hardness for result in results) == {"easy": 248, "medium": 446, "hard": 174, "extra": 166}


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "count"), [("dev.json", 1_034), ("train_spider.json", 6_999), ("train_others.json", 1_659)]
)
def test_parse_is_the_one_in_spiders_files(
    name: str, count: int, data_mirror: Path, schemas: dict[str, Schema]
) -> None:
    parsed = [example for example in examples(data_mirror, name) if example["sql"]]
    assert len(parsed) == count
    for example in parsed:
        schema = schemas[example["db_id"]]
        assert parse(example["query"], schema) == from_official(example["sql"], schema), example["query"]


def from_official(sql: dict[str, Any], schema: Schema) -> Query:
    """The `sql` of Spider's files, in which tables and columns are numbers, as our structure."""
    columns = ["*"] + [f"{table.name}.{column.name}".lower() for table, column in schema.columns]

    def column(unit: list[Any]) -> ColumnUnit:
        return ColumnUnit(AGGREGATES[unit[0]], columns[unit[1]], unit[2])

    def value_unit(unit: list[Any]) -> ValueUnit:
        return ValueUnit(UNIT_OPERATORS[unit[0]], column(unit[1]), unit[2] and column(unit[2]))

    def value(item: Any) -> Value:
        if isinstance(item, dict):
            return from_official(item, schema)
        return column(item) if isinstance(item, list) else item

    def conditions(items: list[Any]) -> tuple[Condition | str, ...]:
        return tuple(
            item
            if isinstance(item, str)
            else Condition(item[0], CONDITION_OPERATORS[item[1]], value_unit(item[2]), value(item[3]), value(item[4]))
            for item in items
        )

    operation = next((word for word in ("intersect", "union", "except") if sql[word]), None)
    return Query(
        tables=tuple(
            from_official(table, schema) if kind == "sql" else schema.tables[table].name.lower()
            for kind, table in sql["from"]["table_units"]
        ),
        join_conditions=conditions(sql["from"]["conds"]),
        distinct=sql["select"][0],
        select=tuple(SelectItem(AGGREGATES[number], value_unit(unit)) for number, unit in sql["select"][1]),
        where=conditions(sql["where"]),
        group_by=tuple(column(unit) for unit in sql["groupBy"]),
        having=conditions(sql["having"]),
        order_by=OrderBy(sql["orderBy"][0], tuple(map(value_unit, sql["orderBy"][1]))) if sql["orderBy"] else None,
        limit=sql["limit"] is not None,
        set_operation=operation,
        set_query=from_official(sql[operation], schema) if operation else None,
    )
