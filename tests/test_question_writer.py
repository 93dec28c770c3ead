"""The other direction: a model that writes the question of a query, from its prompt to its refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch
from torch import nn

from text2sql.cli import main
from text2sql.config import DecodingConfig, PromptingConfig
from text2sql.decoding.generator import Generator
from text2sql.decoding.question_writer import QuestionWriter
from text2sql.errors import UserError
from text2sql.files import read_json
from text2sql.model import GPT, GPTConfig, save_model
from text2sql.prompting.linking import ValueIndex, link
from text2sql.prompting.prompt import tokens_of
from text2sql.prompting.question_encoder import QuestionEncoder, encoder_of
from text2sql.schema import Column, Schema, Table
from text2sql.tokenizer import Tokenizer
from tiny_checkpoint import SHOP, write_tiny_checkpoint

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = Schema("music", (Table("artist", (Column("id", "number"), Column("name"), Column("home_country")), ("id",)),))
FORM = PromptingConfig(direction="question", max_columns=16, max_tables=4, max_words=24, max_cells=4)
DDL = "CREATE TABLE artist (id INTEGER PRIMARY KEY, name TEXT, home_country TEXT)"
PAIRS = {
    "Who is from Peru?": "select name from artist where home_country = 'Peru'",
    "How many artists are there?": "select count(*) from artist",
    "Which countries do they come from?": "select distinct home_country from artist",
}


@pytest.fixture(scope="module")
def encoder() -> QuestionEncoder:
    tokenizer = Tokenizer.train(list(PAIRS) * 5, 256 + len(tokens_of(FORM)) + 40, tokens_of(FORM))
    encoder = encoder_of(tokenizer, FORM)
    assert isinstance(encoder, QuestionEncoder)
    return encoder


def spelt(encoder: QuestionEncoder, ids: list[int]) -> str:
    """The tokens as text, a space around each special one."""
    parts = (f" {name} " if (name := encoder.token_name(i)) else encoder.tokenizer.decode([i]) for i in ids)
    return " ".join("".join(parts).split())


def test_a_training_example_reads_as_documented(encoder: QuestionEncoder) -> None:
    question = "Who is from Peru?"
    links = link(question, SCHEMA, ValueIndex([(2, "Peru")]))
    ids, answer = encoder.document(encoder.prepare(question, PAIRS[question], SCHEMA, links))
    assert spelt(encoder, ids) == (
        "<|system|> <|table|> artist <t0> <|number|> id <|primary|> <c0> <|text|> name <c1> <|text|> home country <c2> "
        "<|assistant|> <|select|> <c1> <|where|> <c2> <|=|> <|quote|> Peru <|quote|> "
        "<|user|> Who is from Peru? <|endoftext|>"
    )
    assert spelt(encoder, [i for i, part in zip(ids, answer, strict=True) if part]) == f"{question} <|endoftext|>"


def test_the_prompt_knows_nothing_of_the_question(encoder: QuestionEncoder) -> None:
    sql = PAIRS["Who is from Peru?"]
    seen = set()
    for question in ("Who is from Peru?", "Name the home country!", ""):
        links = link(question, SCHEMA, ValueIndex([(2, "Peru")]))
        seen.add(tuple(encoder.query_prompt(encoder.prepare(question, sql, SCHEMA, links)).ids))
    assert len(seen) == 1


def test_training_draws_ids_that_the_query_follows(encoder: QuestionEncoder) -> None:
    item = encoder.prepare("Who?", "select name from artist", SCHEMA, link("", SCHEMA))
    texts = {spelt(encoder, encoder.document(item, Random(epoch))[0]) for epoch in range(20)}
    assert len(texts) > 5
    for text in texts:
        pointer = text.split("<|select|> ")[1].split()[0]
        assert f"<|text|> name {pointer}" in text


def test_a_trained_model_writes_the_questions(encoder: QuestionEncoder, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = GPT(GPTConfig(encoder.tokenizer.vocabulary_size, 2, 64, 4, 4, 128, 128))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    items = [encoder.prepare(question, sql, SCHEMA, link(question, SCHEMA)) for question, sql in PAIRS.items()]
    for epoch in range(40):
        for item in items:
            ids, answer = encoder.document(item, Random(epoch))
            targets = torch.tensor([i if part else -100 for i, part in zip(ids, answer, strict=True)])
            loss = nn.functional.cross_entropy(model(torch.tensor([ids]))[0, :-1], targets[1:])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    save_model(model.eval(), tmp_path)
    Generator.write_extras(tmp_path, encoder.tokenizer, FORM)
    writer = QuestionWriter.load(tmp_path)
    queries = [writer.encoder.prepare("", sql, SCHEMA, link("", SCHEMA)) for sql in PAIRS.values()]
    assert writer.write(queries, DecodingConfig(max_new_tokens=30)) == list(PAIRS)
    hot = DecodingConfig(max_new_tokens=30, do_sample=True, temperature=3.0)
    assert writer.write(queries, hot) != list(PAIRS)


def test_a_query_that_does_not_fit_has_no_question(encoder: QuestionEncoder) -> None:
    torch.manual_seed(0)
    model = GPT(GPTConfig(encoder.tokenizer.vocabulary_size, 1, 32, 4, 4, 64, 80))
    writer = QuestionWriter(model, encoder.tokenizer, encoder.form)
    sql = "select name from artist where name = '{}'"
    too_long, short = (writer.encoder.prepare("", sql.format(x), SCHEMA, link("", SCHEMA)) for x in ("xy" * 100, "x"))
    options = DecodingConfig(max_new_tokens=20, do_sample=True)  # random weights say something then
    assert writer.write([too_long, short], options)[0] == ""
    assert writer.write([too_long, short], options)[1] != ""
    many = Schema("wide", (Table("a", tuple(Column(f"c{n}") for n in range(20))),))
    sql = f"select {', '.join(f'c{n}' for n in range(20))} from a"
    assert writer.write([writer.encoder.prepare("", sql, many, link("", many))], DecodingConfig()) == [""]


def test_each_direction_is_refused_where_the_other_is_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_tiny_checkpoint(tmp_path / "model")
    with pytest.raises(UserError, match=r"model was trained with prompting\.direction=sql: .* writes questions"):
        QuestionWriter.load(model)
    form = json.loads((model / "prompting.json").read_text("utf-8"))
    (model / "prompting.json").write_text(json.dumps(form | {"direction": "question"}), encoding="utf-8")
    QuestionWriter.load(model)
    questions = tmp_path / "questions.jsonl"
    questions.write_text(json.dumps({"question": "how many?", "database": SHOP}), encoding="utf-8")
    for command in (
        ["ask", "--db", SHOP, "how many?"],
        ["evaluate", "--dataset", "examples"],
        ["predict", "--input", str(questions), "--output", str(tmp_path / "answers.jsonl")],
    ):
        assert main([*command, "--checkpoint", str(model)]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert "prompting.direction=question: give a checkpoint that writes SQL" in line


def test_a_checkpoint_from_before_the_option_writes_sql(tmp_path: Path) -> None:
    form = json.loads((ROOT / "models" / "text2sql-8m" / "prompting.json").read_text("utf-8"))
    del form["direction"]
    (tmp_path / "prompting.json").write_text(json.dumps(form), encoding="utf-8")
    old = read_json(tmp_path / "prompting.json", PromptingConfig)
    assert old.direction == "sql"
    assert replace(old, direction="question") != old


def test_the_same_trainer_makes_a_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    rows = [{"question": question, "sql": sql, "schema": DDL} for question, sql in PAIRS.items()]
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    config = {
        "name": "writer",
        "prompting": {"direction": "question", "max_columns": 16, "max_tables": 4, "max_words": 24, "max_cells": 4},
        "tokenizer": {"vocabulary_size": 500},
        "model": {"layers": 1, "width": 32, "heads": 2, "context": 128},
        "data": {"sets": [{"name": str(pairs)}]},
        "finetuning": {
            "steps": 3, "batch_tokens": 256, "micro_batch_tokens": 256, "context": 128, "compile": "off",
            "evaluate_batches": 1, "sample_every": 2, "warmup_steps": 1,
        },
        "decoding": {"max_new_tokens": 8},
        "evaluation": {"sets": [{"name": str(pairs)}]},
    }  # fmt: skip
    (tmp_path / "writer.yaml").write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    assert main(["train", "writer.yaml"]) == 0
    said = capsys.readouterr().out
    assert "validation loss" in said
    assert "question  " not in said  # nothing is asked of it
    assert not (tmp_path / "outputs" / "metrics").exists()
    writer = QuestionWriter.load(tmp_path / "outputs" / "checkpoints" / "writer")
    assert writer.encoder.form.direction == "question"
