"""The SQL that the model is writing, readable at every moment.

The model writes a target of pieces (keywords, pointers, values), not SQL text: FROM comes last, from foreign keys.
So the longest beginning that already makes a query is shown as that query, and what follows it as names and words.
"""

from __future__ import annotations

from collections.abc import Sequence

from text2sql.prompting.canonical import Canonicalizer
from text2sql.prompting.reading import item_name
from text2sql.prompting.target import (
    CellPointer,
    Keyword,
    Mentions,
    Piece,
    Pointer,
    Quoted,
    Span,
    TargetError,
    Text,
    decode,
)
from text2sql.tokenizer.special_tokens import KEYWORDS

_CALLS = frozenset(
    ("count", "sum", "avg", "min", "max", "abs", "round", "length", "lower", "upper", "substring", "coalesce", "cast")
)
_NO_SPACE_BEFORE = frozenset("),.")
_NO_SPACE_AFTER = frozenset("(.")
_SYMBOLS = frozenset(word for word in KEYWORDS if not word[0].isalpha())


class ReadableSQL:
    """Readable SQL of beginnings of one prediction; remembers which of them made a query."""

    def __init__(self, canonicalizer: Canonicalizer) -> None:
        self._canonicalizer = canonicalizer
        self._queries: dict[tuple[Piece, ...], str | None] = {}

    def text(self, pieces: Sequence[Piece], mentions: Mentions) -> str:
        """The SQL so far; "" while there is nothing to show."""
        for end in range(len(pieces), 0, -1):
            query = self._query(tuple(pieces[:end]), mentions)
            if query is not None:
                return f"{query} {self._spelt(pieces[end:], mentions)}".rstrip()
        return self._spelt(pieces, mentions)

    def _query(self, pieces: tuple[Piece, ...], mentions: Mentions) -> str | None:
        """The SQL of a beginning that makes a query, else None."""
        if pieces not in self._queries:
            try:
                self._queries[pieces] = decode(pieces, self._canonicalizer, mentions)
            except TargetError:
                self._queries[pieces] = None
        return self._queries[pieces]

    def _spelt(self, pieces: Sequence[Piece], mentions: Mentions) -> str:
        """Pieces as words: items by their names, values as they will stand in the SQL."""
        text, last = "", ""
        for piece in pieces:
            word = self._word(piece, mentions)
            call = word == "(" and last.lower() in _CALLS
            spaced = text and not call and word not in _NO_SPACE_BEFORE and last not in _NO_SPACE_AFTER
            text, last = text + (" " if spaced else "") + word, word
        return text

    def _word(self, piece: Piece, mentions: Mentions) -> str:
        if isinstance(piece, Keyword):
            return piece.text if piece.text in _SYMBOLS else piece.text.upper()
        if isinstance(piece, Pointer):
            return item_name(self._canonicalizer.schema, piece.kind, piece.number)
        if isinstance(piece, Text):
            return piece.text
        parts = piece.parts if isinstance(piece, Quoted) else (piece,)
        text = "".join(_value(part, mentions) for part in parts)
        return text if text.isdigit() else "'" + text.replace("'", "''") + "'"


def _value(part: Span | CellPointer | Text, mentions: Mentions) -> str:
    """The text of a value's part; "?" for a span that is none, as a model may write."""
    if isinstance(part, Text):
        return part.text
    try:
        return mentions.span_text(part) if isinstance(part, Span) else mentions.cell_text(part)
    except TargetError:
        return "?"
