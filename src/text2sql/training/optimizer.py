"""Which parameter is trained by which optimizer: Muon for the blocks' matrices, AdamW for the rest, or AdamW for all.

Weight decay is on the matrices alone: pulling norms and embeddings to zero has no regularising meaning.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.optim import Optimizer

from text2sql.config import TrainingConfig


def is_matrix(name: str, parameter: nn.Parameter) -> bool:
    """True for the matrices inside the blocks; the embedding and the output head map to tokens and aren't."""
    return parameter.dim() == 2 and "embed_tokens" not in name and "lm_head" not in name


def build_optimizers(model: nn.Module, config: TrainingConfig) -> list[Optimizer]:
    """The optimizers of a stage; each group's peak rate is kept under "peak".

    Muon (Jordan et al. 2024) scales its orthogonal update by sqrt(max(1, rows / columns)), its original form, in
    which a rate of 0.02 is the usual one at every width; matching AdamW's update size instead would need the rate
    tuned to the width.
    """
    parameters = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    matrices = [p for name, p in parameters if is_matrix(name, p)]
    others = [p for name, p in parameters if not is_matrix(name, p)]
    groups = [{"params": others, "weight_decay": 0.0}]
    optimizers: list[Optimizer] = []
    if config.optimizer == "muon":
        optimizers.append(
            torch.optim.Muon(
                matrices, lr=config.muon_learning_rate, weight_decay=config.weight_decay, adjust_lr_fn="original"
            )
        )
    else:
        groups.append({"params": matrices, "weight_decay": config.weight_decay})
    adamw_groups = [group for group in groups if group["params"]]
    optimizers.append(
        torch.optim.AdamW(adamw_groups, lr=config.learning_rate, betas=(config.betas[0], config.betas[1]))
    )
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def set_rates(optimizers: Sequence[Optimizer], share: float) -> None:
    """Set every group's rate to `share` of its peak."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * share
