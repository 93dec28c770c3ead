"""Configuration: types, unknown keys, overrides, and that the shipped files are valid."""

from __future__ import annotations

from pathlib import Path

import pytest

from text2sql.config import Config, from_mapping, load_config, save_config, to_mapping
from text2sql.errors import UserError

CONFIGS = sorted((Path(__file__).resolve().parents[1] / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.name)
def test_shipped_configs_are_valid_and_survive_saving(path: Path, tmp_path: Path) -> None:
    config = load_config(path)
    assert config.name == path.stem
    save_config(config, tmp_path / "again.yaml")
    assert load_config(tmp_path / "again.yaml") == config


def test_defaults_survive_the_mapping() -> None:
    assert from_mapping(Config, to_mapping(Config())) == Config()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("finetuning: {stepz: 3}", r"finetuning: unknown key 'stepz'; known keys: .*steps"),
        ("modle: {}", "unknown key 'modle'"),
        ("finetuning: {steps: many}", "finetuning.steps: expected int, got 'many'"),
        ("finetuning: {steps: true}", "finetuning.steps: expected int, got True"),
        ("finetuning: {optimizer: sgd}", "finetuning.optimizer: 'sgd' is not one of muon, adamw"),
        ("finetuning: 3", "finetuning: expected a mapping"),
        ("data: {sets: spider}", "data.sets: expected a list"),
        ("data: {sets: [{nme: x}]}", r"data.sets\[0\]: unknown key 'nme'"),
        ("- 1", "expected sections"),
        ("a: [", "not valid YAML"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message) as caught:
        load_config(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_missing_file_is_named() -> None:
    with pytest.raises(UserError, match=r"no/such\.yaml not found"):
        load_config("no/such.yaml")


def test_overrides_are_yaml_values(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("finetuning: {steps: 10}", encoding="utf-8")
    config = load_config(path, ["finetuning.steps=20", "model.preset=tiny", "finetuning.max_minutes=1.5"])
    assert (config.finetuning.steps, config.model.preset, config.finetuning.max_minutes) == (20, "tiny", 1.5)
    assert config.name == "run"


@pytest.mark.parametrize("override", ["finetuning.steps", "=3", "name.x=3", "finetuning.nothing=3"])
def test_bad_overrides_are_refused(tmp_path: Path, override: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("name: run", encoding="utf-8")
    with pytest.raises(UserError):
        load_config(path, [override])


def test_yaml_truth_values_are_on_and_off(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("finetuning: {compile: on}\npretraining: {compile: off}", encoding="utf-8")
    config = load_config(path)
    assert (config.finetuning.compile, config.pretraining.compile) == ("on", "off")


def test_an_integer_is_a_float_but_not_the_reverse(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("finetuning: {weight_decay: 1}", encoding="utf-8")
    assert load_config(path).finetuning.weight_decay == 1.0
    with pytest.raises(UserError, match="expected int"):
        load_config(path, ["finetuning.steps=1.5"])
