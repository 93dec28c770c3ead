"""A small training run for the tests, in this process or as a script of its own that can be killed.

Usage: python training_script.py JOB..., each a JSON object {"directory": ..., "settings": {...}, "signals": {...}}
with the arguments of `run`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import torch

from text2sql.config import ModelConfig, TrainingConfig
from text2sql.data.packing import Document
from text2sql.model import GPT, resolve
from text2sql.training import Callbacks, Trainer, TrainingSummary, pack_training, pack_validation

CONTEXT, VOCABULARY = 32, 64


class Counting:
    """Documents that count upwards from a random number, in a random stride; the first half has no weight."""

    def __init__(self, documents: int = 50) -> None:
        self.documents = documents

    def __len__(self) -> int:
        return self.documents

    def document(self, index: int, epoch: int) -> Document:
        rng = random.Random(1000 * epoch + index)
        length, start, stride = rng.randint(4, 20), rng.randint(1, 60), rng.randint(1, 3)
        ids = [(start + stride * i) % VOCABULARY for i in range(length)]
        return Document(ids, [0.0 if i < length // 2 else rng.choice([0.25, 1.0]) for i in range(length)])


def configuration(**changes: Any) -> TrainingConfig:
    """Small, in fp32, with accumulation and with everything that has a state."""
    settings: dict[str, Any] = {
        "steps": 12, "batch_tokens": 256, "micro_batch_tokens": 64, "context": CONTEXT, "ema": 0.9, "warmup_steps": 3,
        "evaluate_every": 4, "evaluate_batches": 2, "precision": "fp32", "device": "cpu", "save_minutes": 0.0,
    }  # fmt: skip
    return TrainingConfig(**{**settings, **changes})


def small_model(seed: int = 0, **changes: Any) -> GPT:
    """Two layers of 32."""
    torch.manual_seed(seed)
    shape = {"layers": 2, "width": 32, "heads": 2, "context": CONTEXT, **changes}
    return GPT(resolve(ModelConfig(**shape), VOCABULARY))


def trainer(directory: Path, config: TrainingConfig, callbacks: Callbacks | None = None, **options: Any) -> Trainer:
    """A trainer whose checkpoints and log lie in `directory`."""
    model = options.pop("model", None) or small_model(dropout=0.1)
    source = options.pop("source", None) or Counting()
    batches, checks = pack_training(source, config), pack_validation(Counting(12), config)
    settings = {"tokenizer": "fingerprint", "progress_bar": False, **options}
    return Trainer(model, config, batches, checks, directory, directory / "log", callbacks=callbacks, **settings)


def logged(directory: Path, name: str) -> dict[int, float]:
    """What metrics.jsonl says of a metric, by step; a step that is there twice fails."""
    found: dict[int, float] = {}
    for line in (directory / "log" / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if name in row:
            assert row["step"] not in found
            found[row["step"]] = row[name]
    return found


def run(directory: Path, settings: dict[str, Any], **signals: int) -> TrainingSummary:
    """One run; at the given steps the process sends itself a signal."""

    def validate(model: GPT, step: int) -> dict[str, float]:
        if step == signals.get("terminate_at"):
            os.kill(os.getpid(), signal.SIGTERM)
        return {}

    def write_extras(folder: Path) -> None:
        (folder / "extra.txt").write_text("extra")
        if folder.name.startswith(f"step-{signals.get('kill_while_saving', -1):06d}"):
            os.kill(os.getpid(), signal.SIGKILL)

    dropout = settings.pop("dropout", 0.1)
    callbacks = Callbacks(validate=validate, write_extras=write_extras)
    return trainer(directory, configuration(**settings), callbacks, model=small_model(dropout=dropout)).fit()


if __name__ == "__main__":
    torch.set_num_threads(1)
    # Several runs, one after another, save starting Python and torch anew.
    for argument in sys.argv[1:]:
        job = json.loads(argument)
        run(Path(job["directory"]), job["settings"], **job.get("signals", {}))
