"""Time of the model's attention on the CPU, forward and backward, against PyTorch's fused kernel.

    python benchmarks/attention.py --tokens 512 --output outputs/metrics/attention.json

Rows hold packed documents, as in training. Blockwise attention is `text2sql.model.layers.attend`; the fused kernel is
`scaled_dot_product_attention` under the same additive mask. Both take turns; the best processor
time of `--repeats` counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from reporting import report
from text2sql.model.attention import additive_mask, attend
from text2sql.model.gpt import same_document


def fused(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """PyTorch's kernel."""
    return F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)


def seconds(attention: Callable[..., Tensor], inputs: list[Tensor], mask: Tensor) -> float:
    """Processor time of one forward and backward."""
    start = time.process_time()
    output = attention(*inputs, mask)
    torch.autograd.grad(output, inputs, torch.ones_like(output))
    return time.process_time() - start


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Measure both in bf16 and fp32."""
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    documents = torch.arange(arguments.tokens).div(arguments.document, rounding_mode="floor").expand(arguments.rows, -1)
    result: dict[str, object] = {"settings": {k: v for k, v in vars(arguments).items() if k != "output"}}
    for dtype in (torch.bfloat16, torch.float32):
        mask = additive_mask(same_document(documents), dtype)
        shape = (arguments.rows, arguments.tokens, arguments.heads, arguments.head_size)
        inputs = [torch.randn(shape, dtype=dtype).transpose(1, 2).requires_grad_() for _ in range(3)]
        best = {"blockwise": float("inf"), "fused": float("inf")}
        for _ in range(arguments.repeats):
            best["blockwise"] = min(best["blockwise"], seconds(attend, inputs, mask))
            best["fused"] = min(best["fused"], seconds(fused, inputs, mask))
        ratio = {"blockwise_is_faster_by": best["fused"] / best["blockwise"]}
        result[str(dtype)] = {name: round(value, 4) for name, value in {**best, **ratio}.items()}
    return result


def main() -> None:
    """Parse the arguments, measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=512, help="tokens per row")
    parser.add_argument("--document", type=int, default=128, help="tokens per packed document")
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--head-size", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, help="JSON file for the result")
    arguments = parser.parse_args()
    report(run(arguments), arguments.output)


if __name__ == "__main__":
    main()
