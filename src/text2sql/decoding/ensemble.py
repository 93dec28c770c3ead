"""Several models that decode as one: the mean of their next-token probabilities.

Models that differ only in their seed err in different places (Hansen and Salamon 1990, "Neural network ensembles").
The mean is taken at every step, before beams, sampling or a mask look at it, so an `Ensemble` stands wherever a `GPT`
does in the engine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from text2sql.model import GPT, KVCache


class CacheGroup:
    """The caches of an ensemble's models, moved together."""

    def __init__(self, caches: Sequence[KVCache]) -> None:
        self.caches = caches
        self.length = caches[0].length

    def select(self, rows: Tensor) -> None:
        """`KVCache.select` in each."""
        for cache in self.caches:
            cache.select(rows)

    def reorder(self, rows: Tensor, start: int) -> None:
        """`KVCache.reorder` in each."""
        for cache in self.caches:
            cache.reorder(rows, start)


class Ensemble(nn.Module):
    """Models over one vocabulary; `config` is the first one's, with the shortest context of all."""

    def __init__(self, models: Sequence[GPT]) -> None:
        super().__init__()
        self.models = cast("Sequence[GPT]", nn.ModuleList(models))
        self.config = replace(models[0].config, context=min(model.config.context for model in models))
        self.eval()

    def forward(self, ids: Tensor, positions: Tensor, cache: CacheGroup) -> Tensor:
        """Logits [B, T, vocabulary]; the arguments are `hidden`'s."""
        return self.head(self.hidden(ids, positions, cache))

    def hidden(self, ids: Tensor, positions: Tensor, cache: CacheGroup, prompts: Tensor | None = None) -> Tensor:
        """The models' outputs beside each other, [B, T, sum of the widths]; the arguments are `GPT.hidden`'s."""
        pairs = zip(self.models, cache.caches, strict=True)
        return torch.cat([model.hidden(ids, positions, cache=own, prompts=prompts) for model, own in pairs], dim=-1)

    def head(self, hidden: Tensor) -> Tensor:
        """[..., sum of the widths] -> log of the mean probability, [..., vocabulary] in fp32."""
        parts = hidden.split([model.config.width for model in self.models], dim=-1)
        pairs = zip(self.models, parts, strict=True)
        each = [model.head(part).float().log_softmax(dim=-1) for model, part in pairs]
        return torch.stack(each).logsumexp(dim=0) - math.log(len(each))

    def new_cache(self, rows: int, length: int) -> CacheGroup:
        """An empty cache for `rows` sequences of at most `length` tokens."""
        return CacheGroup([model.new_cache(rows, length) for model in self.models])


LanguageModel = GPT | Ensemble
"""What the engine decodes with."""
