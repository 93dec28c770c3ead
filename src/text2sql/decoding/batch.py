"""What greedy, sampled and beam decoding share: a batch of prompts in the model, one step at a time.

Knows tokens and rows, not how the next token is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from text2sql.decoding.ensemble import LanguageModel

LogitsMask = Callable[[int, list[int]], Tensor | None]
"""(prompt's index in the caller's list, tokens so far) -> bool [V], True where a token may follow; None: all may."""

OnTokens = Callable[[int, list[int]], None]
"""(prompt's index in the caller's list, tokens so far of its best completion): called after every step."""


@dataclass
class Completion:
    """What the model wrote after a prompt."""

    ids: list[int]
    """Tokens, without the end token."""
    log_probability: float
    """Sum over the tokens, the end token's included, under the model itself: no temperature, cut or mask."""
    finished: bool
    """Whether the end token was reached, not the length limit or a mask that allows nothing."""

    @property
    def score(self) -> float:
        """Log probability per token, the end token counted: what beams are ranked by at the end."""
        return self.log_probability / max(1, len(self.ids) + self.finished)


def best_first(completions: Sequence[Completion]) -> list[Completion]:
    """Sorted by the mean log probability per token."""
    return sorted(completions, key=lambda completion: -completion.score)


@dataclass(frozen=True)
class PromptTokens:
    """A prompt on its way through the engine."""

    index: int
    """Its place in the caller's list."""
    ids: Sequence[int]
    limit: int
    """New tokens at most: the options' limit or what the context leaves."""


class DecodingBatch:
    """Rows of tokens in the model: the prompts are read at once, then each `step` appends one token to every row.

    `logits` [rows, V] in fp32 predict each row's next token. A prompt takes `copies` rows beside each other.
    """

    def __init__(self, model: LanguageModel, prompts: Sequence[PromptTokens], copies: int = 1) -> None:
        self.model = model
        self.device = next(model.parameters()).device
        lengths = torch.tensor([len(prompt.ids) for prompt in prompts])
        longest = int(lengths.max())
        ids = torch.zeros(len(prompts), longest, dtype=torch.int64)
        for row, prompt in enumerate(prompts):
            ids[row, : len(prompt.ids)] = torch.tensor(prompt.ids)
        length = max(len(prompt.ids) + prompt.limit for prompt in prompts)
        self.cache = cast("Any", model.new_cache(len(prompts), length))  # each model takes its own kind
        positions = torch.arange(longest, device=self.device).expand(len(prompts), -1)
        self.shared = int(lengths.min())
        self.lengths = lengths.to(self.device)
        in_prompt = positions < self.lengths[:, None]
        hidden = model.hidden(ids.to(self.device), positions, cache=self.cache, prompts=in_prompt)
        last = hidden[torch.arange(len(prompts), device=self.device), self.lengths - 1]
        self.logits = model.head(last).float()
        if copies > 1:
            self.select([row for row in range(len(prompts)) for _ in range(copies)])

    def __len__(self) -> int:
        return len(self.logits)

    def worth_dropping(self, needed: int) -> bool:
        """Whether so few rows are still needed that dropping the others pays for copying the cache."""
        return needed <= 0.75 * len(self)

    def step(self, tokens: Sequence[int]) -> None:
        """Append one token to each row."""
        ids = torch.tensor(tokens, device=self.device)[:, None]
        # A finished row that waits to be dropped stays on its last slot instead of running out of the cache.
        positions = self.lengths.clamp(max=self.cache.length - 1)[:, None]
        self.logits = self.model(ids, positions, cache=self.cache)[:, 0].float()
        self.lengths = self.lengths + 1

    def select(self, rows: Sequence[int]) -> None:
        """Keep `rows`, in that order; a row may be taken twice or dropped."""
        chosen = torch.tensor(rows, device=self.device)
        self.cache.select(chosen)
        self.lengths, self.logits = self.lengths[chosen], self.logits[chosen]

    def reorder(self, rows: Sequence[int]) -> None:
        """Let each row go on from the row named, one of the same prompt. The logits are the old rows' until `step`."""
        if list(rows) != list(range(len(rows))):
            self.cache.reorder(torch.tensor(rows, device=self.device), self.shared)


def allowed_tokens(
    mask: LogitsMask | None, contexts: Sequence[tuple[int, list[int]] | None], logits: Tensor
) -> Tensor | None:
    """[rows, V], True where `mask` lets a token follow; None without a mask.

    `contexts` holds each row's arguments for `mask`; a row whose context is None, no longer decoded, isn't asked about.
    """
    if mask is None:
        return None
    allowed = torch.ones_like(logits, dtype=torch.bool)
    for row, context in enumerate(contexts):
        restriction = None if context is None else mask(*context)
        if restriction is not None:
            allowed[row] = restriction
    return allowed
