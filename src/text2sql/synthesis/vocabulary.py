"""Word lists of the question grammar: names, measures, places, reserved words of SQL."""

from __future__ import annotations

from text2sql.english import words

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
PENDING = words("returned paid shipped delivered cancelled closed repaired approved assigned signed treated resolved")
"""Participles for which a missing date means that it has not happened."""

PLACE_NOUNS = words(
    "city country town district state region location neighbourhood neighborhood county province continent"
)
"""Columns whose values are said with "in" and "from"."""
PREMODIFIER_NOUNS = words("genre status nationality position language type category profession degree")
"""Columns whose values stand before the noun: Jazz albums."""

RESERVED = words(
    """ADD ALL ALTER AND AS AUTOINCREMENT BETWEEN CASE CAST CHECK COLLATE COMMIT CONSTRAINT CREATE CROSS CURRENT_DATE
    CURRENT_TIME CURRENT_TIMESTAMP DEFAULT DEFERRABLE DELETE DISTINCT DROP ELSE END ESCAPE EXCEPT EXISTS FOREIGN FROM
    FULL GROUP HAVING IN INDEX INNER INSERT INTERSECT INTO IS ISNULL JOIN LEFT LIKE LIMIT NATURAL NOT NOTHING NOTNULL
    NULL ON OR ORDER OUTER PRIMARY RAISE REFERENCES RETURNING RIGHT SELECT SET TABLE THEN TO TRANSACTION UNION UNIQUE
    UPDATE USING VALUES WHEN WHERE WINDOW WITH"""
)
"""Names that SQLite (or a stricter reader) does not take without quotes."""
