"""A small database and queries full of SQLite's habits, which must give the same rows on every engine.

The rows are chosen so that no query has ties. The comparison is that of benchmarks/postgres.py.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

from conftest import REPOSITORY

sys.path.append(str(REPOSITORY / "benchmarks"))

DDL = """
CREATE TABLE Singer (Singer_ID INTEGER PRIMARY KEY, Name TEXT, Country TEXT, Age INT, "Net Worth" REAL, Born DATE,
                     Alive BOOL, user VARCHAR(10));
CREATE TABLE concert (Concert_ID INTEGER PRIMARY KEY, Theme TEXT, singer_id TEXT, Year TEXT, Held DATETIME, Sold INT);
CREATE TABLE "Stage Plan" (Concert_ID INT, Place TEXT, PRIMARY KEY (Concert_ID, Place));
CREATE TABLE Codes (Code TEXT, Mixed TEXT);
INSERT INTO Singer VALUES (1, 'Anna', 'France', 31, 2.5, '1990-04-01', 1, 'a1'),
  (2, 'bert', 'France', NULL, 10.0, '1980-12-31', 0, 'b2'), (3, 'Chloé', 'Spain', 52, 7.25, NULL, 1, '30'),
  (4, 'O''Hara', 'Japan', 18, NULL, '2004-02-29', 1, NULL), (5, 'Zoe 100%', NULL, 44, 1.0, '1979-07-07', 0, '5x');
INSERT INTO concert VALUES (10, 'Free', '1', '2014', '2014-05-06 20:15:00', 700),
  (11, 'Home', '2', '2015', '2015-01-01 00:00:00', 300), (12, 'Free\\two', '2', '2015', NULL, NULL),
  (13, 'Party', '3', '2016', '2016-12-24 18:00:00', 1001), (14, NULL, NULL, '2014', '2014-11-30 21:00:00', 0);
INSERT INTO "Stage Plan" VALUES (10, 'left'), (10, 'right'), (11, 'left'), (13, 'middle');
INSERT INTO Codes VALUES ('012', '3 apples'), ('007', 'none'), ('7', '2.5kg'), ('x', NULL);
"""

QUERIES = {
    "double quotes are strings": 'SELECT name FROM singer WHERE name = "Anna" OR country IN ("Spain", "Japan")',
    "double quotes are columns": 'SELECT "Net Worth", "name" FROM singer WHERE "country" = "France"',
    "string after an alias": 'SELECT T1.name FROM Singer AS T1 WHERE T1.Country = "France"',
    "quote in a string": 'SELECT count(*) FROM singer WHERE name = "O\'Hara"',
    "case of names": "SELECT NAME, t1.AGE FROM SINGER T1 WHERE T1.singer_ID > 2",
    "reserved names": "SELECT user FROM singer AS t WHERE t.user IS NOT NULL",
    "table with a space": 'SELECT count(*) FROM "Stage Plan" AS T1 JOIN concert T2 ON T1.concert_id = T2.concert_id',
    "primary key determines": """SELECT T1.name, T1.country, count(*) FROM singer T1 JOIN concert T2
        ON T1.singer_id = T2.singer_id GROUP BY T1.singer_id""",
    "other side of the join determines": """SELECT T1.theme, T1.year, count(*) FROM concert T1
        JOIN "Stage Plan" T2 ON T1.concert_id = T2.concert_id GROUP BY T2.concert_id""",
    "bare column, one row": "SELECT name, age FROM singer WHERE singer_id = 3 GROUP BY country",
    "row of the maximum": "SELECT name, max(age) FROM singer",
    "row of the minimum in groups": "SELECT country, name, min(age) FROM singer WHERE country > 'A' GROUP BY country",
    "row of the maximum in ORDER BY": "SELECT name FROM singer GROUP BY alive ORDER BY max(age) DESC",
    "star with groups": "SELECT * FROM concert GROUP BY concert_id HAVING concert_id > 11",
    "qualified star with groups": """SELECT T1.* FROM singer T1 JOIN concert T2 ON T1.singer_id = T2.singer_id
        GROUP BY T1.singer_id HAVING count(*) > 1""",
    "HAVING without GROUP BY": "SELECT count(*) FROM singer HAVING count(*) > 2",
    "HAVING with an alias": "SELECT country, count(*) AS n FROM singer GROUP BY country HAVING n > 1",
    "WHERE with an alias": "SELECT age + 1 AS older FROM singer WHERE older > 40",
    "GROUP BY an alias": "SELECT substr(year, 3) AS short, count(*) FROM concert GROUP BY short",
    "GROUP BY a position": "SELECT country, count(*) FROM singer GROUP BY 1",
    "GROUP BY a string": "SELECT count(*) FROM singer GROUP BY 'x'",
    "ORDER BY an alias in an expression": "SELECT name, age AS years FROM singer WHERE age > 0 ORDER BY years * -1",
    "DISTINCT sorted by another column": "SELECT DISTINCT name FROM singer WHERE age > 0 ORDER BY age DESC",
    "DISTINCT sorted by an aggregate": "SELECT DISTINCT country FROM singer GROUP BY country ORDER BY sum(age) DESC",
    "DISTINCT of fewer columns, sorted": """SELECT DISTINCT alive FROM singer WHERE age > 40 GROUP BY country, alive
        ORDER BY max(age)""",
    "set operation sorted by the second name": """SELECT theme FROM concert UNION SELECT name FROM singer
        ORDER BY name""",
    "set operation sorted by a position": "SELECT age FROM singer UNION ALL SELECT sold FROM concert ORDER BY 1",
    "EXCEPT": "SELECT country FROM singer EXCEPT SELECT country FROM singer WHERE age > 50",
    "INTERSECT in FROM": """SELECT count(*) FROM (SELECT year FROM concert WHERE sold > 500
        INTERSECT SELECT year FROM concert WHERE sold < 10)""",
    "NULLs first": "SELECT name, age FROM singer ORDER BY age",
    "NULLs last, descending": "SELECT name, age FROM singer ORDER BY age DESC",
    "LIMIT with a comma": "SELECT name FROM singer ORDER BY singer_id LIMIT 1, 2",
    "LIMIT -1": "SELECT name FROM singer ORDER BY singer_id LIMIT -1",
    "LIMIT in a nested query": "SELECT name FROM singer WHERE age = (SELECT age FROM singer ORDER BY age DESC LIMIT 1)",
    "LIKE without case": "SELECT name FROM singer WHERE name LIKE 'B%' OR name LIKE '%ANN%'",
    "NOT LIKE": "SELECT name FROM singer WHERE name NOT LIKE '%a%'",
    "LIKE of a number": "SELECT name FROM singer WHERE age LIKE '%4%'",
    "LIKE of a date": "SELECT name FROM singer WHERE born LIKE '19%'",
    "LIKE with a backslash": "SELECT theme FROM concert WHERE theme LIKE 'free\\two'",
    "LIKE with ESCAPE": "SELECT name FROM singer WHERE name LIKE '%!%' ESCAPE '!'",
    "GLOB": "SELECT name FROM singer WHERE name GLOB '[A-C]*' OR name GLOB '*?0%'",
    "number in quotes": "SELECT name FROM singer WHERE age > '40' AND singer_id = \"5\"",
    "fraction in quotes": "SELECT name FROM singer WHERE age > '30.5'",
    "word for a number": "SELECT name FROM singer WHERE age = 'old'",
    "number for a text": "SELECT theme FROM concert WHERE year = 2015 OR year > 2015",
    "number BETWEEN texts": "SELECT theme FROM concert WHERE year BETWEEN 2014 AND 2015",
    "numbers for texts in a list": "SELECT theme FROM concert WHERE year IN (2014, '2016')",
    "texts for numbers in a list": "SELECT name FROM singer WHERE age IN ('31', 52)",
    "join of text and number": "SELECT name, theme FROM singer JOIN concert ON singer.singer_id = concert.singer_id",
    "IN with another type": "SELECT name FROM singer WHERE singer_id IN (SELECT singer_id FROM concert)",
    "NOT IN with another type": """SELECT name FROM singer WHERE singer_id NOT IN
        (SELECT singer_id FROM concert WHERE singer_id IS NOT NULL)""",
    "text smaller than a number": "SELECT T1.code FROM codes T1 JOIN singer T2 ON T1.code < T2.age WHERE T2.age = 31",
    "sum of texts": "SELECT sum(mixed), total(mixed) FROM codes",
    "average of texts": "SELECT avg(year), avg(mixed) FROM concert, codes",
    "minimum of texts": "SELECT min(year), max(theme) FROM concert",
    "arithmetic with texts": "SELECT year - 2000, year + '1' FROM concert",
    "negative text": "SELECT -code FROM codes",
    "whole division": "SELECT sold / 7, sold / 7.0, count(*) / 2 FROM concert WHERE sold > 700 GROUP BY sold",
    "division of counts": "SELECT count(*) / count(DISTINCT year), sum(sold) / count(*) FROM concert",
    "division by zero": "SELECT 10 / sold, 10 % sold FROM concert",
    "remainder": "SELECT singer_id % 2, age % 10, -7 % 3 FROM singer",
    "rounding": 'SELECT round(avg(age), 1), round("Net Worth"), round(2.5), round(7.25, 1) FROM singer WHERE age > 50',
    "cast to a whole number": "SELECT CAST(mixed AS INTEGER), CAST(7.9 AS INT), CAST(-7.9 AS INT) FROM codes",
    "cast to a float": "SELECT CAST(code AS REAL), CAST(age AS REAL) / 2 FROM codes, singer",
    "cast to text": "SELECT CAST(age AS TEXT) || '!' FROM singer",
    "concatenation": "SELECT name || ' ' || age, singer_id || age FROM singer",
    "truth of booleans": "SELECT name FROM singer WHERE alive = 1 AND NOT alive = 0 AND alive != '0'",
    "truth of numbers": "SELECT theme FROM concert WHERE sold AND year",
    "sum of truth": "SELECT sum(age > 30), sum(alive), max(alive), avg(alive) FROM singer",
    "selected truth": "SELECT age > 30, name = 'Anna', country IS NULL FROM singer",
    "IS": "SELECT name FROM singer WHERE age IS 31 OR country IS NULL OR age IS NOT 52",
    "equals twice": "SELECT name FROM singer WHERE age == 31 OR age <> 31",
    "ISNULL": "SELECT name FROM singer WHERE age ISNULL OR country NOTNULL",
    "IFNULL": "SELECT ifnull(age, 0), coalesce(country, name) FROM singer",
    "IIF and CASE": "SELECT iif(age > 40, 'old', 'no'), CASE WHEN age > 40 THEN 1 ELSE 0 END FROM singer WHERE age > 0",
    "CASE of a number": "SELECT CASE singer_id WHEN 1 THEN 'one' ELSE 'many' END FROM singer",
    "NULLIF": "SELECT nullif(sold, 0) FROM concert",
    "INSTR": "SELECT instr(name, 'n') FROM singer",
    "SUBSTR": "SELECT substr(name, 2), substr(name, 1, 2), substr(name, -3), substr(name, -3, 2) FROM singer",
    "SUBSTR of a number": "SELECT substr(age, 1, 1), length(age), length(name) FROM singer WHERE age > 0",
    "text functions": "SELECT upper(theme), lower(theme), trim(' x '), replace(theme, 'e', '3') FROM concert",
    "GROUP_CONCAT": "SELECT group_concat(country) FROM singer WHERE singer_id = 3",
    "GROUP_CONCAT with a separator": "SELECT group_concat(age, '; ') FROM singer WHERE singer_id = 1",
    "largest of several": "SELECT max(age, 40), min(singer_id, 3) FROM singer WHERE age > 0",
    "COUNT DISTINCT": "SELECT count(DISTINCT country), count(DISTINCT alive) FROM singer",
    "strftime of a date": "SELECT strftime('%Y', born), strftime('%m-%d', born) FROM singer",
    "strftime of a timestamp": "SELECT strftime('%Y-%m-%d %H:%M:%S', held) FROM concert",
    "strftime of a text": "SELECT strftime('%Y', mixed) FROM codes",
    "year as a text": "SELECT name FROM singer WHERE strftime('%Y', born) = '1990'",
    "date of a timestamp": "SELECT date(held) FROM concert WHERE date(held) > '2014-06-01'",
    "date with a modifier": "SELECT date(born, '+1 month'), date('2020-03-15', 'start of month') FROM singer",
    "julianday": "SELECT julianday(born) - julianday('2000-01-01') FROM singer",
    "date against a date": "SELECT name FROM singer WHERE born > '1985-01-01' AND born != '2004-02-29'",
    "timestamp in quotes": "SELECT theme FROM concert WHERE held = \"2015-01-01 00:00:00\" OR held > '2016-01-01'",
    "latest date": "SELECT max(born), min(held) FROM singer, concert",
    "join without ON": "SELECT count(*) FROM singer JOIN concert",
    "comma before JOIN": """SELECT count(*) FROM singer, concert JOIN "Stage Plan" AS p
        ON p.concert_id = concert.concert_id AND concert.singer_id = singer.singer_id""",
    "ON before its table": """SELECT count(*) FROM concert T1 JOIN "Stage Plan" T2 ON T1.singer_id = T3.singer_id
        JOIN singer T3 ON T2.concert_id = T1.concert_id""",
    "USING": 'SELECT theme, place FROM concert JOIN "Stage Plan" USING (CONCERT_ID)',
    "NATURAL JOIN": 'SELECT theme, place FROM concert NATURAL JOIN "Stage Plan"',
    "LEFT JOIN": """SELECT T1.theme, count(T2.place) FROM concert T1 LEFT JOIN "Stage Plan" T2
        ON T1.concert_id = T2.concert_id GROUP BY T1.concert_id""",
    "subquery without an alias": "SELECT avg(n) FROM (SELECT count(*) AS n FROM concert GROUP BY year)",
    "subquery's names": "SELECT Top.N FROM (SELECT Age N, name FROM singer) AS TOP WHERE top.n > 40",
    "correlated subquery": """SELECT name FROM singer AS s WHERE EXISTS
        (SELECT * FROM concert WHERE concert.singer_id = S.singer_id AND sold > 500)""",
    "correlated scalar": "SELECT name, (SELECT count(*) FROM concert c WHERE c.singer_id = s.singer_id) FROM singer s",
    "common table expression": "WITH Old(WHO, y) AS (SELECT name, age FROM singer) SELECT who, Y FROM old WHERE y > 40",
    "recursion": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT sum(i) FROM n",
    "window": "SELECT name, rank() OVER (ORDER BY age DESC) FROM singer WHERE age > 0",
    "self join": "SELECT A.name, B.name FROM singer A JOIN singer B ON A.country = B.country AND A.age < B.age + 1",
    "columns of different types in UNION": "SELECT name FROM singer WHERE age = 31 UNION SELECT 'x' || age FROM singer",
    "no FROM": "SELECT 1, 'a', 2 + 3",
}

DIFFERENT = {
    "a date against a year is compared as a text": (
        "SELECT name FROM singer WHERE born >= '1980' AND born < '1991'",
        [("Anna",), ("bert",)],  # SQLite: none, because a text is greater than the number 1991
    ),
    "a column has one type": (
        "SELECT ifnull(age, 'unknown'), iif(age > 18, 'old', 1) FROM singer WHERE singer_id IN (2, 4)",
        [("unknown", "1"), ("18", "1")],  # SQLite: 18 and 1 are numbers
    ),
    "a text against an average is compared as a number": (
        "SELECT concert_id FROM concert WHERE year > (SELECT avg(sold) FROM concert) AND concert_id < 12",
        [(10,), (11,)],  # SQLite: none, because the text '2014' is smaller than '500.25'
    ),
    "a computed text equals a number": (
        "SELECT concert_id FROM concert WHERE substr(year, 1, 3) = 201 AND concert_id < 12",
        [(10,), (11,)],  # SQLite: none, because neither side is a column whose type could convert the other
    ),
    "a text equals a number that is written like it": (
        "SELECT code FROM codes JOIN concert ON code = concert_id",
        [],  # SQLite: '012', which is the number 12
    ),
}
"""Queries on which SQLite's answer is not what a reader of the query wants, with the rows that are given instead."""


def write_database(path: Path) -> Path:
    """The database as a SQLite file."""
    connection = sqlite3.connect(path)
    connection.executescript(DDL)
    connection.close()
    return path
