"""Verdicts equal to the official test-suite code's on 20,000 pairs, and on real models' predictions, over Spider's
databases (fixtures/README.md).
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from model_verdicts import model_verdicts
from text2sql.evaluation.execution import ExecutionMatch, ExecutionPair, execution_matches

FIXTURE = Path(__file__).parent / "fixtures" / "spider_execution_verdicts.jsonl.gz"
pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def spider(data_mirror: Path) -> dict[str, list[dict[str, Any]]]:
    names = ("train_spider", "train_others", "dev")
    return {name: json.loads((data_mirror / "spider" / f"{name}.json").read_text(encoding="utf-8")) for name in names}


@pytest.fixture(scope="module")
def cases(spider: dict[str, list[dict[str, Any]]], data_mirror: Path) -> list[tuple[ExecutionPair, str, str]]:
    """Pairs with the official verdicts: without and with DISTINCT kept; 1, 0, or C where the official code crashes."""
    found = []
    with gzip.open(FIXTURE, "rt", encoding="utf-8") as file:
        next(file)
        for source, gold, predicted, *verdicts in map(json.loads, file):
            if source in spider:  # then `gold` is the position in that file
                gold, source = spider[source][gold]["query"], spider[source][gold]["db_id"]
            database = data_mirror / "spider" / "database" / source / f"{source}.sqlite"
            found.append((ExecutionPair(gold, predicted, (database,)), *verdicts))
    return found


def is_deliberate(verdict: ExecutionMatch) -> bool:
    """Several statements, or none: officially cut at the first semicolon, a crash, or equal to an empty answer."""
    return str(verdict.predicted_error).startswith(("You can only execute one statement", "the statement returns no"))


@pytest.mark.parametrize("keep_distinct", [False, True])
def test_verdicts_equal_the_official_ones(cases: list[tuple[ExecutionPair, str, str]], keep_distinct: bool) -> None:
    if keep_distinct:  # without either, the setting changes nothing
        cases = [case for case in cases if "distinct" in "".join(case[0][:2]).lower() or ";" in case[0].predicted]
    pairs = [pair for pair, *_ in cases]
    found = execution_matches(pairs, keep_distinct, time_limit=20, progress=False)
    counts: Counter[str] = Counter()
    wrong = []
    for (pair, *official), verdict in zip(cases, found, strict=True):
        expected = official[keep_distinct]
        counts[expected] += 1
        assert verdict.gold_error is None, pair
        if str(int(verdict.match)) != expected and not is_deliberate(verdict):
            wrong.append((pair, expected, verdict))
    assert wrong == []
    assert counts["1"] > 1500
    assert counts["0"] > 1500
    assert sum(counts.values()) > (5_000 if keep_distinct else 20_000)


@pytest.mark.parametrize("keep_distinct", [False, True])
def test_verdicts_on_model_predictions_equal_the_official_ones(data_mirror: Path, keep_distinct: bool) -> None:
    cases = [case for case in model_verdicts(data_mirror / "spider" / "dev.json") if case.execution != "-"]
    folder = data_mirror / "spider" / "database"
    files = [folder / case.db_id / f"{case.db_id}.sqlite" for case in cases]
    pairs = [ExecutionPair(case.gold, case.prediction, (path,)) for case, path in zip(cases, files, strict=True)]
    found = execution_matches(pairs, keep_distinct, time_limit=20, progress=False)
    wanted = [case.execution_keep_distinct if keep_distinct else case.execution for case in cases]
    wrong = [(p, w, f) for p, w, f in zip(pairs, wanted, found, strict=True) if str(int(f.match)) != w]
    assert wrong == []
    assert len(cases) > 3_200
    assert 1_000 < sum(verdict.match for verdict in found) < len(cases)


def test_dev_golds_against_themselves(spider: dict[str, list[dict[str, Any]]], data_mirror: Path) -> None:
    """All right as they are; 77.3 % when the prediction is the gold lower-cased (literals are case-sensitive)."""
    folder = data_mirror / "spider" / "database"
    golds = [(e["query"], folder / e["db_id"] / f"{e['db_id']}.sqlite") for e in spider["dev"] if e["db_id"] != "wta_1"]
    assert len(golds) == 972
    same = execution_matches([ExecutionPair(gold, gold, (path,)) for gold, path in golds], progress=False)
    lowered = execution_matches([ExecutionPair(gold, gold.lower(), (path,)) for gold, path in golds], progress=False)
    assert all(verdict.match for verdict in same)
    assert round(sum(verdict.match for verdict in lowered) / 972, 3) == 0.773
