"""Just enough English: plurals, articles, lists, and the verbs and units that columns are named after."""

from __future__ import annotations

import re
from collections.abc import Sequence


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


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
PARTICIPLES = {
    "release": "released", "publication": "published", "founding": "founded", "foundation": "founded",
    "opening": "opened", "purchase": "purchased", "hire": "hired", "hiring": "hired", "sale": "sold", "birth": "born",
    "death": "died", "start": "started", "end": "ended", "debut": "debuted", "creation": "created",
    "registration": "registered", "enrollment": "enrolled", "enrolment": "enrolled", "order": "ordered",
    "delivery": "delivered", "shipping": "shipped", "booking": "booked", "construction": "built",
    "launch": "launched", "arrival": "arrived", "departure": "departed", "graduation": "graduated",
    "premiere": "premiered", "join": "joined", "joining": "joined", "payment": "paid",
}  # fmt: skip
"""From the noun in a column's name ("release date") to what happened."""
PERSONS = words(
    """person people customer client doctor patient member student author player director employee teacher guest user
    artist singer actor driver manager staff passenger pilot physician nurse professor instructor candidate athlete
    swimmer gymnast wrestler engineer farmer tourist visitor owner reviewer editor captain coach judge musician faculty
    advisor contestant conductor follower voter perpetrator entrepreneur inspector mechanic child host friend man
    presenter professional winner woman worker writer"""
)
"""Rows that are "who" and "they"."""

_IRREGULAR = {
    "person": "people", "child": "children", "man": "men", "woman": "women", "foot": "feet", "mouse": "mice",
    "analysis": "analyses", "criterion": "criteria", "movie": "movies", "cookie": "cookies", "cache": "caches",
    "bus": "buses", "virus": "viruses", "bonus": "bonuses", "campus": "campuses", "status": "statuses",
    "hero": "heroes", "potato": "potatoes", "tomato": "tomatoes", "shoe": "shoes", "half": "halves", "life": "lives",
    "shelf": "shelves", "leaf": "leaves", "series": "series", "species": "species", "aircraft": "aircraft",
}  # fmt: skip
_SINGULARS = {many: one for one, many in _IRREGULAR.items()}
_UNCOUNTABLE = words("staff equipment furniture information weather music news data money luggage software")
_COMPLEMENTS = "|".join(sorted(PASSIVE | ACTIVE | words("scored won lost played")))
_HEAD = re.compile(rf"^(.+?)( (?:of|in|per|for|to|with|by)\b.*| (?:{_COMPLEMENTS}))$")
"""Splits `country of origin`, `tickets sold` before the complement: the noun in front takes the plural."""


def singular(noun: str) -> str:
    """`match days` -> `match day`; nouns that look singular stay."""
    head, last = _split_last(noun)
    if last in _SINGULARS or last in _IRREGULAR or last in _UNCOUNTABLE:
        return head + _SINGULARS.get(last, last)
    if last.endswith("ies") and len(last) > 4:
        return head + last[:-3] + "y"
    if last.endswith(("sses", "shes", "ches", "xes")):
        return head + last[:-2]
    if last.endswith("s") and not last.endswith(("ss", "us", "is")) and len(last) > 2:
        return head + last[:-1]
    return noun


def plural(noun: str) -> str:
    """`country of origin` -> `countries of origin`; nouns in the plural stay."""
    complement = _HEAD.match(noun)
    if complement:
        return plural(complement[1]) + complement[2]
    head, last = _split_last(noun)
    if last in _IRREGULAR or last in _SINGULARS or last in _UNCOUNTABLE:
        return head + _IRREGULAR.get(last, last)
    if singular(last) != last:
        return noun
    if last.endswith("y") and last[-2:-1] not in ("a", "e", "i", "o", "u", ""):
        return head + last[:-1] + "ies"
    return head + last + ("es" if last.endswith(("s", "x", "z", "ch", "sh")) else "s")


def _split_last(noun: str) -> tuple[str, str]:
    head, space, last = noun.rpartition(" ")
    return head + space, last


def with_article(noun: str) -> str:
    """`a price`, `an email`, but `beds` for a plural and `prize money` for what cannot be counted."""
    bare = is_plural(noun) or _split_last(noun)[1] in _UNCOUNTABLE
    return noun if bare else f"{article(noun)} {noun}"


def article(noun: str) -> str:
    """`a` or `an`, by the first word."""
    vowel = noun[:1].lower() in "aeiou" and not re.match(r"(?i)uni|use|euro|one\b|u[a-z]?\b", noun)
    return "an" if vowel or re.match(r"(?i)hour|honou?r|x-", noun) else "a"


def is_plural(noun: str) -> bool:
    """Whether the noun names several things: `pages`, but not `address` or `status`."""
    complement = _HEAD.match(noun)
    noun = complement[1] if complement else noun
    return singular(noun) != noun


def joined(parts: Sequence[str], connective: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {connective} {parts[-1]}"


def who(noun: str) -> str:
    """`who` for people, `that` for things."""
    return "who" if singular(_split_last(noun)[1]) in PERSONS else "that"


def counted(number: int, noun: str) -> str:
    """`1 album`, `1,200 albums`; the noun is given in the singular."""
    return f"{number:,} {noun if number == 1 else plural(noun)}"


def capitalised(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]
