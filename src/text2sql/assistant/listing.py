"""Rows as lists: which words and values a sentence shows of each row, and how a long list ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from text2sql.assistant.cells import cell, clean
from text2sql.assistant.phrases import Phrases
from text2sql.assistant.sql_meaning import (
    NoWordsError,
    column_words,
    is_aggregated,
    is_flag,
    is_name,
    is_plain_number,
    unit,
)
from text2sql.database import ExecutionResult
from text2sql.english import counted, joined
from text2sql.schema import Column, words_of

SHOWN = 5
"""Items of a list that are named before `and 7 more`; a list with one more is named whole."""
_DETAILS = 3
"""Columns of a row that are shown behind its label."""

_PERSON = ("first name", "middle name", "last name")
"""Columns that are said together, without their own words."""


@dataclass(frozen=True)
class Heading:
    """What a result's column holds, in words; `column` is the schema's where it is one.

    `names` says that it is what the row is called, `sums_up` that it is an aggregate.
    """

    words: str
    column: Column | None = None
    names: bool = False
    sums_up: bool = False

    def show(self, value: Any) -> str:
        """A value of this column in words."""
        if self.column and is_flag(self.column) and value in (0, 1):
            return "yes" if value else "no"
        return cell(value, plain=is_plain_number(self.column or Column(self.words)))

    def detail(self, value: Any) -> str:
        """The column's words with a value: `price 12.5`, `duration 518 seconds`."""
        measure = unit(self.column) if self.column else ""
        if measure and value is not None and self.words.endswith(f" in {measure}"):
            return f"{self.words.removesuffix(f' in {measure}')} {self.show(value)} {measure}"
        return f"{self.words} {self.show(value)}"


def headings(phrases: Phrases | None, result: ExecutionResult) -> list[Heading]:
    """The headings of a result's columns, in order."""
    items = phrases.select.expressions if phrases else []
    stars = any(isinstance(e.unalias(), exp.Star) or e.is_star for e in items)
    if phrases is None or stars or len(items) != len(result.columns):
        return [_named_heading(phrases, name) for name in result.columns]
    return [_heading(phrases, item, name) for item, name in zip(items, result.columns, strict=True)]


def _named_heading(phrases: Phrases | None, name: str) -> Heading:
    for source in phrases.scope.sources if phrases else []:
        column = source.table.column(name) if source.table else None
        if column:
            return Heading(column_words(column), column, is_name(column, source.noun))
    return Heading(clean(words_of(name)))


def _heading(phrases: Phrases, item: exp.Expr, name: str) -> Heading:
    column = None if item.find(exp.Count) else phrases.column_of(item.unalias())
    resolved = phrases.scope.resolve(item.unalias())
    try:
        words = phrases.term(item)
    except NoWordsError:
        words = words_of(name)
    if resolved and resolved[0] in (phrases.group_source, phrases.subject):
        words = column_words(resolved[1])
    written = words_of(item.alias) if item.alias and is_aggregated(item) else words
    return Heading(
        clean(written), column, bool(resolved and is_name(resolved[1], resolved[0].noun)), is_aggregated(item)
    )


def row_items(titles: Sequence[Heading], rows: Sequence[Sequence[Any]], longest: int = SHOWN) -> list[str]:
    """One text for each of the first rows: `Ann Lee (specialty Cardiologist)`; one row more than `longest` is kept."""
    return [_row_item(titles, row) for row in rows[: longest + 1]]


def _row_item(titles: Sequence[Heading], row: Sequence[Any]) -> str:
    words = [title.words for title in titles]
    person = [words.index(name) for name in _PERSON if name in words]
    if len(person) > 1 and all(row[i] is not None for i in person):
        label, rest = " ".join(cell(row[i]) for i in person), len(person)
        order = [*person, *(i for i in range(len(row)) if i not in person)]
        row, titles = [row[i] for i in order], [titles[i] for i in order]
    else:
        plain = next((i for i, title in enumerate(titles) if not title.sums_up), 0)
        place = next((i for i, title in enumerate(titles) if title.names), plain)
        title, value = titles[place], row[place]
        row = [value, *row[:place], *row[place + 1 :]]
        titles = [title, *titles[:place], *titles[place + 1 :]]
        is_text = isinstance(value, str) and not (title.column and is_plain_number(title.column))
        label = title.show(value) if is_text or len(titles) == 1 else title.detail(value)
        rest = 1
    details = [t.detail(v) for t, v in zip(titles[rest:], row[rest:], strict=True)]
    shown = [*details[:_DETAILS], *(["…"] if len(details) > _DETAILS else [])]
    return f"{label} ({', '.join(shown)})" if shown else label


def listed(items: Sequence[str], total: int, more: str = "more") -> str:
    """`A, B and C` or `A, B, C, D, E and 7 more`; `total` is how many there are, of which `items` are the first."""
    semicolons = any("," in item.partition(" (")[0] for item in items)
    if total <= SHOWN + 1:
        return "; ".join(items[:total]) if semicolons else joined(items[:total])
    rest = f"{total - SHOWN:,} more" if more == "more" else f"{counted(total - SHOWN, 'more ' + more)}"
    return f"{('; ' if semicolons else ', ').join(items[:SHOWN])} and {rest}"


def values(title: Heading, column: Sequence[Any]) -> str:
    """The values of one column, each different one once, unknown ones counted at the end."""
    known = list(dict.fromkeys(title.show(v) for v in column if v is not None))
    missing = sum(v is None for v in column)
    if not known:
        return "not known"
    if not missing:
        return listed(known, len(known))
    return f"{listed(known, len(known))} ({missing:,} of {len(column):,} not known)"
