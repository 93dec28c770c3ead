"""Two processes under torchrun (gloo, CPU) give what one process gives, sharded or not, and share checkpoints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import training_script
from text2sql.errors import UserError
from text2sql.training import resolve_checkpoint
from text2sql.training.distributed import Ranks
from training_script import configuration, logged, small_model, trainer

# No dropout: which activations it drops follows from how the rows are split.
RUNS: dict[str, dict[str, Any]] = {
    "ddp": {"dropout": 0.0, "parallel": "ddp", "optimizer": "adamw"},
    "ddp-muon": {"dropout": 0.0, "parallel": "ddp", "optimizer": "muon"},
    "fsdp": {"dropout": 0.0, "parallel": "fsdp", "optimizer": "adamw"},
    "fsdp-muon": {"dropout": 0.0, "parallel": "fsdp", "optimizer": "muon", "steps": 3},
}
STOPPED_AT = 5


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs above; the one under FSDP is stopped by a signal to one of its processes."""
    directory = tmp_path_factory.mktemp("two")
    signals = {"fsdp": {"terminate_at": STOPPED_AT - 1}}
    jobs = [
        json.dumps({"directory": str(directory / name), "settings": settings, "signals": signals.get(name, {})})
        for name, settings in RUNS.items()
    ]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*torchrun, training_script.__file__, *jobs], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return directory


def one_process(directory: Path, name: str) -> Path:
    training_script.run(directory, {**RUNS[name], "parallel": "ddp"})
    return directory


def compare(two: Path, one: Path, tolerance: float, metrics: tuple[str, ...] = ("loss", "validation_loss")) -> None:
    for metric in metrics:
        assert logged(two, metric) == pytest.approx(logged(one, metric), rel=tolerance)


def test_two_processes_give_the_losses_of_one(two_processes: Path, tmp_path: Path) -> None:
    compare(two_processes / "ddp", one_process(tmp_path, "ddp"), 1e-5)


# Muon computes in bf16, which turns differences in the last bit of a sum into ones of a thousandth of an update.
def test_two_processes_with_muon(two_processes: Path, tmp_path: Path) -> None:
    compare(two_processes / "ddp-muon", one_process(tmp_path / "ddp", "ddp-muon"), 1e-4)
    compare(two_processes / "fsdp-muon", one_process(tmp_path / "fsdp", "fsdp-muon"), 1e-4)


def test_sharded_processes_save_what_one_process_continues(two_processes: Path, tmp_path: Path) -> None:
    sharded = two_processes / "fsdp"
    assert list(logged(sharded, "loss")) == list(range(1, STOPPED_AT + 1))  # the signal reached one process, both ended
    assert resolve_checkpoint(sharded, "last").name == f"step-{STOPPED_AT:06d}"
    one_process(sharded, "fsdp")
    compare(sharded, one_process(tmp_path, "fsdp"), 1e-5)


def test_rows_that_cannot_be_shared_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("text2sql.training.learner.join", lambda device: Ranks(rank=0, world=3))
    with pytest.raises(UserError, match=r"8 rows of 32 tokens, which 3 processes .* a multiple of 96"):
        trainer(tmp_path, configuration(), model=small_model())
    assert Ranks().sum([1.5, 2.0], torch.device("cpu")) == [1.5, 2.0]
