"""The loss of a packed batch, and the module that computes it.

The model is wrapped, not called directly, because DDP, FSDP and compilation each need one entry point whose forward
pass runs everything. What is returned is a sum: the trainer divides once, by the weight of the whole step.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2sql.data.packing import Batch
from text2sql.model import GPT
from text2sql.model.gpt import Block

logger = logging.getLogger(__name__)


class Objective(nn.Module):
    """Weighted negative log-likelihood of a batch's targets, summed."""

    def __init__(self, model: GPT) -> None:
        super().__init__()
        self.model = model
        self._compiled: Callable[..., Tensor] | None = None

    def forward(self, batch: Batch, selected: Tensor) -> Tensor:
        """The sum over positions of weight x -log p(target), a scalar in fp32.

        batch: on the model's device. selected: [N] int64, the positions in the flattened batch whose weight isn't 0;
        logits are computed there only, which for instruction tuning saves nearly all of the head.
        """
        body = self._compiled if self._compiled and self.training else self.model.hidden
        hidden = body(batch.ids, batch.positions, batch.documents, prompts=batch.prompts)
        logits = self.model.head(hidden.flatten(0, 1).index_select(0, selected))
        losses = F.cross_entropy(logits.float(), batch.targets.flatten()[selected], reduction="none")
        return (losses * batch.weights.flatten()[selected]).sum()

    def compile_body(self, batch: Batch, autocast: torch.autocast) -> None:
        """Compile the model's body for batches shaped as `batch`, trying it out; eager, with a warning, if it fails.

        On a CPU that is all of a layer but its attention (`Block.compile_halves`). The head stays eager: its number of
        positions changes with every batch, and each would be compiled anew.
        """
        in_halves = batch.ids.device.type == "cpu"
        body = self.model.hidden if in_halves else torch.compile(self.model.hidden, dynamic=False)
        try:
            self._compile_halves(in_halves)
            with autocast:
                body(batch.ids, batch.positions, batch.documents, prompts=batch.prompts).float().mean().backward()
            self._compiled = body
        # Whatever a compiler, its driver or a missing C++ compiler throws: training can go on without.
        except Exception as error:
            self._compile_halves(False)
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            logger.warning("torch.compile failed, training without it: %s", reason)
        self.zero_grad(set_to_none=True)

    def _compile_halves(self, wanted: bool) -> None:
        for part in self.model.modules():
            if isinstance(part, Block):
                part.compile_halves(wanted)


def selected_positions(batch: Batch) -> Tensor:
    """[N] int64: positions of the flattened batch that have a weight. On the CPU, where it costs no synchronisation."""
    return batch.weights.flatten().nonzero().flatten()
