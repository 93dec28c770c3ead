"""Sentences about real rows: the examples' databases, read as English, and what must never be claimed."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from text2sql.assistant.explain import explain
from text2sql.assistant.sentences import LONGEST, sentence
from text2sql.data.spider import read_spider_split
from text2sql.database import ExecutionResult
from text2sql.database.dialects import transpile
from text2sql.database.sqlite import SQLiteDatabase
from text2sql.schema import Column, ForeignKey, Schema, Table

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SHOP = Schema(
    "shop",
    (
        Table("artists", (Column("artist_id", "number"), Column("name"), Column("country")), ("artist_id",)),
        Table(
            "albums",
            (
                Column("album_id", "number"),
                Column("title"),
                Column("artist_id", "number"),
                Column("release_year", "number"),
                Column("price", "number"),
                Column("genre"),
                Column("is_live", "boolean"),
            ),
            ("album_id",),
        ),
    ),
    (ForeignKey("albums", ("artist_id",), "artists", ("artist_id",)),),
)


@pytest.fixture(scope="module")
def databases() -> Iterator[dict[str, SQLiteDatabase]]:
    opened = {path.stem: SQLiteDatabase(path) for path in EXAMPLES.glob("*.sqlite")}
    yield opened
    for database in opened.values():
        database.close()


def said(sql: str, rows: list[tuple], columns: int | None = None, truncated: bool = False, question: str = "") -> str:
    names = tuple(f"c{i}" for i in range(columns or len(rows[0]) if rows else columns or 1))
    return sentence(question, sql, ExecutionResult(names, rows, truncated, 0.0, None), SHOP)


REAL = [
    ("music_shop", "SELECT count(*) FROM artists WHERE country = 'Japan'",
     "There are 2 artists whose country is Japan."),
    ("music_shop", "SELECT count(*) FROM artists WHERE country = 'Atlantis'",
     "There are no artists whose country is Atlantis."),
    ("music_shop", "SELECT avg(price) FROM albums WHERE genre = 'Jazz'",
     "The average price of albums whose genre is Jazz is 12.44."),
    ("music_shop", "SELECT avg(price) FROM albums WHERE genre = 'Polka'",
     "The average price of albums whose genre is Polka is not known: there are no values for it."),
    ("music_shop", "SELECT title FROM albums ORDER BY price DESC LIMIT 1",
     "The album with the highest price is São Paulo at Night."),
    ("music_shop", "SELECT genre, count(*) FROM albums GROUP BY genre ORDER BY count(*) DESC",
     "Rock and Electronic have the most albums (11 each), followed by Jazz (9), Folk (8), Classical (8), Pop (7), "
     "Samba (4) and 2 more genres."),
    ("music_shop", "SELECT title FROM albums WHERE genre = 'Polka'", "No albums whose genre is Polka were found."),
    ("music_shop", "SELECT sum(quantity) FROM sales WHERE sold_on LIKE '2023%'",
     "The total quantity of sales sold in 2023 is 103."),
    ("music_shop", "SELECT country FROM artists WHERE debut_year < 1990 INTERSECT SELECT country FROM artists "
     "WHERE debut_year > 2005",
     "There are 5 countries of artists who debuted before 1990 that are also countries of artists who debuted after "
     "2005: France, Ireland, Italy, Japan and Mexico."),
    ("clinic", "SELECT status, count(*) FROM appointment GROUP BY status",
     "The status with the most appointments is completed (132), followed by cancelled (24), scheduled (22) and "
     "no-show (12)."),
    ("clinic", "SELECT full_name FROM patient WHERE id NOT IN (SELECT patient_id FROM appointment)",
     "There are 9 patients without any appointment: Søren Petrov, Noor Varga, Marta Demir, Ingrid Petrov, Aiko Dupont "
     "and 4 more."),
    ("clinic", "SELECT phone FROM patient WHERE gender = 'F' AND blood_type = 'AB+'",
     "The phones of patients whose gender is F and whose blood type is AB+: 0555 498 4655, 0555 274 4198, "
     "0555 794 2081 and 0555 654 2940 (1 of 5 not known)."),
    ("clinic", "SELECT T1.full_name, T1.specialty FROM doctor AS T1 JOIN department AS T2 ON T1.department_id = T2.id "
     "WHERE T2.name = 'Cardiology'",
     "The doctor whose department is Cardiology is Inês Schäfer (specialty Neurologist)."),
    ("city_bikes", "SELECT count(*) FROM bikes WHERE is_electric = 1", "There are 21 bikes marked as electric."),
    ("city_bikes", "SELECT T2.station_name FROM trips AS T1 JOIN stations AS T2 ON T1.start_station_id = T2.station_id "
     "GROUP BY T1.start_station_id ORDER BY count(*) DESC LIMIT 1",
     "The start station with the most trips is Opera House."),
    ("city_bikes", "SELECT count(*) FROM trips AS T1 JOIN stations AS T2 ON T1.end_station_id = T2.station_id WHERE "
     "T2.station_name = 'Central Station'", "There are 4 trips whose end station is Central Station."),
    ("city_bikes", "SELECT count(DISTINCT T1.mechanic) FROM repairs AS T1 JOIN bikes AS T2 ON T1.bike_id = T2.bike_id "
     "WHERE T2.model = 'E-Comet'", "There are 4 different mechanics among repairs whose bike model is E-Comet."),
    ("film_festival", "SELECT T2.full_name FROM film AS T1 JOIN director AS T2 ON T1.director_id = T2.director_id "
     "WHERE T1.title = 'Água Viva'", "The director with the film Água Viva is Freya Laurent."),
    ("football_league", "SELECT Coach FROM Clubs WHERE Name = 'FC Kestrel'",
     "The coach of the club named FC Kestrel is Nadia Schäfer."),
    ("football_league", "SELECT Referee FROM Matches GROUP BY Referee HAVING count(*) > 30",
     "The referee with more than 30 matches is J. Oduya."),
    ("university_library", "SELECT sum(amount) FROM fines WHERE paid_on IS NULL",
     "The total amount of fines without a paid date is 103.25."),
    ("university_library", "SELECT count(*) FROM books WHERE pages > 800",
     "There are 8 books with more than 800 pages."),
    ("university_library", "SELECT T3.name FROM books AS T1 JOIN book_authors AS T2 ON T1.book_code = T2.book_code "
     "JOIN authors AS T3 ON T2.author_id = T3.author_id WHERE T1.title = 'Café Philosophy'",
     "The author with the book Café Philosophy is Tomás Novak."),
]  # fmt: skip


@pytest.mark.parametrize(("name", "sql", "expected"), REAL)
def test_answers_about_the_examples(databases: dict[str, SQLiteDatabase], name: str, sql: str, expected: str) -> None:
    database = databases[name]
    assert sentence("", sql, database.run(sql), database.schema) == expected


INVENTED = [
    ("SELECT count(*) FROM albums WHERE release_year > 2015", [(12,)], "There are 12 albums released after 2015."),
    ("SELECT count(*) FROM albums WHERE release_year > 2015", [(1,)], "There is 1 album released after 2015."),
    ("SELECT count(*) FROM albums", [(1234567,)], "There are 1,234,567 albums."),
    ("SELECT sum(price) FROM albums", [(1234567.891,)], "The total price of all albums is 1,234,567.89."),
    ("SELECT max(release_year) FROM albums", [(2021,)], "The latest release year of all albums is 2021."),
    ("SELECT min(price), max(price) FROM albums", [(Decimal("0.00123"), 3.0)],
     "The lowest price is 0.00123 and the highest price is 3, for all albums."),
    ("SELECT title FROM albums", [("Ash",), ("Bay",)], "There are 2 albums: Ash and Bay."),
    ("SELECT title FROM albums", [(c,) for c in "ABCDEF"], "There are 6 albums: A, B, C, D, E and F."),
    ("SELECT title FROM albums", [(c,) for c in "ABCDEFGHIJKL"], "There are 12 albums: A, B, C, D, E and 7 more."),
    ("SELECT title FROM albums", [("Hot, Cold",), ("Bay",)], "There are 2 albums: Hot, Cold; Bay."),
    ("SELECT genre FROM albums WHERE title = 'Ash'", [(None,)], "The genre of the album titled Ash is not known."),
    ("SELECT title, price FROM albums WHERE genre = 'Jazz'", [("Ash", 10), ("Bay", None)],
     "There are 2 albums whose genre is Jazz: Ash (price 10) and Bay (price not known)."),
    ("SELECT title FROM albums ORDER BY price DESC LIMIT 3", [("A",), ("B",), ("C",)],
     "The 3 albums with the highest price: A, B and C."),
    ("SELECT title FROM albums LIMIT 2", [("A",), ("B",)], "2 results for albums: A and B."),
    ("SELECT genre, count(*) FROM albums GROUP BY genre", [("Rock", 12), ("Jazz", 10), ("Pop", 9)],
     "Rock has the most albums (12), followed by Jazz (10) and Pop (9)."),
    ("SELECT genre, count(*) FROM albums GROUP BY genre ORDER BY count(*)", [("Pop", 9), ("Rock", 12)],
     "Pop has the fewest albums (9), followed by Rock (12)."),
    ("SELECT genre, count(*) FROM albums GROUP BY genre", [("Rock", 3), ("Jazz", 3)],
     "Each of the 2 genres (Rock and Jazz) has 3 albums."),
    ("SELECT genre, avg(price) FROM albums GROUP BY genre", [("Rock", 12), ("Jazz", 14.5), ("Pop", None)],
     "The average price is highest for Jazz (14.5), followed by Rock (12). For Pop it is not known."),
    ("SELECT release_year, count(*) FROM albums GROUP BY release_year", [(2001, 3), (2002, 9)],
     "The number of albums by release year: 2001 (3) and 2002 (9)."),
    ("SELECT genre FROM albums GROUP BY genre HAVING count(*) = 1", [("Ska",), ("Dub",)],
     "There are 2 genres with exactly 1 album: Ska and Dub."),
    ("SELECT T2.name FROM albums AS T1 JOIN artists AS T2 ON T1.artist_id = T2.artist_id WHERE T1.is_live = 1 AND "
     "T1.price > 10", [("Ann",), ("Bo",)],
     "There are 2 results for artists with an album marked as live whose price is above 10: Ann and Bo."),
    ("SELECT title FROM albums WHERE genre = 'Jazz' OR genre = 'Pop'", [("A",), ("B",)],
     "There are 2 albums whose genre is Jazz or Pop: A and B."),
    ("SELECT title FROM albums WHERE genre NOT IN ('Jazz', 'Pop')", [("A",)],
     "The album whose genre is neither Jazz nor Pop is A."),
    ("SELECT title FROM albums WHERE title LIKE '%love%' AND price BETWEEN 5 AND 10", [("A",)],
     "The album whose title contains “love” and whose price is between 5 and 10 is A."),
    ("SELECT T2.name, count(*) FROM artists AS T2 LEFT JOIN albums AS T1 ON T1.artist_id = T2.artist_id GROUP BY "
     "T2.artist_id", [("Ann", 2), ("Bo", 1)], "Ann has the most rows (2), followed by Bo (1)."),
    ("SELECT T2.name, count(T1.album_id) FROM artists AS T2 LEFT JOIN albums AS T1 ON T1.artist_id = T2.artist_id "
     "GROUP BY T2.artist_id", [("Ann", 2), ("Bo", 0)], "Ann has the most albums (2), followed by Bo (0)."),
    ("SELECT count(genre) FROM albums", [(5,)], "There are 5 albums with a genre."),
    ("SELECT sum(DISTINCT price) FROM albums", [(5,)], "The total of the different prices of all albums is 5."),
    ("SELECT price FROM albums WHERE genre = 'Pop'", [(1000,), (2000,)],
     "The prices of albums whose genre is Pop: 1,000; 2,000."),
    ("SELECT count(*), genre FROM albums GROUP BY genre ORDER BY count(*) DESC LIMIT 1", [(4, "Pop")],
     "The genre with the most albums is Pop (number of albums 4)."),
    ("SELECT DISTINCT genre FROM albums", [("Jazz",), ("Pop",)],
     "There are 2 different genres of albums: Jazz and Pop."),
    ("SELECT EXISTS (SELECT 1 FROM albums WHERE genre = 'Ska')", [(1,)], "Yes, there are albums whose genre is Ska."),
    ("SELECT EXISTS (SELECT * FROM albums WHERE genre = 'Ska')", [(0,)], "No, there are no albums whose genre is Ska."),
    ("SELECT avg(price) > 10 FROM albums", [(0,)], "No, it is not true that the average price is above 10."),
    ("SELECT name FROM artists EXCEPT SELECT T2.name FROM albums AS T1 JOIN artists AS T2 ON T1.artist_id = "
     "T2.artist_id WHERE T1.genre = 'Pop'", [("Ann",), ("Bo",)],
     "There are 2 artists that are not artists with an album whose genre is Pop: Ann and Bo."),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "rows", "expected"), INVENTED)
def test_templates(sql: str, rows: list[tuple], expected: str) -> None:
    assert said(sql, rows) == expected


def test_a_cut_result_is_not_counted() -> None:
    rows = [(f"Album {i}",) for i in range(1000)]
    assert said("SELECT title FROM albums", rows, truncated=True) == (
        "The first 1,000 albums: Album 0, Album 1, Album 2, Album 3, Album 4 and 995 more."
    )
    groups = [(f"Genre {i}", i) for i in range(1000)]
    text = said("SELECT genre, count(*) FROM albums GROUP BY genre", groups, truncated=True)
    assert "most" not in text
    assert text.startswith("The first 1,000 genres")


def test_joins_that_repeat_rows_are_not_counted_as_things() -> None:
    sql = "SELECT T2.name FROM albums AS T1 JOIN artists AS T2 ON T1.artist_id = T2.artist_id"
    assert said(sql, [("Ann",), ("Ann",)]).startswith("There are 2 results for artists with at least one album")
    cross = said("SELECT count(*) FROM albums, artists", [(40,)])
    assert cross == "There are 40 combinations of album and artist."


def test_distinct_rows_of_several_columns_are_results() -> None:
    text = said("SELECT DISTINCT genre, price FROM albums", [("Pop", 1), ("Ska", 2)])
    assert text == "There are 2 different results for albums: Pop (price 1) and Ska (price 2)."


def test_a_failed_query_says_so() -> None:
    result = ExecutionResult((), [], False, 0.0, "no such column: colour")
    assert sentence("", "SELECT colour FROM albums", result, SHOP) == (
        "The query could not be run: no such column: colour."
    )


@pytest.mark.parametrize(
    ("question", "number", "start"),
    [
        ("Are there any jazz albums?", 3, "Yes, there are 3 albums"),
        ("Do we have any jazz albums?", 0, "No, there are no albums"),
        ("How many jazz albums are there?", 3, "There are 3 albums"),
        ("Are there more than 10 jazz albums?", 3, "There are 3 albums"),
    ],
)
def test_yes_and_no_only_where_that_is_asked(question: str, number: int, start: str) -> None:
    assert said("SELECT count(*) FROM albums WHERE genre = 'Jazz'", [(number,)], question=question).startswith(start)


def test_values_stay_plain_visible_and_short() -> None:
    rows = [("<script>alert(1)</script>\n\x1b[31m\u202eevil",), ("x" * 100_000,), (b"\x00" * 2_000_000,)]
    text = said("SELECT title FROM albums", rows)
    assert "<script>alert(1)</script> [31m evil" in text  # kept as text, for the page to escape
    assert text.isprintable()
    assert "binary data (2,000,000 bytes)" in text
    assert len(text) < 300
    wide = [tuple("y" * 500 for _ in range(40)) for _ in range(9)]
    assert len(said("SELECT * FROM albums", wide)) <= LONGEST


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (float("nan"), "not a number"),
        (float("-inf"), "minus infinity"),
        (10**300, "about 1.00e+300"),
        (-0.5, "-0.5"),
        (12.0, "12"),
        (1e-9, "1.00e-09"),
        (True, "yes"),
        ("", "(empty)"),
        ("2021-03-04", "4 March 2021"),
        (datetime.date(2021, 3, 4), "4 March 2021"),
        (datetime.datetime(2021, 3, 4, 15, 30), "4 March 2021 15:30"),
        ("2021-13-99", "2021-13-99"),
    ],
)
def test_single_values(value: object, shown: str) -> None:
    assert said("SELECT min(price) FROM albums", [(value,)]).endswith(f" is {shown}.")


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "DELETE FROM albums",
        "SELECT",
        "SELECT 1; SELECT 2",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "SELECT rank() OVER (ORDER BY price) FROM albums",
        "SELECT CASE WHEN price > 1 THEN 'a' ELSE 'b' END FROM albums",
        "SELECT title FROM nothing_here",
        "VALUES (1)",
        "SELECT title FROM albums WHERE artist_id NOT IN (SELECT FROM artists)",
        "SELECT T1.name FROM count(*) AS T1 JOIN albums AS T2 ON T1.album_id = T2.album_id GROUP BY T1.album_id",
        "SELECT genre FROM albums GROUP BY genre HAVING count(*) WHERE 2",
        "SELECT " + "(" * 2000 + "1" + ")" * 2000,
        "SELECT title FROM albums LIMIT 1 OFFSET 3",
        "SELECT * FROM (SELECT title FROM albums) AS x JOIN generate_series(1, 3) AS y ON 1 = 1",
    ],
)
@pytest.mark.parametrize("rows", [[], [(None,)], [("a",), ("b",)]])
def test_any_sql_gets_a_sentence(sql: str, rows: list[tuple]) -> None:
    text = said(sql, rows)
    assert text.endswith(".")
    assert text[0].isupper() or text[0].isdigit()


@pytest.mark.parametrize(
    ("dialect", "sql"),
    [
        ("postgres", 'SELECT COUNT(*) FROM "albums" AS "T1" WHERE "T1"."genre" ILIKE \'%jazz%\''),
        ("duckdb", "SELECT count(*) FROM albums WHERE genre ILIKE '%jazz%'"),
        ("sqlite", 'SELECT count(*) FROM albums WHERE genre LIKE "%jazz%"'),
    ],
)
def test_dialects(dialect: str, sql: str) -> None:
    result = ExecutionResult(("count",), [(2,)], False, 0.0, None)
    assert sentence("", sql, result, SHOP, dialect) == "There are 2 albums whose genre contains “jazz”."


def test_every_hand_written_question_has_a_template(databases: dict[str, SQLiteDatabase]) -> None:
    lines = [(path.stem, line) for path in (EXAMPLES / "questions").glob("*.jsonl") for line in path.open()]
    for name, line in lines:
        entry, database = json.loads(line), databases[name]
        text = sentence(entry["question"], entry["sql"], database.run(entry["sql"]), database.schema)
        assert not text.startswith(("The result is", "The query found")), f"{entry['sql']}: {text}"
        assert len(text) < 400
    assert len(lines) > 70


@pytest.mark.parametrize("dialect", ["postgres", "duckdb"])
def test_the_other_dialects_are_said_and_explained_alike(databases: dict[str, SQLiteDatabase], dialect: str) -> None:
    for path in (EXAMPLES / "questions").glob("*.jsonl"):
        database = databases[path.stem]
        for sql in (json.loads(line)["sql"] for line in path.open(encoding="utf-8")):
            result, translated = database.run(sql), transpile(sql, database.schema, dialect)
            said_of = [sentence("", s, result, database.schema, d) for s, d in ((sql, "sqlite"), (translated, dialect))]
            assert said_of[0] == said_of[1], translated
            assert explain(sql, database.schema) == explain(translated, database.schema, dialect), translated


@pytest.mark.data
def test_spider_dev_golds_get_a_sentence(data_mirror: Path) -> None:
    for example in read_spider_split(data_mirror / "spider", "dev"):
        for rows in ([], [(1, "a", None, 2.5, "b", "c")[: example.sql.count(",") + 1]]):
            result = ExecutionResult(tuple(f"c{i}" for i in range(len(rows[0]) if rows else 1)), rows, False, 0.0, None)
            assert sentence(example.question, example.sql, result, example.schema).endswith((".", "!", "?"))
