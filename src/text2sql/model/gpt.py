"""The GPT: a decoder-only transformer in Llama's layout, in reading order.

tokens -> embedding -> [norm -> attention -> add, norm -> SwiGLU -> add] x layers -> norm -> logits. The module tree
and so the state dict equal `transformers.LlamaForCausalLM`'s. Losses, sampling and files live elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2sql.model.attention import DocumentLayout, additive_mask
from text2sql.model.cache import KVCache
from text2sql.model.config import GPTConfig
from text2sql.model.layers import Attention, Mask, RMSNorm, Rotary, SwiGLU

INTO_THE_STREAM = ("self_attn.o_proj.weight", "mlp.down_proj.weight")
"""A layer's weights that write to the residual stream."""


class Block(nn.Module):
    """One layer: attention, then SwiGLU, each reading a normed copy of the residual stream and adding to it."""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.input_layernorm = RMSNorm(config.width, config.norm_epsilon)
        self.self_attn = Attention(config, layer)
        self.post_attention_layernorm = RMSNorm(config.width, config.norm_epsilon)
        self.mlp = SwiGLU(config)
        self._compiled: tuple[Callable[..., Any], Callable[..., Any]] | None = None

    def forward(
        self, x: Tensor, rotary: tuple[Tensor, Tensor], positions: Tensor, mask: Mask, cache: KVCache | None
    ) -> Tensor:
        """[B, T, W] -> [B, T, W]."""
        compiled = self._compiled if self.training else None
        before, after = compiled or (self._before_attention, self._after_attention)
        queries, keys, values = before(x, rotary)
        return after(x, self.self_attn.mix(queries, keys, values, positions, mask, cache))

    def _before_attention(self, x: Tensor, rotary: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        return self.self_attn.project(self.input_layernorm(x), rotary)

    def _after_attention(self, x: Tensor, mixed: Tensor) -> Tensor:
        x = x + F.dropout(self.self_attn.merge(mixed), self.dropout, self.training)
        return x + F.dropout(self.mlp(self.post_attention_layernorm(x)), self.dropout, self.training)

    def compile_halves(self, wanted: bool = True) -> None:
        """Compile what stands before and after the attention, for training; the first step of a shape is then slow.

        Attention stays as it is: packed documents give it other shapes in every batch. `wanted` False takes it back.
        """
        if wanted:
            before, after = self._before_attention, self._after_attention
            self._compiled = torch.compile(before, dynamic=False), torch.compile(after, dynamic=False)
        else:
            self._compiled = None


class Transformer(nn.Module):
    """Everything below the output head."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocabulary_size, config.width)
        self.rotary_emb = Rotary(config)
        self.layers = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.norm = RMSNorm(config.width, config.norm_epsilon)

    def forward(self, ids: Tensor, positions: Tensor, mask: Mask, cache: KVCache | None) -> Tensor:
        """Ids and positions [B, T] -> [B, T, W]."""
        rotary = self.rotary_emb(positions)
        x = self.embed_tokens(ids)
        for block in self.layers:
            x = block(x, rotary, positions, mask, cache)
        return self.norm(x)


class GPT(nn.Module):
    """Predicts the next token at every position of B rows of T tokens."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Transformer(config)
        if not config.tie_embeddings:
            self.lm_head = nn.Linear(config.width, config.vocabulary_size, bias=False)
        self._initialise()

    def _initialise(self) -> None:
        """Normal(0, 0.02); what writes to the residual stream is scaled down by its 2 x layers summands.

        As in GPT-2 (Radford et al. 2019, section 2.3): the stream's variance then doesn't grow with depth.
        """
        for name, parameter in self.named_parameters():
            if name.endswith(INTO_THE_STREAM):
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * self.config.layers))
            elif parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02)

    def forward(
        self,
        ids: Tensor,
        positions: Tensor | None = None,
        documents: Tensor | None = None,
        cache: KVCache | None = None,
        prompts: Tensor | None = None,
    ) -> Tensor:
        """Logits [B, T, vocabulary]; the arguments are `hidden`'s."""
        return self.head(self.hidden(ids, positions, documents, cache, prompts))

    def hidden(
        self,
        ids: Tensor,
        positions: Tensor | None = None,
        documents: Tensor | None = None,
        cache: KVCache | None = None,
        prompts: Tensor | None = None,
    ) -> Tensor:
        """The last layer's normed output [B, T, W], so that the head can be paid only where it is needed.

        ids: [B, T] int64. positions: [B, T] int64 rotary positions, 0..T-1 when None. documents: [B, T] int64;
        tokens attend only within equal numbers (any number marks padding, such as -1). cache: earlier tokens' keys
        and values; `positions` then also say where the new ones go and are required. Never both documents and cache.
        prompts: [B, T] bool, True for a prompt's tokens, which a prefix-LM reads in both directions (with a cache: all
        positions up to T-1 are given at once); other models ignore it.
        Raises ValueError for more tokens than the context, or a cache without positions or with documents.
        """
        tokens = ids.shape[1]
        if tokens > self.config.context:
            raise ValueError(f"{tokens} tokens are longer than the model's context of {self.config.context}")
        if cache is not None and (positions is None or documents is not None):
            raise ValueError("a cache needs positions and no documents")
        if positions is None:
            positions = torch.arange(tokens, device=ids.device)[None]
        prompts = prompts if self.config.prefix_lm else None
        # Made once for all layers, in the type that attention computes in.
        mask: Mask = None
        if cache is not None:
            mask = additive_mask(cache.visible(positions, prompts), self.compute_type())
        elif documents is not None:
            mask = self._document_mask(documents, prompts)
        return self.model(ids, positions, mask, cache)

    def _document_mask(self, documents: Tensor, prompts: Tensor | None) -> Mask:
        """Who sees whom in packed rows: on a CPU as a layout without a mask, which a compiler could not unroll."""
        if documents.device.type == "cpu" and not torch.compiler.is_compiling():
            return DocumentLayout.of(documents, prompts, self.config.heads, self.compute_type())
        return additive_mask(same_document(documents, prompts), self.compute_type())

    def new_cache(self, rows: int, length: int) -> KVCache:
        """An empty cache for `rows` sequences of at most `length` tokens."""
        return KVCache(self.config, rows, length, self.model.embed_tokens.weight.device, self.compute_type())

    def compute_type(self) -> torch.dtype:
        """The number type of queries, keys and values: autocast's where it is on, else the weights'."""
        weight = self.model.embed_tokens.weight
        kind = weight.device.type
        return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype

    def head(self, hidden: Tensor) -> Tensor:
        """[..., W] -> logits [..., vocabulary]."""
        weight = self.model.embed_tokens.weight if self.config.tie_embeddings else self.lm_head.weight
        return F.linear(hidden, weight)


def same_document(documents: Tensor, prompts: Tensor | None = None) -> Tensor:
    """[B, 1, T, T]: whether a token may see another: itself and earlier ones with its number in `documents` [B, T].

    And later ones of its document's prompt, where `prompts` [B, T] marks it.
    """
    same = documents[:, :, None] == documents[:, None, :]
    visible = same.tril()
    return (visible if prompts is None else visible | (same & prompts[:, None]))[:, None]
