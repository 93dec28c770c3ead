"""Schemas joined from WikiSQL tables: nothing of the rows is lost, questions keep their answers, leaks are seen."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from text2sql.config import Config, SetConfig
from text2sql.data.contents import Contents
from text2sql.data.example import Example, LogicalForm
from text2sql.data.leakage import LeakGuard, assert_no_leakage
from text2sql.data.wikisql import WikiSQLTables, is_held_out, read_wikisql
from text2sql.database import SQLiteDatabase
from text2sql.errors import UserError
from text2sql.pipeline import sources
from text2sql.pipeline.sources import load_examples, training_examples
from text2sql.prompting import target
from text2sql.prompting.canonical import Canonicalizer
from text2sql.prompting.words import split_words
from text2sql.schema import Schema, quote_identifier
from text2sql.synthesis.joined_questions import joined_examples, move
from text2sql.synthesis.joined_schemas import Member, read_member

EPISODES: list[list[Any]] = [
    [1, "pilot", "ann lee", "january 4", 9.5],
    [2, "the fall", "bo hill", "january 11", 8],
    [3, "snow", "ann lee", "january 18", 7.5],
    [4, "rain", "ann lee", "january 25", 9],
    [5, "wind", "bo hill", "february 1", "–"],
]
TABLES: dict[str, tuple[list[str], list[str], list[list[Any]]]] = {
    "episode": (
        ["no.", "title", "directed by", "air date", "viewers (m)"],
        ["real", "text", "text", "text", "real"],
        EPISODES,
    ),
    "player": (
        ["player", "goals", "club", "ground"],
        ["text", "real", "text", "text"],
        [[f"player {n}", 10 + n, ("rovers", "united")[n % 2], ("the den", "old park")[n % 2]] for n in range(6)],
    ),
    "country": (
        ["country", "capital", "population"],
        ["text", "text", "real"],
        [[name, f"{name} city", 1000 + n] for n, name in enumerate(("arda", "brea", "cora", "dora"))],
    ),
    "game": (
        ["week", "opponent", "result", "attendance"],
        ["real", "text", "text", "real"],
        [[n, f"team {n}", f"w {n}-0", 5000 + n] for n in range(5)],
    ),
}  # fmt: skip
QUESTIONS = {
    "episode": [
        ("Who directed the episode called SNOW?", 2, 0, [[1, 0, "Snow"]]),
        ("How many episodes by Ann Lee are there?", 1, 3, [[2, 0, "Ann Lee"]]),
    ],
    "player": [
        ("Where does player 3's club play?", 3, 0, [[0, 0, "player 3"]]),
        ("Which goals over 12 for united?", 1, 0, [[2, 0, "united"], [1, 1, 12]]),
    ],
    "country": [("What is the capital of Cora?", 1, 0, [[0, 0, "cora"]])],
    "game": [
        ("Most people against team 2?", 3, 1, [[1, 0, "team 2"]]),
        ("Week of team 2 that ended w 3-0?", 0, 0, [[1, 0, "team 2"], [2, 0, "w 3-0"]]),
    ],
}


def ids(kind: str, copies: int = 3) -> list[str]:
    """Ids of training tables."""
    page = 100 * list(TABLES).index(kind)
    return [name for n in range(page, page + 100) if not is_held_out(name := f"1-{n}-1")][:copies]


def write(folder: Path, split: str, tables: dict[str, str]) -> None:
    """A split in the official files: table id -> which of `TABLES` it holds, with all of its questions."""
    folder.mkdir(parents=True, exist_ok=True)
    lines, rows = [], []
    for table, kind in tables.items():
        header, types, cells = TABLES[kind]
        lines.append({"id": table, "header": header, "types": types, "rows": [[*row] for row in cells]})
        if split == "train":  # or all tables of a kind would be twins
            lines[-1]["rows"][0][1 if kind == "player" else -1] = 77 + len(lines)
        for question, selected, aggregate, conditions in QUESTIONS[kind]:
            text = f"{table}: {question}"
            rows.append(
                {"table_id": table, "question": text, "sql": {"sel": selected, "agg": aggregate, "conds": conditions}}
            )
    (folder / f"{split}.tables.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))


@pytest.fixture
def wikisql(tmp_path: Path) -> Path:
    write(tmp_path / "wikisql", "train", {table: kind for kind in TABLES for table in ids(kind)})
    return tmp_path / "wikisql"


def made(wikisql: Path, asked: list[Example] | None = None, seed: int = 1) -> list[Example]:
    tables = WikiSQLTables(wikisql, "train")
    asked = read_wikisql(wikisql, "train", tables=tables) if asked is None else asked
    return joined_examples(asked, tables, wikisql.parent / "joined", 20, 6, seed, progress=False)


def member(wikisql: Path, kind: str, tables: int, keyed: bool | None = None) -> Member:
    """A table read with such draws that it becomes so many tables."""
    official, name = WikiSQLTables(wikisql, "train"), ids(kind)[0]
    for seed in range(200):
        found = read_member(official.schema(name), official.rows(name), Random(seed))
        if found and len(found.tables) == tables and keyed in (None, bool(found.tables[0].primary_key)):
            return found
    raise AssertionError("no seed gives that")


@pytest.mark.parametrize("kind", TABLES)
def test_the_rows_can_be_put_together_again(kind: str, wikisql: Path) -> None:
    official, name = WikiSQLTables(wikisql, "train"), ids(kind)[0]
    original = [[None if cell == "–" else cell for cell in row] for row in official.rows(name)]
    shapes = set()
    for seed in range(12):
        found = read_member(official.schema(name), official.rows(name), Random(seed))
        assert found is not None
        assert found.tables[0].name == kind
        keys = (found.foreign_key,) if found.foreign_key else ()
        columns = ", ".join(f"{quote_identifier(t)}.{quote_identifier(c.name)}" for t, c in found.places)
        source = " NATURAL JOIN ".join(quote_identifier(table.name) for table in found.tables)
        with SQLiteDatabase.from_rows(Schema("s", found.tables, keys), found.rows) as database:
            result = database.run(f"SELECT {columns} FROM {source}")
        assert sorted(map(str, map(list, result.rows))) == sorted(map(str, original)), result.error
        shapes.add((tuple(t.name for t in found.tables), found.tables[0].primary_key))
    assert len(shapes) > 1, "tables are numbered or not, split or not"


def test_a_repeated_column_becomes_a_table_with_what_it_determines(wikisql: Path) -> None:
    found = member(wikisql, "player", 2, keyed=True)
    player, club = found.tables
    assert [column.name for column in player.columns] == ["player_id", "player", "goals", "club_id"]
    assert [column.name for column in club.columns] == ["club_id", "club", "ground"]
    assert found.rows["club"] == [[1, "rovers", "the den"], [2, "united", "old park"]]
    assert (player.primary_key, club.primary_key) == (("player_id",), ("club_id",))
    director = member(wikisql, "episode", 2).tables[1]
    assert [column.name for column in director.columns] == ["director_id", "name"]
    assert member(wikisql, "country", 1, keyed=True).tables[0].primary_key in (("country",), ("country_id",))


@pytest.mark.parametrize(
    "header", [["score", "date", "time"], ["player", "2007", "goals"], ["player", "goals", "Goals."]]
)
def test_tables_without_names_are_left_out(header: list[str], wikisql: Path) -> None:
    schema = WikiSQLTables(wikisql, "train").schema(ids("country")[0])
    columns = tuple(type(c)(name, c.type, name) for name, c in zip(header, schema.tables[0].columns, strict=True))
    renamed = Schema(schema.name, (type(schema.tables[0])("table", columns),))
    rows = TABLES["country"][2]
    assert read_member(renamed, rows, Random(1)) is None
    assert read_member(schema, rows, Random(1)) is not None
    assert read_member(schema, rows[:3], Random(1)) is None, "too few rows to tell"


JOINED = "FROM player AS T1 JOIN club AS T2 ON T1.club_id = T2.club_id"


@pytest.mark.parametrize(
    ("question", "form", "expected"),
    [
        ("Goals of PLAYER 3?", LogicalForm(1, 0, ((0, 0, "Player 3"),)),
         "SELECT goals FROM player WHERE player = 'player 3'"),
        ("Ground?", LogicalForm(3, 0, ((2, 0, "united"),)), "SELECT ground FROM club WHERE club = 'united'"),
        ("Club?", LogicalForm(2, 0, ((1, 1, 12),)), f"SELECT T2.club {JOINED} WHERE T1.goals > 12"),
        ("Most?", LogicalForm(1, 1, ((2, 0, "united"),)), f"SELECT max(T1.goals) {JOINED} WHERE T2.club = 'united'"),
        ("How many clubs?", LogicalForm(2, 3), "SELECT count(*) FROM player"),
        ("How many different clubs?", LogicalForm(2, 3, ((1, 0, 12),)),
         f"SELECT count(DISTINCT T2.club) {JOINED} WHERE T1.goals = 12"),
        ("How many for united?", LogicalForm(2, 3, ((2, 0, "united"),)), None),
        ("Which club?", LogicalForm(2, 3), None),
        ("Goals of nobody?", LogicalForm(1, 0, ((0, 0, "nobody"),)), None),
        ("Goals after rovers?", LogicalForm(1, 0, ((2, 1, "rovers"),)), None),
    ],
)  # fmt: skip
def test_queries_are_moved(question: str, form: LogicalForm, expected: str | None, wikisql: Path) -> None:
    moved = move(question, form, member(wikisql, "player", 2))
    assert moved == (None if expected is None else (question.replace("PLAYER", "player"), expected))


def test_every_query_answers_and_survives_the_target_language(wikisql: Path) -> None:
    examples = made(wikisql)
    assert len({e.id for e in examples}) == len(examples) > 30
    assert sum(" JOIN " in e.sql for e in examples) > 5
    assert not [e for e in examples if "that ended w 3-0" in e.question], "no row answers it"
    contents = Contents(wikisql.parent)
    for example in examples:
        assert 2 <= len(example.origins) <= 5
        canonicalizer = Canonicalizer(example.schema)
        mentions = target.Mentions(example.question, split_words(example.question))
        back = target.decode(target.encode(example.sql, canonicalizer, mentions), canonicalizer, mentions)
        with closing(sqlite3.connect(str(example.database))) as connection:
            rows = connection.execute(example.sql).fetchall()
            assert rows
            assert sorted(map(repr, rows)) == sorted(map(repr, connection.execute(back).fetchall()))
    asked = next(e for e in examples if e.question.endswith("Who directed the episode called snow?"))
    assert any(cell.text == "snow" for cell in contents.links(asked).cells)


def test_the_same_for_a_seed_whatever_the_order(wikisql: Path) -> None:
    examples = made(wikisql)
    files = sorted((wikisql.parent / "joined").iterdir())
    assert len(files) == len({e.schema.name for e in examples})
    assert made(wikisql, read_wikisql(wikisql, "train")[::-1]) == examples
    assert sorted((wikisql.parent / "joined").iterdir()) == files
    assert made(wikisql, seed=2) != examples


def test_a_question_that_fits_another_table_too_is_left_out(wikisql: Path) -> None:
    """Every table has a copy under another noun that shares all of its columns."""
    lines = [json.loads(line) for line in (wikisql / "train.tables.jsonl").read_text().splitlines()]
    copies = [
        {
            "id": line["id"] + "0",
            "header": [*line["header"], "jockey"],
            "types": [*line["types"], "text"],
            "rows": [[*row, "x"] for row in line["rows"]],
        }
        for line in lines
        if "player" in line["header"]
    ]
    kept = [line for line in lines if "player" in line["header"]][:1]
    (wikisql / "train.tables.jsonl").write_text("\n".join(map(json.dumps, [*kept, *copies])))
    copied = {"table_id": copies[0]["id"], "question": "Which jockey?", "sql": {"sel": 4, "agg": 0, "conds": []}}
    asked = [json.loads(line) for line in (wikisql / "train.jsonl").read_text().splitlines()]
    asked = [*(row for row in asked if row["table_id"] == kept[0]["id"]), copied]
    (wikisql / "train.jsonl").write_text("\n".join(map(json.dumps, asked)))
    examples = joined_examples(
        read_wikisql(wikisql, "train"),
        WikiSQLTables(wikisql, "train"),
        wikisql.parent / "joined",
        1,
        0,
        1,
        progress=False,
    )
    assert [e.question for e in examples] == ["Which jockey?"], "which is the only one about one table"


def test_the_guard_sees_the_tables_inside_of_a_schema(wikisql: Path) -> None:
    examples = made(wikisql)
    twin = examples[0].origins[0].name
    parts = [e for e in examples if twin in {origin.name for origin in e.origins}]
    assert 0 < len(parts) < len(examples)
    evaluated = next(e for e in read_wikisql(wikisql, "train") if e.schema.name == twin)

    def guard(table_id: str, first_rows: dict[str, Any]) -> LeakGuard:
        schema = Schema(table_id, evaluated.schema.tables)
        form = evaluated.logical_form
        return LeakGuard([Example("e", "?", "", schema, None, "wikisql", "dev", form)], first_rows)

    tables = WikiSQLTables(wikisql, "train")
    same_rows = {"2-999-9": tables.rows(twin)[0], **{table: tables.rows(table)[0] for table in tables}}
    for other in (guard("2" + twin[1:], {}), guard("2-999-9", same_rows)):
        kept, report = other.without_leaks(examples, keep_official=False)
        assert kept == [e for e in examples if e not in parts]
        assert {leak.kind for leak in report.official} == {"table"}
        assert assert_no_leakage(examples, other).leaks == []
    with pytest.raises(UserError, match=f"table of {examples[0].id} is that of {twin}"):
        assert_no_leakage(examples, guard(twin, {}))


def test_held_out_tables_and_twins_of_dev_tables_are_not_joined(tmp_path: Path) -> None:
    """Of 30 players' tables one has a twin in dev; the held-out ones are not in train at all."""
    folder = tmp_path / "wikisql"
    players = {f"1-{n}-1": "player" for n in range(30)}
    write(folder, "train", {**players, **dict.fromkeys(ids("country", 30), "country")})
    twin = next(table for table in players if not is_held_out(table))
    write(folder, "dev", {"2" + twin[1:]: "player"})
    config = Config()
    config.data.directory, config.data.processed = str(tmp_path), str(tmp_path / "processed")
    config.data.sets = [SetConfig("synthetic/wikisql_joined", "train")]
    examples = load_examples(config.data.sets[0], config)
    used = {origin.name for e in examples for origin in e.origins}
    held_out = {table for table in players if is_held_out(table)}
    assert held_out
    assert {table for table in players if table in used} == set(players) - held_out - {twin}
    names = {e.schema.name for e in examples}
    assert names == {f"wikisql_joined_{n}" for n in range(len(names))}, "no schema was dropped because of the twin"
    assert training_examples(config, progress=False) == [examples]
    assert load_examples(SetConfig("synthetic/wikisql_joined", "dev"), config) == []


def test_generated_questions_of_an_evaluation_set_are_dropped(wikisql: Path) -> None:
    config = Config()
    config.data.directory, config.data.processed = str(wikisql.parent), str(wikisql.parent / "processed")
    config.data.sets = [SetConfig("synthetic/wikisql_joined", "train")]
    before = load_examples(config.data.sets[0], config)
    generated = next(e for e in before if not e.question.startswith("1-"))
    write(wikisql, "dev", {"2-999-9": "game"})
    row = json.loads((wikisql / "dev.jsonl").read_text().splitlines()[0])
    (wikisql / "dev.jsonl").write_text(json.dumps({**row, "question": generated.question.upper()}))
    sources._leak_guard.cache_clear()
    after = load_examples(config.data.sets[0], config)
    assert after == [e for e in before if e.question.lower().rstrip("?.") != generated.question.lower().rstrip("?.")]
    assert generated not in after
    assert training_examples(config, progress=False) == [after]


def test_a_written_database_is_the_one_in_memory(tmp_path: Path) -> None:
    schema = Schema.from_ddl("CREATE TABLE visit (id INT PRIMARY KEY, day TEXT)", "clinic")
    with SQLiteDatabase.from_rows(schema, {"visit": [(1, "monday"), (2, "friday")]}) as database:
        (tmp_path / "clinic.sqlite").write_bytes(database.serialize())
        refused = database.run("DELETE FROM visit")
        assert refused.error is not None, "still read-only"
    with SQLiteDatabase(tmp_path / "clinic.sqlite") as written:
        assert written.run("SELECT * FROM visit").rows == [(1, "monday"), (2, "friday")]
