"""The model with all that changes it: the loss, the optimizers, the loss scale, the averaged weights, the ranks.

One step takes this rank's rows of a batch in micro-batches, each adding the gradients of its loss sum divided by the
whole step's weight; clips; steps the optimizers; averages the weights. When to step, save or stop is the trainer's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from text2sql.config import TrainingConfig
from text2sql.data.packing import Batch, PackedBatches
from text2sql.errors import UserError
from text2sql.model import GPT
from text2sql.training.distributed import gather, join, local_rank, release, shard, synchronise
from text2sql.training.ema import AveragedWeights
from text2sql.training.objective import Objective, selected_positions
from text2sql.training.optimizer import build_optimizers, set_rates
from text2sql.training.precision import choose_device, choose_precision
from text2sql.training.state import gather_optimizers, gather_weights, load_optimizers, load_weights, seed_step


class StepResult(NamedTuple):
    """A step's loss per unit of weight and gradient norm before clipping; `updated` is False if it was skipped."""

    loss: float
    gradient_norm: float
    updated: bool
    counts: bool
    """A skipped step counts towards `nan_limit` unless lowering fp16's loss scale may still cure it."""


class Learner:
    """Updates `model` in place; `rows` and `context` are the shape of a whole step's batch over all ranks.

    Raises UserError for a device that isn't there and for numbers that don't fit together.
    """

    def __init__(self, model: GPT, config: TrainingConfig, rows: int, context: int) -> None:
        _check(config)
        if context > model.config.context:
            raise UserError(f"rows of {context} tokens are longer than the model's context of {model.config.context}")
        check_prompt_loss(model.config.prefix_lm, config)
        device = choose_device(config.device, local_rank())
        self.config, self.context = config, context
        self.ranks = join(device)
        self.precision = choose_precision(config.precision, device)
        self.micro_rows = self._split(rows)
        self.model = model.to(device)
        self.objective = Objective(model).train()
        self.module = self._parallelise()
        self.optimizers = build_optimizers(model, config)
        self.scaler = self.precision.scaler()
        self.average = AveragedWeights(model, config.ema) if config.ema else None

    def _split(self, rows: int) -> int:
        """Rows of a micro-batch: as many as fit `micro_batch_tokens` and divide this rank's rows evenly.

        Equal shapes are what compilation and FSDP need.
        """
        world = self.ranks.world
        if rows % world:
            raise UserError(
                f"a step has {rows} rows of {self.context} tokens, which {world} processes can't share evenly; make "
                f"batch_tokens a multiple of {world * self.context}"
            )
        most = max(1, self.config.micro_batch_tokens // self.context)
        return max(n for n in range(1, rows // world + 1) if rows // world % n == 0 and n <= most)

    @property
    def sharded(self) -> bool:
        """True where every rank holds a part of the weights only."""
        return self.ranks.world > 1 and self.config.parallel == "fsdp"

    def _parallelise(self) -> nn.Module:
        """The objective as it is called in training: plain, under DDP, or sharded in place."""
        if self.sharded:
            shard(self.objective, list(self.model.model.layers), self.precision.device)
        if self.sharded or self.ranks.world == 1:
            return self.objective
        return DistributedDataParallel(self.objective, forward_sync_buffers=False)

    def compile(self) -> None:
        """Compile the model as the config says; `auto` does on CUDA, where it soon pays.

        Not when sharded: FSDP's hooks and a compiled body don't mix here.
        """
        wanted = self.config.compile == "on" or (self.config.compile == "auto" and self.precision.device.type == "cuda")
        if wanted and not self.sharded:
            shape = (self.micro_rows, self.context)
            ids = torch.zeros(shape, dtype=torch.int64)
            batch = Batch(ids, ids, torch.zeros(shape), ids, ids, ids.bool()).to(self.precision.device)
            self.objective.compile_body(batch, self.precision.autocast())

    # ---- one step

    def step(self, batch: Batch, number: int, rate_share: float) -> StepResult:
        """Train on `batch` as step `number` (from 0) with the rates at `rate_share` of their peaks."""
        seed_step(self.config.seed, number, self.ranks.rank)
        set_rates(self.optimizers, rate_share)
        weight = max(float(batch.weights.sum()), 1e-8)
        loss = self.ranks.sum([self.add_gradients(batch, weight)], self.precision.device)[0] / weight
        norm = self._clip()
        finite = math.isfinite(loss) and math.isfinite(norm)
        curable = math.isfinite(loss) and self.scaler.is_enabled() and self.scaler.get_scale() > 1
        if finite:
            for optimizer in self.optimizers:
                self.scaler.step(optimizer)
            if self.average:
                self.average.update(number)
        self.scaler.update()
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        return StepResult(loss, norm, finite, not finite and not curable)

    def add_gradients(self, batch: Batch, weight: float) -> float:
        """Backward passes over this rank's rows of `batch`, whose weights sum to `weight`; the rows' loss sum."""
        own = batch.rows(slice(self.ranks.rank, None, self.ranks.world))
        losses: list[Tensor] = []
        for micro, selected in self._micro_batches(own):
            synchronise(self.module, (len(losses) + 1) * self.micro_rows == len(own.ids))
            with self.precision.autocast():
                loss = self.module(micro, selected)
            # Ranks' gradients are averaged, so the world's size makes it the sum that `weight` belongs to.
            self.scaler.scale(loss * (self.ranks.world / weight)).backward()
            losses.append(loss.detach())
        return float(torch.stack(losses).sum())

    def _micro_batches(self, own: Batch) -> Iterator[tuple[Batch, Tensor]]:
        """This rank's rows in pieces on the device, with the positions to be predicted in each."""
        for start in range(0, len(own.ids), self.micro_rows):
            micro = own.rows(slice(start, start + self.micro_rows))
            selected = selected_positions(micro)
            yield micro.to(self.precision.device), selected.to(self.precision.device)

    def _clip(self) -> float:
        """Clip the gradients to `gradient_clip`; their norm before."""
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)
        limit = self.config.gradient_clip or math.inf
        return float(gather(torch.nn.utils.clip_grad_norm_(self.model.parameters(), limit)))

    # ---- the model in use

    @contextmanager
    def for_use(self) -> Iterator[None]:
        """Within it the model has the averaged weights and is in evaluation mode; all ranks must enter."""
        self.objective.eval()
        with self.average.applied() if self.average else nullcontext(), torch.no_grad():
            yield
        release(self.objective)
        self.objective.train()

    def whole_model(self) -> GPT:
        """The model, or where it is sharded a whole copy for the main rank; all ranks must call it within `for_use`."""
        if not self.sharded:
            return self.model
        weights = gather_weights(self.model.named_parameters())
        if not self.ranks.main:
            return self.model
        whole = GPT(self.model.config)
        whole.load_state_dict(weights)
        return whole.to(self.precision.device).eval()

    def validation_loss(self, batches: PackedBatches) -> float:
        """Loss per unit of weight over the first `evaluate_batches` of `batches`; call it within `for_use`."""
        batches.rewind()
        loss = weight = 0.0
        for batch in islice(batches, self.config.evaluate_batches):
            own = batch.rows(slice(self.ranks.rank, None, self.ranks.world))
            for micro, selected in self._micro_batches(own):
                with self.precision.autocast():
                    loss += float(self.objective(micro, selected))
            weight += float(own.weights.sum())
        loss, weight = self.ranks.sum((loss, weight), self.precision.device)
        return loss / max(weight, 1e-8)

    # ---- to and from a checkpoint

    def state(self) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Any]]:
        """(weights for use, the trainer's other tensors, the loss scale's state); all ranks must call it.

        With averaging the weights for use are the averages and those in training are among the other tensors.
        """
        weights = gather_weights(self.model.named_parameters())
        tensors = gather_optimizers(self.optimizers, self.model)
        if self.average:
            tensors |= {f"weights/{name}": tensor for name, tensor in weights.items()}
            weights = gather_weights(self.average.weights.items())
        return weights, tensors, self.scaler.state_dict()

    def load_state(self, weights: Mapping[str, Tensor], tensors: Mapping[str, Tensor], scale: dict[str, Any]) -> None:
        """Put back what `state` gave. Raises KeyError for tensors that are missing."""
        if self.average:
            load_weights(self.average.weights.items(), weights)
            weights = {name: tensors[f"weights/{name}"] for name in weights}
        load_weights(self.model.named_parameters(), weights)
        load_optimizers(self.optimizers, self.model, tensors)
        self.scaler.load_state_dict(scale)


def check_prompt_loss(prefix_lm: bool, config: TrainingConfig) -> None:
    """Raises UserError for a loss on what a model reads in both directions."""
    if prefix_lm and config.prompt_weight:
        raise UserError("model.prefix_lm lets a prompt's tokens see the next one: set prompt_weight to 0")


def _check(config: TrainingConfig) -> None:
    """Raises UserError for numbers that no run can have."""
    wrong = {
        "steps": config.steps < 1,
        "betas": len(config.betas) != 2 or not all(0 <= beta < 1 for beta in config.betas),
        "learning_rate": config.learning_rate < 0,
        "muon_learning_rate": config.muon_learning_rate < 0,
        "weight_decay": config.weight_decay < 0,
        "ema": not 0 <= config.ema < 1,
        "decay_share": not 0 <= config.decay_share <= 1,
        "gradient_clip": config.gradient_clip < 0,
    }
    for key in (key for key, is_wrong in wrong.items() if is_wrong):
        raise UserError(f"{key} is {getattr(config, key)}, which no run can use; see its description in config.py")
