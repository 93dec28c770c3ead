"""Several models as one: their mean probability at every step, over one tokenizer and prompt form."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from text2sql.config import DecodingConfig
from text2sql.decoding.engine import complete
from text2sql.decoding.ensemble import Ensemble
from text2sql.decoding.generator import PROMPTING_FILE, Generator, Request
from text2sql.errors import UserError
from text2sql.files import read_json, write_json
from text2sql.model import GPT, GPTConfig, save_model
from text2sql.prompting.prompt import tokens_of
from text2sql.schema import Schema
from text2sql.tokenizer import Tokenizer
from tiny_checkpoint import FORM, TEXTS, write_tiny_checkpoint
from tiny_models import END, random_model, random_prompts

SHOP = Schema.from_ddl("CREATE TABLE albums (title TEXT, year INTEGER)")
METHODS = {
    "greedy": DecodingConfig(max_new_tokens=12),
    "beam": DecodingConfig(max_new_tokens=12, num_beams=3),
    "sampling": DecodingConfig(max_new_tokens=12, do_sample=True, seed=3, num_return_sequences=3),
}


def wide_model() -> GPT:
    """Of another width, depth and context than `random_model`'s."""
    torch.manual_seed(7)
    model = GPT(GPTConfig(40, 1, 48, 4, 4, 64, 80)).eval()
    for parameter in model.parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.25)
    return model


def mean_log_probabilities(models: list[GPT], ids: list[int]) -> Tensor:
    """[V], by the definition: each model reads all tokens, the probabilities are averaged."""
    with torch.no_grad():
        return torch.stack([model(torch.tensor([ids]))[0, -1].softmax(-1) for model in models]).mean(0).log()


def test_greedy_takes_the_token_that_is_likeliest_on_average() -> None:
    models = [random_model(1), random_model(2), wide_model()]
    prompts = random_prompts(6)
    found = complete(Ensemble(models), prompts, METHODS["greedy"], END)
    for prompt, (completion,) in zip(prompts, found, strict=True):
        for place, token in enumerate(completion.ids):
            assert int(mean_log_probabilities(models, prompt + completion.ids[:place]).argmax()) == token
    alone = complete(models[0], prompts, METHODS["greedy"], END)
    assert [row[0].ids for row in found] != [row[0].ids for row in alone]


@pytest.mark.parametrize("method", METHODS)
def test_log_probabilities_are_those_of_the_mean(method: str) -> None:
    models = [random_model(1), wide_model()]
    prompts = random_prompts(5)
    for prompt, row in zip(prompts, complete(Ensemble(models), prompts, METHODS[method], END), strict=True):
        assert len(row) == (1 if method == "greedy" else 3)
        for completion in row:
            answer = completion.ids + [END] * completion.finished
            each = [mean_log_probabilities(models, prompt + answer[:n])[token] for n, token in enumerate(answer)]
            assert completion.log_probability == pytest.approx(float(sum(each)), abs=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_a_model_beside_itself_decodes_as_alone(method: str) -> None:
    model, prompts = random_model(4), random_prompts(6)
    alone = complete(model, prompts, METHODS[method], END)
    twice = complete(Ensemble([model, model]), prompts, METHODS[method], END)
    assert [[c.ids for c in row] for row in twice] == [[c.ids for c in row] for row in alone]


def test_the_shortest_context_limits_all() -> None:
    ensemble = Ensemble([random_model(1), wide_model()])
    assert ensemble.config.context == 80
    with pytest.raises(UserError, match="context of 80"):
        complete(ensemble, [[1] * 85], METHODS["greedy"], END)


def test_checkpoints_decode_as_one_under_the_grammar(tmp_path: Path) -> None:
    folders = [write_tiny_checkpoint(tmp_path / name) for name in "ab"]
    tokenizer = Tokenizer.load(folders[0])
    torch.manual_seed(1)
    save_model(GPT(GPTConfig(tokenizer.vocabulary_size, 2, 48, 4, 2, 64, 1024)), folders[1])
    form = read_json(folders[1] / PROMPTING_FILE, type(FORM))
    form.content_dropout = 0.9  # says nothing of a trained model's prompts
    write_json(folders[1] / PROMPTING_FILE, form)
    generator = Generator.load_ensemble(folders)
    assert isinstance(generator.model, Ensemble)
    requests = [Request("Which albums are from 1999?", SHOP)]
    for num_beams in (1, 3):
        (found,) = generator.predict(requests, DecodingConfig(num_beams=num_beams, max_new_tokens=24))
        assert found[0].sql.startswith("SELECT")
        assert len(found) == num_beams


def test_other_tokens_and_other_prompts_are_refused(tmp_path: Path) -> None:
    first, other_form, other_tokens = (write_tiny_checkpoint(tmp_path / name) for name in "abc")
    form = read_json(other_form / PROMPTING_FILE, type(FORM))
    form.link_marks = False
    write_json(other_form / PROMPTING_FILE, form)
    with pytest.raises(UserError, match=r"/b and .*/a differ in prompting\.link_marks"):
        Generator.load_ensemble([first, other_form])
    # As many tokens, but others.
    size = Tokenizer.load(first).vocabulary_size
    Generator.write_extras(other_tokens, Tokenizer.train(TEXTS[::-1] + ["zebra"] * 99, size, tokens_of(FORM)), FORM)
    with pytest.raises(UserError, match=r"/c and .*/a differ in their tokenizers"):
        Generator.load_ensemble([first, other_tokens])
