"""The parts of a Llama block: RMSNorm, rotary positions, causal attention, SwiGLU.

Parameters carry the names of `transformers`' Llama, so that a state dict fits both without a mapping table. Shapes:
B rows, T tokens, W width, H query heads, K key/value heads, D numbers per head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2sql.model.attention import DocumentLayout, attend
from text2sql.model.cache import KVCache
from text2sql.model.config import GPTConfig

Mask = Tensor | DocumentLayout | None
"""What a token may see: an additive mask, packed documents taken apart, or None for every token before it."""


class RMSNorm(nn.Module):
    """Scale each vector to a root mean square of 1, then by learnt weights (Zhang and Sennrich 2019, eq. 4)."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """[..., W] -> [..., W]."""
        return F.rms_norm(x, self.weight.shape, self.weight, self.epsilon)


class Rotary(nn.Module):
    """Tables of the rotary position embedding (Su et al. 2021, RoFormer, section 3.2).

    Pairs number i and i + D/2 of a head ("rotate half", as Llama's published weights do), not neighbours.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        exponents = torch.arange(0, config.head_size, 2, dtype=torch.float32) / config.head_size
        angles = torch.outer(torch.arange(config.context, dtype=torch.float32), 1.0 / config.rope_theta**exponents)
        angles = torch.cat((angles, angles), dim=-1)
        # Made from the config, so not saved: a checkpoint holds only what was learnt.
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines for `positions` [B, T]: each [B, 1, T, D]."""
        return self.cos[positions][:, None], self.sin[positions][:, None]


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn queries or keys [B, H, T, D] by their positions' angles."""
    first, second = x.chunk(2, dim=-1)
    return x * cos.to(x.dtype) + torch.cat((-second, first), dim=-1) * sin.to(x.dtype)


class Attention(nn.Module):
    """Self-attention with grouped queries (Vaswani et al. 2017, section 3.2; Ainslie et al. 2023)."""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.head_size = config.head_size
        self.causal = not config.prefix_lm
        self.q_proj = nn.Linear(config.width, config.heads * config.head_size, bias=False)
        self.k_proj = nn.Linear(config.width, config.kv_heads * config.head_size, bias=False)
        self.v_proj = nn.Linear(config.width, config.kv_heads * config.head_size, bias=False)
        self.o_proj = nn.Linear(config.heads * config.head_size, config.width, bias=False)

    def project(self, x: Tensor, rotary: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """[B, T, W] -> turned queries [B, H, T, D] and keys [B, K, T, D], and values [B, K, T, D]."""
        queries = rotate(self._heads(self.q_proj(x)), *rotary)
        keys = rotate(self._heads(self.k_proj(x)), *rotary)
        return queries, keys, self._heads(self.v_proj(x))

    def mix(
        self, queries: Tensor, keys: Tensor, values: Tensor, positions: Tensor, mask: Mask, cache: KVCache | None
    ) -> Tensor:
        """What each query finds, [B, H, T, D]; `mask` is `attend`'s, or the documents that do it without one."""
        if cache is not None:
            keys, values = cache.write(self.layer, positions, keys, values)
        if isinstance(mask, DocumentLayout):
            return mask.attend(queries, keys, values)
        return attend(queries, keys, values, mask, self.causal)

    def merge(self, mixed: Tensor) -> Tensor:
        """[B, H, T, D] -> [B, T, W]."""
        merged: Tensor = self.o_proj(mixed.transpose(1, 2).flatten(2))
        return merged

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.head_size)).transpose(1, 2)


class SwiGLU(nn.Module):
    """The gated feed-forward layer (Shazeer 2020, eq. 6)."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.width, config.mlp_width, bias=False)
        self.up_proj = nn.Linear(config.width, config.mlp_width, bias=False)
        self.down_proj = nn.Linear(config.mlp_width, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[..., W] -> [..., W]."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
