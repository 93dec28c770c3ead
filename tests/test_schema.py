"""Schema: numbering, look-ups, the Spider, JSON and DDL forms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from text2sql.errors import UserError
from text2sql.schema import Column, ForeignKey, Schema, Table, coarse_type, words_of

SHOP = Schema(
    "shop",
    (
        Table("artist", (Column("id", "number"), Column("Name", "text")), ("id",)),
        Table("album", (Column("id", "number"), Column("artist_id", "number"), Column("order", "text")), ("id",)),
    ),
    (ForeignKey("album", ("artist_id",), "artist", ("id",)),),
)


def test_columns_are_numbered_through_all_tables_and_found_in_any_case() -> None:
    assert SHOP.column_number("ALBUM", "Artist_ID") == 3
    assert SHOP.columns[3][1].name == "artist_id"
    assert SHOP.table_number("Album") == 1
    assert SHOP.table("nothing") is None


def test_json_and_ddl_round_trip() -> None:
    assert Schema.from_json(json.loads(json.dumps(SHOP.to_json()))) == SHOP
    again = Schema.from_ddl(SHOP.to_ddl(), "shop")
    assert again == SHOP


def test_a_column_of_ddl_needs_no_type() -> None:
    read = Schema.from_ddl("CREATE TABLE albums (id, title TEXT, PRIMARY KEY (id))")
    assert read.tables == (Table("albums", (Column("id"), Column("title")), ("id",)),)


def test_fingerprint_depends_on_content_only() -> None:
    assert Schema.from_json(SHOP.to_json()).fingerprint == SHOP.fingerprint
    assert Schema("other", SHOP.tables, SHOP.foreign_keys).fingerprint != SHOP.fingerprint


def test_a_reference_without_columns_means_the_primary_key() -> None:
    schema = Schema.from_ddl("create table a (x int primary key); create table b (y int references a)")
    assert schema.foreign_keys == (ForeignKey("b", ("y",), "a", ("x",)),)


@pytest.mark.parametrize("text", ["", "select 1", "create table (", "drop table x"])
def test_ddl_without_tables_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="schema 'd'"):
        Schema.from_ddl(text, "d")


@pytest.mark.parametrize(
    "data", [{}, {"name": "x"}, {"name": "x", "tables": [{"name": "t"}]}, {"name": "x", "tables": 3}]
)
def test_misshapen_json_is_refused(data: dict) -> None:
    with pytest.raises(UserError, match="not a schema"):
        Schema.from_json(data)


def test_names_become_words() -> None:
    assert words_of("ArtistID") == "artist id"
    assert words_of("home_team_goals") == "home team goals"
    assert words_of("GNPOld") == "gnp old"


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("VARCHAR(20)", "text"),
        ("numeric(10,2)", "number"),
        ("timestamp", "time"),
        ("", "text"),
        ("BLOB", "others"),
        ("bool", "boolean"),
        ("ENUM('a')", "text"),
        ("enum('DATE', 'BOOL')", "text"),
    ],
)
def test_declared_types_are_made_coarse(declared: str, kind: str) -> None:
    assert coarse_type(declared) == kind


@pytest.mark.data
def test_all_spider_schemas_are_read_and_written_unchanged(data_mirror: Path) -> None:
    entries = json.loads((data_mirror / "spider" / "tables.json").read_text(encoding="utf-8"))
    schemas = [Schema.from_spider(entry) for entry in entries]
    assert len(schemas) == 166
    for schema in schemas:
        assert Schema.from_json(schema.to_json()) == schema
        again = Schema.from_ddl(schema.to_ddl(), schema.name)
        assert [(t.name, c.name) for t, c in again.columns] == [(t.name, c.name) for t, c in schema.columns]
        assert again.foreign_keys == schema.foreign_keys
