"""The attention kernels that the layers call, and how packed documents are laid out for them on a CPU.

Shapes: B rows, T tokens, H query heads, K key/value heads, S keys, D numbers per head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

# Queries that blockwise attention takes together: large enough for matrix units, small enough to skip the future.
BLOCK = 256
# Documents are padded to a multiple of so many tokens, and those of one length attend together.
LENGTH_STEP = 32


def additive_mask(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where `visible` is True and -inf elsewhere, to be added to attention scores of type `dtype`."""
    return torch.zeros(visible.shape, dtype=dtype, device=visible.device).masked_fill(~visible, float("-inf"))


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, causal: bool = True) -> Tensor:
    """Attention of queries [B, H, T, D] over keys and values [B, K, S, D] -> [B, H, T, D].

    `mask` [B, 1, T, S] is added to the scores: 0 where a query may look, -inf elsewhere; None, with T = S, is plain
    causal. With `causal` T = S must mean that query t may look at no key after t.
    """
    if queries.device.type == "cpu" and 1 < queries.shape[2] == keys.shape[2]:
        return _attend_blockwise(queries, keys, values, mask, causal or mask is None)
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
    keys, values = (_for_each_query_head(part, queries.shape[1]) for part in (keys, values))
    blocks = []
    for start in range(0, tokens, BLOCK):
        end = min(start + BLOCK, tokens)
        stop = end if causal else tokens
        scores = queries[:, :, start:end] @ keys[:, :, :stop].transpose(-1, -2) + mask[..., start:end, :stop]
        blocks.append(torch.softmax(scores, dim=-1) @ values[:, :, :stop])
    return torch.cat(blocks, dim=2) if len(blocks) > 1 else blocks[0]


def _for_each_query_head(keys: Tensor, heads: int) -> Tensor:
    """Keys or values [B, K, S, D] repeated for the query heads that share them, [B, H, S, D]."""
    return keys if keys.shape[1] == heads else keys.repeat_interleave(heads // keys.shape[1], dim=1)


@dataclass(frozen=True)
class DocumentGroup:
    """Documents of one padded length: G documents of n tokens, and the mask [n, n] or [G, 1, n, n] of each."""

    documents: int
    length: int
    mask: Tensor


@dataclass(frozen=True)
class DocumentLayout:
    """Packed rows taken apart into their documents, so that attention computes no score between two documents.

    Rows of D numbers stand in two orders: packed, [B x T x H], and by document, [G x H x n] of one group after the
    other. `places` says for each row of the second order which one of the first it is, `back` the reverse; `padding`
    are the rows of the second order that lengthen a document and repeat its last token: as they come after it, no
    token of the document sees them.
    """

    places: Tensor
    back: Tensor
    padding: Tensor
    groups: tuple[DocumentGroup, ...]
    causal: bool

    @classmethod
    def of(cls, documents: Tensor, prompts: Tensor | None, heads: int, dtype: torch.dtype) -> DocumentLayout:
        """Layout of tokens [B, T] that attend within equal numbers of `documents` in their row.

        Where `prompts` [B, T] bool is given, a prompt's tokens are seen by all of their document.
        """
        device = documents.device
        numbers = documents - documents.min()
        numbers = (numbers + torch.arange(len(documents), device=device)[:, None] * (numbers.max() + 1)).flatten()
        order = numbers.argsort(stable=True)
        lengths = numbers[order].unique_consecutive(return_counts=True)[1]
        starts = lengths.cumsum(0) - lengths
        padded = (lengths + LENGTH_STEP - 1).div(LENGTH_STEP, rounding_mode="floor") * LENGTH_STEP
        groups, places, real = [], [], []
        for length in padded.unique().tolist():
            members = padded == length
            offsets = torch.arange(length, device=device)[None]
            inside = offsets < lengths[members, None]
            tokens = order[starts[members, None] + torch.minimum(offsets, lengths[members, None] - 1)]
            visible = torch.ones(length, length, dtype=torch.bool, device=device).tril()
            if prompts is not None:
                visible = visible | (prompts.flatten()[tokens] & inside)[:, None, None]
            groups.append(DocumentGroup(len(tokens), length, additive_mask(visible, dtype)))
            head = torch.arange(heads, device=device)[None, :, None]
            places.append((tokens[:, None] * heads + head).flatten())
            real.append(inside[:, None].expand(-1, heads, -1).flatten())
        all_places, all_real = torch.cat(places), torch.cat(real)
        back = torch.empty(documents.numel() * heads, dtype=torch.int64, device=device)
        back[all_places[all_real]] = all_real.nonzero().flatten()
        return cls(all_places, back, (~all_real).nonzero().flatten(), tuple(groups), causal=prompts is None)

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """`attend` within each document: queries [B, H, T, D], keys and values [B, K, T, D] -> [B, H, T, D]."""
        rows, heads, tokens, size = queries.shape
        inputs = (queries, *(_for_each_query_head(part, heads) for part in (keys, values)))
        parts = [_Rearrange.apply(x.transpose(1, 2).reshape(-1, size), self.places, self.back, None) for x in inputs]
        sizes = [group.documents * heads * group.length for group in self.groups]
        mixed = []
        for group, *split in zip(self.groups, *(part.split(sizes) for part in parts), strict=True):
            shape = (group.documents, heads, group.length, size)
            own = [part.view(shape) for part in split]
            mixed.append(_attend_blockwise(own[0], own[1], own[2], group.mask, self.causal).reshape(-1, size))
        packed: Tensor = _Rearrange.apply(torch.cat(mixed), self.back, self.places, self.padding)
        return packed.view(rows, tokens, heads, size).transpose(1, 2)


class _Rearrange(torch.autograd.Function):
    """Rows [N, D] taken at `places`; the gradient's rows come back from where they went.

    Where a place is taken several times all but one must be padding, whose gradient is 0: that saves the sum, which
    plain indexing takes row by row. `padding`, if given, are the input's rows that no place takes.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, places: Tensor, back: Tensor, padding: Tensor | None) -> Tensor:
        ctx.back, ctx.padding = back, padding
        return rows.index_select(0, places)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        rows = gradients[0].index_select(0, ctx.back)
        return rows if ctx.padding is None else rows.index_fill_(0, ctx.padding, 0.0), None, None, None
