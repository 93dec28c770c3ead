"""Decoding with the key/value cache gives what a forward over everything gives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from text2sql.model import GPT, GPTConfig, KVCache

CONFIG = GPTConfig(vocabulary_size=50, layers=3, width=32, heads=4, kv_heads=2, mlp_width=64, context=200)


@pytest.fixture(scope="module")
def model() -> GPT:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = GPT(CONFIG).eval().requires_grad_(False)
    for parameter in model.parameters():
        if parameter.dim() == 2:
            nn.init.normal_(parameter, std=0.2)
    return model


def new_cache(rows: int, length: int = 200, dtype: torch.dtype = torch.float32) -> KVCache:
    return KVCache(CONFIG, rows, length, torch.device("cpu"), dtype)


def sequences(lengths: list[int]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(50, (length,), generator=generator) for length in lengths]


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


def prefill(model: GPT, prompts: list[Tensor], cache: KVCache) -> Tensor:
    longest = max(len(prompt) for prompt in prompts)
    ids = torch.stack([nn.functional.pad(prompt, (0, longest - len(prompt)), value=7) for prompt in prompts])
    return model(ids, torch.arange(longest).expand(len(prompts), -1), cache=cache)


@pytest.mark.parametrize("prompt_lengths", [[1], [60], [1, 17, 60], [150, 3, 130]])
def test_token_by_token_equals_the_full_forward_for_prompts_of_any_lengths(
    model: GPT, prompt_lengths: list[int]
) -> None:
    new = 20
    texts = sequences([length + new for length in prompt_lengths])
    full = [model(text[None])[0] for text in texts]
    cache = new_cache(len(texts))
    logits = prefill(model, [text[:n] for text, n in zip(texts, prompt_lengths, strict=True)], cache)
    for row, length in enumerate(prompt_lengths):
        close(logits[row, :length], full[row][:length])
    for step in range(new):
        positions = torch.tensor(prompt_lengths)[:, None] + step
        ids = torch.stack([text[length + step] for text, length in zip(texts, prompt_lengths, strict=True)])[:, None]
        logits = model(ids, positions, cache=cache)
        for row, length in enumerate(prompt_lengths):
            close(logits[row, 0], full[row][length + step])


def test_several_tokens_at_once_after_a_prompt_equal_the_full_forward(model: GPT) -> None:
    (text,) = sequences([40])
    cache = new_cache(1)
    parts, start = [], 0
    for length in (10, 1, 20, 9):
        positions = torch.arange(start, start + length)[None]
        parts.append(model(text[None, start : start + length], positions, cache=cache))
        start += length
    close(torch.cat(parts, dim=1), model(text[None]))


def test_rows_can_be_dropped_repeated_and_reordered(model: GPT) -> None:
    texts = sequences([31, 31, 31])
    full = [model(text[None])[0, -1] for text in texts]
    cache = new_cache(3)
    prefill(model, [text[:30] for text in texts], cache)
    cache.select(torch.tensor([2, 0, 2]))
    last = torch.stack([texts[2][30], texts[0][30], texts[2][30]])[:, None]
    logits = model(last, torch.full((3, 1), 30), cache=cache)[:, 0]
    close(logits, torch.stack([full[2], full[0], full[2]]))


def test_reordered_rows_go_on_from_another_rows_tokens(model: GPT) -> None:
    first, second = sequences([25, 25])
    second[:20] = first[:20]  # A shared prompt, then two beams of four tokens.
    cache = new_cache(2)
    prefill(model, [first[:24], second[:24]], cache)
    cache.reorder(torch.tensor([1, 1]), start=20)
    logits = model(torch.stack([second[24], second[24]])[:, None], torch.full((2, 1), 24), cache=cache)[:, 0]
    expected = model(second[None])[0, -1]
    close(logits, torch.stack([expected, expected]))
    assert not torch.allclose(expected, model(first[None])[0, -1], atol=1e-2)


def test_a_bfloat16_cache_stays_near_fp32(model: GPT) -> None:
    texts = sequences([50, 30])
    with torch.autocast("cpu", torch.bfloat16):
        assert model.compute_type() == torch.bfloat16
        rough = prefill(model, texts, new_cache(2, dtype=torch.bfloat16))
    exact = prefill(model, texts, new_cache(2))
    assert model.compute_type() == torch.float32
    assert (rough - exact)[0].abs().mean() < 0.03 * exact[0].abs().mean()


def test_a_cache_needs_positions_and_excludes_documents(model: GPT) -> None:
    ids = torch.zeros(1, 4, dtype=torch.int64)
    with pytest.raises(ValueError, match="positions"):
        model(ids, cache=new_cache(1))
    with pytest.raises(ValueError, match="no documents"):
        model(ids, torch.arange(4)[None], torch.zeros_like(ids), cache=new_cache(1))
