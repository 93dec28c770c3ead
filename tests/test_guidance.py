"""Execution guidance takes the first beam that runs and returns something, and never looks at the gold query."""

from __future__ import annotations

from pathlib import Path

import pytest

from text2sql.config import DecodingConfig, EvaluationConfig
from text2sql.data.contents import Contents
from text2sql.data.example import Example
from text2sql.database import SQLiteDatabase
from text2sql.decoding.generator import Prediction
from text2sql.errors import UserError
from text2sql.pipeline.evaluation import evaluate
from text2sql.pipeline.guidance import choose, guided
from text2sql.schema import Schema

SHOP = Path(__file__).parents[1] / "examples" / "music_shop.sqlite"
FAILS = "SELECT nothing FROM nowhere"
EMPTY = "SELECT name FROM artists WHERE name = 'nobody'"
NULL = "SELECT max(name) FROM artists WHERE name = 'nobody'"
ZERO = "SELECT count(*) FROM artists WHERE name = 'nobody'"
GOOD = "SELECT count(*) FROM artists"


def beams(*queries: str) -> list[Prediction]:
    return [Prediction(sql, "", -float(number)) for number, sql in enumerate(queries)]


@pytest.mark.parametrize(
    ("queries", "expected"),
    [
        ((FAILS, EMPTY, NULL, ZERO, GOOD), GOOD),
        ((FAILS, EMPTY, ZERO), EMPTY),
        ((GOOD, EMPTY), GOOD),
        (("", FAILS), ""),
    ],
)
def test_choice(queries: tuple[str, ...], expected: str) -> None:
    with SQLiteDatabase(SHOP) as database:
        assert choose(beams(*queries), database).sql == expected


def test_examples_without_contents_keep_the_likeliest(tmp_path: Path) -> None:
    schema = Schema.from_ddl("CREATE TABLE a (b TEXT)")
    bare = Example(id="1", question="?", sql=GOOD, schema=schema, database=None, source="plain", split="dev")
    shop = Example(id="2", question="?", sql=EMPTY, schema=schema, database=str(SHOP), source="spider", split="dev")
    found = guided([beams(FAILS, GOOD), beams(EMPTY, GOOD)], [bare, shop], Contents(tmp_path))
    assert [prediction.sql for prediction in found] == [FAILS, GOOD]


def test_it_needs_beams(tmp_path: Path) -> None:
    settings = EvaluationConfig(execution_guidance=True)
    with pytest.raises(UserError, match="num_beams"):
        evaluate(None, [], Contents(tmp_path), DecodingConfig(), settings)  # type: ignore[arg-type]
