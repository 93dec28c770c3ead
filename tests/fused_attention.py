"""PyTorch's fused attention kernel as the reference of our own attention."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def assert_equals_fused_kernel(found: Tensor, inputs: Sequence[Tensor], visible: Tensor) -> None:
    """`found` [B, heads, T, D], computed from the queries, keys and values, and its gradients are the kernel's.

    `visible` is bool [..., T, T]: which keys a query sees.
    """
    weight = torch.randn_like(found)
    gradients = torch.autograd.grad((found * weight).sum(), inputs)
    queries, keys, values = inputs
    fused = nn.functional.scaled_dot_product_attention(queries, keys, values, attn_mask=visible, enable_gqa=True)
    torch.testing.assert_close(found, fused, atol=1e-5, rtol=0)
    for ours, theirs in zip(gradients, torch.autograd.grad((fused * weight).sum(), inputs), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
        assert torch.isfinite(ours).all()
