"""Beam search against greedy decoding, exhaustive search and transformers."""

from __future__ import annotations

import itertools

import pytest
import torch

from text2sql.config import DecodingConfig
from text2sql.decoding.batch import PromptTokens
from text2sql.decoding.beam import beam_search
from text2sql.decoding.engine import complete
from text2sql.model import GPT, save_model
from tiny_models import DOUBT, END, letter_prompts, random_model, random_prompts, trained_model


@pytest.fixture(scope="module")
def trained() -> GPT:
    return trained_model()


def test_one_beam_is_greedy(trained: GPT) -> None:
    for model, prompts in ((random_model(1), random_prompts(10)), (trained, letter_prompts(10))):
        greedy = complete(model, prompts, DecodingConfig(max_new_tokens=20), END)
        tokens = [PromptTokens(index, ids, 20) for index, ids in enumerate(prompts)]
        with torch.inference_mode():
            beam = beam_search(model, tokens, 1, END, None)
        assert [[(c.ids, c.finished) for c in row] for row in beam] == [
            [(c.ids, c.finished) for c in row] for row in greedy
        ]


def test_beams_find_completions_at_least_as_likely_as_greedy(trained: GPT) -> None:
    # Of the trained length, so that answers are equally long and the mean per token ranks as the sum does.
    prompts = [prompt for prompt in letter_prompts(60) + letter_prompts(60, DOUBT) if len(prompt) == 4]
    greedy = complete(trained, prompts, DecodingConfig(max_new_tokens=10), END)
    beams = complete(trained, prompts, DecodingConfig(max_new_tokens=10, num_beams=6), END)
    gains = [b[0].log_probability - g[0].log_probability for g, b in zip(greedy, beams, strict=True)]
    assert min(gains) > -1e-4
    assert sum(gain > 1 for gain in gains) > 10, "the model sets no trap for greedy decoding"
    for row in beams:
        assert len(row) == 6
        assert [c.score for c in row] == sorted((c.score for c in row), reverse=True)
        assert len({(tuple(c.ids), c.finished) for c in row}) == 6


@pytest.mark.parametrize("seed", range(4))
def test_enough_beams_equal_exhaustive_search(seed: int) -> None:
    model = random_model(seed, vocabulary_size=5)
    prompt, limit = [1, 2, 4], 3
    letters = [token for token in range(5) if token != END]
    answers = [[*ids, END] for n in range(limit) for ids in itertools.product(letters, repeat=n)]
    scored = []
    for answer in answers:
        with torch.no_grad():
            log_probabilities = model(torch.tensor([[*prompt, *answer]]))[0, len(prompt) - 1 : -1].log_softmax(-1)
        total = sum(float(log_probabilities[i, token]) for i, token in enumerate(answer))
        scored.append((total / len(answer), total, list(answer[:-1])))
    scored.sort(key=lambda entry: -entry[0])
    options = DecodingConfig(max_new_tokens=limit, num_beams=100)
    (found,) = complete(model, [prompt], options, END)
    finished = [completion for completion in found if completion.finished]
    assert [completion.ids for completion in finished] == [ids for _, _, ids in scored]
    for completion, (score, total, _) in zip(finished, scored, strict=True):
        assert completion.score == pytest.approx(score, abs=1e-5)
        assert completion.log_probability == pytest.approx(total, abs=1e-5)
    unfinished = found[len(finished) :]
    assert len(unfinished) == len(letters) ** limit
    assert all(len(completion.ids) == limit and not completion.finished for completion in unfinished)


def test_beams_equal_those_of_transformers(trained: GPT, tmp_path: object) -> None:
    transformers = pytest.importorskip("transformers")
    save_model(trained, str(tmp_path))
    llama = transformers.LlamaForCausalLM.from_pretrained(tmp_path).eval()
    prompts = letter_prompts(10) + letter_prompts(10, DOUBT)
    ours = complete(trained, prompts, DecodingConfig(max_new_tokens=10, num_beams=4), END)
    for prompt, row in zip(prompts, ours, strict=True):
        theirs = llama.generate(
            torch.tensor([prompt]), num_beams=4, num_return_sequences=4, max_new_tokens=10, do_sample=False,
            eos_token_id=END, pad_token_id=END,
        )  # fmt: skip
        found = [ids[: ids.index(END)] if END in ids else ids for ids in theirs[:, len(prompt) :].tolist()]
        assert [c.ids for c in row if c.finished] == found[: sum(c.finished for c in row)]


def test_a_wider_beam_than_the_vocabulary_works() -> None:
    model = random_model(3, vocabulary_size=5)
    (found,) = complete(model, [[1]], DecodingConfig(max_new_tokens=1, num_beams=8), END)
    assert sorted(tuple(c.ids) for c in found) == [(), (0,), (1,), (2,), (4,)]
    assert sum(2.718281828**c.log_probability for c in found) == pytest.approx(1.0, abs=1e-4)


def test_unfinished_completions_come_after_finished_ones() -> None:
    model, prompts = random_model(4), random_prompts(12)
    beams = complete(model, prompts, DecodingConfig(max_new_tokens=6, num_beams=5), END)
    orders = [[c.finished for c in row] for row in beams]
    assert any(True in order and False in order for order in orders)
    assert all(order == sorted(order, reverse=True) for order in orders)
