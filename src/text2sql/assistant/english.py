"""Nouns, numbers and lists: just enough English for sentences about rows."""

from __future__ import annotations

import re
from collections.abc import Sequence


def words_in(text: str) -> frozenset[str]:
    """The words of a list written as text."""
    return frozenset(text.split())


_IRREGULAR = {
    "person": "people", "child": "children", "man": "men", "woman": "women", "foot": "feet", "life": "lives",
    "analysis": "analyses", "criterion": "criteria", "movie": "movies", "cookie": "cookies", "shelf": "shelves",
    "hero": "heroes", "potato": "potatoes", "leaf": "leaves", "half": "halves", "shoe": "shoes", "cache": "caches",
}  # fmt: skip
_SINGULAR = {many: one for one, many in _IRREGULAR.items()}
_UNCHANGED = words_in("series species aircraft staff equipment furniture information weather news data money")
_PEOPLE = words_in(
    """artist author child coach conductor customer director doctor driver editor employee friend guest instructor
    man manager member musician nurse owner patient people person physician pilot player poker presenter professional
    professor singer staff student swimmer teacher user visitor voter winner woman worker writer"""
)
_COMPLEMENT = re.compile(r"(.+?)( (?:of|in|per|for|to|with|by) .+)")
"""The noun in front of a complement takes the plural: `number of pages`, `height in cm`."""


def singular(noun: str) -> str:
    """`match days` -> `match day`; a noun that looks singular stays."""
    head, last = _split(noun)
    if last in _SINGULAR or last in _IRREGULAR or last in _UNCHANGED:
        return head + _SINGULAR.get(last, last)
    if last.endswith("ies") and len(last) > 4:
        return head + last[:-3] + "y"
    if last.endswith(("sses", "shes", "ches", "xes", "uses")):
        return head + last[:-2]
    ends_in_s = last.endswith("s") and not last.endswith(("ss", "us", "is")) and len(last) > 2
    return head + (last[:-1] if ends_in_s else last)


def plural(noun: str) -> str:
    """`country` -> `countries`, `duration in minutes` -> `durations in minutes`; a plural stays."""
    complement = _COMPLEMENT.fullmatch(noun)
    return _plural(complement[1]) + complement[2] if complement else _plural(noun)


def _plural(noun: str) -> str:
    head, last = _split(noun)
    if last in _IRREGULAR or last in _SINGULAR or last in _UNCHANGED:
        return head + _IRREGULAR.get(last, last)
    if singular(last) != last:
        return noun
    if re.search(r"[^aeiou]y$", last):
        return head + last[:-1] + "ies"
    return head + last + ("es" if re.search(r"(s|x|z|ch|sh)$", last) else "s")


def _split(noun: str) -> tuple[str, str]:
    head, space, last = noun.rpartition(" ")
    return head + space, last


def article(noun: str) -> str:
    """The noun with `a` or `an`."""
    vowel = re.match(r"(?i)[aeiou]|hour|honou?r", noun) and not re.match(r"(?i)uni|use|euro|one\b", noun)
    return f"{'an' if vowel else 'a'} {noun}"


def who(noun: str) -> str:
    """`who` for people, `that` for things."""
    return "who" if singular(_split(noun)[1]) in _PEOPLE else "that"


def joined(parts: Sequence[str], connective: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " ".join(filter(None, [", ".join(parts[:-1]), connective if len(parts) > 1 else "", *parts[-1:]]))


def counted(number: int, noun: str) -> str:
    """`1 album`, `1,200 albums`; the noun is given in the singular."""
    return f"{number:,} {noun if number == 1 else plural(noun)}"


def capitalised(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]
