"""Word lists of the question grammar: units, verbs of events, places, persons, reserved words of SQL."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


NAME_WORDS = words("name title")
"""Last words of columns that say what a row is called."""
KEY_WORDS = words("id ids code key uuid guid no nr ref")
"""Last words of columns that identify a row for the machine."""
IDENTIFIER_WORDS = words("number no nr floor phone zip zipcode postcode telephone fax code level rank")
"""Words of numbers whose total or average means nothing."""
EXTREME_WORDS = words("lowest highest average mean total minimum maximum min max sum count first last")
"""Words in a column's name that an extreme or an aggregate of it would be taken for."""

MEASURES = words(
    """duration distance length height width depth weight dose speed size time area budget price amount salary age
    temperature volume capacity elevation altitude"""
)
UNITS = words(
    """seconds minutes hours days weeks months years km m cm mm miles feet ft inches kg g mg lb lbs usd eur gbp dollars
    euros percent mb gb kb ms mph kmh kph sqm ha liters litres ml"""
)

PASSIVE = words(
    """released published founded opened purchased bought hired sold borrowed returned scheduled repaired paid built
    created updated modified issued held registered produced shipped ordered delivered cancelled closed elected made
    recorded installed established designed reported added booked approved assigned awarded filmed licensed discovered
    launched taken treated signed born premiered"""
)
"""Participles behind "was": an album was released."""
ACTIVE = words("joined enrolled died started ended arrived departed graduated debuted retired began left")
"""Past tenses that stand alone: a member joined."""
PENDING = words("returned paid shipped delivered cancelled closed repaired approved assigned signed treated resolved")
"""Participles for which a missing date means that it has not happened."""
PARTICIPLES = {
    "release": "released",
    "publication": "published",
    "founding": "founded",
    "foundation": "founded",
    "opening": "opened",
    "purchase": "purchased",
    "hire": "hired",
    "hiring": "hired",
    "sale": "sold",
    "birth": "born",
    "death": "died",
    "start": "started",
    "end": "ended",
    "debut": "debuted",
    "creation": "created",
    "registration": "registered",
    "enrollment": "enrolled",
    "enrolment": "enrolled",
    "order": "ordered",
    "delivery": "delivered",
    "shipping": "shipped",
    "booking": "booked",
    "construction": "built",
    "launch": "launched",
    "arrival": "arrived",
    "departure": "departed",
    "graduation": "graduated",
    "premiere": "premiered",
    "join": "joined",
    "joining": "joined",
    "payment": "paid",
}
"""From the noun in a column's name ("release date") to what happened."""

PLACE_NOUNS = words(
    "city country town district state region location neighbourhood neighborhood county province continent"
)
"""Columns whose values are said with "in" and "from"."""
PREMODIFIER_NOUNS = words("genre status nationality position language type category profession degree")
"""Columns whose values stand before the noun: Jazz albums."""
PERSONS = words(
    """person people customer client doctor patient member student author player director employee teacher guest user
    artist singer actor driver manager staff passenger pilot physician nurse professor instructor candidate athlete
    swimmer gymnast wrestler engineer farmer tourist visitor owner reviewer editor captain coach judge musician faculty
    advisor contestant conductor follower voter perpetrator entrepreneur inspector mechanic child host"""
)
"""Rows that are "who" and "they"."""

RESERVED = words(
    """ADD ALL ALTER AND AS AUTOINCREMENT BETWEEN CASE CAST CHECK COLLATE COMMIT CONSTRAINT CREATE CROSS CURRENT_DATE
    CURRENT_TIME CURRENT_TIMESTAMP DEFAULT DEFERRABLE DELETE DISTINCT DROP ELSE END ESCAPE EXCEPT EXISTS FOREIGN FROM
    FULL GROUP HAVING IN INDEX INNER INSERT INTERSECT INTO IS ISNULL JOIN LEFT LIKE LIMIT NATURAL NOT NOTHING NOTNULL
    NULL ON OR ORDER OUTER PRIMARY RAISE REFERENCES RETURNING RIGHT SELECT SET TABLE THEN TO TRANSACTION UNION UNIQUE
    UPDATE USING VALUES WHEN WHERE WINDOW WITH"""
)
"""Names that SQLite (or a stricter reader) does not take without quotes."""
