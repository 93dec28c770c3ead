"""Checkpoint folders: complete or absent, readable without executing anything, resolvable by name.

`<directory>/step-000123/` is a model folder as `model.save_model` writes it, with the caller's extra files and the
trainer's state: `trainer_state.safetensors` (tensors by name) and `trainer_state.json` (the rest). It is written under
another name and renamed when it is whole, so a run that is killed while saving leaves the previous one. `last` is the
folder with the highest step; `best.json` names the best.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from text2sql.errors import UserError
from text2sql.files import flush, write_json

TENSORS_FILE, STATE_FILE = "trainer_state.safetensors", "trainer_state.json"
BEST_FILE = "best.json"
EVALUATION_FILE = "evaluation.json"
PREFIX, PARTIAL = "step-", ".part"


def checkpoints(directory: Path) -> list[Path]:
    """The complete checkpoints in `directory`, earliest step first."""
    folders = [path for path in directory.glob(f"{PREFIX}*") if path.name.removeprefix(PREFIX).isdigit()]
    return sorted(folders, key=step_of)


def checkpoint_folder(directory: Path, step: int) -> Path:
    """Where the checkpoint of `step` is or will be."""
    return directory / f"{PREFIX}{step:06d}"


def step_of(checkpoint: Path) -> int:
    """The number of steps that a checkpoint's name says it has."""
    return int(checkpoint.name.removeprefix(PREFIX))


def resolve_checkpoint(directory: str | Path, which: str = "best") -> Path:
    """The folder of the `best` or `last` checkpoint in `directory`; `best` is the last where none was evaluated.

    A `directory` that is itself a model's folder is returned as it is. Raises UserError when there is no checkpoint.
    """
    directory = Path(directory)
    if (directory / "config.json").is_file():
        return directory
    best = read_best(directory)
    if which == "best" and best:
        return directory / best["folder"]
    found = checkpoints(directory)
    if not found:
        raise UserError(f"{directory} holds no checkpoint; train first, or give a folder that has {PREFIX}... folders")
    return found[-1]


def read_best(directory: Path) -> dict[str, Any] | None:
    """What `best.json` says: folder, step, score and metrics; None without one or where its folder is gone."""
    if not (directory / BEST_FILE).is_file():
        return None
    best = read_json(directory / BEST_FILE)
    if not {"folder", "by", "score"} <= best.keys():
        raise UserError(f"{directory / BEST_FILE}: damaged; delete it and run again")
    return best if (directory / best["folder"]).is_dir() else None


def write_checkpoint(directory: Path, step: int, write: Callable[[Path], None]) -> Path:
    """Make the folder of `step` with what `write` puts into the folder that it is given.

    Raises UserError, with the earlier checkpoints untouched, when the disk doesn't take it.
    """
    final = checkpoint_folder(directory, step)
    partial = final.with_name(final.name + PARTIAL)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for remains in directory.glob(f"{PREFIX}*{PARTIAL}"):  # of a run that was killed while saving
            shutil.rmtree(remains)
        partial.mkdir()
        write(partial)
        for path in partial.rglob("*"):
            flush(path)
        os.replace(partial, final)
        flush(directory)
    # safetensors reports a full disk as its own error, and what `write` calls may have made it a UserError.
    except (OSError, SafetensorError, UserError) as error:
        kept = "".join(f"; {path.name} is intact" for path in checkpoints(directory)[-1:])
        raise UserError(
            f"{final} could not be written ({_reason(error)}){kept}; make room and run again to continue"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return final


def prune(directory: Path, keep: int) -> None:
    """Delete all checkpoints but the last `keep` (at least one) and the best."""
    best = read_best(directory)
    for folder in checkpoints(directory)[: -max(1, keep)]:
        if best is None or folder.name != best["folder"]:
            # Renamed first, so that a kill while deleting leaves no half checkpoint under a whole one's name.
            doomed = folder.with_name(folder.name + PARTIAL)
            os.replace(folder, doomed)
            shutil.rmtree(doomed)


def save_state(directory: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write the trainer's state into a checkpoint that is being made."""
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, directory / TENSORS_FILE)
    (directory / STATE_FILE).write_text(json.dumps(state, indent=1), encoding="utf-8")


def load_state(checkpoint: Path, identity: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The trainer's state and tensors of the run with this `identity`.

    Raises UserError naming what differs when the checkpoint belongs to another run, and for a damaged file.
    """
    state = read_json(checkpoint / STATE_FILE)
    for key in ("progress", "position", "scaler", "identity"):
        if not isinstance(state.get(key), dict):
            raise UserError(f"{checkpoint / STATE_FILE}: {key} is missing; delete {checkpoint} and run again")
    _check_identity(state["identity"], identity, checkpoint)
    path = checkpoint / TENSORS_FILE
    try:
        return state, load_file(path)
    except (OSError, SafetensorError, ValueError) as error:
        raise UserError(f"{path}: missing or damaged ({_reason(error)}); delete {checkpoint} and run again") from error


def _check_identity(saved: Mapping[str, Any], current: Mapping[str, Any], checkpoint: Path) -> None:
    different = [key for key in saved if key in current and saved[key] != current[key]]
    if different:
        changes = ", ".join(f"{key} was {_short(saved[key])}, now {_short(current[key])}" for key in different[:3])
        raise UserError(
            f"{checkpoint} is of another run ({changes}); train into another folder, or delete {checkpoint.parent}"
        )


def note_evaluation(directory: Path, step: int, metrics: Mapping[str, float]) -> None:
    """Record the metrics of the checkpoint of `step`, and in `best.json` whether it is the best so far.

    By the metric "score", higher is better, or where there is none by "validation_loss".
    """
    checkpoint = checkpoint_folder(directory, step)
    by = "score" if "score" in metrics else "validation_loss"
    score = metrics.get("score", -metrics.get("validation_loss", math.nan))
    best = read_best(directory)
    # A best by another measure can't be compared: the newer measure is the one that is wanted.
    if math.isfinite(score) and (best is None or best["by"] != by or score > best["score"]):
        entry = {"folder": checkpoint.name, "step": step, "by": by, "score": score, "metrics": metrics}
        write_json(directory / BEST_FILE, entry)
    # Last, since it says that nothing of the evaluation is left to do.
    write_json(checkpoint / EVALUATION_FILE, {"step": step, "metrics": metrics})


def is_evaluated(directory: Path, step: int) -> bool:
    """False for a checkpoint that was saved but not evaluated since."""
    checkpoint = checkpoint_folder(directory, step)
    return not checkpoint.is_dir() or (checkpoint / EVALUATION_FILE).is_file()


def read_evaluation(checkpoint: Path) -> dict[str, float]:
    """The metrics that `note_evaluation` recorded; empty where the checkpoint wasn't evaluated."""
    path = checkpoint / EVALUATION_FILE
    return read_json(path)["metrics"] if path.is_file() else {}


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises UserError when the file is missing or damaged."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise ValueError("not an object")
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: missing or damaged ({_reason(error)}); delete {path.parent} and run again") from error
    return data


def _reason(error: Exception) -> str:
    strerror = getattr(error, "strerror", None)
    return strerror or " ".join(str(error).split())


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."
