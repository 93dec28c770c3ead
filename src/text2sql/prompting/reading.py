"""Generated tokens read back into pieces: the decoding half of `prompt`."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from text2sql.prompting.target import CellPointer, Keyword, Piece, Pointer, Quoted, Span, TargetError, Text
from text2sql.schema import Schema
from text2sql.tokenizer.special_tokens import KEYWORDS

if TYPE_CHECKING:
    from text2sql.prompting.prompt import Prompt, PromptEncoder


def item_name(schema: Schema, kind: str, number: int) -> str:
    """How a column ("c") or table ("t") is spelt out: `album.title`, `album`."""
    if kind == "t":
        return schema.tables[number].name
    table, column = schema.columns[number]
    return f"{table.name}.{column.name}"


class PieceReader:
    """Reads target tokens back into pieces."""

    def __init__(self, encoder: PromptEncoder, prompt: Prompt) -> None:
        self.encoder, self.prompt = encoder, prompt
        self._numbers = {
            "c": {shown: number for number, shown in prompt.columns.items()},
            "t": {shown: number for number, shown in prompt.tables.items()},
            "v": {shown: number for number, shown in prompt.cells.items()},
        }

    def read(self, ids: Sequence[int]) -> list[Piece]:
        """The pieces of an answer, without its linking chain. Raises TargetError for tokens that make none."""
        pieces: list[Piece] = []
        position = self._target_start(ids)
        while position < len(ids):
            name = self.encoder.token_name(ids[position])
            piece: Piece | None
            if name == "<|quote|>":
                piece, position = self._quoted(ids, position + 1)
            elif name in ("<|column|>", "<|table|>"):
                text, position = self._text(ids, position + 1)
                piece = self._named(name, text.strip())
            elif name is None:
                text, position = self._text(ids, position)
                piece = Text(text.strip())
            else:
                piece, position = self._special(name, ids, position, pieces)
            if piece is not None:
                pieces.append(piece)
        return pieces

    def read_beginning(self, ids: Sequence[int]) -> list[Piece]:
        """The pieces of an answer that is still being written: of its longest beginning that can be read."""
        for end in range(len(ids), 0, -1):
            with contextlib.suppress(TargetError):
                return self.read(ids[:end])
        return []

    def _target_start(self, ids: Sequence[int]) -> int:
        """Where the SQL begins: behind the linking chain, where the form has one."""
        if not self.encoder.form.linking_chain:
            return 0
        if self.encoder.chain_end not in ids:
            raise TargetError("the linking chain does not end")
        return ids.index(self.encoder.chain_end) + 1

    def _special(self, name: str, ids: Sequence[int], at: int, pieces: list[Piece]) -> tuple[Piece | None, int]:
        inner = name[2:-2] if name.startswith("<|") else name[1:-1]
        if name.startswith("<|") and inner in KEYWORDS:
            return Keyword(inner), at + 1
        if name.startswith("<|") and inner.isdigit() and pieces and isinstance(pieces[-1], Pointer):
            pieces[-1] = Pointer(pieces[-1].kind, pieces[-1].number, int(inner))
            return None, at + 1
        if name.startswith("<w"):
            return self._span(ids, at), at + 2
        if not name.startswith("<|") and inner[0] in self._numbers:
            number = self._numbers[inner[0]].get(int(inner[1:]))
            if number is None:
                raise TargetError(f"{name} stands for nothing in this prompt")
            if inner[0] == "v":
                return CellPointer(number), at + 1
            return Pointer("c" if inner[0] == "c" else "t", number), at + 1
        raise TargetError(f"{name} has no place in a target")

    def _span(self, ids: Sequence[int], at: int) -> Span:
        names = [self.encoder.token_name(i) or "" for i in ids[at : at + 2]]
        if len(names) < 2 or not all(name.startswith("<w") for name in names):
            raise TargetError("a word token without its partner")
        count = self.encoder.form.max_words
        first, last = ((int(name[2:-1]) - self.prompt.first_word) % count for name in names)
        return Span(first, last)

    def _quoted(self, ids: Sequence[int], at: int) -> tuple[Quoted, int]:
        parts: list[Span | CellPointer | Text] = []
        while at < len(ids):
            name = self.encoder.token_name(ids[at])
            if name == "<|quote|>":
                return Quoted(tuple(parts)), at + 1
            if name is None:
                text, at = self._text(ids, at)
                parts.append(Text(text))
                continue
            piece, at = self._special(name, ids, at, [])
            if not isinstance(piece, Span | CellPointer):
                raise TargetError(f"{name} inside a quoted value")
            parts.append(piece)
        raise TargetError("a quoted value that does not end")

    def _text(self, ids: Sequence[int], at: int) -> tuple[str, int]:
        end = at
        while end < len(ids) and self.encoder.token_name(ids[end]) is None:
            end += 1
        return self.encoder.tokenizer.decode(ids[at:end]), end

    def _named(self, kind: str, text: str) -> Pointer:
        """The item of a spelt-out name (`items: names`)."""
        letter: str = "c" if kind == "<|column|>" else "t"
        shown = self.prompt.columns if letter == "c" else self.prompt.tables
        for number in shown:
            if item_name(self.prompt.schema, letter, number) == text:
                return Pointer("c" if letter == "c" else "t", number)
        raise TargetError(f"{text!r} is no item of {self.prompt.schema.name}")
