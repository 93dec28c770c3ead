"""A run's tensors by name: weights and what the optimizers remember, whole on disk whatever the sharding in memory."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from text2sql.training.distributed import gather, scatter


def gather_weights(named: Iterable[tuple[str, Tensor]], prefix: str = "") -> dict[str, Tensor]:
    """Whole tensors on the CPU under their names; all ranks must call it."""
    return {prefix + name: gather(tensor) for name, tensor in named}


@torch.no_grad()
def load_weights(named: Iterable[tuple[str, Tensor]], saved: Mapping[str, Tensor], prefix: str = "") -> None:
    """Copy whole tensors into parameters or averages. Raises KeyError for one that isn't there."""
    for name, tensor in named:
        tensor.copy_(scatter(saved[prefix + name], tensor))


def gather_optimizers(optimizers: Sequence[Optimizer], model: nn.Module) -> dict[str, Tensor]:
    """Every tensor of the optimizers' states as `optimizer/<number>/<parameter>/<key>`; all ranks must call it."""
    tensors = {}
    for number, optimizer in enumerate(optimizers):
        for name, parameter in model.named_parameters():
            for key, value in optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer/{number}/{name}/{key}"] = gather(value)
    return tensors


def load_optimizers(optimizers: Sequence[Optimizer], model: nn.Module, saved: Mapping[str, Tensor]) -> None:
    """Put back what `gather_optimizers` took."""
    parameters = dict(model.named_parameters())
    for path, tensor in saved.items():
        if path.startswith("optimizer/"):
            _, number, name, key = path.split("/")
            parameter = parameters[name]
            # AdamW's step counter is a single number that stays on the CPU.
            value = scatter(tensor, parameter) if tensor.shape == parameter.shape else tensor
            optimizers[int(number)].state[parameter][key] = value


def seed_step(seed: int, step: int, rank: int) -> None:
    """Seed torch, numpy and Python for one step.

    Their states needn't be saved then, and what a validation or sample draws between two steps changes nothing.
    """
    number = int(np.random.SeedSequence((seed, step, rank)).generate_state(1)[0])
    torch.manual_seed(number)
    np.random.seed(number)
    random.seed(number)
