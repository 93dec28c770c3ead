"""Training examples once more with other values: the same question about another row.

A value of the query that stands literally in the question, once, gives way in both to another value of the same
column of the example's own database, so that a model learns where values stand and not which ones it has seen. The
sets' values repeat far more than their databases' contents do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

from sqlglot import exp
from sqlglot.dialects.sqlite import SQLite
from sqlglot.tokens import Token, TokenType
from tqdm import tqdm

from text2sql.data.contents import Contents
from text2sql.data.example import Example, LogicalForm, Value
from text2sql.data.wikisql import to_sql
from text2sql.errors import UserError
from text2sql.prompting.canonical import Canonicalizer
from text2sql.prompting.expressions import POINTER, CanonicalError
from text2sql.schema import Schema

LONGEST_VALUE = 40
"""Longer cells are not put into questions."""
DRAWS = 20
"""Values of a column that are tried before a value stays as it is."""

_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
_VALUE_TOKENS = (TokenType.STRING, TokenType.NUMBER, TokenType.IDENTIFIER)
_BETWEEN_DIGITS = "[.,:/–-]"
"""Part of a score, date or decimal: the 4 of 4-3 is no number of its own."""


def substitute_values(
    examples: Iterable[Example], contents: Contents, share: float, seed: int, progress: bool = False
) -> list[Example]:
    """Changed copies of a seeded `share` of the examples, of those whose question and contents allow it.

    Every value that can be changed is. Raises UserError for a share that is none.
    """
    if not 0 <= share <= 1:
        raise UserError(f"data.substitute_values is {share}: give a share of the examples, from 0 to 1")
    substitution = _Substitution(contents)
    made = []
    for example in tqdm(list(examples), desc="other values", unit="example", disable=not progress):
        random = Random(f"{seed}/{example.id}")
        if random.random() < share and (changed := substitution.change(example, random)) is not None:
            made.append(changed)
    return made


class _Substitution:
    """Keeps what the examples of one database share."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._texts: dict[str, dict[int, list[str]]] = {}
        self._canonicalizers: dict[str, Canonicalizer] = {}

    def change(self, example: Example, random: Random) -> Example | None:
        """The example with other values, or None where none of them can be changed."""
        spans = _spans(example.question, self._values(example))
        if not spans:
            return None
        question, changed = example.question, dict[str, str]()
        for start, end, old, column in sorted(spans, reverse=True):
            new = _draw(self._column_texts(example).get(column, ()), old, question, changed.values(), random)
            if new is not None:
                question = question[:start] + _written(new, question[start:end]) + question[end:]
                changed[old] = new
        return _with_values(example, question, changed) if changed else None

    def _values(self, example: Example) -> dict[str, int | None]:
        """The query's values, as texts, with the column that each is compared with, if it is a single one."""
        found: dict[str, int | None] = {}
        for text, column in _form_values(example.logical_form) if example.logical_form else self._sql_values(example):
            found[text] = column if found.get(text, column) == column else None
        return found

    def _sql_values(self, example: Example) -> Iterator[tuple[str, int | None]]:
        try:
            query = self._canonicalizer(example.schema).encode(example.sql)
        except CanonicalError:
            return
        for literal in query.find_all(exp.Literal):
            yield literal.this, _compared_column(literal)

    def _canonicalizer(self, schema: Schema) -> Canonicalizer:
        if schema.fingerprint not in self._canonicalizers:
            self._canonicalizers[schema.fingerprint] = Canonicalizer(schema)
        return self._canonicalizers[schema.fingerprint]

    def _column_texts(self, example: Example) -> dict[int, list[str]]:
        """The different values of each column that a question may hold, as texts."""
        key = example.database or example.schema.name
        if key not in self._texts:
            columns: dict[int, dict[str, str]] = {}
            for column, value in self._contents.values(example):
                if (text := _text(value)) is not None:
                    columns.setdefault(column, {}).setdefault(text.casefold(), text)
            self._texts[key] = {column: list(texts.values()) for column, texts in columns.items()}
        return self._texts[key]


def _form_values(form: LogicalForm) -> Iterator[tuple[str, int | None]]:
    for column, _, value in form.conditions:
        yield _spelt(value), column


def _compared_column(literal: exp.Literal) -> int | None:
    comparison = literal.parent
    if not isinstance(comparison, _COMPARISONS):
        return None
    other = comparison.expression if comparison.this is literal else comparison.this
    pointer = POINTER.fullmatch(other.name) if isinstance(other, exp.Column) else None
    return int(pointer[2]) if pointer else None


def _spans(question: str, values: Mapping[str, int | None]) -> list[tuple[int, int, str, int]]:
    """(start, end, value, column) of the values that stand in the question once; none where two of them overlap."""
    places = {text: [match.span() for match in _pattern(text).finditer(question)] for text in values}
    taken = sorted(span for spans in places.values() for span in spans)
    if any(first[1] > second[0] for first, second in pairwise(taken)):
        return []
    single = [(*spans[0], text) for text, spans in places.items() if len(spans) == 1]
    return [(start, end, text, column) for start, end, text in single if (column := values[text]) is not None]


def _pattern(text: str) -> re.Pattern[str]:
    """Finds a value as whole words in any case, a whole number with or without commas between thousands."""
    if not text:
        return re.compile(r"(?!)")
    spellings = [text, f"{int(text):,}"] if _form(text) == "whole" else [text]
    either = "|".join(map(re.escape, spellings))
    before = rf"(?<!\w)(?<!\d{_BETWEEN_DIGITS})" if text[0].isdigit() else r"(?<!\w)"
    after = rf"(?!\w)(?!{_BETWEEN_DIGITS}\d)" if text[-1].isdigit() else r"(?!\w)"
    return re.compile(f"{before}(?:{either}){after}", re.IGNORECASE)


def _draw(texts: Sequence[str], old: str, question: str, drawn: Iterable[str], random: Random) -> str | None:
    """Another value of the same form that the question does not hold yet, or None where a few draws find none."""
    said = question.casefold()
    others = [text.casefold() for text in drawn]
    for text in random.sample(texts, min(DRAWS, len(texts))):
        folded = text.casefold()
        repeated = folded in said or old.casefold() in folded or any(other in folded for other in others)
        if _form(text) == _form(old) and not repeated:
            return text
    return None


def _written(new: str, old: str) -> str:
    """The value as the question spelt the one before it: with commas between thousands, or without."""
    return f"{int(new):,}" if "," in old and _form(new) == "whole" else new


def _with_values(example: Example, question: str, changed: Mapping[str, str]) -> Example:
    identity = f"{example.id}/other-values"
    if example.logical_form is None:
        return replace(example, id=identity, question=question, sql=_with_literals(example.sql, changed))
    conditions = tuple(
        (column, operator, type(value)(changed.get(_spelt(value), value)))
        for column, operator, value in example.logical_form.conditions
    )
    form = replace(example.logical_form, conditions=conditions)
    return replace(example, id=identity, question=question, sql=to_sql(form, example.schema), logical_form=form)


def _with_literals(sql: str, changed: Mapping[str, str]) -> str:
    """The SQL text with other literals, quoted as before; nothing else of it changes."""
    for token in reversed(SQLite().tokenize(sql)):
        if token.token_type in _VALUE_TOKENS and token.text in changed:
            sql = sql[: token.start] + _literal(token, sql, changed[token.text]) + sql[token.end + 1 :]
    return sql


def _literal(token: Token, sql: str, text: str) -> str:
    quote = sql[token.start]
    return text if token.token_type == TokenType.NUMBER else quote + text.replace(quote, 2 * quote) + quote


def _text(value: Any) -> str | None:
    """A cell as a question would hold it, or None for one that no question holds."""
    if not isinstance(value, str | int | float):
        return None
    text = _spelt(value)
    usable = 0 < len(text) <= LONGEST_VALUE and text == " ".join(text.split()) and text.isprintable()
    return text if usable and any(character.isalnum() for character in text) else None


def _spelt(value: Value) -> str:
    """Whole numbers without a decimal point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _form(text: str) -> str:
    """What a value must share with the one it takes the place of; 007 is no number that SQL would keep."""
    if re.fullmatch(r"0|[1-9]\d*", text, re.ASCII):
        return "whole"
    return "decimal" if re.fullmatch(r"(0|[1-9]\d*)\.\d+", text, re.ASCII) else "text"
