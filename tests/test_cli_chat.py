"""`text2sql chat`: commands and follow-ups in this process, and a real terminal with Ctrl-C, editing and history."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from terminal import Terminal, command, open_chat
from text2sql.assistant import Assistant
from text2sql.cli import chat_session
from text2sql.cli.chat_commands import COMMANDS, completions, handle
from text2sql.cli.chat_session import ChatSession
from text2sql.cli.line_input import LineInput
from text2sql.config import DecodingConfig
from text2sql.database import connect
from text2sql.decoding.generator import Request
from text2sql.decoding.prediction import Prediction
from text2sql.errors import UserError
from text2sql.prompting.target import Keyword
from tiny_checkpoint import READINGS, ROOT, SHOP, SLOW, TITLES, scripted_assistant, write_tiny_checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def chat(folder: Path) -> Iterator[ChatSession]:
    session = ChatSession(scripted_assistant(folder, READINGS), connect(SHOP), LineInput(lambda text: []), rows=5)
    yield session
    session.database.close()


def say(chat: ChatSession, capsys: pytest.CaptureFixture[str], *lines: str) -> str:
    """What the chat prints for the last of some lines."""
    for line in lines:
        capsys.readouterr()
        assert handle(chat, line)
    return capsys.readouterr().out


def test_questions_and_own_sql(chat: ChatSession, capsys: pytest.CaptureFixture[str]) -> None:
    count = chat.database.run("SELECT count(*) FROM albums").rows[0][0]
    answer = say(chat, capsys, "How many albums are there?")
    assert re.search(rf"^ +{count}$", answer, re.MULTILINE)
    assert say(chat, capsys, "\\sql") == "SELECT count(*) FROM albums\n"
    assert "from_own_sql" in say(chat, capsys, "\\sql SELECT 1 AS from_own_sql")
    assert "refused" in say(chat, capsys, "\\sql DELETE FROM albums")
    assert "no such table" in say(chat, capsys, "\\sql SELECT * FROM absent")
    assert "error     no such column: colour" in say(chat, capsys, "Which albums have a colour?")
    assert chat.database.run("SELECT count(*) FROM albums").rows[0][0] == count


def test_alternatives_take_the_place_of_the_answer(chat: ChatSession, capsys: pytest.CaptureFixture[str]) -> None:
    assert "not sure" in say(chat, capsys, TITLES)
    assert say(chat, capsys, "\\alternatives").startswith("1. SELECT title FROM albums")
    assert "SELECT title FROM albums" in say(chat, capsys, "\\use 1")
    assert say(chat, capsys, "\\alternatives").startswith("1. SELECT title FROM tracks")
    assert chat.last is not None
    assert chat.conversation.turns[-1] is chat.last
    assert chat.last.question == TITLES
    say(chat, capsys, "\\new")
    assert chat.last is None
    assert chat.conversation.turns == []


def test_follow_ups_build_on_the_answer_before(chat: ChatSession, capsys: pytest.CaptureFixture[str]) -> None:
    say(chat, capsys, "\\sql SELECT title, price FROM albums WHERE genre = 'Jazz'")
    jazz = chat.database.run("SELECT count(*) FROM albums WHERE genre = 'Jazz'").rows[0][0]
    counted = say(chat, capsys, "how many are there?")
    assert "meant " in counted
    assert chat.last is not None
    assert chat.last.result is not None
    assert chat.last.result.rows == [(jazz,)]


def test_schema_links_and_explanation(chat: ChatSession, capsys: pytest.CaptureFixture[str]) -> None:
    tables = say(chat, capsys, "\\schema")
    assert all(table.name in tables for table in chat.database.schema.tables)
    albums = say(chat, capsys, "\\schema ALBUMS")
    assert re.search(r"album_id +number +primary key", albums)
    assert re.search(r"artist_id +number +→ artists\.artist_id", albums)
    assert "albums" in say(chat, capsys, "How many albums are there?", "\\links")
    assert len(say(chat, capsys, "\\explain")) > 10
    listed = say(chat, capsys, "\\help")
    assert all(f"\\{name}" in listed for name in COMMANDS)


def test_export_writes_each_form_and_never_over_a_file(
    chat: ChatSession, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    say(chat, capsys, "\\sql SELECT '=1' AS a, 2 AS b")
    for name in ("x.csv", "x.json", "x.md"):
        assert "1 rows in" in say(chat, capsys, f"\\export {tmp_path / name}")
    assert (tmp_path / "x.csv").read_bytes() == b"a,b\r\n=1,2\r\n"
    assert json.loads((tmp_path / "x.json").read_text("utf-8")) == [{"a": "=1", "b": 2}]
    assert (tmp_path / "x.md").read_text("utf-8").splitlines()[0] == "| a | b |"
    with pytest.raises(UserError, match="exists and was left as it is"):
        handle(chat, f"\\export {tmp_path / 'x.csv'}")
    chat.for_spreadsheets = True
    say(chat, capsys, f"\\export {tmp_path / 'safe.csv'}")
    assert (tmp_path / "safe.csv").read_bytes() == b"a,b\r\n'=1,2\r\n"


def test_edit_runs_what_the_editor_leaves(
    chat: ChatSession, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\nsed -i "s/albums/artists/" "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(editor))
    artists = chat.database.run("SELECT count(*) FROM artists").rows[0][0]
    edited = say(chat, capsys, "How many albums are there?", "\\edit")
    assert "SELECT count(*) FROM artists" in edited
    assert chat.last is not None
    assert chat.last.result is not None
    assert chat.last.result.rows == [(artists,)]
    monkeypatch.setenv("VISUAL", "false")
    with pytest.raises(UserError, match="ended with code 1"):
        handle(chat, "\\edit")
    monkeypatch.setenv("VISUAL", "/no/such/editor")
    with pytest.raises(UserError, match="cannot be used"):
        handle(chat, "\\edit")
    monkeypatch.delenv("VISUAL")
    monkeypatch.delenv("EDITOR", raising=False)
    with pytest.raises(UserError, match="no terminal"):
        handle(chat, "\\edit")


def test_connect_goes_over_or_stays(chat: ChatSession, capsys: pytest.CaptureFixture[str]) -> None:
    say(chat, capsys, "How many albums are there?")
    with pytest.raises(UserError, match=r"nowhere\.sqlite"):
        handle(chat, "\\connect nowhere.sqlite")
    assert say(chat, capsys, "\\sql") == "SELECT count(*) FROM albums\n"
    assert "clinic" in say(chat, capsys, f"\\connect {ROOT / 'examples' / 'clinic.sqlite'}")
    assert chat.prompt == "clinic> "
    assert chat.last is None
    assert "doctor" in say(chat, capsys, "\\schema")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("\\scema", "did you mean \\schema"),
        ("\\", "no command"),
        ("\\schema album", "did you mean albums"),
        ("\\sql", "nothing was asked yet"),
        ("\\explain", "nothing was asked yet"),
        ("\\use 2", "nothing was asked yet"),
        ("\\export x.xls", "ends with .csv, .json or .md"),
        ("\\export", "ends with .csv, .json or .md"),
        ("\\export x.csv", "nothing was asked yet"),
        ("\\connect mysql://u:secret@localhost/x", "mysql"),
    ],
)
def test_bad_input_is_one_clear_line(chat: ChatSession, line: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        handle(chat, line)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("number", ["0", "2", "x", "", "-1", "²"])
def test_use_wants_a_number_that_is_there(chat: ChatSession, capsys: pytest.CaptureFixture[str], number: str) -> None:
    say(chat, capsys, TITLES)
    with pytest.raises(UserError, match="from 1 to 1"):
        handle(chat, f"\\use {number}")


def test_completion_knows_commands_tables_and_columns(chat: ChatSession) -> None:
    assert completions(chat, "\\ex") == ["\\explain", "\\export"]
    assert "albums" in completions(chat, "alb")
    assert "album_id" in completions(chat, "ALB")
    assert completions(chat, "") == []


def test_ctrl_c_stops_the_model_and_leaves_the_conversation(chat: ChatSession) -> None:
    def predict(requests: list[Request], options: DecodingConfig) -> list[list[Prediction]]:
        watch = requests[0].on_pieces
        assert watch is not None
        while True:  # a model that never ends
            for pieces in ([Keyword("select")], [Keyword("select"), Keyword("distinct")]):
                watch(pieces, mentions)
                time.sleep(0.01)

    chat.assistant = Assistant(chat.assistant.generator, predict=predict)
    mentions = chat.assistant.generator.encoder.mentions(TITLES, ())
    interrupt = threading.Timer(1, lambda: os.kill(os.getpid(), signal.SIGINT))
    interrupt.start()
    with pytest.raises(KeyboardInterrupt):
        chat.ask(TITLES)
    assert chat.conversation.turns == []
    assert chat.last is None


def test_sql_is_drawn_on_one_line_of_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(chat_session, "terminal_width", lambda: 30)
    monkeypatch.setattr(chat_session, "_STREAM_PAUSE", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    draw = chat_session.sql_line()
    for sql in ("SELECT", "SELECT\x1b[2J a, b, c, d, e, f, g FROM t", ""):
        draw(sql)
    drawn = capsys.readouterr().out.split("\r\x1b[K")
    assert drawn[:2] == ["", "SQL       SELECT"]
    assert drawn[2] == "SQL       SELECT\\x1b[2J a, b…"
    assert drawn[3] == ""
    monkeypatch.setenv("TERM", "dumb")
    chat_session.sql_line()("SELECT")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("line", ["\\quit", "\\q", "exit", "QUIT"])
def test_leaving(chat: ChatSession, line: str) -> None:
    assert not handle(chat, line)


def test_piped_lines_are_questions_without_prompts(folder: Path, tmp_path: Path) -> None:
    lines = [
        b"\\sql SELECT 1 AS one",
        b"\\nonsense",
        b"",
        b"\xff\xfe",
        b"How many albums are there?",
        b"\\schema artists",
    ]
    run = subprocess.run(
        command(folder),
        input=b"\n".join(lines),
        capture_output=True,
        timeout=300,
        check=False,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
    )
    output, errors = run.stdout.decode(), run.stderr.decode()
    assert run.returncode == 0, errors
    assert ">" not in output.split("one")[0]
    assert "debut_year" in output
    assert "there is no command \\nonsense" in errors
    assert "Traceback" not in errors
    assert not list(tmp_path.iterdir())


def test_a_person_at_a_terminal(folder: Path, tmp_path: Path) -> None:
    with contextlib.closing(open_chat(folder, tmp_path, "--time-limit", "500")) as terminal:
        session(terminal, tmp_path)
    history = (tmp_path / "state" / "text2sql" / "history").read_text().splitlines()
    assert history[0] == "\\schema albums"
    assert history[-1] == "How many albums are there?"
    assert "hidden-word" not in "\n".join(history)


def session(terminal: Terminal, tmp_path: Path) -> None:
    """What the person types, and what is to be seen then."""
    prompt = "music_shop> "
    terminal.wait_for(prompt)
    terminal.type("\\schema albums\r")
    assert "release_date" in terminal.wait_for(f"(?s)stock.*{prompt}")

    terminal.type(f"\\sql {SLOW}\r")
    terminal.wait_for(r"FROM c\r?\n")
    time.sleep(2)
    began = time.monotonic()
    terminal.type("\x03")
    terminal.wait_for(f"(?s)cancelled.*{prompt}", 60)
    assert time.monotonic() - began < 60
    terminal.type("half a line")
    terminal.wait_for("half a line")
    terminal.interrupt_until(f"(?s)cancelled.*{prompt}")

    terminal.type("\\sql SELECT 1 AS first_one\r")
    terminal.wait_for(f"(?s)first_one.*1 row.*{prompt}")
    terminal.type("\\edit\r")
    terminal.wait_for("SQL> SELECT 1 AS first_one")
    terminal.type(", 2 AS second_one\r")
    assert "first_one  second_one" in terminal.wait_for(f"(?s)1 row.*{prompt}")

    file = tmp_path / "rows.csv"
    terminal.type(f"\\export {file}\r")
    terminal.wait_for(f"(?s)1 rows in.*{prompt}")
    file.write_text("kept")
    terminal.type(f"\\export {file}\r")
    terminal.wait_for(re.escape("overwrite it? [y/N] "))
    terminal.type("n\r")
    terminal.wait_for(f"(?s)left as it is.*{prompt}")
    assert file.read_text() == "kept"

    terminal.type("\\connect postgresql://user:hidden-word@127.0.0.1:1/none\r")
    assert "hidden-word" not in terminal.wait_for(f"(?s)text2sql: .*{prompt}").split("none", 1)[1]
    terminal.type("How many albums are there?\r")
    terminal.wait_for(f"(?s)(answer|error).*{prompt}")
    terminal.type("\x04")
    assert terminal.process.wait(60) == 0
