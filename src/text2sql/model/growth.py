"""A trained model made deeper, so that what it has learnt is the beginning of a larger one."""

from __future__ import annotations

from dataclasses import replace

import torch

from text2sql.errors import UserError
from text2sql.model.gpt import GPT, INTO_THE_STREAM


def deepen(model: GPT, layers: int) -> GPT:
    """The model with `layers` layers that computes the same: the new ones, spread evenly, add nothing yet.

    A new layer is a copy of the one before it, in which only what writes to the residual stream is zero and so learns
    first (block expansion; Wu et al. 2024, LLaMA Pro, section 3). Raises UserError for fewer layers than it has.
    """
    old = model.config.layers
    if layers < old:
        raise UserError(f"model.layers is {layers}, but the model to start from has {old}: give {old} or more")
    weights = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("model.layers.")}
    places = [layer * layers // old for layer in range(old)]
    for place in range(layers):
        source = sum(known <= place for known in places) - 1
        for name, tensor in model.model.layers[source].state_dict().items():
            silent = place not in places and name in INTO_THE_STREAM
            weights[f"model.layers.{place}.{name}"] = torch.zeros_like(tensor) if silent else tensor
    grown = GPT(replace(model.config, layers=layers)).to(model.model.embed_tokens.weight.device)
    grown.load_state_dict(weights)
    return grown.train(model.training)
