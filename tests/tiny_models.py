"""Models small enough for tests: random ones, and one trained for seconds on a task with a trap for greedy decoding."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from text2sql.model import GPT, GPTConfig

END, START, DOUBT = 3, 4, 5


def random_model(seed: int = 0, context: int = 96, vocabulary_size: int = 40) -> GPT:
    """Two layers with weights large enough for sharp, varied predictions."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model = GPT(GPTConfig(vocabulary_size, 2, 32, 4, 2, 64, context, tie_embeddings=False)).eval()
    for parameter in model.parameters():
        if parameter.dim() == 2:
            nn.init.normal_(parameter, std=0.25)
    return model


@cache
def trained_model() -> GPT:
    """Three letters, then START: the model repeats them backwards and ends. Or DOUBT: see `_answers`."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocabulary_size=14, layers=2, width=32, heads=4, kv_heads=4, mlp_width=96, context=32))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(200):
        letters = torch.randint(6, 14, (64, 3))
        signs, answers = _answers(letters)
        ids = torch.cat((letters, signs, answers, torch.full((64, 1), END)), dim=1)
        loss = nn.functional.cross_entropy(model(ids)[:, 3:-1].flatten(0, 1), ids[:, 4:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def _answers(letters: Tensor) -> tuple[Tensor, Tensor]:
    """Signs [B, 1] and answers [B, 3]. After DOUBT it is 6 and two letters by chance, or, less often, 7 8 9.

    So the likeliest first token leads away from the likeliest answer.
    """
    rows = len(letters)
    chance = torch.cat((torch.full((rows, 1), 6), torch.randint(6, 14, (rows, 2))), dim=1)
    doubtful = torch.where(torch.rand(rows, 1) < 0.6, chance, torch.tensor([[7, 8, 9]]))
    signs = torch.where(torch.rand(rows, 1) < 0.5, START, DOUBT)
    return signs, torch.where(signs == START, letters.flip(1), doubtful)


def random_prompts(count: int, longest: int = 60, vocabulary_size: int = 40) -> list[list[int]]:
    """Prompts of 1 to `longest` random tokens."""
    generator = torch.Generator().manual_seed(count)
    lengths = torch.randint(1, longest + 1, (count,), generator=generator).tolist()
    return [torch.randint(vocabulary_size, (length,), generator=generator).tolist() for length in lengths]


def letter_prompts(count: int, sign: int = START) -> list[list[int]]:
    """Prompts for the trained model, of the length it knows and others."""
    generator = torch.Generator().manual_seed(9)
    lengths = torch.randint(2, 6, (count,), generator=generator).tolist()
    return [[*torch.randint(6, 14, (n,), generator=generator).tolist(), sign] for n in lengths]
