"""Which model to use where nobody names one."""

from __future__ import annotations

import os
from pathlib import Path

from text2sql.decoding.generator import PROMPTING_FILE
from text2sql.errors import UserError

CHECKPOINTS = Path("outputs/checkpoints")
"""Where training writes, relative to the working directory."""
SHIPPED = Path("models/text2sql-8m")
"""The model that ships, relative to the repository's root or the working directory."""
MODEL_VARIABLE = "TEXT2SQL_MODEL"
"""Environment variable that names a model folder."""


def newest_checkpoint() -> Path:
    """The finished checkpoint that was written last. Raises UserError when there is none."""
    found = sorted(CHECKPOINTS.glob(f"*/{PROMPTING_FILE}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UserError("there is no checkpoint yet: train one with ./scripts/train.sh, or give --checkpoint DIR")
    return found[-1].parent


def default_model() -> Path:
    """The folder in `TEXT2SQL_MODEL`, else the shipped model, else the newest checkpoint.

    Raises UserError when the variable names no folder, and when no model is found.
    """
    named = os.environ.get(MODEL_VARIABLE)
    if named:
        if not Path(named).is_dir():
            raise UserError(f"{MODEL_VARIABLE} names {named}, which is no folder: unset it or give a model's folder")
        return Path(named)
    root = Path(__file__).resolve().parents[3]
    for folder in (SHIPPED, root / SHIPPED):
        if (folder / PROMPTING_FILE).is_file():
            return folder
    try:
        return newest_checkpoint()
    except UserError as error:
        raise UserError(
            f"no model found: neither {SHIPPED} nor a checkpoint under {CHECKPOINTS}; "
            f"train one with ./scripts/train.sh, or name its folder in {MODEL_VARIABLE}"
        ) from error
