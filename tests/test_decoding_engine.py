"""The decoding engine on random and on briefly trained models: greedy, sampling, limits, masks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from text2sql.config import DecodingConfig
from text2sql.decoding.engine import Completion, complete
from text2sql.decoding.sampling import draw, keep_top_k, keep_top_p, sampling_logits, uniform_draws
from text2sql.errors import UserError
from text2sql.model import GPT
from tiny_models import END, letter_prompts, random_model, random_prompts, trained_model


@pytest.fixture(scope="module")
def trained() -> GPT:
    return trained_model()


def plain_greedy(model: GPT, prompt: Sequence[int], new: int) -> Completion:
    """Decoding as the definition says it: the whole sequence forward for each token."""
    ids, total = list(prompt), 0.0
    for _ in range(new):
        with torch.no_grad():
            log_probabilities = model(torch.tensor([ids]))[0, -1].log_softmax(dim=-1)
        token = int(log_probabilities.argmax())
        total += float(log_probabilities[token])
        if token == END:
            return Completion(ids[len(prompt) :], total, True)
        ids.append(token)
    return Completion(ids[len(prompt) :], total, False)


def assert_same(found: list[list[Completion]], expected: list[list[Completion]]) -> None:
    assert [[(c.ids, c.finished) for c in row] for row in found] == [[(c.ids, c.finished) for c in r] for r in expected]
    for ours, theirs in zip(found, expected, strict=True):
        for first, second in zip(ours, theirs, strict=True):
            assert first.log_probability == pytest.approx(second.log_probability, abs=1e-4)


def test_greedy_equals_decoding_without_cache_or_batch(trained: GPT) -> None:
    for model, prompts in ((random_model(), random_prompts(12)), (trained, letter_prompts(12))):
        expected = [[plain_greedy(model, prompt, 20)] for prompt in prompts]
        assert_same(complete(model, prompts, DecodingConfig(max_new_tokens=20, batch_size=5), END), expected)
    assert all(row[0].finished for row in expected)


METHODS = {
    "greedy": DecodingConfig(),
    "sampling": DecodingConfig(do_sample=True, temperature=1.3, seed=5),
    "top-k and top-p": DecodingConfig(do_sample=True, top_k=10, top_p=0.8, seed=5),
    "beam": DecodingConfig(num_beams=4),
}


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_gives_what_single_prompts_give(method: str, trained: GPT) -> None:
    for model, prompts in ((random_model(1), random_prompts(17)), (trained, letter_prompts(17))):
        options = METHODS[method]
        options.max_new_tokens = 24
        options.batch_size = 1
        single = complete(model, prompts, options, END)
        for batch_size in (4, 64):
            options.batch_size = batch_size
            assert_same(complete(model, prompts, options, END), single)
        assert {row[0].finished for row in single} >= {True}
        if not options.do_sample:  # Without randomness the place in the list doesn't matter either.
            for prompt, row in zip(prompts[:4], single, strict=False):
                assert_same(complete(model, [prompt], options, END), [row])


def test_the_trained_model_does_its_task(trained: GPT) -> None:
    prompts = [prompt for prompt in letter_prompts(60) if len(prompt) == 4]
    found = complete(trained, prompts, DecodingConfig(max_new_tokens=10), END)
    right = sum(row[0].ids == prompt[2::-1] for prompt, row in zip(prompts, found, strict=True))
    assert right > 0.8 * len(prompts)


def test_log_probability_is_that_of_the_whole_completion(trained: GPT) -> None:
    model = trained
    options = DecodingConfig(max_new_tokens=12, do_sample=True, temperature=2.0, top_k=8)
    prompts = letter_prompts(10)
    for prompt, (completion,) in zip(prompts, complete(model, prompts, options, END), strict=True):
        answer = completion.ids + [END] * completion.finished
        with torch.no_grad():
            log_probabilities = model(torch.tensor([[*prompt, *answer]]))[0, len(prompt) - 1 : -1].log_softmax(dim=-1)
        total = sum(float(log_probabilities[i, token]) for i, token in enumerate(answer))
        assert completion.log_probability == pytest.approx(total, abs=1e-4)
        assert completion.score == pytest.approx(total / len(answer), abs=1e-5)


def test_temperature_zero_and_top_k_one_are_greedy() -> None:
    model, prompts = random_model(2), random_prompts(8)
    greedy = complete(model, prompts, DecodingConfig(max_new_tokens=15), END)
    cold = DecodingConfig(max_new_tokens=15, do_sample=True, temperature=0.0)
    assert_same(complete(model, prompts, cold, END), greedy)
    narrow = DecodingConfig(max_new_tokens=15, do_sample=True, top_k=1, temperature=5.0)
    assert_same(complete(model, prompts, narrow, END), greedy)
    tiny_p = DecodingConfig(max_new_tokens=15, do_sample=True, top_p=1e-6, temperature=5.0)
    assert_same(complete(model, prompts, tiny_p, END), greedy)


def test_a_seed_repeats_itself_and_differs_from_other_seeds_and_places() -> None:
    model = random_model(3)
    prompts = [[5, 6, 7]] * 6
    options = DecodingConfig(max_new_tokens=15, do_sample=True, temperature=2.0, seed=1)
    torch.manual_seed(0)
    first = [row[0].ids for row in complete(model, prompts, options, END)]
    torch.manual_seed(99)
    assert [row[0].ids for row in complete(model, prompts, options, END)] == first
    assert len({tuple(ids) for ids in first}) == 6
    options.seed = 2
    assert [row[0].ids for row in complete(model, prompts, options, END)] != first


def test_several_samples_of_a_prompt_are_independent_and_best_first() -> None:
    model, prompts = random_model(3), random_prompts(9)
    options = DecodingConfig(max_new_tokens=15, do_sample=True, seed=1, num_return_sequences=4)
    several = complete(model, prompts, options, END)
    for row in several:
        assert len(row) == 4
        assert [c.score for c in row] == sorted((c.score for c in row), reverse=True)
    assert sum(len({tuple(c.ids) for c in row}) for row in several) > 30
    options.batch_size = 2
    assert_same(complete(model, prompts, options, END), several)
    watched: dict[int, list[int]] = {}
    complete(model, prompts, options, END, on_tokens=lambda index, ids: watched.update({index: list(ids)}))
    options.num_return_sequences = 1
    single = complete(model, prompts, options, END)
    for index, (first,) in enumerate(single):
        assert first.ids in [c.ids for c in several[index]]
        assert first.ids == watched[index]


HAND_MADE = torch.tensor([[0.4, 0.3, 0.2, 0.1, 0.0]]).log()


def test_top_k_keeps_exactly_k_even_of_equal_logits() -> None:
    assert keep_top_k(HAND_MADE, 2).softmax(-1)[0].tolist() == pytest.approx([4 / 7, 3 / 7, 0, 0, 0])
    assert keep_top_k(HAND_MADE, 99).equal(HAND_MADE)
    equal = torch.tensor([[1.0, 2.0, 2.0, 2.0, 0.0]])
    assert keep_top_k(equal, 2).isfinite().sum() == 2
    assert keep_top_k(equal, 2).isfinite()[0, [0, 4]].tolist() == [False, False]


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (0.01, [1, 0, 0, 0, 0]),
        (0.39, [1, 0, 0, 0, 0]),
        (0.41, [4 / 7, 3 / 7, 0, 0, 0]),
        (0.69, [4 / 7, 3 / 7, 0, 0, 0]),
        (0.71, [4 / 9, 3 / 9, 2 / 9, 0, 0]),
        (0.95, [0.4, 0.3, 0.2, 0.1, 0]),
    ],
)
def test_top_p_keeps_the_smallest_set_that_holds_p(p: float, expected: list[float]) -> None:
    assert keep_top_p(HAND_MADE, p).softmax(-1)[0].tolist() == pytest.approx(expected)
    shuffled = [3, 0, 4, 1, 2]
    assert keep_top_p(HAND_MADE[:, shuffled], p).softmax(-1)[0].tolist() == pytest.approx(
        [expected[place] for place in shuffled]
    )


def test_options_combine_as_temperature_then_top_k_then_top_p() -> None:
    logits = sampling_logits(HAND_MADE, DecodingConfig(temperature=0.5, top_k=3, top_p=0.9))
    # Squared and cut to three: 16, 9, 4 of 29; the first two hold 25/29 = 0.86 < 0.9, so all three stay.
    assert logits.softmax(-1)[0].tolist() == pytest.approx([16 / 29, 9 / 29, 4 / 29, 0, 0])
    logits = sampling_logits(HAND_MADE, DecodingConfig(temperature=0.5, top_k=3, top_p=0.86))
    assert logits.softmax(-1)[0].tolist() == pytest.approx([16 / 25, 9 / 25, 0, 0, 0])


def test_draws_follow_the_distribution_exactly() -> None:
    count = 1000
    uniforms = (torch.arange(count) + 0.5) / count
    tokens = draw(HAND_MADE.expand(count, -1), uniforms)
    assert torch.bincount(tokens, minlength=5).tolist() == [400, 300, 200, 100, 0]
    ends = torch.tensor([0.0, 1.0 - 2.0**-24])
    assert draw(HAND_MADE.expand(2, -1), ends).tolist() == [0, 3]
    forbidden_first = torch.tensor([[-math.inf, 0.0, -math.inf]]).expand(2, -1)
    assert draw(forbidden_first, ends).tolist() == [1, 1]


def test_logits_of_a_diverged_model_still_give_a_token() -> None:
    assert draw(torch.full((2, 5), math.nan), torch.tensor([0.0, 0.9])).max() < 5


def test_uniform_draws_are_uniform_and_independent() -> None:
    draws = torch.tensor([uniform_draws(seed, index, 50) for seed in range(20) for index in range(20)])
    assert draws.mean().item() == pytest.approx(0.5, abs=0.01)
    assert draws.std().item() == pytest.approx(math.sqrt(1 / 12), abs=0.01)
    assert len(draws.unique()) > 0.99 * draws.numel()


def test_sampled_first_tokens_have_the_models_frequencies() -> None:
    model = random_model(4, vocabulary_size=6)
    with torch.no_grad():
        expected = (model(torch.tensor([[1, 2]]))[0, -1] / 1.5).softmax(-1)
    options = DecodingConfig(max_new_tokens=1, do_sample=True, temperature=1.5, batch_size=4000)
    found = complete(model, [[1, 2]] * 4000, options, END)
    tokens = torch.tensor([(row[0].ids or [END])[0] for row in found])
    frequencies = torch.bincount(tokens, minlength=6) / 4000
    torch.testing.assert_close(frequencies, expected, atol=0.03, rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_a_mask_is_asked_about_each_prompts_own_tokens_and_obeyed(method: str) -> None:
    model, prompts = random_model(5), random_prompts(9)
    asked: set[int] = set()

    def only_multiples(index: int, generated: list[int]) -> Tensor | None:
        """Prompt i may use i + 10 and its double in turn; 0 is free; after eight tokens it must end."""
        asked.add(index)
        if index == 0:
            return None
        allowed = torch.zeros(40, dtype=torch.bool)
        assert all(token == (index + 10) * (1 + place % 2) for place, token in enumerate(generated))
        allowed[END if len(generated) == 8 else (index + 10) * (1 + len(generated) % 2)] = True
        return allowed

    options = METHODS[method]
    options.max_new_tokens, options.batch_size = 12, 4
    found = complete(model, prompts, options, END, logits_mask=only_multiples)
    assert asked == set(range(9))
    for index in range(1, 9):
        (completion,) = found[index]
        assert completion.finished
        assert completion.ids == [index + 10, 2 * (index + 10)] * 4
    assert_same([found[0]], [complete(model, prompts, options, END)[0]])


@pytest.mark.parametrize("method", METHODS)
def test_a_mask_that_allows_nothing_ends_the_completion_unfinished(method: str) -> None:
    def three_tokens(index: int, generated: list[int]) -> Tensor:
        allowed = torch.full((40,), len(generated) < 3)
        allowed[END] = False
        return allowed

    options = METHODS[method]
    options.max_new_tokens = 12
    for row in complete(random_model(6), random_prompts(5), options, END, logits_mask=three_tokens):
        for completion in row:
            assert len(completion.ids) == 3
            assert not completion.finished
            assert math.isfinite(completion.log_probability)


@pytest.mark.parametrize("num_beams", [1, 3])
def test_generation_stops_where_the_context_ends(num_beams: int) -> None:
    model = random_model(7, context=20)
    never_end = torch.ones(40, dtype=torch.bool)
    never_end[END] = False
    prompts = [[1] * 5, [1] * 19]
    options = DecodingConfig(max_new_tokens=50, num_beams=num_beams)
    found = complete(model, prompts, options, END, logits_mask=lambda index, ids: never_end)
    assert [[len(c.ids) for c in row] for row in found] == [[15] * num_beams, [1] * num_beams]
    assert not found[0][0].finished
    alone = complete(model, prompts[:1], options, END, logits_mask=lambda index, ids: never_end)
    assert_same(alone, found[:1])


@pytest.mark.parametrize(
    ("prompts", "changes", "message"),
    [
        ([[1], [1] * 96], {}, "prompt 1 has 96 tokens, but the model's context of 96"),
        ([[1], []], {}, "prompt 1 is empty"),
        ([[1]], {"max_new_tokens": 0}, "decoding.max_new_tokens is 0"),
        ([[1]], {"batch_size": 0}, "decoding.batch_size is 0"),
        ([[1]], {"temperature": -1.0}, "decoding.temperature is -1.0"),
        ([[1]], {"temperature": math.nan}, "decoding.temperature is nan"),
        ([[1]], {"top_p": 0.0}, "decoding.top_p is 0.0"),
        ([[1]], {"top_k": -1}, "decoding.top_k is -1"),
        ([[1]], {"seed": -1}, "decoding.seed is -1"),
        ([[1]], {"num_beams": 2, "do_sample": True}, "exclude each other"),
        ([[1]], {"num_return_sequences": 0}, "decoding.num_return_sequences is 0"),
        ([[1]], {"num_return_sequences": 2}, "needs do_sample"),
        ([[1]], {"num_return_sequences": 2, "do_sample": True, "temperature": 0.0}, "needs do_sample"),
    ],
)
def test_impossible_requests_are_named_in_one_line(prompts: list[list[int]], changes: dict, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        complete(random_model(), prompts, DecodingConfig(**changes), END)
    assert "\n" not in str(caught.value)


def test_no_prompts_give_no_completions() -> None:
    assert complete(random_model(), [], DecodingConfig(), END) == []


@pytest.mark.parametrize("training", [True, False])
def test_dropout_is_off_and_the_models_mode_comes_back_even_after_ctrl_c(training: bool) -> None:
    model = random_model(8)
    for block in model.model.layers:
        block.dropout = 0.5
    expected = complete(model, [[1, 2]], DecodingConfig(max_new_tokens=5), END)
    model.train(training)
    assert_same(complete(model, [[1, 2]], DecodingConfig(max_new_tokens=5), END), expected)
    assert model.training is training

    def interrupt(index: int, generated: list[int]) -> Tensor | None:
        assert not model.training
        if len(generated) == 2:
            raise KeyboardInterrupt
        return None

    with pytest.raises(KeyboardInterrupt):
        complete(model, [[1, 2]], DecodingConfig(max_new_tokens=5), END, logits_mask=interrupt)
    assert model.training is training
    assert torch.is_grad_enabled()
    model(torch.tensor([[1, 2]])).sum().backward()  # Nothing of inference mode sticks to the model.


def test_finished_sequences_stop_costing() -> None:
    """Of 16 prompts 15 may end after two tokens: later forwards must be far smaller than 16 rows."""
    model = random_model(9)
    rows: list[int] = []
    model.model.register_forward_pre_hook(lambda module, args: rows.append(args[0].shape[0]))

    def early_end(index: int, generated: list[int]) -> Tensor:
        allowed = torch.ones(40, dtype=torch.bool)
        allowed[END] = False
        return torch.arange(40) == END if index and len(generated) == 2 else allowed

    for num_beams in (1, 2):
        rows.clear()
        options = DecodingConfig(max_new_tokens=20, num_beams=num_beams)
        complete(model, random_prompts(16), options, END, logits_mask=early_end)
        assert rows[:2] == [16, 16 * num_beams]
        assert rows[4:] == [num_beams] * 16
