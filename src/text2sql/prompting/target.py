"""The target language: canonical SQL as a short list of pieces, and back.

A piece is a keyword, a column or table (pointed at by number), a value or plain text. A value is a span of the
question's words, a linked cell, or spelt out, in this order of preference. Which kind of literal a pointed value
becomes is decided by what it is compared with: a number beside a number column, an aggregate or in LIMIT, a string
elsewhere. SQLite's column affinity makes '2001' and 2001 the same beside a declared column, which is why the kind
need not be written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlglot import exp
from sqlglot.dialects.sqlite import SQLite
from sqlglot.tokens import TokenType

from text2sql.prompting.canonical import Canonicalizer
from text2sql.prompting.expressions import POINTER, CanonicalError, parse, to_sql
from text2sql.prompting.linking import Cell
from text2sql.prompting.words import Word
from text2sql.schema import Schema
from text2sql.tokenizer.special_tokens import KEYWORDS

_KEYWORDS = frozenset(KEYWORDS)
_NUMBER = re.compile(r"\d+(\.\d+)?")
_PLACEHOLDER = "value_"


@dataclass(frozen=True)
class Keyword:
    """One of `special_tokens.KEYWORDS`."""

    text: str


@dataclass(frozen=True)
class Pointer:
    """A column ("c") or table ("t") by number; `use` counts the uses of one table in a query."""

    kind: Literal["c", "t"]
    number: int
    use: int = 1


@dataclass(frozen=True)
class Span:
    """Question words `first` to `last`, inclusive."""

    first: int
    last: int


@dataclass(frozen=True)
class CellPointer:
    """A linked cell by its position among the prompt's cells."""

    number: int


@dataclass(frozen=True)
class Text:
    """Plain text: a number, a function's name."""

    text: str


@dataclass(frozen=True)
class Quoted:
    """A string put together from spans, cells and text."""

    parts: tuple[Span | CellPointer | Text, ...]


Piece = Keyword | Pointer | Span | CellPointer | Text | Quoted


class TargetError(ValueError):
    """Pieces that make no SQL for this schema."""


@dataclass(frozen=True)
class Mentions:
    """The texts that a value may point at: the question with its words, and the linked cells."""

    question: str
    words: Sequence[Word]
    cells: Sequence[Cell] = ()

    def span_text(self, span: Span) -> str:
        """The question's text from the span's first to its last word."""
        if not 0 <= span.first <= span.last < len(self.words):
            raise TargetError(f"words {span.first} to {span.last} are no span of the question")
        return self.question[self.words[span.first].start : self.words[span.last].end]

    def cell_text(self, pointer: CellPointer) -> str:
        """The text of a linked cell."""
        if not 0 <= pointer.number < len(self.cells):
            raise TargetError(f"there is no cell {pointer.number}")
        return self.cells[pointer.number].text

    def find(self, text: str, fold: bool) -> Span | CellPointer | None:
        """Where the text stands: as question words or as a cell; with `fold` case does not matter."""
        wanted = text.lower() if fold else text
        starts = {word.start: n for n, word in enumerate(self.words)}
        ends = {word.end: n for n, word in enumerate(self.words)}
        question = self.question.lower() if fold else self.question
        if len(question) == len(self.question):  # lower() may change the length of odd letters
            place = question.find(wanted) if wanted else -1
            while place >= 0:
                if place in starts and place + len(wanted) in ends:
                    return Span(starts[place], ends[place + len(wanted)])
                place = question.find(wanted, place + 1)
        for number, cell in enumerate(self.cells):
            if (cell.text.lower() if fold else cell.text) == wanted:
                return CellPointer(number)
        return None


def encode(
    sql: str, canonicalizer: Canonicalizer, mentions: Mentions, fold: bool = False, point: bool = True
) -> list[Piece]:
    """Pieces of an SQL query.

    `fold` lets a value point at a mention that differs in case (WikiSQL compares values lower-cased); `point=False`
    spells all values out. Raises CanonicalError for SQL outside the language or the schema.
    """
    query = canonicalizer.encode(sql)
    values: list[Piece] = []
    for literal in list(query.find_all(exp.Literal)):
        values.append(_encode_literal(literal, canonicalizer.schema, mentions, fold, point))
        literal.replace(exp.Placeholder(this=f"{_PLACEHOLDER}{len(values) - 1}"))
    return _split(to_sql(query), values)


def decode(pieces: Sequence[Piece], canonicalizer: Canonicalizer, mentions: Mentions) -> str:
    """SQL text of pieces. Raises TargetError when they make no query over this schema."""
    values: list[tuple[str, bool]] = []
    words = [_spell(piece, values, mentions) for piece in pieces]
    try:
        query = parse(" ".join(words))
        for placeholder in list(query.find_all(exp.Placeholder)):
            number = placeholder.name.removeprefix(_PLACEHOLDER)
            if not number.isdigit() or int(number) >= len(values):
                raise TargetError(f"stray placeholder {placeholder.name!r}")
            placeholder.replace(_literal(placeholder, *values[int(number)], canonicalizer.schema))
        return to_sql(canonicalizer.decode(query))
    except (CanonicalError, AttributeError, KeyError, IndexError, RecursionError) as error:
        raise TargetError(str(error)) from error


def _encode_literal(literal: exp.Literal, schema: Schema, mentions: Mentions, fold: bool, point: bool) -> Piece:
    text = literal.this
    found = mentions.find(text, fold) if point else None
    if found is not None:
        pointed = mentions.span_text(found) if isinstance(found, Span) else mentions.cell_text(found)
        if _same_value(literal, _literal(literal, pointed, False, schema), schema, fold):
            return found
    if not literal.is_string:
        return Text(text)
    inner = text.strip("%")
    found = mentions.find(inner, fold) if point and inner else None
    if found is None:
        return Quoted((Text(text),) if text else ())
    before, after = text.split(inner, 1)
    parts: list[Span | CellPointer | Text] = [Text(before)] if before else []
    return Quoted((*parts, found, *([Text(after)] if after else [])))


def _same_value(gold: exp.Literal, pointed: exp.Expr, schema: Schema, fold: bool) -> bool:
    """Whether the pointed literal may stand for the gold one where that stands."""
    if not isinstance(pointed, exp.Literal):
        return False
    one, other = (gold.this.lower(), pointed.this.lower()) if fold else (gold.this, pointed.this)
    affinity = isinstance(_compared_with(gold), exp.Column)
    return one == other and (gold.is_string == pointed.is_string or affinity)


def _literal(place: exp.Expr, text: str, quoted: bool, schema: Schema) -> exp.Expr:
    """The literal that a value's text becomes at this place of the query."""
    number = text.replace(",", "")
    if not quoted and _expects_number(place, schema) and _NUMBER.fullmatch(number):
        return exp.Literal.number(number)
    return exp.Literal.string(text)


def _compared_with(place: exp.Expr) -> exp.Expr | None:
    """The other side of the comparison that a value stands in."""
    parent = place.parent
    if isinstance(parent, exp.Paren | exp.Neg):
        return _compared_with(parent)
    if isinstance(parent, exp.Between | exp.In):
        return parent.this
    if isinstance(parent, exp.Binary):
        return parent.expression if parent.this is place else parent.this
    return None


def _expects_number(place: exp.Expr, schema: Schema) -> bool:
    if isinstance(place.parent, exp.Limit | exp.Offset):
        return True
    other = _compared_with(place)
    while isinstance(other, exp.Paren | exp.Min | exp.Max):
        other = other.this
    if isinstance(other, exp.Column):
        pointer = POINTER.fullmatch(other.name)
        if pointer is None or int(pointer[2]) >= len(schema.columns):
            return False
        return schema.columns[int(pointer[2])][1].type == "number"
    return isinstance(other, exp.AggFunc | exp.Add | exp.Sub | exp.Mul | exp.Div)


def _split(canonical: str, values: Sequence[Piece]) -> list[Piece]:
    """Canonical text to pieces; placeholders give way to their values."""
    pieces: list[Piece] = []
    placeholder = False
    for token in SQLite().tokenize(canonical):
        word = "!=" if token.token_type == TokenType.NEQ else token.text.lower()
        pointer = POINTER.fullmatch(token.text)
        if token.token_type == TokenType.COLON:
            placeholder = True
            continue
        if placeholder:
            pieces.append(values[int(word.removeprefix(_PLACEHOLDER))])
        elif pointer:
            kind: Literal["c", "t"] = "c" if pointer[1] == "c" else "t"
            pieces.append(Pointer(kind, int(pointer[2]), int(pointer[3] or 1)))
        elif word in _KEYWORDS:
            pieces.append(Keyword(word))
        else:
            pieces.append(Text(_quote_name(token.text) if token.token_type == TokenType.IDENTIFIER else token.text))
        placeholder = False
    return pieces


def _quote_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _spell(piece: Piece, values: list[tuple[str, bool]], mentions: Mentions) -> str:
    """Canonical text of one piece; values are set aside as (text, quoted) and named by a placeholder."""
    if isinstance(piece, Keyword | Text):
        return piece.text
    if isinstance(piece, Pointer):
        return f"{piece.kind}{piece.number}" + (f"_{piece.use}" if piece.use > 1 else "")
    if isinstance(piece, Quoted):
        text = "".join(part.text if isinstance(part, Text) else _mention(part, mentions) for part in piece.parts)
        values.append((text, True))
    else:
        values.append((_mention(piece, mentions), False))
    return f":{_PLACEHOLDER}{len(values) - 1}"


def _mention(piece: Span | CellPointer, mentions: Mentions) -> str:
    return mentions.span_text(piece) if isinstance(piece, Span) else mentions.cell_text(piece)
