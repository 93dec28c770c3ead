"""Linking: names and cells that a question mentions."""

from __future__ import annotations

import pytest

from text2sql.prompting.linking import Cell, ValueIndex, link
from text2sql.prompting.words import normalise, split_words, stem
from text2sql.schema import Column, Schema, Table

SCHEMA = Schema(
    "s",
    (
        Table("singers", (Column("name"), Column("HomeCountry"), Column("of"))),  # 0 1 2
        Table("concert", (Column("year", "number"), Column("stadium_name"))),  # 3 4
    ),
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("São-Paulo", "sao paulo"),
        ("1,370 lb", "1370 lb"),
        ("3.0", "3"),
        ("  A  b ", "a b"),
        ("O'Brien", "o brien"),
        ("STRASSE", "straße"),
    ],
)
def test_what_is_folded(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


def test_what_is_not_folded() -> None:
    assert normalise("3.5") != normalise("35")
    assert normalise("1,37") != normalise("137")


@pytest.mark.parametrize(
    ("plural", "singular"), [("countries", "country"), ("singers", "singer"), ("boxes", "box"), ("class", "class")]
)
def test_plurals(plural: str, singular: str) -> None:
    assert stem(plural) == singular


def test_words_keep_their_place() -> None:
    question = "What's 1,370 lb (São)?"
    words = split_words(question)
    assert [w.text for w in words] == ["What", "'", "s", "1,370", "lb", "(", "São", ")", "?"]
    assert all(question[w.start : w.end] == w.text for w in words)


def test_names_are_marked_exact_or_partial() -> None:
    links = link("Which singer has the home country and the stadium of 2014?", SCHEMA)
    assert links.columns == {1: "exact", 2: "exact", 4: "partial"}
    assert links.tables == {0: "exact"}
    assert links.cells == ()


def test_cells_are_found_longest_first_and_in_every_column() -> None:
    index = ValueIndex([(0, "New York"), (4, "new york"), (1, "York"), (3, 2014), (3, None), (0, b"x"), (2, "x" * 100)])
    links = link("Singers from NEW YORK in 2014", SCHEMA, index)
    assert links.cells == (Cell(0, "New York", 2, 3), Cell(4, "new york", 2, 3), Cell(3, "2014", 5, 5))


def test_stop_words_are_no_cells() -> None:
    index = ValueIndex([(0, "the"), (0, "who")])
    assert link("Who is the singer?", SCHEMA, index).cells == ()


def test_an_index_of_nothing_finds_nothing() -> None:
    assert len(ValueIndex([])) == 0
    assert ValueIndex([]).find("a b", split_words("a b")) == []
