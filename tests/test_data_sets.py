"""Plain files, the hub's form, other text-to-SQL sets, text corpora, and the one door to all of them."""

from __future__ import annotations

import csv
import gzip
import json
import logging
import math
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from text2sql.data.corpora import corpus_names, read_corpus, read_texts
from text2sql.data.plain import other_names, read_hub, read_plain
from text2sql.data.sets import read_set
from text2sql.errors import UserError

DDL = "CREATE TABLE pet (id INTEGER PRIMARY KEY, owner TEXT, weight REAL)"


def write_jsonl(path: Path, rows: list[Any]) -> Path:
    text = "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


ROWS = [
    {"question": "How many pets?", "sql": "SELECT count(*) FROM pet", "schema": DDL},
    {"question": "How many pets?", "answer": "SELECT count(*) FROM pet", "context": DDL},
    {"sql_prompt": "How many pets?", "sql": "SELECT count(*) FROM pet", "sql_context": DDL, "sql_explanation": "..."},
]


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("name", ["pets.jsonl", "pets.jsonl.gz", "pets.json", "pets.csv"])
def test_the_three_field_names_in_every_format(tmp_path: Path, row: dict[str, str], name: str) -> None:
    path = tmp_path / name
    if name.endswith(".csv"):
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, row)
            writer.writeheader()
            writer.writerow(row)
    elif name.endswith(".json"):
        path.write_text(json.dumps([row]))
    else:
        write_jsonl(path, [row])
    (example,) = read_set(str(path), "train", tmp_path)
    assert (example.question, example.sql) == ("How many pets?", "SELECT count(*) FROM pet")
    assert [column.name for _, column in example.schema.columns] == ["id", "owner", "weight"]
    assert (example.source, example.split, example.database) == (name, "train", None)


def test_a_folder_through_the_datasets_library(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    write_jsonl(tmp_path / "set" / "train.jsonl", ROWS[1:2])
    (example,) = read_hub(str(tmp_path / "set"), "train")
    assert (example.sql, example.split) == ("SELECT count(*) FROM pet", "train")
    with pytest.raises(UserError, match="could not be loaded"):
        read_hub(str(tmp_path / "set"), "validation")


def test_optional_fields(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "zoo.sqlite").close()
    rows = [
        {**ROWS[0], "id": "first", "split": "dev", "db_id": "zoo"},
        {**ROWS[0], "database": "zoo.sqlite", "split": "train"},
        {"question": "What is love?", "sql": None, "split": "train"},
        {**ROWS[0], "sql": "", "schema": DDL, "split": "fold 10"},
        {**ROWS[0], "split": "fold 9"},
    ]
    path = write_jsonl(tmp_path / "pets.jsonl", rows)
    everything = read_plain(path)
    assert [example.id for example in everything] == [f"pets.jsonl/{n}" for n in ("first", 2, 3, 4, 5)]
    assert [example.database is not None for example in everything] == [True, True, False, False, False]
    assert everything[0].schema.name == "zoo"
    assert [(example.sql, len(example.schema.tables)) for example in everything[2:4]] == [("", 0), ("", 1)]
    assert [example.id for example in read_plain(path, "train")] == ["pets.jsonl/2", "pets.jsonl/3"]
    with pytest.raises(UserError, match="no split 'test'; it has dev, fold 9, fold 10, train and 'all'"):
        read_plain(path, "test")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{oops", "not valid JSON"),
        (
            {"sql": "select 1", "schema": DDL},
            "no field for the question: expected question or sql_prompt, got sql, schema",
        ),
        ({"question": "q", "schema": DDL}, "no field for the sql"),
        ({"question": "q", "sql": "select 1"}, "no field for the schema"),
        ({"question": " ", "sql": "select 1", "schema": DDL}, "the question must be text that is not empty"),
        ({"question": "q", "sql": 5, "schema": DDL}, "the SQL must be text or null, not int"),
        ({"question": "q", "sql": "select 1", "schema": {"pet": ["id"]}}, "must be CREATE TABLE text, not dict"),
        ({"question": "q", "sql": "select 1", "schema": "pets and owners"}, "schema 'database'"),
        ({**ROWS[0], "database": "gone.sqlite"}, "gone.sqlite not found"),
    ],
)
def test_bad_rows_are_named_and_skipped_only_on_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, row: Any, reason: str
) -> None:
    path = write_jsonl(tmp_path / "pets.jsonl", [ROWS[0], "", row, ROWS[0]])
    with pytest.raises(UserError, match=f"pets.jsonl, line 3: .*{reason}") as caught:
        read_set(str(path), "train", tmp_path)
    assert "\n" not in str(caught.value)
    with caplog.at_level(logging.WARNING):
        assert len(read_set(str(path), "train", tmp_path, skip_bad_lines=True)) == 2
    assert "1 bad lines skipped; the first:" in caplog.text


def test_csv_rows_of_the_wrong_width(tmp_path: Path) -> None:
    path = tmp_path / "pets.csv"
    path.write_text(f'question,sql,schema\nHow many, pets?,select 1,"{DDL}"\n')
    with pytest.raises(UserError, match="line 2: more cells than columns"):
        read_plain(path)
    path.write_text("question,sql,schema\nHow many pets?\n")
    with pytest.raises(UserError, match="line 2: no field for the sql"):
        read_plain(path)
    path.write_bytes("question,sql,schema\nWie groß?,x,y\n".encode("latin-1"))
    with pytest.raises(UserError, match="not valid CSV in UTF-8"):
        read_plain(path)


def test_names_that_are_no_set(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match="unknown data set 'wikisq'; known: wikisql, spider, spider_syn, other_text2sql"
    ):
        read_set("wikisq", "train", tmp_path)
    with pytest.raises(UserError, match=r"gone.jsonl not found"):
        read_set(str(tmp_path / "gone.jsonl"), "train", tmp_path)
    (tmp_path / "pets.parquet").touch()
    with pytest.raises(UserError, match=r"not a data file this program reads; it reads .jsonl"):
        read_set(str(tmp_path / "pets.parquet"), "train", tmp_path)
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(UserError, match="no examples found"):
        read_set(str(tmp_path / "empty.jsonl"), "train", tmp_path)
    for name in ("wikisql", "spider", "spider_syn", "other_text2sql", "other_text2sql/atis"):
        with pytest.raises(UserError, match=r"download_data.sh (wikisql|spider|other_text2sql)"):
            read_set(name, "train", tmp_path)


def test_unanswerable_questions_get_the_schema_of_their_database(tmp_path: Path) -> None:
    folder = tmp_path / "other_text2sql"
    folder.mkdir()
    write_jsonl(folder / "ehr.jsonl.gz", [{**ROWS[0], "db_id": "clinic", "split": "train"}])
    write_jsonl(folder / "ehr_unanswerable.jsonl", [{"question": "Why?", "sql": None, "db_id": "clinic", "split": "1"}])
    (example,) = read_set("other_text2sql/ehr_unanswerable", "1", tmp_path)
    assert (example.sql, example.schema.tables[0].name) == ("", "pet")
    assert len(read_set("other_text2sql", "all", tmp_path)) == 2
    with pytest.raises(UserError, match="no set 'atis'; there are: ehr, ehr_unanswerable"):
        read_set("other_text2sql/atis", "all", tmp_path)


def test_corpora_stop_at_the_limit_and_keep_what_they_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "pretraining"
    folder.mkdir()
    rows = [{"text": "é" * 50, "label": 1}, {"text": " "}, {"text": "b" * 100, "label": 0}, {"text": "c" * 100}]
    write_jsonl(folder / "letters.jsonl.gz", rows)
    assert corpus_names(tmp_path) == ["letters"]
    assert [text[0] for text in read_corpus("letters", tmp_path)] == ["é", "b", "c"]
    assert [text[0] for text in read_corpus("letters", tmp_path, megabytes=200e-6)] == ["é", "b"]
    assert [text[0] for text in read_corpus("letters", tmp_path, 199e-6)] == ["é"]
    kept = read_corpus("letters", tmp_path, math.inf, keep=lambda row: row.get("label") != 0)
    assert [text[0] for text in kept] == ["é", "c"]
    with pytest.raises(UserError, match=r"no corpus 'words' .* it has letters"):
        read_corpus("words", tmp_path)
    write_jsonl(folder / "letters.jsonl.gz", [{"text": "a"}, {"words": "b"}])
    with pytest.raises(UserError, match=r"letters.jsonl.gz, line 2: field 'text' is missing"):
        list(read_corpus("letters", tmp_path))


def test_text_files_are_cut_between_paragraphs(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    paragraphs = [f"{number} " + "word " * 300 for number in range(12)]
    path.write_text("\n\n\n".join(paragraphs))
    texts = list(read_texts(path))
    assert len(texts) > 1
    assert all(text[0].isdigit() and len(text) < 6_000 for text in texts)
    assert " ".join(texts).split() == " ".join(paragraphs).split()
    path.write_bytes(b"fine\n\xff\n")
    with pytest.raises(UserError, match=r"book.txt, line 2: not UTF-8"):
        list(read_texts(path))


@pytest.mark.data
def test_real_other_sets_have_the_published_sizes(data_mirror: Path) -> None:
    examples = read_set("other_text2sql", "all", data_mirror)
    sizes = Counter(example.source.removeprefix("other_text2sql/") for example in examples)
    assert sorted(sizes) == other_names(data_mirror / "other_text2sql")
    assert (sizes["atis"], sizes["sede"], sizes["ehrsql_2024_unanswerable"]) == (4_892, 1_714, 915)
    assert len({example.id for example in examples}) == len(examples) == 30_951
    assert all(example.schema.tables for example in examples)
    assert len(corpus_names(data_mirror)) == 21
