"""Checkpoints: exact resume after kills, whole or absent on disk, and refused with a reason where they don't fit."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

import training_script
from text2sql.errors import UserError
from text2sql.model import GPT, load_model
from text2sql.training import Callbacks, resolve_checkpoint
from text2sql.training.checkpoint import checkpoints, note_evaluation, read_best
from training_script import configuration, logged, small_model, trainer


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Sums over threads differ with their number; the scripts have one too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run from start to end."""
    directory = tmp_path_factory.mktemp("uninterrupted")
    training_script.run(directory, {})
    return directory


def same_run(directory: Path, expected: Path) -> None:
    """Losses, validations and the final files are equal, bit for bit."""
    for name in ("loss", "validation_loss", "gradient_norm"):
        assert logged(directory, name) == logged(expected, name)
    for name in ("model.safetensors", "trainer_state.safetensors"):
        final = [resolve_checkpoint(path, "last") / name for path in (directory, expected)]
        assert final[0].read_bytes() == final[1].read_bytes()


def start(directory: Path, **signals: int) -> subprocess.Popen[bytes]:
    job = json.dumps({"directory": str(directory), "settings": {}, "signals": signals})
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, training_script.__file__, job], env=environment, stderr=subprocess.DEVNULL)


def test_killed_at_any_moment_then_resumed_is_the_same_run(tmp_path: Path, uninterrupted: Path) -> None:
    process = start(tmp_path)
    steps = 2 + time.time_ns() % 7
    metrics = tmp_path / "log" / "metrics.jsonl"
    while process.poll() is None and (not metrics.is_file() or len(metrics.read_text().splitlines()) < steps):
        time.sleep(0.002)
    process.kill()
    process.wait()
    found = checkpoints(tmp_path)
    assert len(found) <= 3  # those kept, and perhaps one killed while it was about to be deleted
    summary = training_script.run(tmp_path, {})
    assert summary.step == 12
    same_run(tmp_path, uninterrupted)


def test_killed_while_saving_leaves_the_checkpoint_before(tmp_path: Path, uninterrupted: Path) -> None:
    assert start(tmp_path, kill_while_saving=6).wait() == -signal.SIGKILL
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000004", "step-000005"]
    assert (tmp_path / "step-000006.part" / "model.safetensors").is_file()
    load_model(resolve_checkpoint(tmp_path, "last"))
    training_script.run(tmp_path, {})
    assert not list(tmp_path.glob("*.part"))
    same_run(tmp_path, uninterrupted)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_ends_cleanly(tmp_path: Path, uninterrupted: Path, number: int) -> None:
    def validate(model: GPT, step: int) -> dict[str, float]:
        if step == 4:
            os.kill(os.getpid(), number)
        return {}

    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    config = configuration(save_minutes=9.0)
    summary = trainer(tmp_path, config, Callbacks(validate=validate)).fit()
    assert (summary.step, summary.interrupted) == (5, True)
    assert summary.last == tmp_path / "step-000005"
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    assert not trainer(tmp_path, config).fit().interrupted
    same_run(tmp_path, uninterrupted)


def test_killed_while_evaluating_is_evaluated_on_resume(tmp_path: Path, uninterrupted: Path) -> None:
    def validate(model: GPT, step: int) -> dict[str, float]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, configuration(), Callbacks(validate=validate)).fit()
    assert resolve_checkpoint(tmp_path, "last").name == "step-000004"  # saved before evaluating
    trainer(tmp_path, configuration()).fit()
    same_run(tmp_path, uninterrupted)


@pytest.mark.parametrize("last", ["log", "best"])
def test_killed_between_the_log_and_the_record_is_evaluated_once(
    tmp_path: Path, uninterrupted: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    """What was written last: the log's line, or `best.json` beside it."""

    def die(directory: Path, step: int, metrics: dict[str, float]) -> None:
        if last == "best":
            note_evaluation(directory, step, metrics)
            (directory / f"step-{step:06d}" / "evaluation.json").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("text2sql.training.checkpoint.note_evaluation", die)
        with pytest.raises(KeyboardInterrupt):
            trainer(tmp_path, configuration()).fit()
    assert list(logged(tmp_path, "validation_loss")) == [4]
    trainer(tmp_path, configuration()).fit()
    same_run(tmp_path, uninterrupted)
    assert read_best(tmp_path) == read_best(uninterrupted)


def test_time_limit_then_more_time(tmp_path: Path) -> None:
    first = trainer(tmp_path, configuration(max_minutes=1e-9)).fit()
    assert (first.step, first.interrupted) == (1, False)
    assert first.best == first.last == tmp_path / "step-000001"
    assert trainer(tmp_path, configuration(max_minutes=1e-9)).fit().step == 1
    second = trainer(tmp_path, configuration()).fit()
    assert second.step == 12
    assert second.minutes > first.minutes > 0
    again = trainer(tmp_path, configuration()).fit()
    assert again.metrics == second.metrics
    assert again.loss is None


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """The operating system refuses to let a file grow beyond `size` bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path: Path, uninterrupted: Path) -> None:
    run = trainer(tmp_path, configuration())
    save = run._save

    def save_from_step_6_on_a_full_disk() -> None:
        with full_disk(100_000 if run.progress.step == 6 else resource.RLIM_INFINITY):
            save()

    run._save = save_from_step_6_on_a_full_disk  # type: ignore[method-assign]
    with pytest.raises(UserError, match=r"step-000006 could not be written \(.*step-000005 is intact; make room"):
        run.fit()
    assert not list(tmp_path.glob("*.part"))
    trainer(tmp_path, configuration()).fit()
    same_run(tmp_path, uninterrupted)


def test_a_log_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file where the folder should be")
    with pytest.raises(UserError, match=r"the log .*log could not be written"):
        trainer(tmp_path, configuration()).fit()


def test_best_and_last_are_kept(tmp_path: Path) -> None:
    scores = {4: 0.2, 8: 0.9, 12: 0.5}
    saved = []

    def write_extras(folder: Path) -> None:
        saved.append(folder.name)
        (folder / "tokenizer.json").write_text("{}")

    callbacks = Callbacks(validate=lambda model, step: {"score": scores[step]}, write_extras=write_extras)
    summary = trainer(tmp_path, configuration(keep_checkpoints=2), callbacks).fit()
    assert len(saved) == 12
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000008", "step-000011", "step-000012"]
    assert (summary.best, summary.last) == (tmp_path / "step-000008", tmp_path / "step-000012")
    assert resolve_checkpoint(tmp_path) == resolve_checkpoint(tmp_path, "best") == summary.best
    assert resolve_checkpoint(tmp_path, "last") == summary.last
    assert resolve_checkpoint(tmp_path / "step-000011") == tmp_path / "step-000011"
    assert (tmp_path / "step-000008" / "tokenizer.json").is_file()
    best = read_best(tmp_path)
    assert best is not None
    assert best["metrics"] == {"validation_loss": best["metrics"]["validation_loss"], "score": 0.9}


def test_best_is_by_validation_loss_without_a_score(uninterrupted: Path) -> None:
    losses = logged(uninterrupted, "validation_loss")
    assert resolve_checkpoint(uninterrupted).name == f"step-{min(losses, key=losses.__getitem__):06d}"


def test_no_checkpoint_to_resolve(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no checkpoint; train first"):
        resolve_checkpoint(tmp_path)


def copy_of(run: Path, target: Path) -> Path:
    shutil.copytree(run, target, dirs_exist_ok=True)
    return target


def test_another_runs_checkpoint_is_refused(tmp_path: Path, uninterrupted: Path) -> None:
    directory = copy_of(uninterrupted, tmp_path)
    with pytest.raises(UserError, match=r'tokenizer was "fingerprint", now "other"\); train into another folder'):
        trainer(directory, configuration(), tokenizer="other").fit()
    with pytest.raises(UserError, match=r"learning_rate was 0\.003, now 0\.5"):
        trainer(directory, configuration(learning_rate=0.5)).fit()
    with pytest.raises(UserError, match=r"model\.layers was 2, now 1"):
        trainer(directory, configuration(), model=small_model(dropout=0.1, layers=1)).fit()
    changes = {"micro_batch_tokens": 256, "evaluate_every": 3, "save_minutes": 5.0, "max_minutes": 60.0}
    assert trainer(directory, configuration(**changes)).fit().step == 12


@pytest.mark.parametrize("name", ["trainer_state.safetensors", "model.safetensors", "trainer_state.json"])
def test_damaged_files_are_refused_in_one_line(tmp_path: Path, uninterrupted: Path, name: str) -> None:
    directory = copy_of(uninterrupted, tmp_path)
    path = resolve_checkpoint(directory, "last") / name
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=name) as error:
        trainer(directory, configuration()).fit()
    assert "\n" not in str(error.value)


def test_a_state_that_lacks_a_tensor_or_a_key_is_refused(tmp_path: Path, uninterrupted: Path) -> None:
    directory = copy_of(uninterrupted, tmp_path)
    path = resolve_checkpoint(directory, "last") / "trainer_state.json"
    state = json.loads(path.read_text())
    path.write_text(json.dumps({**state, "progress": {"steps": 3}}))
    with pytest.raises(UserError, match="the trainer's state lacks"):
        trainer(directory, configuration()).fit()
    path.write_text(json.dumps({key: value for key, value in state.items() if key != "position"}))
    with pytest.raises(UserError, match="position is missing"):
        trainer(directory, configuration()).fit()


def test_nothing_is_pickled(uninterrupted: Path) -> None:
    names = {path.suffix for path in resolve_checkpoint(uninterrupted, "last").iterdir()}
    assert names == {".json", ".safetensors", ".txt"}
