"""Official verdicts on real models' predictions, shared by the parity tests of exact match and of execution."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FIXTURE = Path(__file__).parent / "fixtures" / "spider_model_verdicts.jsonl.gz"
COUNTS = {"c3_gpt35": 1_034, "dail_sql_gpt4": 1_034, "graphix_t5": 1_034, "test_suite_example": 322}
"""Model -> how many of its predictions were recorded."""


class ModelVerdict(NamedTuple):
    """One prediction; the verdicts are spelt as in fixtures/README.md, `-` where execution was not recorded."""

    model: str
    db_id: str
    gold: str
    prediction: str
    exact_match: str
    execution: str
    execution_keep_distinct: str


def model_verdicts(dev_file: Path) -> Iterator[ModelVerdict]:
    """The recorded verdicts; golds that are Spider dev's are looked up in its file."""
    dev = json.loads(dev_file.read_text(encoding="utf-8"))
    with gzip.open(FIXTURE, "rt", encoding="utf-8") as lines:
        next(lines)  # names of the fields
        for model, gold, *rest in map(json.loads, lines):
            db_id, sql = (dev[gold]["db_id"], dev[gold]["query"]) if isinstance(gold, int) else gold
            yield ModelVerdict(model, db_id, sql, *rest)
