"""`text2sql ask`: what stands on standard output and error, and exit codes."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from text2sql.assistant import Assistant
from text2sql.cli import ask as ask_verb
from text2sql.cli import main
from text2sql.cli.assistants import format_answer, labelled, load_assistant
from text2sql.database import connect
from text2sql.errors import UserError
from tiny_checkpoint import ROOT, SHOP, scripted_assistant, write_tiny_checkpoint

MODEL = ROOT / "models" / "text2sql-8m"
QUESTION = "Which artists are from Brazil?"
NAMES = "SELECT name FROM artists WHERE country = 'Brazil'"
ENDLESS = "c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"
READINGS = {
    QUESTION: [(NAMES, -0.1), ("SELECT country FROM artists", -4.0)],
    "How many albums are there?": [("SELECT count(*) FROM albums", -0.01)],
    "Which numbers are there?": [(f"WITH RECURSIVE {ENDLESS} SELECT count(*) FROM c", -0.1)],
    "Which albums have a colour?": [("SELECT colour FROM albums", -0.2)],
    "Which prices do the albums have?": [("SELECT cost FROM albums", -0.5), ("SELECT price FROM albums", -1.0)],
    "What are the titles of the tracks?": [("SELECT title FROM tracks", -1.5), ("SELECT title FROM albums", -1.6)],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(autouse=True)
def scripted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Assistant:
    """The verb with a model that writes `READINGS`."""
    assistant = scripted_assistant(folder, READINGS)
    monkeypatch.setattr(ask_verb, "load_assistant", lambda arguments: assistant)
    return assistant


def test_an_answer_shows_sentence_sql_rows_and_confidence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "--db", SHOP, QUESTION]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"question  {QUESTION}"
    assert lines[1] == f"SQL       {NAMES}"
    assert lines[2].startswith("answer    ")
    assert lines[4:6] == ["name", "-" * len(lines[5])]
    count = len(lines) - 7
    assert count >= 1
    assert lines[-1].startswith(f"({count} row")
    assert "confidence 9" in lines[-1] or "confidence 8" in lines[-1]


def test_doubt_is_said_and_alternatives_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "--db", SHOP, "What are the titles of the tracks?", "--rows", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("not sure") for line in lines)
    assert any("1. SELECT title FROM albums" in line for line in lines)
    assert sum(line.startswith("(") and "more rows" in line for line in lines) == 1


def test_links_and_explanation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "--db", SHOP, QUESTION, "--links", "--explain"]) == 0
    output = capsys.readouterr().out
    assert "in words  " in output
    assert "artists → table artists" in output
    assert "Brazil → cell artists.country = 'Brazil'" in output


@pytest.mark.parametrize("form", ["csv", "json", "markdown"])
def test_machine_formats_print_only_data(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "--db", SHOP, QUESTION, "--format", form, "--explain"]) == 0
    printed = capsys.readouterr()
    if form == "csv":
        rows = [row[0] for row in csv.reader(io.StringIO(printed.out))]
    elif form == "json":
        rows = ["name", *(row["name"] for row in json.loads(printed.out))]
    else:
        lines = printed.out.splitlines()
        rows = [line.strip("| ") for line in (lines[0], *lines[2:])]
    with connect(SHOP) as database:
        assert rows == ["name", *(row[0] for row in database.run(NAMES).rows)]
    assert "in words  " in printed.err
    assert f"SQL       {NAMES}" in printed.err


def test_sql_only_prints_the_sql(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "--db", SHOP, QUESTION, "--sql-only"]) == 0
    assert capsys.readouterr().out == NAMES + "\n"


def test_a_cut_result_is_said_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    question = "What are the titles of the tracks?"
    assert main(["ask", "--db", SHOP, question, "--format", "json", "--row-limit", "2"]) == 0
    printed = capsys.readouterr()
    assert len(json.loads(printed.out)) == 2
    assert "only the first 2 rows" in printed.err
    assert "not sure" in printed.err


@pytest.mark.parametrize("extra", [[], ["--format", "csv"], ["--sql-only"]])
def test_no_answer_ends_with_1_and_the_reason(extra: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "--db", SHOP, "Delete all albums", *extra]) == 1
    printed = capsys.readouterr()
    assert "only ever read" in (printed.err if extra else printed.out)
    assert not (extra and printed.out)


def test_failing_sql_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "--db", SHOP, "Which albums have a colour?"]) == 1
    assert "error     no such column: colour" in capsys.readouterr().out


@pytest.mark.parametrize(
    "extra", [["--rows", "0"], ["--row-limit", "x"], ["--time-limit", "0"], ["--format", "xml"], ["--beams"]]
)
def test_wrong_options_end_with_2(extra: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["ask", "--db", SHOP, QUESTION, *extra])
    assert caught.value.code == 2
    assert extra[0] in capsys.readouterr().err


def test_a_reading_that_failed_is_shown_beside_the_one_that_ran(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "--db", SHOP, "Which prices do the albums have?"]) == 0
    output = capsys.readouterr().out
    assert "tried     SELECT cost FROM albums (no such column: cost)" in output
    assert "SQL       SELECT price FROM albums" in output


def test_ctrl_c_ends_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    threading.Timer(1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    assert main(["ask", "--db", SHOP, "Which numbers are there?", "--time-limit", "300"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_an_empty_question_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "--db", SHOP, "  "]) == 2
    assert "the question is empty" in capsys.readouterr().err


def options(folder: Path, *given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    ask_verb.add_arguments(parser)
    return parser.parse_args(["q", "--db", SHOP, "--checkpoint", str(folder), *given])


def test_beams_and_length_reach_the_model(folder: Path) -> None:
    usual = load_assistant(options(folder)).options
    given = load_assistant(options(folder, "--beams", "7", "--max-new-tokens", "9")).options
    assert given == replace(usual, num_beams=7, max_new_tokens=9)


def test_a_writer_that_does_not_answer_leaves_the_template(folder: Path) -> None:
    sql = "SELECT count(*) FROM albums"
    dead = ["--writer-url", "http://127.0.0.1:9/v1", "--writer-model", "none"]
    with connect(SHOP) as database:
        answers = [load_assistant(options(folder, *o)).run(database, sql, question="How many?") for o in ([], dead)]
    assert answers[0].sentence == answers[1].sentence != ""
    with pytest.raises(UserError, match="belong together"):
        load_assistant(options(folder, *dead[:2]))


def test_an_answer_cannot_steer_the_terminal(scripted: Assistant) -> None:
    with connect(SHOP) as database:
        answer = scripted.run(database, "SELECT 'a\x1b[2Jb' AS \"c\x1b]0;x\x07\"")
    text = format_answer(answer) + labelled("question", "\x1b[31mred\nsecond line")
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "a\\x1b[2Jb" in text


@pytest.mark.skipif(not (MODEL / "prompting.json").is_file(), reason="models/text2sql-8m is not here")
def test_the_shipped_model_answers_a_simple_question(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.undo()
    question = "How many albums are there?"
    assert main(["ask", "--db", SHOP, question, "--format", "json", "--checkpoint", str(MODEL)]) == 0
    with connect(SHOP) as database:
        expected = database.run("SELECT count(*) FROM albums").rows[0][0]
    assert [list(row.values()) for row in json.loads(capsys.readouterr().out)] == [[expected]]
