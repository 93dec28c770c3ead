"""Spider's files, Spider-Syn and custom sets in Spider's form."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from text2sql.data.spider import (
    available_splits,
    executable_only,
    is_rebuilt,
    read_spider,
    read_spider_split,
    read_spider_syn,
    read_tables,
)
from text2sql.errors import UserError
from text2sql.evaluation.hallucination import is_valid_sql
from text2sql.schema import ForeignKey, Schema

PETS = {
    "db_id": "pets",
    "table_names": ["pet"],
    "table_names_original": ["Pet"],
    "column_names": [[-1, "*"], [0, "pet id"], [0, "weight"]],
    "column_names_original": [[-1, "*"], [0, "PetID"], [0, "weight"]],
    "column_types": ["text", "number", "number"],
    "primary_keys": [1],
    "foreign_keys": [],
}


def write_spider(folder: Path, questions: list[Any], database_folder: str = "database") -> None:
    """A set of one database, `pets`, whose question files all hold `questions`."""
    folder.mkdir(exist_ok=True)
    (folder / "tables.json").write_text(json.dumps([PETS]))
    for name in ("train_spider", "train_others", "dev"):
        (folder / f"{name}.json").write_text(json.dumps(questions))
    file = folder / database_folder / "pets" / "pets.sqlite"
    file.parent.mkdir(parents=True)
    with sqlite3.connect(file) as connection:
        connection.execute("create table Pet (PetID integer primary key, weight real)")


def question(sql: str = "SELECT count(*) FROM pet", **changes: Any) -> dict[str, Any]:
    return {"question": " How many pets? ", "query": sql, "db_id": "pets", "sql": None, **changes}


def test_splits_and_fields(tmp_path: Path) -> None:
    write_spider(tmp_path, [question()])
    train = read_spider_split(tmp_path, "train")
    assert [example.id for example in train] == ["spider/train_spider/0", "spider/train_others/0"]
    assert {example.split for example in train} == {"train"}
    (example,) = read_spider_split(tmp_path, "dev")
    assert (example.question, example.sql, example.source) == ("How many pets?", "SELECT count(*) FROM pet", "spider")
    assert example.schema.tables[0].columns[0].label == "pet id"
    assert example.database == str(tmp_path / "database" / "pets" / "pets.sqlite")
    assert available_splits(tmp_path) == ["train", "train_spider", "train_others", "dev"]


def test_rebuilt_databases_are_a_flagged_fallback(tmp_path: Path) -> None:
    write_spider(tmp_path, [question()], "database_rebuilt")
    (example,) = read_spider_split(tmp_path, "dev")
    assert example.database is not None
    assert is_rebuilt(example)
    official = tmp_path / "database" / "pets" / "pets.sqlite"
    official.parent.mkdir(parents=True)
    official.write_bytes(Path(example.database).read_bytes())
    (example,) = read_spider_split(tmp_path, "dev")
    assert not is_rebuilt(example)


def test_queries_that_do_not_run_are_dropped(tmp_path: Path) -> None:
    write_spider(tmp_path, [question(), question("SELECT colour FROM pet"), question("SELECT weight FROM Pet")])
    kept, failed = executable_only(read_spider_split(tmp_path, "dev"))
    assert [example.id for example in kept] == ["spider/dev/0", "spider/dev/2"]
    assert len(failed) == 1
    assert failed[0].startswith("spider/dev/1: no such column")


def test_a_custom_set_may_lie_anywhere(tmp_path: Path) -> None:
    write_spider(tmp_path / "tables here", [question()])
    databases = tmp_path / "tables here" / "database"
    (tmp_path / "q.json").write_text(json.dumps([question(), question(db_id="pets")]))
    examples = read_spider(tmp_path / "q.json", tmp_path / "tables here" / "tables.json", databases, "new", "mine")
    assert [example.id for example in examples] == ["mine/new/0", "mine/new/1"]
    assert examples[0].database == str(databases / "pets" / "pets.sqlite")
    assert (
        read_spider(tmp_path / "q.json", tmp_path / "tables here" / "tables.json", tmp_path, "new", "mine")[0].database
        is None
    )


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (question(db_id="zoo"), "database 'zoo' is not in tables.json"),
        ({"question": "q", "db_id": "pets"}, "field 'query' is missing"),
        (question(question=""), "must be text that is not empty"),
        (question(question=None), "must be text that is not empty"),
        ("text", "string indices"),
    ],
)
def test_bad_entries_are_named(tmp_path: Path, entry: Any, reason: str) -> None:
    write_spider(tmp_path, [question(), entry])
    with pytest.raises(UserError, match=rf"dev.json, entry 1 \(from 0\): .*{reason}"):
        read_spider_split(tmp_path, "dev")
    skipped: list[str] = []
    assert len(read_spider_split(tmp_path, "dev", skipped)) == len(skipped) == 1


def test_broken_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tables.json\[.gz\] not found: run ./scripts/download_data.sh spider"):
        read_spider_split(tmp_path, "dev")
    with pytest.raises(UserError, match="no split 'test'; it has train, train_spider, train_others, dev"):
        read_spider_split(tmp_path, "test")
    write_spider(tmp_path, [])
    (tmp_path / "dev.json").write_text('[{"question": 1},\n {"question": }]')
    with pytest.raises(UserError, match=r"dev.json: not valid JSON .*line 2"):
        read_spider_split(tmp_path, "dev")
    (tmp_path / "dev.json").write_text('{"question": 1}')
    with pytest.raises(UserError, match="expected a list of questions"):
        read_spider_split(tmp_path, "dev")
    (tmp_path / "tables.json").write_text('[{"db_id": "pets"}]')
    with pytest.raises(UserError, match=r"tables\.json: the entry 'pets' is not in Spider's form"):
        read_spider_split(tmp_path, "dev")


def test_sqlites_own_tables_are_scored_but_not_asked_about(tmp_path: Path) -> None:
    """The official scripts resolve their names; no question is about them, and no database can be made with them."""
    columns = [[-1, "*"], [0, "name"], [0, "seq"], [1, "id"], [1, "owner"], [2, "id"]]
    entry = {
        "db_id": "pets",
        "table_names_original": ["sqlite_sequence", "dog", "owner"],
        "table_names": ["sqlite sequence", "dog", "owner"],
        "column_names_original": columns,
        "column_names": columns,
        "column_types": ["text"] * len(columns),
        "primary_keys": [3, 5],
        "foreign_keys": [[4, 5], [4, 1]],
    }
    write_spider(tmp_path, [question("SELECT owner FROM dog")])
    (tmp_path / "tables.json").write_text(json.dumps([entry]))
    whole = read_tables(tmp_path / "tables.json")["pets"]
    assert [table.name for table in whole.tables] == ["sqlite_sequence", "dog", "owner"]
    assert is_valid_sql("SELECT owner FROM dog", whole)
    (example,) = read_spider_split(tmp_path, "dev")
    assert [table.name for table in example.schema.tables] == ["dog", "owner"]
    assert example.schema.foreign_keys == (ForeignKey("dog", ("owner",), "owner", ("id",)),)


@pytest.mark.parametrize("columns", [[[-1, "*"]], [[-1, "*"], [0, None]]], ids=["no column", "no name"])
def test_a_table_needs_columns_with_names(columns: list[Any]) -> None:
    keys: dict[str, Any] = {"column_types": ["text"] * len(columns), "primary_keys": [], "foreign_keys": []}
    names = {"column_names_original": columns, "column_names": columns}
    entry = {"db_id": "pets", "table_names_original": ["dog"], "table_names": ["dog"], **names, **keys}
    with pytest.raises(UserError, match=r"'pets'.*table 'dog' lacks columns or names"):
        Schema.from_spider(entry)


@pytest.mark.data
def test_real_spider(data_mirror: Path) -> None:
    train, dev = (read_spider_split(data_mirror / "spider", split) for split in ("train", "dev"))
    syn = read_spider_syn(data_mirror / "spider_syn_train", data_mirror / "spider", "train")
    assert (len(train), len(dev), len(syn)) == (8_659, 1_034, 6_974)
    assert all(example.database for example in train + dev + syn)
    assert sum(map(is_rebuilt, dev)) == 62  # wta_1
    assert len({example.id for example in train + dev + syn}) == 8_659 + 1_034 + 6_974
    kept, failed = executable_only(train)
    assert len(kept) == 8_656
    assert [message.split(":")[0] for message in failed] == [
        f"spider/train_spider/{number}" for number in (3153, 4513, 4514)
    ]
