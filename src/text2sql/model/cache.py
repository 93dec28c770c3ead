"""The key/value cache: what attention has computed for earlier tokens, kept so that decoding doesn't repeat it.

A slot is a position: row r's token at position p lies in slot p. So prompts of different lengths share a batch
without left padding, and what a shorter prompt's padding wrote is overwritten by that row's next tokens before any
query may look there.
"""

from __future__ import annotations

import torch
from torch import Tensor

from text2sql.model.config import GPTConfig


class KVCache:
    """Preallocated keys and values of `rows` sequences of at most `length` tokens, per layer.

    `keys[layer]` and `values[layer]` are [rows, kv_heads, length, head_size]; `used` is the number of slots that a
    query may have to look at.
    """

    def __init__(self, config: GPTConfig, rows: int, length: int, device: torch.device, dtype: torch.dtype) -> None:
        shape = (rows, config.kv_heads, length, config.head_size)
        # Zeros, not empty: a slot that no query may see is still multiplied by a weight of 0, and 0 * NaN is NaN.
        self.keys = [torch.zeros(shape, device=device, dtype=dtype) for _ in range(config.layers)]
        self.values = [torch.zeros(shape, device=device, dtype=dtype) for _ in range(config.layers)]
        self.length = length
        self.used = 0

    def write(self, layer: int, positions: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Put keys and values [rows, kv_heads, T, head_size] at `positions` [rows, T]; return the used slots'."""
        rows = torch.arange(len(positions), device=positions.device)[:, None]
        self.keys[layer][rows, :, positions] = keys.transpose(1, 2).to(self.keys[layer].dtype)
        self.values[layer][rows, :, positions] = values.transpose(1, 2).to(self.values[layer].dtype)
        return self.keys[layer][:, :, : self.used], self.values[layer][:, :, : self.used]

    def visible(self, positions: Tensor, prompts: Tensor | None = None) -> Tensor:
        """[rows, 1, T, used]: whether the queries at `positions` [rows, T] may look at a slot.

        `prompts` [rows, used] marks slots that all queries see: those of a prompt read in both directions.
        """
        self.used = max(self.used, int(positions.max()) + 1)
        slots = torch.arange(self.used, device=positions.device)
        visible = slots <= positions[..., None]
        return (visible if prompts is None else visible | prompts[:, None])[:, None]

    def select(self, rows: Tensor) -> None:
        """Keep the sequences `rows` [any number], in that order; a row may be taken twice or dropped."""
        self.keys = [keys.index_select(0, rows) for keys in self.keys]
        self.values = [values.index_select(0, rows) for values in self.values]

    def reorder(self, rows: Tensor, start: int) -> None:
        """Give each row the slots from `start` on of the row that `rows` [rows] names; earlier slots stay.

        For beams, which share their prompt and so need not copy it.
        """
        for store in (*self.keys, *self.values):
            store[:, :, start : self.used] = store[:, :, start : self.used].index_select(0, rows)
