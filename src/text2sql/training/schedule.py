"""The learning rate's course: a share of the peak rate, from where the run stands."""

from __future__ import annotations

import math

from text2sql.config import TrainingConfig


def rate_share(config: TrainingConfig, step: int, minutes: float = 0.0) -> float:
    """The rate at `step` (from 0) as a share of its peak: the warm-up times the schedule's shape.

    The shape is laid out over the steps, from 0 at the first to 1 at the last. With `max_minutes` it follows the
    clock where that is ahead, so that the rate has decayed when the time is up; `minutes` were trained so far.
    cosine: half a wave from 1 to `final_rate` after the warm-up (Loshchilov and Hutter 2017). wsd: 1, then a line down
    to `final_rate` over the last `decay_share` (Hu et al. 2024, MiniCPM, section 4).
    """
    progress = step / max(1, config.steps - 1)
    if config.max_minutes:
        progress = max(progress, minutes / config.max_minutes)
    warmup = min(1.0, (step + 1) / max(1, config.warmup_steps))
    return warmup * shape(config, min(1.0, progress))


def shape(config: TrainingConfig, progress: float) -> float:
    """The schedule without its warm-up at `progress` in 0..1."""
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "cosine":
        start = min(1.0, config.warmup_steps / max(1, config.steps))
        done = max(0.0, progress - start) / max(1e-9, 1 - start)
        return config.final_rate + (1 - config.final_rate) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    done = max(0.0, progress - (1 - config.decay_share)) / max(1e-9, config.decay_share)
    return 1 - (1 - config.final_rate) * min(1.0, done)
