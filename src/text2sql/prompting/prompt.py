"""Prompt and target as tokens: the one place that knows the instruction format.

    <|user|> question <|system|> tables, columns, marks, cells <|user|> <w0>question <w1>with <w2>word <w3>tokens
    <|assistant|> target <|endoftext|>

An item's id token comes after its text, so that its position sums the item up and pointing at it is one hop of
attention; the last copy of the question carries a word token before each word, for values (measured in the design's
pilots). While training, orders and ids are drawn anew for each example from the `Random` that the caller passes.

With `linking_chain` the answer begins with the columns of its query: `<|assistant|> columns <|assistant|> target`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from text2sql.config import PromptingConfig
from text2sql.errors import UserError
from text2sql.prompting import target
from text2sql.prompting.canonical import Canonicalizer
from text2sql.prompting.linking import Cell, Links, link
from text2sql.prompting.reading import PieceReader, item_name
from text2sql.prompting.target import CellPointer, Keyword, Mentions, Piece, Pointer, Quoted, Span, TargetError, Text
from text2sql.prompting.words import Word, split_words
from text2sql.schema import Schema
from text2sql.tokenizer import Tokenizer
from text2sql.tokenizer.special_tokens import special_tokens

_RANKS = {"exact": 3, "partial": 1}


def tokens_of(form: PromptingConfig) -> tuple[str, ...]:
    """The special tokens that a tokenizer needs for this form."""
    return special_tokens(form.max_columns, form.max_tables, form.max_words, form.max_cells)


@dataclass(frozen=True)
class Prompt:
    """A prompt's tokens and what its id tokens stand for.

    `columns`, `tables` and `cells` map a column's, table's or cell's number to the K of its `<cK>`, `<tK>`, `<vK>`;
    `first_word` is the K of the first word's `<wK>` (counting on modulo the number of word tokens). `order` holds
    the columns' numbers as the prompt lists them.
    """

    ids: list[int]
    schema: Schema
    mentions: Mentions
    columns: dict[int, int]
    tables: dict[int, int]
    cells: dict[int, int]
    first_word: int = 0
    order: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Prepared:
    """A training example read once: question, links and target pieces; each epoch assembles it anew."""

    question: str
    schema: Schema
    links: Links
    pieces: tuple[Piece, ...]
    pieces_without_cells: tuple[Piece, ...]


class PromptEncoder:
    """Prompts and targets of one form for one tokenizer."""

    def __init__(self, tokenizer: Tokenizer, form: PromptingConfig) -> None:
        """Raises UserError when the tokenizer lacks a special token of the form."""
        missing = [token for token in tokens_of(form) if token not in tokenizer.special_ids]
        if missing:
            raise UserError(f"the tokenizer lacks {missing[0]} and {len(missing) - 1} more; train it with this config")
        self.tokenizer = tokenizer
        self.form = form
        self._points = form.items == "ids"  # names need no id tokens in the prompt
        self.end_id = tokenizer.special("<|endoftext|>")
        self.chain_end = tokenizer.special("<|assistant|>")
        self._special = tokenizer.special_ids
        self._names = {number: token for token, number in tokenizer.special_ids.items()}
        self._texts: dict[str, list[int]] = {}
        self._canonicalizers: dict[str, Canonicalizer] = {}

    # -- preparing ------------------------------------------------------------------------------------------------

    def canonicalizer(self, schema: Schema) -> Canonicalizer:
        """The canonicaliser of a schema, made once."""
        if schema.fingerprint not in self._canonicalizers:
            self._canonicalizers[schema.fingerprint] = Canonicalizer(schema)
        return self._canonicalizers[schema.fingerprint]

    def shown_cells(self, links: Links) -> tuple[Cell, ...]:
        """The cells that the prompt shows: the first few of each column, longest match first."""
        counts: dict[int, int] = {}
        shown: list[Cell] = []
        for cell in links.cells:
            counts[cell.column] = counts.get(cell.column, 0) + 1
            if counts[cell.column] <= self.form.cells_per_column and len(shown) < self.form.max_cells:
                shown.append(cell)
        return tuple(shown)

    def mentions(self, question: str, cells: Sequence[Cell] = ()) -> Mentions:
        """What a value of the target may point at."""
        return Mentions(question, split_words(question)[: self.form.max_words], cells)

    def prepare(self, question: str, sql: str, schema: Schema, links: Links, fold: bool = False) -> Prepared:
        """Read a training example. Raises CanonicalError when the SQL is outside the language or the schema."""
        cells = self.shown_cells(links)
        point = self.form.values == "spans"
        canonicalizer = self.canonicalizer(schema)
        pieces = tuple(target.encode(sql, canonicalizer, self.mentions(question, cells), fold, point))
        bare = pieces
        if any(isinstance(p, CellPointer) or (isinstance(p, Quoted) and _points_at_cell(p)) for p in pieces):
            bare = tuple(target.encode(sql, canonicalizer, self.mentions(question), fold, point))
        return Prepared(question, schema, links, pieces, bare)

    def document(self, example: Prepared, random: Random | None = None) -> tuple[list[int], list[bool]]:
        """Tokens of a training example, and for each whether it belongs to the answer."""
        with_cells = random is None or random.random() >= self.form.content_dropout
        links = example.links if with_cells else Links(example.links.columns, example.links.tables)
        pieces = example.pieces if with_cells else example.pieces_without_cells
        keep = frozenset(_column_of(p, example.schema) for p in pieces if isinstance(p, Pointer))
        prompt = self.prompt(example.question, example.schema, links, random, keep=keep)
        answer = [*self.answer_ids(pieces, prompt), self.end_id]
        return prompt.ids + answer, [False] * len(prompt.ids) + [True] * len(answer)

    # -- prompts --------------------------------------------------------------------------------------------------

    def prompt(
        self,
        question: str,
        schema: Schema,
        links: Links | None = None,
        random: Random | None = None,
        budget: int | None = None,
        keep: frozenset[int] = frozenset(),
    ) -> Prompt:
        """Tokens of a question over a schema.

        Without `links` only names are linked. `random` draws orders and ids (training). A schema that exceeds the
        id tokens, or a prompt over `budget` tokens, loses its least linked columns, never those in `keep`.
        Raises UserError for an empty question, a schema without columns, and a prompt that cannot be cut down to the
        budget.
        """
        if not question.strip():
            raise UserError("the question is empty: write what you want to know")
        if not schema.columns:
            raise UserError(f"the schema {schema.name!r} has no columns: there is nothing to ask about")
        links = links if links is not None else link(question, schema)
        shown = self.shown_cells(links)
        words = split_words(question)
        question_ids = [self._text(self._word_text(question, word)) for word in words]
        columns = self._kept_columns(schema, links, shown, keep, self._room(question_ids, schema, budget))
        prompt = self._draw_ids(schema, self.mentions(question, shown), columns, random)
        ids = prompt.ids
        if self.form.repeat_question:
            ids += [self._special["<|user|>"], *(token for word_ids in question_ids for token in word_ids)]
        ids.append(self._special["<|system|>"])
        self._add_schema(prompt, links, shown, columns, random)
        ids.append(self._special["<|user|>"])
        for number, word_ids in enumerate(question_ids):
            if number < self.form.max_words:
                ids.append(self._word_id(prompt, number))
            ids += word_ids
        ids.append(self._special["<|assistant|>"])
        if budget is not None and len(ids) > budget:
            raise UserError(
                f"the prompt has {len(ids)} tokens, over the limit of {budget}: "
                "shorten the question, or use a model with a longer context"
            )
        return prompt

    def _draw_ids(self, schema: Schema, mentions: Mentions, columns: list[int], random: Random | None) -> Prompt:
        form = self.form
        tables = sorted({schema.table_number(schema.columns[c][0].name) for c in columns})
        counts = ((columns, form.max_columns), (tables, form.max_tables), (range(len(mentions.cells)), form.max_cells))
        wide = random is not None and random.random() < form.wide_ids
        drawn: list[dict[int, int]] = []
        for numbers, pool in counts:
            free = list(range(pool if wide else len(numbers)))
            if random and form.shuffle_columns:
                random.shuffle(free)
            drawn.append(dict(zip(numbers, free[: len(numbers)], strict=True)))
        first_word = random.randrange(form.max_words) if random and wide else 0
        shown_columns, shown_tables, shown_cells = drawn
        return Prompt([], schema, mentions, shown_columns, shown_tables, shown_cells, first_word)

    def _add_schema(
        self, prompt: Prompt, links: Links, shown: Sequence[Cell], columns: list[int], random: Random | None
    ) -> None:
        schema, ids, special = prompt.schema, prompt.ids, self._special
        tables, order = list(prompt.tables), list(columns)
        if random and self.form.shuffle_columns:
            random.shuffle(tables)
            random.shuffle(order)
        by_table: dict[int, list[int]] = {table: [] for table in tables}
        for column in order:
            by_table[schema.table_number(schema.columns[column][0].name)].append(column)
        keys = _key_targets(schema)
        for table in tables:
            ids += [special["<|table|>"], *self._text(" " + schema.tables[table].words.lower())]
            self._add_mark(ids, links.tables.get(table))
            if self._points:
                ids.append(special[f"<t{prompt.tables[table]}>"])
            for column in by_table[table]:
                self._add_column(prompt, column, links, shown, keys)

    def _add_column(
        self, prompt: Prompt, number: int, links: Links, shown: Sequence[Cell], keys: dict[int, int]
    ) -> None:
        ids, special = prompt.ids, self._special
        prompt.order.append(number)
        table, column = prompt.schema.columns[number]
        ids += [special[f"<|{column.type}|>"], *self._text(" " + column.words.lower())]
        if column.name in table.primary_key:
            ids.append(special["<|primary|>"])
        if self._points and keys.get(number) in prompt.columns:
            ids += [special["<|foreign|>"], special[f"<c{prompt.columns[keys[number]]}>"]]
        self._add_mark(ids, links.columns.get(number))
        for position, cell in enumerate(shown):
            if cell.column == number:
                ids += [special["<|cell|>"], *self._text(" " + cell.text), special[f"<v{prompt.cells[position]}>"]]
        if self._points:
            ids.append(special[f"<c{prompt.columns[number]}>"])

    def _add_mark(self, ids: list[int], mark: str | None) -> None:
        if mark and self.form.link_marks:
            ids.append(self._special[f"<|{mark}|>"])

    def _room(self, question_ids: list[list[int]], schema: Schema, budget: int | None) -> int | None:
        """Tokens of the budget that are left for columns."""
        if budget is None:
            return None
        question = sum(map(len, question_ids))
        names = sum(len(self._text(" " + table.words.lower())) + 3 for table in schema.tables)
        return budget - names - 2 * question - min(len(question_ids), self.form.max_words) - 4

    def _kept_columns(
        self, schema: Schema, links: Links, shown: Sequence[Cell], keep: frozenset[int], room: int | None
    ) -> list[int]:
        """Columns that the prompt shows, in schema order: all, or the best linked ones where not all fit."""
        celled = {cell.column for cell in shown}

        def rank(number: int) -> float:
            table, column = schema.columns[number]
            by_table = _RANKS.get(links.tables.get(schema.table_number(table.name), ""), 0) / 2
            key = 0.5 if column.name in table.primary_key or number in keys else 0
            mark = _RANKS.get(links.columns.get(number, ""), 0)
            return mark + by_table + key + 2 * (number in celled) + 100 * (number in keep)

        keys = _key_targets(schema)
        best = sorted(range(len(schema.columns)), key=rank, reverse=True)
        kept: list[int] = []
        kept_tables: set[str] = set()
        for number in best:
            table = schema.columns[number][0].name
            cost = len(self._text(" " + schema.columns[number][1].words.lower())) + 6
            cost += sum(len(self._text(" " + c.text)) + 2 for c in shown if c.column == number)
            full = len(kept) >= self.form.max_columns or (room is not None and cost > room)
            if full or (table not in kept_tables and len(kept_tables) >= self.form.max_tables):
                continue
            kept.append(number)
            kept_tables.add(table)
            room = None if room is None else room - cost
        return sorted(kept)

    def _word_id(self, prompt: Prompt, number: int) -> int:
        return self._special[f"<w{(prompt.first_word + number) % self.form.max_words}>"]

    @staticmethod
    def _word_text(question: str, word: Word) -> str:
        """The word with the space before it, if there was one; lower-cased, as names in the schema are.

        Nothing is lost: a value that points at words takes their text from the question itself.
        """
        spaced = word.start == 0 or question[word.start - 1].isspace()
        return (" " + word.text if spaced else word.text).lower()

    def _text(self, text: str) -> list[int]:
        if text not in self._texts:
            if len(self._texts) > 500_000:
                self._texts.clear()
            self._texts[text] = self.tokenizer.encode(text)
        return self._texts[text]

    # -- targets --------------------------------------------------------------------------------------------------

    def target_ids(self, pieces: Sequence[Piece], prompt: Prompt) -> list[int]:
        """Tokens of a target. Raises TargetError for a column that the prompt does not show."""
        return [token for piece in pieces for token in self._piece_ids(piece, prompt)]

    def answer_ids(self, pieces: Sequence[Piece], prompt: Prompt) -> list[int]:
        """Tokens of an answer, without the end token: the linking chain, where the form has one, and the target."""
        ids = self.target_ids(pieces, prompt)
        if not self.form.linking_chain:
            return ids
        named = {piece.number for piece in pieces if isinstance(piece, Pointer) and piece.kind == "c"}
        chain = [Pointer("c", number) for number in prompt.order if number in named]
        return [*self.target_ids(chain, prompt), self.chain_end, *ids]

    def _piece_ids(self, piece: Piece, prompt: Prompt) -> list[int]:
        special = self._special
        if isinstance(piece, Keyword):
            return [special[f"<|{piece.text}|>"]]
        if isinstance(piece, Pointer):
            use = [special[f"<|{piece.use}|>"]] if piece.use > 1 else []
            return [*self._pointer_ids(piece, prompt), *use]
        if isinstance(piece, Span):
            return [self._word_id(prompt, piece.first), self._word_id(prompt, piece.last)]
        if isinstance(piece, CellPointer):
            return [special[f"<v{prompt.cells[piece.number]}>"]]
        if isinstance(piece, Text):
            return self.tokenizer.encode(" " + piece.text)
        inner = [
            token
            for part in piece.parts
            for token in (self._text(part.text) if isinstance(part, Text) else self._piece_ids(part, prompt))
        ]
        return [special["<|quote|>"], *inner, special["<|quote|>"]]

    def _pointer_ids(self, piece: Pointer, prompt: Prompt) -> list[int]:
        shown = prompt.columns if piece.kind == "c" else prompt.tables
        if piece.number not in shown:
            raise TargetError(f"the prompt does not show {piece.kind}{piece.number} of {prompt.schema.name}")
        if self.form.items == "ids":
            return [self._special[f"<{piece.kind}{shown[piece.number]}>"]]
        kind = "<|column|>" if piece.kind == "c" else "<|table|>"
        return [self._special[kind], *self._text(" " + item_name(prompt.schema, piece.kind, piece.number))]

    def decode(self, ids: Sequence[int], prompt: Prompt) -> str:
        """SQL of generated tokens (without the end token). Raises TargetError when they make none."""
        return target.decode(self.pieces(ids, prompt), self.canonicalizer(prompt.schema), prompt.mentions)

    def pieces(self, ids: Sequence[int], prompt: Prompt) -> list[Piece]:
        """Pieces of generated tokens. Raises TargetError for tokens that have no place in a target."""
        return PieceReader(self, prompt).read(ids)

    def token_name(self, token: int) -> str | None:
        """The spelling of a special token, None for an ordinary one."""
        return self._names.get(token)


def _column_of(pointer: Pointer, schema: Schema) -> int:
    """The column that a prompt must show for `pointer` to have a place: a table shows with any of its columns."""
    if pointer.kind == "c":
        return pointer.number
    name = schema.tables[pointer.number].name
    return next(n for n, (table, _) in enumerate(schema.columns) if table.name == name)


def _key_targets(schema: Schema) -> dict[int, int]:
    """Column number -> number of the column that it references, for keys of one column."""
    targets = {}
    for key in schema.foreign_keys:
        if len(key.columns) == 1 == len(key.referenced_columns):
            try:
                source = schema.column_number(key.table, key.columns[0])
                targets[source] = schema.column_number(key.referenced_table, key.referenced_columns[0])
            except KeyError:
                continue
    return targets


def _points_at_cell(value: Quoted) -> bool:
    return any(isinstance(part, CellPointer) for part in value.parts)
