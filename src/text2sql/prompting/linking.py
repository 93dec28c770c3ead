"""Schema and value linking: which columns, tables and cells a question mentions.

Names are matched word by word after folding case, accents, punctuation and plurals; cells are looked up by the
question's n-grams in an index over the database's contents (Wang et al. 2020, RAT-SQL, section 4.3; Lin et al. 2020,
BRIDGE, section 3.3). The index is built from plain values, so nothing here knows of connections.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from text2sql.prompting.words import Word, normalise, split_words, stem
from text2sql.schema import Schema

MAX_SPAN = 10
"""Longest n-gram of question words that is looked up."""
_STOP_WORD_LIST = """
    a an and any are as at be by did do does for from had has have how i in is it its list many me much name no of on
    or show than that the their there these this to was were what when where which who whose with
"""
_STOP_WORDS = frozenset(_STOP_WORD_LIST.split())


@dataclass(frozen=True)
class Cell:
    """A cell that the question mentions: in which column, its text, and by which words (inclusive)."""

    column: int
    text: str
    first_word: int
    last_word: int


@dataclass(frozen=True)
class Links:
    """What a question mentions; marks are "exact" or "partial", keyed by column or table number."""

    columns: dict[int, str] = field(default_factory=dict)
    tables: dict[int, str] = field(default_factory=dict)
    cells: tuple[Cell, ...] = ()


class ValueIndex:
    """Folded text of cells -> where they stand. Values of up to `MAX_SPAN` words are found."""

    def __init__(self, values: Iterable[tuple[int, Any]] = (), longest: int = 80) -> None:
        """`values` are (column number, value) pairs; NULLs, blobs and texts over `longest` characters are left out."""
        self._places: dict[str, dict[int, str]] = {}
        for column, value in values:
            if value is None or isinstance(value, bytes):
                continue
            text = str(value)
            key = _key(text) if len(text) <= longest else ""
            if key:
                self._places.setdefault(key, {}).setdefault(column, text)

    @classmethod
    def from_places(cls, places: Mapping[str, Sequence[tuple[int, str]]]) -> ValueIndex:
        """Take what `places` gave, also by way of JSON. Raises ValueError or TypeError when it is something else."""
        index = cls()
        index._places = {key: {int(column): text for column, text in found} for key, found in places.items()}
        if not all(isinstance(text, str) for found in index._places.values() for text in found.values()):
            raise ValueError("texts are expected")
        return index

    def places(self) -> dict[str, list[tuple[int, str]]]:
        """Folded text -> (column number, text) of the cells; fit for JSON."""
        return {key: list(found.items()) for key, found in self._places.items()}

    def __len__(self) -> int:
        return len(self._places)

    def texts(self) -> Iterator[str]:
        """The indexed texts, as the database spells them, for instance to find one that a word nearly is."""
        for places in self._places.values():
            yield from dict.fromkeys(places.values())

    def find(self, question: str, words: Sequence[Word]) -> list[Cell]:
        """Cells equal to some n-gram of the question's words, longest first; a shorter match inside is dropped."""
        cells: list[Cell] = []
        covered: list[tuple[int, int]] = []
        for length in range(min(MAX_SPAN, len(words)), 0, -1):
            for first in range(len(words) - length + 1):
                last = first + length - 1
                if any(a <= first and last <= b for a, b in covered):
                    continue
                text = question[words[first].start : words[last].end]
                if length == 1 and text.lower() in _STOP_WORDS:
                    continue
                places = self._places.get(_key(text))
                if places:
                    covered.append((first, last))
                    cells += [Cell(column, cell, first, last) for column, cell in sorted(places.items())]
        return cells


def link(question: str, schema: Schema, index: ValueIndex | None = None) -> Links:
    """Columns, tables and (given an index) cells that the question mentions."""
    words = split_words(question)
    stems = [stem(normalise(word.text)) for word in words]
    columns = {n: mark for n, (_, c) in enumerate(schema.columns) if (mark := _mark(c.words, stems))}
    tables = {n: mark for n, table in enumerate(schema.tables) if (mark := _mark(table.words, stems))}
    cells = tuple(index.find(question, words)) if index is not None else ()
    return Links(columns, tables, cells)


def _key(text: str) -> str:
    """What two texts share when they differ in case, accents, punctuation, spacing and plurals only."""
    return " ".join(map(stem, normalise(text).split()))


def _mark(name: str, stems: Sequence[str]) -> str | None:
    """How a name occurs among the stemmed question words: "exact", "partial" or not at all."""
    parts = [stem(part) for part in normalise(name).split()]
    if not parts:
        return None
    if any(list(stems[i : i + len(parts)]) == parts for i in range(len(stems) - len(parts) + 1)):
        return "exact"
    if any(part in stems for part in parts if part not in _STOP_WORDS and len(part) > 1):
        return "partial"
    return None
