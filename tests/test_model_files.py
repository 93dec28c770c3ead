"""Configs, presets, counts and files of the model."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from text2sql.config import ModelConfig, from_mapping, to_mapping
from text2sql.errors import UserError
from text2sql.model import GPT, GPTConfig, flops_per_token, load_model, parameter_count, resolve, save_model
from text2sql.model.config import PRESETS, default_mlp_width

CONFIG = GPTConfig(vocabulary_size=60, layers=2, width=16, heads=4, kv_heads=2, mlp_width=24, context=32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_model(GPT(CONFIG), tmp_path)
    return tmp_path


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, **changes}))


def edit_weights(folder: Path, remove: str | None = None, **add: torch.Tensor) -> None:
    path = folder / "model.safetensors"
    weights = {name: tensor.clone() for name, tensor in load_file(path).items() if name != remove}
    save_file({**weights, **add}, path)


def one_line_error(folder: Path, vocabulary_size: int | None = None) -> str:
    with pytest.raises(UserError) as caught:
        load_model(folder, vocabulary_size=vocabulary_size)
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message
    return message


@pytest.mark.parametrize(
    ("preset", "millions"), [("tiny", (1, 2)), ("small", (9, 11)), ("base", (28, 32)), ("large", (100, 120))]
)
def test_presets_have_the_sizes_they_promise(preset: str, millions: tuple[int, int]) -> None:
    count = parameter_count(resolve(from_mapping(ModelConfig, {"preset": preset}), 8192))
    assert millions[0] * 1e6 <= count <= millions[1] * 1e6


def test_every_preset_name_of_the_config_exists() -> None:
    for preset in PRESETS:
        from_mapping(ModelConfig, {"preset": preset})
    with pytest.raises(UserError, match="huge"):
        from_mapping(ModelConfig, {"preset": "huge"})


def test_what_is_given_beats_the_preset_and_the_rest_follows() -> None:
    config = resolve(ModelConfig(preset="base", layers=3, width=256, heads=4, context=77), 100)
    assert (config.layers, config.width, config.heads, config.kv_heads, config.context) == (3, 256, 4, 4, 77)
    assert config.mlp_width == default_mlp_width(256) == 704
    assert resolve(ModelConfig(preset="base", kv_heads=2, mlp_width=100), 100).kv_heads == 2
    assert all(value is not None for value in dataclasses.asdict(config).values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 100, "heads": 3}, "model.width 100 must be an even multiple of model.heads 3"),
        ({"width": 12, "heads": 4}, "even multiple"),
        ({"kv_heads": 3}, "must be a multiple of model.kv_heads 3"),
        ({"layers": 0}, "model.layers is 0"),
        ({"context": -1}, "model.context is -1"),
        ({"dropout": 1.0}, "model.dropout is 1.0"),
    ],
)
def test_impossible_shapes_are_named(changes: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve(from_mapping(ModelConfig, {"preset": "tiny", **changes}), 100)


def test_parameter_count_equals_a_hand_count_and_the_model() -> None:
    attention = 16 * 16 + 16 * 8 + 16 * 8 + 16 * 16  # q, k, v (2 heads of 4), o
    mlp = 3 * 16 * 24
    by_hand = 60 * 16 + 2 * (attention + mlp + 2 * 16) + 16
    assert parameter_count(CONFIG) == by_hand == 4880
    assert parameter_count(dataclasses.replace(CONFIG, tie_embeddings=False)) == by_hand + 60 * 16
    for tie in (True, False):
        config = dataclasses.replace(CONFIG, tie_embeddings=tie)
        assert sum(p.numel() for p in GPT(config).parameters()) == parameter_count(config)


def test_flops_equal_a_hand_count() -> None:
    # Forward, per token: 2 per weight of q, k, v, o, gate, up, down in two layers, and of the head.
    matrices = 2 * (2 * (16 * 16 + 16 * 8 + 16 * 8 + 16 * 16 + 3 * 16 * 24) + 16 * 60)
    # Scores and mixing: 4 heads x 4 numbers x 32 keys, multiply and add, twice, in two layers.
    attention = 2 * (2 * 2 * 4 * 4 * 32)
    assert flops_per_token(CONFIG, 32) == 3 * (matrices + attention) == 41_088


def test_flops_equal_what_torch_counts_while_running() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    model, tokens = GPT(CONFIG), 32
    with FlopCounterMode(display=False) as counter:
        model(torch.randint(60, (2, tokens))).sum().backward()
    # One block of queries sees all keys, so nothing of the convention's count is skipped.
    assert counter.get_total_flops() == 2 * tokens * flops_per_token(CONFIG, tokens)


def test_a_saved_model_comes_back_exactly(folder: Path) -> None:
    torch.manual_seed(0)
    model, loaded = GPT(CONFIG), load_model(folder, vocabulary_size=60)
    assert loaded.config == CONFIG
    assert not loaded.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_loading_leaves_the_random_numbers_alone(folder: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load_model(folder)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("changes", [{"tie_embeddings": False}, {"rope_theta": 1234.5, "dropout": 0.25}])
def test_config_json_reads_back_what_was_written(changes: dict) -> None:
    config = dataclasses.replace(CONFIG, **changes)
    assert GPTConfig.from_hf(json.loads(json.dumps(config.to_hf()))) == config


def test_configs_of_older_transformers_are_read() -> None:
    data = CONFIG.to_hf()
    data["rope_theta"] = 777.0
    for key in ("rope_parameters", "head_dim", "residual_dropout", "dtype"):
        del data[key]
    assert GPTConfig.from_hf(data) == dataclasses.replace(CONFIG, rope_theta=777.0)


def test_a_model_config_survives_yaml_form() -> None:
    config = ModelConfig(preset="tiny", layers=2)
    assert from_mapping(ModelConfig, to_mapping(config)) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "gpt2"}, "model_type is 'gpt2'"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ({"attention_bias": True}, "attention_bias is True"),
        ({"rope_parameters": {"rope_type": "llama3", "rope_theta": 1.0}}, "rotary positions are not supported"),
        ({"head_dim": 32}, "head_dim 32"),
        ({"hidden_size": "16"}, "hidden_size must be a number, not '16'"),
        ({"num_hidden_layers": 1.5}, "num_hidden_layers must be a whole number"),
    ],
)
def test_configs_that_ask_for_another_model_are_refused(folder: Path, changes: dict, message: str) -> None:
    edit_config(folder, **changes)
    assert message in one_line_error(folder)


def test_config_without_a_key_is_refused(folder: Path) -> None:
    data = json.loads((folder / "config.json").read_text())
    del data["hidden_size"]
    (folder / "config.json").write_text(json.dumps(data))
    assert "hidden_size must be a number, not None" in one_line_error(folder)


@pytest.mark.parametrize("text", ["{", "[1]", ""])
def test_broken_config_json_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    assert "config.json" in one_line_error(folder)


@pytest.mark.parametrize("keep", [0, 5, 100, 0.5, 0.999])
def test_a_truncated_weights_file_is_refused(folder: Path, keep: float) -> None:
    path = folder / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if keep < 1 else int(keep)])
    assert "truncated" in one_line_error(folder)


def test_missing_files_are_named(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert "model.safetensors not found" in one_line_error(folder)
    (folder / "config.json").unlink()
    assert "config.json not found" in one_line_error(folder)


def test_missing_misshapen_and_unknown_weights_are_named(folder: Path) -> None:
    edit_weights(folder, **{"model.layers.9.mlp.up_proj.weight": torch.zeros(2)})
    assert "unknown weights model.layers.9.mlp.up_proj.weight" in one_line_error(folder)
    edit_weights(folder, remove="model.layers.9.mlp.up_proj.weight", **{"model.norm.weight": torch.zeros(7)})
    assert "model.norm.weight has shape [7] but config.json asks for [16]" in one_line_error(folder)
    edit_weights(folder, remove="model.norm.weight")
    assert "model.norm.weight are missing" in one_line_error(folder)


def test_a_tokenizer_of_another_size_is_refused(folder: Path) -> None:
    assert "the model has 60 tokens but its tokenizer 61" in one_line_error(folder, vocabulary_size=61)


def test_a_failed_save_leaves_the_old_model_and_no_litter(folder: Path) -> None:
    class FullDisk(GPT):
        """Its last tensor can't be copied, as when memory or disk runs out in the middle of a save."""

        def state_dict(self, *args: object, **kwargs: object) -> dict:  # type: ignore[override]
            class Broken:
                def detach(self) -> None:
                    raise OSError(28, "No space left on device")

            return {**super().state_dict(), "model.norm.weight": Broken()}

    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UserError, match="No space left on device"):
        save_model(FullDisk(CONFIG), folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_saving_where_a_file_lies_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        save_model(GPT(CONFIG), tmp_path / "taken")


def test_bfloat16_weights_load_as_fp32(folder: Path) -> None:
    weights = {name: tensor.bfloat16() for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors")
    assert {parameter.dtype for parameter in load_model(folder).parameters()} == {torch.float32}
