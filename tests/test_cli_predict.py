"""`text2sql predict`: of several beams the one that makes sense, runs and returns something comes first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from text2sql.cli import main
from text2sql.cli.predict import _chosen_first
from text2sql.decoding.generator import Generator, Request
from text2sql.decoding.prediction import Prediction
from text2sql.schema import Schema
from tiny_checkpoint import SHOP, scripted_assistant, write_tiny_checkpoint

SENSELESS = "SELECT count(*), count(*) FROM artists"
EMPTY = "SELECT artist_id FROM artists WHERE name = 'nobody'"
GOOD = "SELECT count(*) FROM artists"


def test_rows_decide_where_there_are_rows_and_sense_everywhere(tmp_path: Path) -> None:
    generator = Generator.load(write_tiny_checkpoint(tmp_path))
    schema = Schema.from_ddl("CREATE TABLE artists (artist_id INTEGER, name TEXT)")
    beams = [Prediction(sql, "", -float(n)) for n, sql in enumerate((SENSELESS, EMPTY, GOOD))]
    requests = [Request(f"question {n}", schema) for n in range(3)]
    found = _chosen_first([beams] * 3, requests, [SHOP, None, SHOP], generator)
    assert [[prediction.sql for prediction in row] for row in found] == [
        [GOOD, SENSELESS, EMPTY],
        [EMPTY, SENSELESS, GOOD],
        [GOOD, SENSELESS, EMPTY],
    ]


def test_beams_and_the_choice_among_them_can_be_turned_off(tmp_path: Path) -> None:
    model = write_tiny_checkpoint(tmp_path / "model")
    questions = tmp_path / "questions.jsonl"
    lines = [{"question": "how many artists are there?"}, {"question": "names", "schema": "create table a (name text)"}]
    questions.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    counts = {}
    for options in ((), ("--no-guided",), ("--num-beams", "1")):
        answers = tmp_path / "answers.jsonl"
        command = ["predict", "--checkpoint", str(model), "--input", str(questions), "--output", str(answers)]
        assert main([*command, "--db", SHOP, "--max-new-tokens", "20", *options]) == 0
        written = [json.loads(line) for line in answers.read_text("utf-8").splitlines()]
        counts[options] = [len(row.get("alternatives", [])) for row in written]
        assert all(row["sql"] for row in written)
    assert counts["--num-beams", "1"] == [0, 0]
    assert min(*counts[()], *counts[("--no-guided",)]) >= 1


def test_the_assistant_prefers_what_makes_sense(tmp_path: Path) -> None:
    question = "How many artists are there?"
    readings = {question: [(SENSELESS, -0.1), (GOOD, -0.5)]}
    with scripted_assistant(write_tiny_checkpoint(tmp_path), readings) as assistant:
        answer = assistant.ask(SHOP, question)
    assert answer.sql.lower() == GOOD.lower()
    assert [other.sql.lower() for other in answer.alternatives] == [SENSELESS.lower()]


@pytest.mark.parametrize("line", ["{", '{"question": ""}'])
def test_a_damaged_line_is_named_before_a_model_is_loaded(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "questions.jsonl").write_text(line, encoding="utf-8")
    command = ["predict", "--input", str(tmp_path / "questions.jsonl"), "--output", str(tmp_path / "out.jsonl")]
    assert main([*command, "--checkpoint", "nowhere"]) == 2
    assert "line 1" in capsys.readouterr().err
    assert not (tmp_path / "out.jsonl").exists()
