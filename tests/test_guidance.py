"""One query of several candidates: guard, execution guidance and vote, none of which sees the gold query."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from text2sql.cli import main
from text2sql.config import DecodingConfig, EvaluationConfig
from text2sql.data.contents import Contents
from text2sql.data.example import Example
from text2sql.database import SQLiteDatabase
from text2sql.decoding.generator import Generator
from text2sql.decoding.prediction import Prediction
from text2sql.errors import UserError
from text2sql.pipeline.evaluation import evaluate
from text2sql.pipeline.guidance import Run, runner
from text2sql.pipeline.selection import choose, select
from text2sql.pipeline.voting import agreement_key
from text2sql.prompting.canonical import Canonicalizer
from text2sql.prompting.prompt import PromptEncoder
from text2sql.schema import Schema
from tiny_checkpoint import write_tiny_checkpoint

SHOP = Path(__file__).parents[1] / "examples" / "music_shop.sqlite"
FAILS = "SELECT nothing FROM nowhere"
EMPTY = "SELECT name FROM artists WHERE name = 'nobody'"
EMPTY_TOO = "SELECT title FROM albums WHERE title = 'nothing'"
NULL = "SELECT max(name) FROM artists WHERE name = 'nobody'"
ZERO = "SELECT count(*) FROM artists WHERE name = 'nobody'"
GOOD = "SELECT count(*) FROM artists"
SAME = "SELECT count(name) FROM artists"
OTHER = "SELECT count(*) FROM tracks"
SENSELESS = "SELECT count(*), count(*) FROM artists"

GUIDED = EvaluationConfig(execution_guidance=True)
VOTE = EvaluationConfig(vote=True)


@pytest.fixture(scope="module")
def shop() -> Iterator[SQLiteDatabase]:
    with SQLiteDatabase(SHOP) as database:
        yield database


@pytest.fixture(scope="module")
def run(shop: SQLiteDatabase) -> Run:
    return runner(shop)


@pytest.fixture(scope="module")
def canonicalizer(shop: SQLiteDatabase) -> Canonicalizer:
    return Canonicalizer(shop.schema)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> PromptEncoder:
    return Generator.load(write_tiny_checkpoint(tmp_path_factory.mktemp("model"))).encoder


def beams(*queries: str) -> list[Prediction]:
    return [Prediction(sql, "", -float(number)) for number, sql in enumerate(queries)]


def weighed(**queries: float) -> list[Prediction]:
    """Candidates of these probabilities, best first."""
    return [Prediction(globals()[name], "", math.log(share)) for name, share in queries.items()]


@pytest.mark.parametrize(
    ("queries", "expected"),
    [
        ((FAILS, EMPTY, NULL, ZERO, GOOD), GOOD),
        ((FAILS, EMPTY, ZERO), EMPTY),
        ((GOOD, EMPTY), GOOD),
        (("", FAILS), ""),
    ],
)
def test_guidance(queries: tuple[str, ...], expected: str, run: Run, canonicalizer: Canonicalizer) -> None:
    assert choose(beams(*queries), GUIDED, canonicalizer, run).sql == expected


def test_the_vote_adds_the_probabilities_of_beams_with_equal_rows(run: Run, canonicalizer: Canonicalizer) -> None:
    candidates = weighed(OTHER=0.4, SAME=0.3, GOOD=0.2)
    assert choose(candidates, VOTE, canonicalizer, run).sql == SAME
    assert choose(weighed(OTHER=0.4, SAME=0.2, GOOD=0.1), VOTE, canonicalizer, run).sql == OTHER
    # Without rows their texts differ.
    assert choose(candidates, VOTE, canonicalizer, None).sql == OTHER


def test_samples_weigh_the_same(run: Run, canonicalizer: Canonicalizer) -> None:
    samples = weighed(OTHER=0.9, SAME=0.05, GOOD=0.04)
    assert choose(samples, VOTE, canonicalizer, run, sampled=True).sql == SAME
    assert choose(samples, VOTE, canonicalizer, run, sampled=False).sql == OTHER
    tie = weighed(GOOD=0.2, OTHER=0.3)
    assert choose(tie, VOTE, canonicalizer, run, sampled=True).sql == GOOD


def test_what_fails_has_no_say(run: Run, canonicalizer: Canonicalizer) -> None:
    nothing = Prediction("", "", 0.0, "no query")
    candidates = [nothing, *weighed(FAILS=0.6, OTHER=0.2)]
    assert choose(candidates, VOTE, canonicalizer, run).sql == OTHER
    assert choose(candidates, VOTE, canonicalizer, None).sql == FAILS
    assert choose([nothing, nothing], VOTE, canonicalizer, run) == nothing


def test_empty_answers_do_not_agree(run: Run, canonicalizer: Canonicalizer) -> None:
    candidates = weighed(GOOD=0.3, EMPTY=0.2, EMPTY_TOO=0.2)
    assert choose(candidates, VOTE, canonicalizer, run).sql == GOOD
    assert agreement_key(EMPTY, run, canonicalizer) == agreement_key(EMPTY.replace("name", "NAME"), run, canonicalizer)


@pytest.mark.parametrize(
    ("one", "other", "with_rows", "without"),
    [
        ("SELECT name FROM artists", "SELECT name FROM artists ORDER BY name", False, False),
        ("SELECT name FROM artists ORDER BY name", "SELECT name FROM artists ORDER BY name DESC", False, False),
        (
            "SELECT name FROM artists ORDER BY debut_year LIMIT 1",
            "SELECT name FROM artists WHERE debut_year = (SELECT min(debut_year) FROM artists)",
            True,
            False,
        ),
        (
            "SELECT title FROM albums WHERE genre = 'Jazz' AND price > 1 AND (stock = 2 OR stock = 3)",
            "select T1.Title from albums AS T1 where (stock = 2 OR stock = 3) AND price > 1 AND T1.genre = 'jazz'",
            None,
            True,
        ),
        ("SELECT name FROM artists UNION SELECT title FROM albums", "SELECT name FROM artists", False, False),
    ],
)
def test_agreement(
    one: str, other: str, with_rows: bool | None, without: bool, run: Run, canonicalizer: Canonicalizer
) -> None:
    assert (agreement_key(one, None, canonicalizer) == agreement_key(other, None, canonicalizer)) is without
    if with_rows is not None:
        assert (agreement_key(one, run, canonicalizer) == agreement_key(other, run, canonicalizer)) is with_rows


def test_the_guard_comes_before_guidance_and_vote(run: Run, canonicalizer: Canonicalizer) -> None:
    candidates = weighed(SENSELESS=0.6, OTHER=0.2, SAME=0.1, GOOD=0.05, EMPTY=0.05)
    everything = EvaluationConfig(semantic_guard=True, execution_guidance=True, vote=True)
    assert choose(candidates, VOTE, canonicalizer, run).sql == SENSELESS
    assert choose(candidates, everything, canonicalizer, run).sql == OTHER
    assert choose(candidates, EvaluationConfig(semantic_guard=True), canonicalizer, None).sql == OTHER
    assert choose(weighed(SENSELESS=0.9), everything, canonicalizer, run).sql == SENSELESS
    empty_first = weighed(EMPTY=0.6, GOOD=0.2)
    assert choose(empty_first, VOTE, canonicalizer, run).sql == EMPTY
    assert choose(empty_first, everything, canonicalizer, run).sql == GOOD


def test_examples_without_contents_keep_the_likeliest(tmp_path: Path, encoder: PromptEncoder) -> None:
    schema = Schema.from_ddl("CREATE TABLE a (b TEXT)")
    bare = Example(id="1", question="?", sql=GOOD, schema=schema, database=None, source="plain", split="dev")
    shop = Example(id="2", question="?", sql=EMPTY, schema=schema, database=str(SHOP), source="spider", split="dev")
    candidates = [beams(FAILS, GOOD), beams(EMPTY, GOOD)]
    found = select(candidates, [bare, shop], Contents(tmp_path), GUIDED, encoder)
    assert [prediction.sql for prediction in found] == [FAILS, GOOD]
    found = select(candidates, [bare, shop], Contents(tmp_path), EvaluationConfig(), encoder)
    assert [prediction.sql for prediction in found] == [FAILS, EMPTY]


@pytest.mark.parametrize("switch", ["semantic_guard", "execution_guidance", "vote"])
def test_a_choice_needs_candidates(switch: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"evaluation\.{switch} .*num_beams"):
        evaluate(None, [], Contents(tmp_path), DecodingConfig(), EvaluationConfig(**{switch: True}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options", [["--num-beams", "3"], ["--do-sample", "--num-return-sequences", "3", "--temperature", "0.5"]]
)
def test_the_command_line_has_every_switch(options: list[str], tmp_path: Path) -> None:
    folders = [write_tiny_checkpoint(tmp_path / name) for name in "ab"]
    questions, output = tmp_path / "questions.jsonl", tmp_path / "report.json"
    row = {"question": "How many albums?", "sql": "SELECT count(*) FROM a", "schema": "CREATE TABLE a (b TEXT)"}
    questions.write_text(json.dumps(row), encoding="utf-8")
    checkpoints = [word for folder in folders for word in ("--checkpoint", str(folder))]
    switches = ["--semantic-guard", "--execution-guidance", "--vote", "--max-new-tokens", "12", "--processes", "1"]
    files = ["--dataset", str(questions), "--split", "train", "--output", str(output)]
    assert main(["evaluate", *checkpoints, *files, *switches, *options]) == 0
    settings = json.loads(output.read_text("utf-8"))["settings"]
    assert settings["evaluation"]["vote"]
    assert settings["evaluation"]["semantic_guard"]
    assert settings["decoding"]["num_return_sequences"] * settings["decoding"]["num_beams"] == 3
    assert settings["checkpoint"] == ", ".join(map(str, folders))
    assert len(settings["checkpoint_sha256"].split(", ")) == 2
