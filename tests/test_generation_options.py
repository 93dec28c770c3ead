"""How long an answer may be is the checkpoint's own, unless somebody says otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from text2sql.assistant import Assistant
from text2sql.cli import main
from text2sql.config import DecodingConfig
from text2sql.decoding.generator import GENERATION_FILE, Generator, Request
from text2sql.errors import UserError
from text2sql.schema import Schema
from tiny_checkpoint import write_tiny_checkpoint

SCHEMA = Schema.from_ddl("CREATE TABLE albums (title TEXT, year INTEGER)")


def write_options(folder: Path, text: str) -> Path:
    write_tiny_checkpoint(folder)
    (folder / GENERATION_FILE).write_text(text, encoding="utf-8")
    return folder


def test_generator_and_assistant_take_the_checkpoints_longest_answer(tmp_path: Path) -> None:
    generator = Generator.load(write_options(tmp_path, '{"max_new_tokens": 7}'))
    assert generator.max_new_tokens == 7
    assert Assistant(generator).options.max_new_tokens == 7
    Generator.write_extras(tmp_path / "copy", generator.tokenizer, generator.encoder.form, generator.max_new_tokens)
    assert json.loads((tmp_path / "copy" / GENERATION_FILE).read_text("utf-8"))["max_new_tokens"] == 7
    request = Request("how many albums?", SCHEMA)
    lengths = []
    for options in (None, DecodingConfig(max_new_tokens=7), DecodingConfig(max_new_tokens=60)):
        ((prediction,),) = generator.predict([request], options)
        lengths.append(len(prediction.target))
    assert lengths[0] == lengths[1] < lengths[2]


@pytest.mark.parametrize("text", ["{}", None])
def test_without_a_word_it_is_the_default(text: str | None, tmp_path: Path) -> None:
    folder = write_options(tmp_path, text or "")
    if text is None:
        (folder / GENERATION_FILE).unlink()
    assert Generator.load(folder).max_new_tokens == DecodingConfig().max_new_tokens


@pytest.mark.parametrize(
    "text", ["", "[]", '{"max_new_tokens": 0}', '{"max_new_tokens": "7"}', '{"max_new_tokens": true}']
)
def test_a_damaged_file_is_an_error_of_one_line(text: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=GENERATION_FILE):
        Generator.load(write_options(tmp_path, text))


def test_the_command_line_takes_it_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_options(tmp_path / "model", '{"max_new_tokens": 9}')
    report = tmp_path / "report.json"
    command = ["evaluate", "--checkpoint", str(folder), "--dataset", "examples", "--split", "test"]
    command += ["--limit", "2", "--output", str(report)]
    assert main(command) == 0
    assert json.loads(report.read_text("utf-8"))["settings"]["decoding"]["max_new_tokens"] == 9
    assert main([*command, "--max-new-tokens", "0"]) == 2
    assert "max_new_tokens is 0" in capsys.readouterr().err
