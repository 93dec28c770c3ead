"""Just enough English: plurals, articles, lists, and patterns that expand into many sentences.

A pattern is text with `(this|that)` choices, `[optional ]` parts and `{slots}`. Slots are filled after the choices are
made and are never expanded themselves, so that a database's values may hold any character. Nothing here knows of SQL.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from random import Random

from text2sql.synthesis.vocabulary import ACTIVE, PASSIVE, words

_IRREGULAR = {
    "person": "people",
    "child": "children",
    "man": "men",
    "woman": "women",
    "foot": "feet",
    "mouse": "mice",
    "analysis": "analyses",
    "criterion": "criteria",
    "movie": "movies",
    "cookie": "cookies",
    "bus": "buses",
    "virus": "viruses",
    "bonus": "bonuses",
    "campus": "campuses",
    "status": "statuses",
    "hero": "heroes",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "shoe": "shoes",
    "half": "halves",
    "life": "lives",
    "shelf": "shelves",
    "leaf": "leaves",
    "series": "series",
    "species": "species",
    "aircraft": "aircraft",
}
_SINGULARS = {plural: singular for singular, plural in _IRREGULAR.items()}
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


def enumerate_words(parts: Sequence[str], connective: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {connective} {parts[-1]}"


def expand(pattern: str, random: Random, **slots: str) -> str:
    """One sentence of a pattern: choices drawn with `random`, slots filled. Raises KeyError for an unknown slot."""
    return "".join(slots[part[1:]] if part[:1] == "\0" else part for part in _draw(_compile(pattern), random))


_Node = tuple  # ("all", nodes...), ("one", nodes...), or a string; a slot is "\0" and its name


@cache
def _compile(pattern: str) -> _Node:
    tokens = [token for token in re.split(r"([()\[\]|]|\{\w+\})", pattern) if token]
    node, end = _choice(tokens, 0)
    if end != len(tokens):
        raise ValueError(f"unbalanced brackets in the pattern {pattern!r}")
    return node


def _choice(tokens: list[str], place: int) -> tuple[_Node, int]:
    """Alternatives up to a closing bracket or the end."""
    alternatives: list[_Node] = []
    sequence: list[object] = []
    while place < len(tokens) and tokens[place] not in ")]":
        token = tokens[place]
        place += 1
        if token == "|":
            alternatives.append(("all", *sequence))
            sequence = []
        elif token in "([":
            inner, place = _choice(tokens, place)
            if tokens[place : place + 1] != [")" if token == "(" else "]"]:
                raise ValueError(f"unbalanced brackets in the pattern {''.join(tokens)!r}")
            place += 1
            sequence.append(inner if token == "(" else ("one", ("all",), inner))
        else:
            sequence.append("\0" + token[1:-1] if token[0] == "{" else token)
    return ("one", *alternatives, ("all", *sequence)), place


def _draw(node: _Node, random: Random) -> list[str]:
    kind, *parts = node
    if kind == "one":
        return _draw(parts[0] if len(parts) == 1 else random.choice(parts), random)
    drawn: list[str] = []
    for part in parts:
        drawn += [part] if isinstance(part, str) else _draw(part, random)
    return drawn
