"""Pairs that models make for a model: what is kept of right and wrong answers, and that the file trains a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from spider_files import TABLES, make_database
from text2sql.cli import main
from text2sql.config import DecodingConfig, PromptingConfig
from text2sql.data.contents import Contents
from text2sql.data.example import Example
from text2sql.data.sets import read_set
from text2sql.decoding.generator import Generator, Request
from text2sql.decoding.prediction import Prediction
from text2sql.decoding.question_writer import QuestionWriter
from text2sql.errors import UserError
from text2sql.model import load_model
from text2sql.pipeline.self_training import Tally, invent, practise
from text2sql.prompting.prompt import Prepared
from text2sql.tokenizer import Tokenizer
from tiny_checkpoint import write_tiny_checkpoint

NAMES = "How are the dear items called?"
NOTHING = "Which items cost over 1000?"
GOLD = {
    NAMES: "SELECT name FROM item WHERE price > 5",
    "How many items are there?": "SELECT count(*) FROM item",
    NOTHING: "SELECT name FROM item WHERE price > 1000",
}
SAME = "SELECT item.name FROM item WHERE 5 < item.price"
"""Another way to say the first gold query."""
BY_CHANCE = "SELECT name FROM item WHERE year IN (2015, 2017, 2018) AND name != 'pad'"
"""The same rows as the first gold query's on this database, and a wrong query."""
SMALL = ["--device", "cpu", "--batch-size", "8", "--seed", "3"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`spider` with one database and training questions, `wikisql` with one table, a `model` that knows nothing."""
    folder = tmp_path_factory.mktemp("data")
    spider, wikisql = folder / "spider", folder / "wikisql"
    make_database(spider / "database" / "shop" / "shop.sqlite")
    (spider / "tables.json").write_text(json.dumps([TABLES]), encoding="utf-8")
    questions = [{"db_id": "shop", "question": question, "query": sql} for question, sql in GOLD.items()]
    (spider / "train_spider.json").write_text(json.dumps(questions), encoding="utf-8")
    (spider / "train_others.json").write_text("[]", encoding="utf-8")
    (spider / "dev.json").write_text(json.dumps(questions), encoding="utf-8")
    wikisql.mkdir()
    rows = [["Oslo", "Norway", 3], ["Lima", "Peru", 5]]
    table = {"id": "1-7-1", "header": ["city", "country", "rank"], "types": ["text", "text", "real"], "rows": rows}
    asked = {
        "table_id": "1-7-1",
        "question": "which city is in Peru?",
        "sql": {"sel": 0, "agg": 0, "conds": [[1, 0, "peru"]]},
    }
    (wikisql / "train.tables.jsonl").write_text(json.dumps(table), encoding="utf-8")
    (wikisql / "train.jsonl").write_text(json.dumps(asked), encoding="utf-8")
    write_tiny_checkpoint(folder / "model")
    return folder


class Scripted(Generator):
    """Answers with the queries of a list in turn; for each question in the order it is asked."""

    def __init__(self, folder: Path, answers: dict[str, list[str]]) -> None:
        super().__init__(load_model(folder, "cpu"), Tokenizer.load(folder), PromptingConfig(**FORM))
        self.answers = {question: iter(queries) for question, queries in answers.items()}

    def predict(
        self, requests: Sequence[Request], options: DecodingConfig | None = None, progress: bool = False
    ) -> list[list[Prediction]]:
        assert options is not None
        return [
            [Prediction(next(self.answers[request.question]), "", 0.0) for _ in range(options.num_return_sequences)]
            for request in requests
        ]


FORM = {"max_columns": 64, "max_tables": 8, "max_words": 48, "max_cells": 8}


def practised(
    folder: Path, answers: dict[str, list[str]], name: str = "spider"
) -> tuple[list[dict[str, object]], Tally]:
    examples = [example for example in read_set(name, "train", folder) if example.question in {*answers, NOTHING}]
    options = DecodingConfig(num_return_sequences=len(next(iter(answers.values()))))
    tally = Tally()
    generator = Scripted(folder / "model", answers)
    return list(practise(generator, examples, name, Contents(folder), options, tally)), tally


def test_a_right_answer_that_differs_is_kept(folder: Path) -> None:
    wrong = "SELECT name FROM item"
    rows, tally = practised(folder, {NAMES: [GOLD[NAMES], SAME, SAME, wrong]})
    about = {"question": NAMES, "set": "spider", "split": "train", "db_id": "shop", "right": 3, "samples": 4}
    assert rows == [about | {"sql": SAME, "kind": "found"}]
    assert tally == Tally(asked=1, skipped=1, hard=0, found=1)  # the answer of the other holds nothing


def test_of_several_other_answers_the_commonest_is_kept(folder: Path) -> None:
    other = "SELECT name FROM item WHERE NOT price <= 5"
    rows, _ = practised(folder, {NAMES: [SAME, other, GOLD[NAMES], GOLD[NAMES], GOLD[NAMES], other]})
    assert [row["sql"] for row in rows] == [other]


def test_a_question_with_several_answers_is_skipped(folder: Path) -> None:
    (example, *_) = read_set("spider", "train", folder)
    example = replace(example, sql="SELECT name FROM item ORDER BY year DESC LIMIT 1")  # two are of 2018
    tally = Tally()
    generator = Scripted(folder / "model", {NAMES: [GOLD[NAMES]]})
    assert list(practise(generator, [example], "spider", Contents(folder), DecodingConfig(), tally)) == []
    assert tally == Tally(skipped=1)


def test_rows_that_agree_by_chance_are_not_right(folder: Path) -> None:
    rows, _ = practised(folder, {NAMES: [GOLD[NAMES], GOLD[NAMES], BY_CHANCE, BY_CHANCE]})
    assert rows == []


@pytest.mark.parametrize(("right", "hard"), [(0, True), (1, True), (2, False), (4, False)])
def test_questions_mostly_answered_wrongly_are_asked_again(folder: Path, right: int, hard: bool) -> None:
    answers = [GOLD[NAMES]] * right + [
        "SELECT nothing FROM nowhere",
        "",
        "SELECT name FROM kind",
        "SELECT id FROM item",
    ]
    rows, tally = practised(folder, {NAMES: answers[:4]})
    assert [(row["sql"], row["kind"], row["right"]) for row in rows] == [(GOLD[NAMES], "hard", right)] * hard
    assert tally.hard == hard


def test_wikisql_is_practised_on_its_rows(folder: Path) -> None:
    question = "which city is in Peru?"
    other = 'select city from "table" where rank = 5'
    rows, tally = practised(folder, {question: [other, 'select city from "table" where rank = 3']}, "wikisql")
    assert [(row["sql"], row["db_id"], row["kind"]) for row in rows] == [(other, "1-7-1", "found")]
    assert (tally.asked, tally.skipped) == (1, 0)


class ScriptedWriter(QuestionWriter):
    """Says the query's place in the list."""

    def write(self, queries: Sequence[Prepared], options: DecodingConfig, progress: bool = False) -> list[str]:
        return ["", *(f"question {n}?" for n in range(1, len(queries) - 1)), "QUESTION 1?"]


def test_an_invented_pair_must_come_back(folder: Path) -> None:
    queries = [
        "SELECT id FROM kind",
        "SELECT count(*) FROM item",
        "SELECT name FROM item WHERE price > 5",
        "SELECT item.name FROM item WHERE item.price > 5",
        "SELECT label FROM kind",
        "SELECT year FROM item",
    ]
    (shop, *_) = read_set("spider", "train", folder)
    examples = [
        Example(str(n), "?", sql, shop.schema, shop.database, "synthetic", "train") for n, sql in enumerate(queries)
    ]
    checker = Scripted(
        folder / "model", {"question 1?": [queries[1]], "question 2?": [SAME], "question 3?": ["SELECT id FROM kind"]}
    )
    model, tokenizer = load_model(folder / "model", "cpu"), Tokenizer.load(folder / "model")
    writer = ScriptedWriter(model, tokenizer, PromptingConfig(direction="question", **FORM))
    tally = Tally()
    rows = list(invent(writer, checker, examples, "spider", Contents(folder), DecodingConfig(), tally))
    assert [(row["question"], row["sql"]) for row in rows] == [("question 1?", queries[1]), ("question 2?", queries[2])]
    assert tally == Tally(asked=5, found=2)  # one query came twice


def test_the_rows_are_read_as_examples_of_their_set(folder: Path) -> None:
    path = folder / "pairs.jsonl"
    rows = [
        {"question": "a?", "sql": SAME, "set": "spider", "split": "train", "db_id": "shop", "kind": "found"},
        {"question": "b?", "sql": 'select city from "table" where rank = 5', "set": "wikisql", "db_id": "1-7-1"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    ours, table = read_set(str(path), "train", folder)
    (shop, *_) = read_set("spider", "train", folder)
    assert (ours.schema, ours.database, ours.source, ours.sql) == (shop.schema, shop.database, "spider", SAME)
    assert (table.source, table.schema.name, table.database) == ("wikisql", "1-7-1", None)
    assert table.logical_form is not None
    assert table.logical_form.conditions == ((2, 0, 5),)
    assert len({ours.id, table.id, shop.id}) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"db_id": "nowhere"}, "asks about no database 'nowhere'"),
        ({"set": "martian"}, "unknown set 'martian'"),
        ({"set": "wikisql", "db_id": "1-7-1"}, "no WikiSQL query"),
    ],
)
def test_rows_that_name_what_is_not_there(folder: Path, tmp_path: Path, change: dict[str, str], message: str) -> None:
    path = tmp_path / "pairs.jsonl"
    row = {"question": "a?", "sql": "SELECT 1", "set": "spider", "split": "train", "db_id": "shop"}
    path.write_text(json.dumps(row | change), encoding="utf-8")
    with pytest.raises(UserError, match=f"line 1: .*{message}"):
        read_set(str(path), "train", folder)


def test_the_command_writes_a_set_that_can_be_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = folder / "made" / "practice.jsonl"
    model, data = str(folder / "model"), str(folder)
    command = ["data", "practise", "--checkpoint", model, "--set", "spider", "--samples", "2", "--data-dir", data]
    assert main([*command, *SMALL, "--output", str(output)]) == 0
    assert "2 asked, 2 hard, 0 found; 1 skipped" in capsys.readouterr().out  # the model knows nothing
    hard = read_set(str(output), "train", folder)
    assert {example.question for example in hard} == {question for question in GOLD if question != NOTHING}
    assert main([*command, *SMALL, "--output", str(output)]) == 2
    assert "not there yet" in capsys.readouterr().err


def test_the_command_invents_with_two_models(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer, output = write_tiny_checkpoint(folder / "writer"), folder / "invented.jsonl"
    form = json.loads((writer / "prompting.json").read_text("utf-8"))
    (writer / "prompting.json").write_text(json.dumps(form | {"direction": "question"}), encoding="utf-8")
    command = ["data", "invent", "--writer", str(writer), "--checker", str(folder / "model"), "--set", "spider"]
    options = ["--per-database", "6", "--data-dir", str(folder), "--output", str(output), *SMALL]
    assert main([*command, *options]) == 0
    assert " asked, 0 hard, " in capsys.readouterr().out
    assert output.is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["practise", "--set", "spider", "--split", "dev"], "may be trained on"),
        (["practise", "--set", "synthetic/spider", "--split", "dev"], "may be trained on"),
        (["practise", "--set", "wikisql", "--split", "holdout"], "may be trained on"),
        (["practise", "--set", "wikisql", "--split", "train_all"], "may be trained on"),
        (["invent", "--writer", "w", "--set", "spider", "--split", "dev"], "may be trained on"),
        (["practise", "--set", "other_text2sql/atis"], "whose databases have rows"),
        (["practise", "--set", "spider", "--samples", "0"], "--samples is 0"),
        (["practise", "--set", "spider", "--limit", "0"], "--limit is 0"),
        (["practise", "--set", "spider", "--temperature", "-1"], "temperature is -1"),
        (["practise", "--set", "spider", "--temperature", "0"], "a temperature above 0"),
        (["practise", "--set", "spider", "--output", "pairs.txt"], "ending in .jsonl"),
        (["invent", "--set", "spider", "--writer", "{model}"], "give a checkpoint that writes questions"),
    ],
)
def test_what_is_refused(folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str) -> None:
    given = [str(folder / "model") if option == "{model}" else option for option in options]
    output = folder / "refused.jsonl"
    assert main(["data", given[0], "--output", str(output), "--data-dir", str(folder), *given[1:]]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
    assert not output.exists()


def test_an_interruption_keeps_what_was_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("text2sql.pipeline.self_training.CHUNK", 1)
    asked = []

    def predict(generator: Generator, requests: Sequence[Request], options: DecodingConfig) -> list[list[Prediction]]:
        asked.extend(requests)
        if len(asked) > 1:
            raise KeyboardInterrupt
        return [[Prediction("SELECT id FROM kind", "", 0.0)] * options.num_return_sequences for _ in requests]

    monkeypatch.setattr(Generator, "predict", predict)
    output = folder / "interrupted.jsonl"
    command = ["data", "practise", "--checkpoint", str(folder / "model"), "--set", "spider", "--samples", "2"]
    assert main([*command, "--data-dir", str(folder), "--output", str(output)]) == 130
    assert [example.question for example in read_set(str(output), "train", folder)] == [NAMES]
    assert "1 hard" in capsys.readouterr().out
