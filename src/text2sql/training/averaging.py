"""The mean of several checkpoints' weights: one model that often scores better than each of them.

As Vaswani et al. 2017 (section 6.1) did with the last checkpoints of a run.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from text2sql.decoding.generator import Generator, prompt_difference
from text2sql.errors import UserError
from text2sql.files import file_sha256, replacing, write_json
from text2sql.model import save_weights
from text2sql.model.files import WEIGHTS_FILE

EXPERIMENT_FILE = "experiment.yaml"
ORIGIN_FILE = "averaged.json"
"""Which checkpoints an averaged one was made of: folder -> SHA-256 of the weights."""


def average_checkpoints(checkpoints: Sequence[Path], output: Path) -> None:
    """Write to `output` a model folder with the checkpoints' mean weights; all else is that of the first.

    Raises UserError for fewer than two checkpoints, one that cannot be read, checkpoints with different tokenizers,
    prompt forms or shapes, and an `output` that exists and is not an empty folder.
    """
    if len(checkpoints) < 2:
        raise UserError("give at least two checkpoints to average")
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise UserError(f"{output} exists and is not an empty folder; choose another --output")
    first = Generator.load(checkpoints[0])
    mean: dict[str, Tensor] = first.model.state_dict()
    for number, checkpoint in enumerate(checkpoints[1:], start=2):
        generator = Generator.load(checkpoint)
        _check_alike(first, generator, checkpoints[0], checkpoint)
        for name, tensor in generator.model.state_dict().items():
            mean[name].lerp_(tensor, 1 / number)
    write_json(output / ORIGIN_FILE, {str(folder): file_sha256(folder / WEIGHTS_FILE) for folder in checkpoints})
    if (checkpoints[0] / EXPERIMENT_FILE).is_file():
        with replacing(output / EXPERIMENT_FILE) as part:
            shutil.copyfile(checkpoints[0] / EXPERIMENT_FILE, part)
    Generator.write_extras(output, first.tokenizer, first.encoder.form, first.max_new_tokens)
    # Last, because a folder with a config.json counts as a model.
    save_weights(mean, first.model.config, output)


def _check_alike(one: Generator, other: Generator, one_folder: Path, other_folder: Path) -> None:
    different = prompt_difference(one, other) or ("their shapes" if one.model.config != other.model.config else None)
    if different:
        raise UserError(f"{other_folder} and {one_folder} differ in {different}; average checkpoints of one run")
