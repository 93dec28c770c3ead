"""Patterns that expand into many sentences.

A pattern is text with `(this|that)` choices, `[optional ]` parts and `{slots}`. Slots are filled after the choices are
made and are never expanded themselves, so that a database's values may hold any character.
"""

from __future__ import annotations

import re
from functools import cache
from random import Random


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
