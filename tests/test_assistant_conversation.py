"""Dialogues over the example databases: what a follow-up becomes, as SQL that runs, as words, or not at all."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from text2sql.assistant.answer import Answer
from text2sql.assistant.conversation import Conversation, FollowUp
from text2sql.data.contents import column_values
from text2sql.database import Database, connect
from text2sql.prompting.linking import ValueIndex, link

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
JAZZ = "Which albums are Jazz?", "SELECT title FROM albums WHERE genre = 'Jazz'"
JAPAN = "How many artists come from Japan?", "SELECT count(*) FROM artists WHERE country = 'Japan'"
DEAREST = "Which album is the most expensive?", "SELECT title FROM albums ORDER BY price DESC LIMIT 1"
GENRES = "How many albums are there per genre?", "SELECT genre, count(*) FROM albums GROUP BY genre"
TALL = "Players taller than 195 cm", "SELECT Name FROM Players WHERE HeightCm > 195"
PAGES = "Which books have more than 800 pages?", "SELECT title FROM books WHERE pages > 800"
PRESS = "Titles published by Meridian Press", "SELECT title FROM books WHERE publisher = 'Meridian Press'"
LONGEST = "What is the longest trip in minutes?", "SELECT max(duration_minutes) FROM trips"
DRAMA = "Drama films", "SELECT title FROM film WHERE genre = 'Drama'"
LONGEST_BOOK = "Which book is longest?", "SELECT title FROM books ORDER BY pages DESC LIMIT 1"
DRAMA_COUNT = "How many dramas are there?", "SELECT count(*) FROM film WHERE genre = 'Drama'"
EARNING = "Which doctors earn more than 120000?", "SELECT full_name FROM doctor WHERE salary > 120000"
YOUNGEST = "Who is our youngest patient?", "SELECT full_name FROM patient ORDER BY birth_date DESC LIMIT 1"
JOINED = (
    "Which albums are by artists from Japan?",
    "SELECT T1.title FROM albums AS T1 JOIN artists AS T2 ON T1.artist_id = T2.artist_id WHERE T2.country = 'Japan'",
)


@cache
def opened(name: str) -> tuple[Database, ValueIndex]:
    database = connect(str(EXAMPLES / f"{name}.sqlite"))
    return database, ValueIndex(column_values(database, database.schema))


def after(name: str, turns: list[tuple[str, str]], question: str) -> FollowUp | None:
    """What a question is understood as after turns of (question, SQL), which are run."""
    database, index = opened(name)
    conversation = Conversation()
    for asked, sql in turns:
        result = database.run(sql)
        assert result.error is None
        conversation.add(Answer(asked, None, sql, result, "", 0.9, True, (), (), None, None, 0.0))
    return conversation.follow_up(question, database.schema, link(question, database.schema, index))


DIALOGUES = [
    # filters by time
    ("music_shop", JAZZ, "only those after 2015", "WHERE genre = 'Jazz' AND release_date >= '2016-01-01'"),
    ("music_shop", JAZZ, "Only the ones released before 2000", "genre = 'Jazz' AND release_date < '2000-01-01'"),
    ("music_shop", JAZZ, "and in 2019?", "release_date >= '2019-01-01' AND release_date < '2020-01-01'"),
    ("music_shop", JAZZ, "what about 2019?", "release_date >= '2019-01-01' AND release_date < '2020-01-01'"),
    ("music_shop", JAZZ, "only between 2000 and 2010", "release_date >= '2000-01-01' AND release_date < '2011-01-01'"),
    ("music_shop", JAZZ, "those released since 2010-06-01", "release_date >= '2010-06-01'"),
    ("university_library", PRESS, "only those after 1990", "publication_year > 1990"),
    ("film_festival", DRAMA, "in 2021?", "release_year = 2021"),
    # filters by number
    ("music_shop", JAZZ, "only those over 20 dollars", "genre = 'Jazz' AND price > 20"),
    ("music_shop", JAZZ, "which of them cost less than 15?", "price < 15"),
    ("music_shop", JAZZ, "just those with a price under 12.50", "price < 12.5"),
    ("music_shop", JAZZ, "only the ones cheaper than 15", "price < 15"),
    ("university_library", PAGES, "and over 1,000?", "WHERE pages > 1000"),
    ("university_library", PAGES, "only those with less than 900 pages", "pages > 800 AND pages < 900"),
    ("football_league", TALL, "and over 200?", "WHERE HeightCm > 200"),
    ("music_shop", GENRES, "only those with more than 10", "GROUP BY genre HAVING COUNT(*) > 10"),
    # values
    ("music_shop", JAPAN, "what about Canada?", "SELECT COUNT(*) FROM artists WHERE country = 'Canada'"),
    ("music_shop", JAPAN, "And Brazil?", "country = 'Brazil'"),
    ("music_shop", JAPAN, "how about japan and canada", "country IN ('Japan', 'Canada')"),
    ("music_shop", JAPAN, "what about Atlantis?", "country = 'Atlantis'"),
    ("music_shop", JAZZ, "only those from Japan", None),
    ("music_shop", JOINED, "only jazz", "T2.country = 'Japan' AND T1.genre = 'Jazz'"),
    ("music_shop", JOINED, "without Jazz", "T2.country = 'Japan' AND T1.genre != 'Jazz'"),
    ("university_library", PRESS, "only the ones in German", "publisher = 'Meridian Press' AND language = 'German'"),
    ("football_league", TALL, "only goalkeepers", "HeightCm > 195 AND Position = 'Goalkeeper'"),
    # counts and other aggregates
    ("music_shop", JAZZ, "How many are there?", "SELECT COUNT(*) FROM albums WHERE genre = 'Jazz'"),
    ("music_shop", JAZZ, "how many of them are there", "SELECT COUNT(*) FROM albums"),
    ("music_shop", GENRES, "count them", "SELECT COUNT(*) FROM (SELECT genre, COUNT(*)"),
    ("music_shop", JAZZ, "and the average price?", "SELECT AVG(price) FROM albums WHERE genre = 'Jazz'"),
    ("music_shop", JAZZ, "what is their total price?", "SELECT SUM(price) FROM albums WHERE genre = 'Jazz'"),
    ("city_bikes", LONGEST, "and the average?", "SELECT AVG(duration_minutes) FROM trips"),
    ("city_bikes", LONGEST, "What about the minimum?", "SELECT MIN(duration_minutes) FROM trips"),
    ("music_shop", DEAREST, "and the average?", "SELECT AVG(price) FROM albums"),
    # order and limits
    ("music_shop", JAZZ, "sort them by price", "WHERE genre = 'Jazz' ORDER BY price"),
    ("music_shop", JAZZ, "order by release date, newest first", "ORDER BY release_date DESC"),
    ("music_shop", JAZZ, "newest first", "ORDER BY release_date DESC"),
    ("music_shop", JAZZ, "Sort them alphabetically, please", "ORDER BY title"),
    ("music_shop", GENRES, "sort them by number in descending order", "ORDER BY COUNT(*) DESC"),
    ("music_shop", DEAREST, "the top 3", "ORDER BY price DESC LIMIT 3"),
    ("music_shop", GENRES, "only the top five", "ORDER BY COUNT(*) DESC LIMIT 5"),
    ("music_shop", JAZZ, "show me the first 10", "WHERE genre = 'Jazz' LIMIT 10"),
    ("music_shop", JAZZ, "the top 3 by price", "ORDER BY price DESC LIMIT 3"),
    ("music_shop", DEAREST, "and the cheapest?", "ORDER BY price LIMIT 1"),
    # columns
    ("music_shop", JAPAN, "show their names instead", "SELECT name FROM artists WHERE country = 'Japan'"),
    ("music_shop", JAPAN, "who are they?", "SELECT name FROM artists WHERE country = 'Japan'"),
    ("music_shop", JAZZ, "show the price too", "SELECT title, price FROM albums WHERE genre = 'Jazz'"),
    ("music_shop", JAZZ, "add the price and the stock", "SELECT title, price, stock FROM albums"),
    ("music_shop", DEAREST, "what is its price?", "SELECT price FROM albums ORDER BY price DESC LIMIT 1"),
    ("university_library", PAGES, "and their publishers?", "SELECT publisher FROM books WHERE pages > 800"),
    ("university_library", PAGES, "without duplicates", "SELECT DISTINCT title FROM books"),
    # as people put it
    ("music_shop", JAZZ, "Which of those are from 2010 or later?", "release_date >= '2010-01-01'"),
    ("music_shop", JAZZ, "can you sort these by price from high to low?", "ORDER BY price DESC"),
    ("music_shop", JAZZ, "except those from 2019", "AND NOT (release_date >= '2019-01-01' AND release_date < '2020"),
    ("music_shop", JAZZ, "which ones are the cheapest?", "ORDER BY price LIMIT 1"),
    ("music_shop", JAZZ, "only rock and pop", "WHERE genre IN ('Rock', 'Pop')"),
    ("music_shop", JAPAN, "and how many from Brazil?", "SELECT COUNT(*) FROM artists WHERE country = 'Brazil'"),
    ("music_shop", JAPAN, "what about those that debuted after 2000?", "country = 'Japan' AND debut_year > 2000"),
    ("music_shop", DEAREST, "what is the price of that album?", "SELECT price FROM albums ORDER BY price DESC"),
    ("university_library", PAGES, "published since 2000", "pages > 800 AND publication_year >= 2000"),
    ("clinic", EARNING, "and less than 100000?", "FROM doctor WHERE salary < 100000"),
    ("clinic", EARNING, "only cardiologists", "salary > 120000 AND specialty = 'Cardiologist'"),
    ("clinic", EARNING, "hired after 2010", "salary > 120000 AND hired_on >= '2011-01-01'"),
    ("clinic", YOUNGEST, "and the oldest?", "SELECT full_name FROM patient ORDER BY birth_date LIMIT 1"),
    ("clinic", YOUNGEST, "what's her phone number?", "SELECT phone FROM patient ORDER BY birth_date DESC LIMIT 1"),
    ("film_festival", DRAMA_COUNT, "which ones are in French?", "SELECT title FROM film WHERE genre = 'Drama' AND"),
    # groups
    ("music_shop", JAZZ, "per release date", "SELECT release_date, COUNT(*) FROM albums WHERE genre = 'Jazz' GROUP BY"),
    ("music_shop", JAPAN, "and by debut year?", "SELECT debut_year, COUNT(*) FROM artists"),
    ("football_league", TALL, "group them by position", "SELECT Position, COUNT(*) FROM Players WHERE HeightCm > 195"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "turn", "question", "expected"), DIALOGUES, ids=[d[2] for d in DIALOGUES])
def test_a_follow_up_edits_the_query_before(
    name: str, turn: tuple[str, str], question: str, expected: str | None
) -> None:
    found = after(name, [turn], question)
    assert found is not None
    if expected is None:  # outside of the query's tables: the model is asked
        assert found.sql is None
        return
    assert found.sql is not None
    assert expected in found.sql
    assert opened(name)[0].run(found.sql).error is None
    assert found.question != question


NEW_TOPICS = [
    "How many customers are there?",
    "Which artists come from Japan?",
    "What is the average price of albums?",
    "What is the average price?",
    "List the top 3 albums by price",
    "Show the names of all customers",
    "Which customers never gave us their email?",
    "Albums over 20 dollars",
    "List artists and their albums",
    "Which album has the longest track?",
    "jazz albums",
    "Delete all albums",
]


@pytest.mark.parametrize("question", NEW_TOPICS)
def test_a_new_topic_is_left_alone(question: str) -> None:
    assert after("music_shop", [JAZZ], question) is None
    assert after("music_shop", [], question) is None


def test_follow_ups_follow_one_another() -> None:
    database, index = opened("music_shop")
    conversation = Conversation()
    first = Answer(*JAZZ[:1], None, JAZZ[1], None, "", 0.9, True, (), (), None, None, 0.0)
    conversation.add(first)
    for question in ("only those after 2005", "sort them by price", "the top 3", "show the price too"):
        found = conversation.follow_up(question, database.schema, link(question, database.schema, index))
        assert found is not None
        assert found.sql is not None
        conversation.add(
            Answer(question, found.question, found.sql, database.run(found.sql), "", 0.9, True, (), (), None, None, 0.0)
        )
    sql = "SELECT title, price FROM albums WHERE genre = 'Jazz' AND release_date >= '2006-01-01' ORDER BY price LIMIT 3"
    assert found.sql == sql
    assert found.question == (
        "Which albums are Jazz, only those after 2005, sorted by price, only the top 3, also show the price?"
    )


def test_a_replaced_value_is_replaced_in_the_words_too() -> None:
    found = after("music_shop", [JAPAN], "what about Canada?")
    assert found is not None
    assert found.question == "How many artists come from Canada?"
    assert found.confidence == 0.9


def test_a_pronoun_becomes_what_was_found() -> None:
    found = after("university_library", [LONGEST_BOOK], "Who wrote it?")
    title = opened("university_library")[0].run(LONGEST_BOOK[1]).rows[0][0]
    assert found == FollowUp(f"Who wrote {title}?", None, 0.9)
    found = after("university_library", [PAGES], "Which students have borrowed them?")
    assert found is None or "books" in found.question  # a table before the pronoun may be what it stands for
    found = after("university_library", [PAGES], "Who borrowed them?")
    assert found is not None
    assert found.question == "Who borrowed the books with pages over 800?"


def test_only_a_usable_turn_is_followed_and_the_memory_is_bounded() -> None:
    database, _ = opened("music_shop")
    conversation = Conversation(limit=3)
    blank = Answer("?", None, "", None, "", 0.0, False, (), (), None, "abstained", 0.0)
    conversation.add(Answer(*JAZZ[:1], None, JAZZ[1], None, "", 0.9, True, (), (), None, None, 0.0))
    conversation.add(blank)
    assert conversation.complete("how many are there?", database.schema) == "Which albums are Jazz: how many are there?"
    for _ in range(3):
        conversation.add(blank)
    assert len(conversation.turns) == 3
    assert conversation.complete("how many are there?", database.schema) is None


def test_sql_of_another_database_is_not_followed() -> None:
    database, index = opened("clinic")
    conversation = Conversation()
    conversation.add(Answer(*JAZZ[:1], None, JAZZ[1], None, "", 0.9, True, (), (), None, None, 0.0))
    assert conversation.follow_up("how many are there?", database.schema, link("", database.schema, index)) is None


def test_other_dialects_are_edited_in_their_own_words() -> None:
    database, index = opened("football_league")
    conversation = Conversation()
    sql = 'SELECT "Name" FROM "Players" WHERE "HeightCm" > 195'
    conversation.add(Answer("Tall players", None, sql, None, "", 0.9, True, (), (), None, None, 0.0))
    question = "sort them by market value"
    found = conversation.follow_up(question, database.schema, link(question, database.schema, index), "postgres")
    assert found is not None
    assert found.sql == sql + ' ORDER BY "MarketValue"'


def test_a_query_that_cannot_be_edited_goes_to_the_model() -> None:
    union = "SELECT title FROM albums UNION SELECT title FROM tracks"
    found = after("music_shop", [("All titles", union)], "sort them by price")
    assert found is not None
    assert found.sql is None
    assert found.question == "All titles, sorted by price?"
