"""What the grammar mask keeps: a tokenizer's tokens in the grammar's terms, and what an answer has said so far."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor

from text2sql.decoding.grammar import START, Stack
from text2sql.prompting.prompt import PromptEncoder
from text2sql.tokenizer.special_tokens import KEYWORDS

Use = tuple[int, int]
"""A table's number and which of its uses in FROM: 1, 2, ..."""

_NUMBERS = {
    "NUMBER": re.compile(r" ?\d+"),
    "BLANK": re.compile(r" "),
    "DIGITS": re.compile(r"\d+"),
    "POINT": re.compile(r"\."),
    "POINT_DIGITS": re.compile(r"\.\d+"),
}


@dataclass(frozen=True)
class Scope:
    """What one SELECT has said so far."""

    phase: str = "items"
    """items, from, after (a clause behind them), order (of a set operation)."""
    wanted: int | None = None
    """How many items it must have; None: any number."""
    items: int = 1
    stars: frozenset[int] = frozenset()
    """Which of the items, from 1, are a star."""
    wanted_stars: frozenset[int] = frozenset()
    """Right of UNION: the items that must be a star, as on its left; no others may."""
    tables: frozenset[int] | None = None
    """Right of UNION: the tables of its left, where that has a star; others have another number of columns."""
    mentions: frozenset[Use] = frozenset()
    """Tables whose columns were named."""
    starred: bool = False
    """A `table.*` was named, which needs FROM."""
    sources: tuple[Use, ...] | None = None
    """The tables of FROM; None without one."""
    joining: bool = False
    """The last source came by a JOIN that may have an ON."""
    table: int = 0
    """The table of the last column or source."""
    output: tuple[int, ...] | None = None
    """Right of UNION: the columns of the left-most SELECT, which ORDER BY may name."""
    columns: tuple[int, ...] = ()
    """Columns among the items."""
    begun: tuple[int, ...] = ()
    """Columns that the items begin with: none may begin three, as the second may be another use of its table."""


@dataclass(frozen=True)
class State:
    """A beginning of an answer, read."""

    stack: Stack = START
    scopes: tuple[Scope, ...] = (Scope(),)
    word: int = 0
    """The first word of the span that is open."""
    last: str = ""
    """The atom before."""
    name: tuple[int, ...] | None = None
    """Tokens of a spelt-out name that may still go on (`items: names`)."""
    kind: str = ""
    """COLUMN, LINK, TABLE or TABLE_STAR: what that name is of."""
    linked: frozenset[int] = frozenset()
    """Columns of the linking chain, until it ends."""


@dataclass
class Vocabulary:
    """What a tokenizer's tokens are to the grammar."""

    size: int
    end_id: int
    keywords: dict[str, int]
    """Keyword -> token."""
    texts: dict[str, Tensor] = field(default_factory=dict)
    """Atom of text tokens -> bool [V]."""

    @classmethod
    @lru_cache(maxsize=4)
    def of(cls, encoder: PromptEncoder) -> Vocabulary:
        """The vocabulary of an encoder, kept for the latest few."""
        tokenizer = encoder.tokenizer
        special = tokenizer.special_ids
        keywords = {name: special[f"<|{name}|>"] for name in (*KEYWORDS, "quote", "assistant")}
        vocabulary = cls(tokenizer.vocabulary_size, encoder.end_id, keywords)
        ordinary = [number for number in range(vocabulary.size) if encoder.token_name(number) is None]
        spelt = {number: tokenizer.decode([number]) for number in ordinary}
        for atom, pattern in _NUMBERS.items():
            vocabulary.texts[atom] = vocabulary.mask([n for n, text in spelt.items() if pattern.fullmatch(text)])
        vocabulary.texts["TEXT"] = vocabulary.mask([n for n, text in spelt.items() if text.isprintable()])
        return vocabulary

    def mask(self, tokens: Sequence[int]) -> Tensor:
        """bool [V], True for the tokens."""
        mask = torch.zeros(self.size, dtype=torch.bool)
        mask[torch.tensor(tokens, dtype=torch.int64)] = True
        return mask
