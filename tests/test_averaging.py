"""Checkpoint averaging: the weights' mean in a folder that can be used, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from text2sql.cli import main
from text2sql.config import DecodingConfig
from text2sql.decoding.generator import Generator, Request
from text2sql.files import file_sha256
from text2sql.model import GPT, GPTConfig, load_model, save_model
from text2sql.prompting.prompt import tokens_of
from text2sql.schema import Schema
from text2sql.tokenizer import Tokenizer
from tiny_checkpoint import FORM, TEXTS

SCHEMA = Schema.from_ddl("CREATE TABLE albums (id INT, title TEXT)")
SHAPE = GPTConfig(256 + len(tokens_of(FORM)) + 40, 1, 32, 4, 2, 64, 512)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(TEXTS, SHAPE.vocabulary_size, tokens_of(FORM))


@pytest.fixture
def checkpoints(tmp_path: Path, tokenizer: Tokenizer) -> list[Path]:
    """Three models of one shape; the first has files beside the weights, as a run leaves them."""
    folders = [tmp_path / f"step-00000{number}" for number in range(3)]
    for number, folder in enumerate(folders):
        torch.manual_seed(number)
        save_model(GPT(SHAPE), folder)
        Generator.write_extras(folder, tokenizer, FORM)
    (folders[0] / "experiment.yaml").write_text("name: tiny\n", encoding="utf-8")
    (folders[0] / "evaluation.json").write_text('{"step": 1, "metrics": {"score": 0.5}}', encoding="utf-8")
    (folders[0] / "trainer_state.json").write_text("{}", encoding="utf-8")
    return folders


def average(folders: list[Path], output: Path) -> int:
    return main(["average", *map(str, folders), "--output", str(output)])


def test_the_mean_is_a_model_to_use(checkpoints: list[Path], tmp_path: Path) -> None:
    output = tmp_path / "new" / "mean"
    assert average(checkpoints, output) == 0
    models = [load_model(folder).state_dict() for folder in checkpoints]
    mean = load_model(output).state_dict()
    assert set(mean) == set(models[0])
    for name, tensor in mean.items():
        torch.testing.assert_close(tensor, torch.stack([m[name] for m in models]).mean(dim=0), atol=1e-6, rtol=0)
    assert not torch.equal(mean["model.embed_tokens.weight"], models[0]["model.embed_tokens.weight"])
    names = {path.name for path in checkpoints[0].iterdir()} - {"evaluation.json", "trainer_state.json"}
    assert {path.name for path in output.iterdir()} == names | {"averaged.json"}
    same = names - {"model.safetensors"}
    assert all((output / name).read_bytes() == (checkpoints[0] / name).read_bytes() for name in same)
    made_of = json.loads((output / "averaged.json").read_text("utf-8"))
    assert made_of == {str(folder): file_sha256(folder / "model.safetensors") for folder in checkpoints}
    options = DecodingConfig(max_new_tokens=40)
    ((best,),) = Generator.load(output).predict([Request("how many albums?", SCHEMA)], options)
    assert best.sql.startswith("SELECT")


@pytest.mark.parametrize("different", ["their tokenizers", "prompting.repeat_question", "their shapes"])
def test_only_checkpoints_of_one_kind_are_averaged(
    checkpoints: list[Path],
    tmp_path: Path,
    tokenizer: Tokenizer,
    different: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    odd = checkpoints[2]
    if different == "their tokenizers":
        texts = [f"{text[::-1]} and other words" for text in TEXTS]
        Tokenizer.train(texts, SHAPE.vocabulary_size, tokens_of(FORM)).save(odd)
    elif different == "prompting.repeat_question":
        Generator.write_extras(odd, tokenizer, replace(FORM, repeat_question=False))
    else:
        save_model(GPT(replace(SHAPE, mlp_width=96)), odd)
    output = tmp_path / "mean"
    assert average(checkpoints, output) == 2
    error = capsys.readouterr().err
    assert f"{odd} and {checkpoints[0]} differ in {different}" in error
    assert not output.exists()


def test_an_output_that_holds_something_is_refused(
    checkpoints: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (checkpoints[1] / "model.safetensors").read_bytes()
    assert average(checkpoints, checkpoints[1]) == 2
    assert "is not an empty folder" in capsys.readouterr().err
    assert (checkpoints[1] / "model.safetensors").read_bytes() == before
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert average(checkpoints, tmp_path / "file") == 2
    (tmp_path / "empty").mkdir()
    assert average(checkpoints, tmp_path / "empty") == 0


def test_one_checkpoint_or_a_missing_one_is_a_mistake(
    checkpoints: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert average(checkpoints[:1], tmp_path / "mean") == 2
    assert "at least two checkpoints" in capsys.readouterr().err
    assert average([checkpoints[0], tmp_path / "nowhere"], tmp_path / "mean") == 2
    assert "nowhere" in capsys.readouterr().err
    assert not (tmp_path / "mean").exists()
