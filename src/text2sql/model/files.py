"""A model on disk: `model.safetensors` and `config.json`, the folder that `LlamaForCausalLM.from_pretrained` reads.

Only weights and shape: no pickle, no optimizer state, no tokenizer. Every file appears whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from text2sql.errors import UserError
from text2sql.files import replacing, write_json
from text2sql.model.config import GPTConfig
from text2sql.model.gpt import GPT
from text2sql.model.layers import Rotary

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"


def save_model(model: GPT, directory: str | Path) -> None:
    """Write the model's weights and shape to `directory`, made when missing. Raises UserError when it can't."""
    save_weights(model.state_dict(), model.config, directory)


def save_weights(weights: Mapping[str, Tensor], config: GPTConfig, directory: str | Path) -> None:
    """`save_model` for weights that are not a live model's: averaged ones, or ones gathered from several ranks."""
    path = Path(directory) / WEIGHTS_FILE
    try:
        with replacing(path) as part:
            tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
            save_file(tensors, part, metadata={"format": "pt"})
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be written ({error}); free some space or choose another folder") from error
    write_json(path.with_name(CONFIG_FILE), config.to_hf())


def load_model(directory: str | Path, device: str | torch.device = "cpu", vocabulary_size: int | None = None) -> GPT:
    """Read a model saved by `save_model`, or another Llama in this layout, in fp32 and evaluation mode.

    `vocabulary_size` is the tokenizer's, where the caller has one. Raises UserError in one line for a missing or
    broken file, missing, unknown or misshapen weights, and a tokenizer of another size.
    """
    directory = Path(directory)
    config = load_config(directory)
    if vocabulary_size is not None and vocabulary_size != config.vocabulary_size:
        raise UserError(
            f"{directory}: the model has {config.vocabulary_size} tokens but its tokenizer {vocabulary_size}; "
            "use the tokenizer that it was trained with"
        )
    weights = _read_weights(directory / WEIGHTS_FILE)
    with torch.device("meta"):  # Neither time nor random numbers for weights that are replaced at once.
        model = GPT(config)
    _check_weights(model.state_dict(), weights, directory / WEIGHTS_FILE)
    # Copied, because safetensors may hand out views of the file, which could change or shrink under a running model.
    copies = {name: tensor.to(torch.float32, copy=True) for name, tensor in weights.items()}
    model.load_state_dict(copies, assign=True)
    model.model.rotary_emb = Rotary(config)
    return model.to(device).eval()


def load_config(directory: Path) -> GPTConfig:
    """Read `config.json`. Raises UserError when it is missing, broken or no supported model's."""
    path = directory / CONFIG_FILE
    if not path.is_file():
        raise UserError(f"{path} not found; give a folder that holds {CONFIG_FILE} and {WEIGHTS_FILE}")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error}); restore the file or train again") from error
    if not isinstance(data, dict):
        raise UserError(f"{path}: expected an object of keys, got {type(data).__name__}")
    return GPTConfig.from_hf(data, str(path))


def _read_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise UserError(f"{path} not found; give a folder that holds {CONFIG_FILE} and {WEIGHTS_FILE}")
    try:
        return load_file(path)
    except (SafetensorError, ValueError) as error:
        raise UserError(f"{path}: truncated or not a safetensors file ({error}); copy it again") from error


def _check_weights(expected: Mapping[str, Tensor], found: dict[str, Tensor], path: Path) -> None:
    for name, tensor in expected.items():
        if name not in found:
            raise UserError(f"{path}: the weights {name} are missing; {CONFIG_FILE} and the weights don't match")
        if found[name].shape != tensor.shape:
            raise UserError(
                f"{path}: {name} has shape {list(found[name].shape)} but {CONFIG_FILE} asks for {list(tensor.shape)}"
            )
    unknown = sorted(found.keys() - expected.keys())
    if unknown:
        raise UserError(
            f"{path}: unknown weights {unknown[0]} ({len(unknown)} in all); this model has no place for them"
        )
