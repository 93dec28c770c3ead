"""Several processes training one model: started by torchrun, gloo on CPU and nccl on GPUs.

Without torchrun's environment everything here is a no-op for one process. Every rank sees the whole batch and takes
its own rows, so nothing has to be agreed on but gradients, losses and when to stop. What FSDP has sharded is told by
its methods, not its types, which are slow to import.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

if TYPE_CHECKING:
    from torch.distributed.fsdp import FSDPModule
    from torch.distributed.tensor import DTensor

PATIENCE = timedelta(hours=2)
"""How long ranks wait for the main one, which alone generates answers to validate on."""


@dataclass(frozen=True)
class Ranks:
    """This process among its peers."""

    rank: int = 0
    world: int = 1

    @property
    def main(self) -> bool:
        """True for the one that logs, samples and writes files."""
        return self.rank == 0

    def sum(self, values: Sequence[float], device: torch.device) -> list[float]:
        """Element-wise sums over all ranks."""
        if self.world == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=device)
        dist.all_reduce(total)
        return total.tolist()

    def barrier(self) -> None:
        """Wait for the others."""
        if self.world > 1:
            dist.barrier()


def local_rank() -> int:
    """Number of this process on its machine, and of the GPU it takes."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def join(device: torch.device) -> Ranks:
    """This process's place as torchrun's environment tells it; joins the process group, once, for `device`."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Ranks()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    return Ranks(dist.get_rank(), dist.get_world_size())


def shard(module: nn.Module, blocks: Sequence[nn.Module], device: torch.device) -> None:
    """Shard the parameters of `module` over the ranks in place (FSDP2), gathered block by block as they are used.

    The main rank's values are the ones that count, as under DDP.
    """
    from torch.distributed.fsdp import fully_shard

    mesh = dist.device_mesh.init_device_mesh(device.type, (dist.get_world_size(),))
    for tensor in module.parameters():
        dist.broadcast(tensor.detach(), src=0)
    for block in blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(module, mesh=mesh)


def release(module: nn.Module) -> None:
    """Drop whole weights that a sharded module keeps after a forward pass without a backward pass.

    The next pass would compute with them, whatever the shards have become since.
    """
    if hasattr(module, "reshard"):
        cast("FSDPModule", module).reshard()


def synchronise(module: nn.Module, enabled: bool) -> None:
    """Whether the next backward pass adds the gradients up over the ranks: the last of an accumulation does."""
    if isinstance(module, DistributedDataParallel):
        module.require_backward_grad_sync = enabled
    elif hasattr(module, "set_requires_gradient_sync"):
        cast("FSDPModule", module).set_requires_gradient_sync(enabled)


def gather(tensor: Tensor) -> Tensor:
    """The whole of a tensor that may be sharded, on the CPU; all ranks must call it."""
    if hasattr(tensor, "full_tensor"):
        tensor = cast("DTensor", tensor).full_tensor()
    return tensor.detach().cpu()


def scatter(whole: Tensor, like: Tensor) -> Tensor:
    """`whole` placed and sharded as `like` is."""
    whole = whole.to(like.device)
    if not hasattr(like, "full_tensor"):
        return whole
    from torch.distributed.tensor import distribute_tensor

    sharded = cast("DTensor", like)
    return distribute_tensor(whole, sharded.device_mesh, sharded.placements)
