"""Did you mean, and when nothing is answered: measured on questions that must pass and ones that must not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from text2sql.assistant.abstention import unanswerable, unlinked, writes
from text2sql.assistant.repair import with_cell_spelling
from text2sql.assistant.suggestions import closest, name_suggestions, unlinked_words, value_suggestions
from text2sql.data.contents import column_values
from text2sql.data.spider import read_spider_split
from text2sql.database import Database, connect
from text2sql.prompting.linking import Cell, Links, ValueIndex, link

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture(scope="module")
def shop() -> Iterator[Database]:
    with connect(str(EXAMPLES / "music_shop.sqlite")) as database:
        yield database


@pytest.fixture(scope="module")
def index(shop: Database) -> ValueIndex:
    return ValueIndex(column_values(shop, shop.schema))


def test_closest_names_come_first_and_far_ones_not_at_all() -> None:
    names = ["albums", "artists", "customers", "sales", "Brazil", "Canada"]
    assert closest("albms", names) == ("albums",)
    assert closest("custommer", names) == ("customers",)
    assert closest("CANNADA", names) == ("Canada",)
    assert closest("spaceships", names) == ()
    assert closest("album", names) == ()  # that is its name
    assert closest("sal", names) == ()
    assert len(closest("salesx", ["salesa", "salesb", "salesc", "salesd"], 2)) == 2


def test_misspelt_names_are_suggested(shop: Database, index: ValueIndex) -> None:
    question = "What are the gener and prise of every albm from Brasil?"
    links = link(question, shop.schema, index)
    assert unlinked_words(question, shop.schema, links) == ["gener", "prise", "albm", "Brasil"]
    found = name_suggestions(question, shop.schema, links, list(index.texts()))
    assert [(one.word, one.names[0]) for one in found] == [
        ("gener", "genre"),
        ("prise", "price"),
        ("albm", "albums"),
        ("Brasil", "Brazil"),
    ]
    assert str(found[0]) == "nothing is called 'gener': did you mean 'genre'?"


def test_well_spelt_questions_get_no_suggestions(shop: Database, index: ValueIndex) -> None:
    texts = list(index.texts())
    for line in (EXAMPLES / "questions" / "music_shop.jsonl").read_text(encoding="utf-8").splitlines():
        question = json.loads(line)["question"]
        assert not name_suggestions(question, shop.schema, link(question, shop.schema, index), texts), question


def test_values_that_the_column_lacks_are_suggested_where_nothing_was_found(shop: Database) -> None:
    def suggested(sql: str) -> list[str]:
        return [str(one) for one in value_suggestions(sql, shop.run(sql), shop)]

    expected = ["nothing in artists.country is called 'Brasil': did you mean 'Brazil'?"]
    assert suggested("SELECT name FROM artists WHERE country = 'Brasil'") == expected
    assert suggested("SELECT count(*) FROM artists WHERE country IN ('Brasil', 'Nowhereland')") == expected
    join = "albums AS T1 JOIN artists AS T2 ON T1.artist_id = T2.artist_id"
    joined = f"SELECT T1.title FROM {join} WHERE T2.country = 'Brasil'"
    assert suggested(joined) == expected
    assert suggested("SELECT name FROM artists WHERE country = 'Brazil'") == []
    assert suggested("SELECT name FROM artists WHERE country = 'Brasil' OR 1 = 1") == []
    assert suggested("SELECT name FROM artists WHERE country LIKE 'Brasil%'") == []
    assert suggested("SELECT name FROM artists WHERE nothing = 'Brasil'") == []


def test_values_are_spelt_as_the_linked_cells(shop: Database) -> None:
    column = shop.schema.column_number("artists", "country")
    links = Links(cells=(Cell(column, "Côte d'Ivoire", 0, 2),))
    repaired = with_cell_spelling("SELECT name FROM artists WHERE country = 'cote d ivoire'", links, shop.schema)
    assert repaired == "SELECT name FROM artists WHERE country = 'Côte d''Ivoire'"
    for sql in (
        "SELECT name FROM artists WHERE country = 'Peru'",
        "SELECT name FROM artists WHERE name = 'cote d ivoire'",
        "SELECT name FROM artists WHERE country LIKE 'cote d ivoire'",
        "not SQL",
    ):
        assert with_cell_spelling(sql, links, shop.schema) == sql


# -- abstaining -------------------------------------------------------------------------------------------------------

WRITING = [
    "Delete all customers",
    "delete the album Winter Kingdom",
    "Please remove every sale from 2020",
    "Can you drop the table albums?",
    "Insert a new artist called Bob",
    "Add a customer named Ann Lee",
    "Could you please update all prices by 10%?",
    "Change the price of Winter Kingdom to 5",
    "Set the stock of all albums to 0",
    "set price = 0",
    "Rename the table albums to records",
    "Truncate sales",
    "I want you to erase everything",
    "Create a table for invoices",
    "DROP TABLE albums",
    "UPDATE albums SET price = 0",
    "DELETE FROM sales",
    "Replace Jazz by Blues in all albums",
    "Let's modify the genre of album 3",
    "alter table albums add column x",
]
READING = [
    "Add up the prices of all albums",
    "Create a list of all artists",
    "Make me a list of customers",
    "Which albums were added last?",
    "How many customers changed their city?",
    "Show deleted orders",
    "What is the drop in sales between 2020 and 2021?",
    "List the updates",
    "Update me on the number of sales",
    "Who removed the most items?",
    "Set lists of all artists",
    "Did anyone delete an account?",
]


@pytest.mark.parametrize("question", WRITING)
def test_requests_to_write_are_recognised(question: str) -> None:
    assert writes(question)


@pytest.mark.parametrize("question", READING)
def test_questions_with_words_of_writing_are_not_refused(question: str) -> None:
    assert writes(question) is None


@pytest.mark.parametrize(
    "question", ["How many?", "who?", "test scores of all students", "ok albums", "Malmö", "日本のアーティスト"]
)
def test_short_or_foreign_questions_may_be_questions(question: str) -> None:
    assert unanswerable(question) is None


def test_none_of_the_example_questions_is_refused_and_one_links_to_nothing() -> None:
    lonely = []
    for path in sorted((EXAMPLES / "questions").glob("*.jsonl")):
        with connect(str(EXAMPLES / f"{path.stem}.sqlite")) as database:
            index = ValueIndex(column_values(database, database.schema))
            for line in path.read_text(encoding="utf-8").splitlines():
                question = json.loads(line)["question"]
                assert unanswerable(question) is None, question
                assert writes(question) is None, question
                if unlinked(database.schema, link(question, database.schema, index), 0.0, 0.5):
                    lonely.append(question)
    assert lonely == ["Who rode more than five times?"]


@pytest.mark.data
def test_spider_s_questions_are_not_refused(data_mirror: Path) -> None:
    examples = read_spider_split(data_mirror / "spider", "dev")
    assert len(examples) > 1000
    assert [e.question for e in examples if unanswerable(e.question) or writes(e.question)] == []
    lonely = sum(unlinked(e.schema, link(e.question, e.schema), 0.0, 0.5) is not None for e in examples)
    assert lonely <= 3


STRANGE = [
    "What is the weather like in the mountains?",
    "Who won the election?",
    "Tell me a joke",
    "What time is it?",
    "How do I bake bread?",
    "Which planets have rings?",
    "What is the meaning of life?",
    "How tall is the Eiffel tower?",
]


@pytest.mark.parametrize("question", STRANGE)
def test_questions_about_other_things_link_to_nothing(shop: Database, index: ValueIndex, question: str) -> None:
    links = link(question, shop.schema, index)
    assert unlinked(shop.schema, links, 0.5, 0.5)
    assert unlinked(shop.schema, links, 0.95, 0.5) is None
