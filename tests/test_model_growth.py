"""A model made deeper: it computes the same at first, and its new layers can learn."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from text2sql.errors import UserError
from text2sql.model import deepen
from tiny_models import random_model

IDS = torch.randint(40, (3, 20), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("layers", [2, 3, 4, 7])
def test_a_deeper_model_computes_the_same(layers: int) -> None:
    model = random_model()
    grown = deepen(model, layers)
    assert grown.config.layers == len(grown.model.layers) == layers
    assert not grown.training
    with torch.no_grad():
        assert torch.equal(grown(IDS), model(IDS))


def test_new_layers_stand_between_the_old_ones_and_learn() -> None:
    grown = deepen(random_model(), 4)
    silent = [not bool(block.self_attn.o_proj.weight.any()) for block in grown.model.layers]
    assert silent == [False, True, False, True]
    F.cross_entropy(grown(IDS)[:, :-1].flatten(0, 1), IDS[:, 1:].flatten()).backward()
    for block in grown.model.layers:
        for projection in (block.self_attn.o_proj, block.mlp.down_proj):
            assert projection.weight.grad is not None
            assert projection.weight.grad.abs().max() > 0


def test_the_model_it_came_from_is_left_alone() -> None:
    model = random_model()
    grown = deepen(model, 3)
    with torch.no_grad():
        for parameter in grown.parameters():
            parameter.zero_()
    assert torch.equal(model(IDS), random_model()(IDS))


def test_layers_are_never_taken_away() -> None:
    with pytest.raises(UserError, match=r"model\.layers is 1, but the model to start from has 2: give 2 or more"):
        deepen(random_model(), 1)
