"""The parts of a Llama block: RMSNorm, rotary positions, causal attention, SwiGLU.

Parameters carry the names of `transformers`' Llama, so that a state dict fits both without a mapping table. Shapes:
B rows, T tokens, W width, H query heads, K key/value heads, D numbers per head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2sql.model.cache import KVCache
from text2sql.model.config import GPTConfig


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


# Queries that blockwise attention takes together: large enough for matrix units, small enough to skip the future.
BLOCK = 128


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, causal: bool = True) -> Tensor:
    """Attention of queries [B, H, T, D] over keys and values [B, K, S, D] -> [B, H, T, D].

    `mask` [B, 1, T, S] is added to the scores: 0 where a query may look, -inf elsewhere; None, with T = S, is plain
    causal. With `causal` T = S must mean that query t may look at no key after t; without it, that a later query of
    the same document looks as far ahead or at no key after itself.
    """
    if queries.device.type == "cpu" and 1 < queries.shape[2] == keys.shape[2]:
        return _attend_blockwise(queries, keys, values, mask, causal)
    grouped = queries.shape[1] != keys.shape[1]
    return F.scaled_dot_product_attention(
        queries, keys, values, attn_mask=mask, is_causal=mask is None, enable_gqa=grouped
    )


def _attend_blockwise(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    """Attention written out, one block of queries after the other, each over the keys up to the last that it sees.

    On a CPU this trains faster than PyTorch's fused kernel, which neither uses bf16 matrix units nor skips the future
    under a mask (benchmarks/attention.py measures it), but keeps about B x H x T^2 / 2 weights for the backward pass.
    """
    tokens = queries.shape[2]
    if mask is None:
        mask = additive_mask(torch.ones(tokens, tokens, dtype=torch.bool, device=queries.device).tril(), queries.dtype)
    queries = queries * queries.shape[-1] ** -0.5
    groups = queries.shape[1] // keys.shape[1]
    if groups > 1:
        keys, values = keys.repeat_interleave(groups, dim=1), values.repeat_interleave(groups, dim=1)
    blocks = []
    for start in range(0, tokens, BLOCK):
        end = min(start + BLOCK, tokens)
        begin = _first_visible(mask[..., start, :end])
        stop = end if causal else _end_of_visible(mask[..., end - 1, :])
        scores = queries[:, :, start:end] @ keys[:, :, begin:stop].transpose(-1, -2) + mask[..., start:end, begin:stop]
        blocks.append(torch.softmax(scores, dim=-1) @ values[:, :, begin:stop])
    return torch.cat(blocks, dim=2)


def _first_visible(mask: Tensor) -> int:
    """The earliest key that any row's query looks at, [..., S]: packed documents do not see the ones before them.

    Asked of a block's first query, it holds for the block: later queries belong to the same documents or later ones.
    """
    return int((mask == 0).reshape(-1, mask.shape[-1]).any(dim=0).int().argmax())


def _end_of_visible(mask: Tensor) -> int:
    """One past the latest key that any row's query looks at, [..., S].

    Asked of a block's last query, it holds for the block: a prompt that reaches beyond the block has it as a member.
    """
    return int((mask == 0).reshape(-1, mask.shape[-1]).any(dim=0).nonzero().max()) + 1


def additive_mask(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where `visible` is True and -inf elsewhere, to be added to attention scores of type `dtype`."""
    return torch.zeros(visible.shape, dtype=dtype, device=visible.device).masked_fill(~visible, float("-inf"))


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

    def forward(
        self, x: Tensor, rotary: tuple[Tensor, Tensor], positions: Tensor, mask: Tensor | None, cache: KVCache | None
    ) -> Tensor:
        """[B, T, W] -> [B, T, W]; `mask` is `attend`'s."""
        queries = rotate(self._heads(self.q_proj(x)), *rotary)
        keys = rotate(self._heads(self.k_proj(x)), *rotary)
        values = self._heads(self.v_proj(x))
        if cache is not None:
            keys, values = cache.write(self.layer, positions, keys, values)
        mixed = attend(queries, keys, values, mask, self.causal)
        return self.o_proj(mixed.transpose(1, 2).flatten(2))

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
