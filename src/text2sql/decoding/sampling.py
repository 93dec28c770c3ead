"""Choosing a next token from logits: temperature, top-k, top-p, and a reproducible draw.

Everything works row by row, so that a row's result doesn't depend on its batch.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from text2sql.config import DecodingConfig

NEVER = float("-inf")


def uniform_draws(seed: int, index: int, count: int, sample: int = 0) -> list[float]:
    """`count` numbers in [0, 1) for a sample of prompt `index`, the same on every machine and in every batch."""
    # 32 bits: scaled in fp64 below, a draw then stays under the total for certain.
    return np.random.default_rng([seed, index, sample]).random(count, dtype=np.float32).tolist()


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """-inf for all but the `k` largest of each row [..., V]; of equal logits at the edge only as many as fit."""
    values, tokens = logits.topk(min(k, logits.shape[-1]), dim=-1)
    return torch.full_like(logits, NEVER).scatter(-1, tokens, values)


def keep_top_p(logits: Tensor, p: float) -> Tensor:
    """-inf outside the smallest set of likeliest tokens that holds probability `p` (Holtzman et al. 2020, eq. 2)."""
    values, tokens = logits.sort(dim=-1, descending=True, stable=True)
    probabilities = values.softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    before[..., 0] = 0.0  # The likeliest token stays, whatever p is and however the sum rounds.
    return torch.full_like(logits, NEVER).scatter(-1, tokens, values.masked_fill(before >= p, NEVER))


def sampling_logits(logits: Tensor, options: DecodingConfig) -> Tensor:
    """Temperature, then top-k, then top-p, in the order of Hugging Face's `generate`."""
    logits = logits / options.temperature
    if options.top_k > 0:
        logits = keep_top_k(logits, options.top_k)
    if options.top_p < 1.0:
        logits = keep_top_p(logits, options.top_p)
    return logits


def draw(logits: Tensor, uniforms: Tensor) -> Tensor:
    """Tokens [B] drawn from softmax(logits [B, V]) by inverting the cumulative sum at `uniforms` [B] in [0, 1)."""
    cumulative = logits.double().softmax(dim=-1).cumsum(dim=-1)
    points = uniforms.double()[:, None] * cumulative[:, -1:]
    tokens = torch.searchsorted(cumulative, points, right=True)[:, 0]
    return tokens.clamp(max=logits.shape[-1] - 1)  # Past the end only for NaN, which a diverged model may give.
