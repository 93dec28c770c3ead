"""Time of the model's attention on the CPU, forward and backward, against PyTorch's fused kernel.

    python benchmarks/attention.py --tokens 1024 --output outputs/metrics/attention.json

Rows hold packed documents of several lengths, as in training. Attention by document is
`text2sql.model.attention.DocumentLayout`, which takes the rows apart; blockwise attention (`attend`) and the fused
kernel (`scaled_dot_product_attention`) work on whole rows under an additive mask. Layout and mask are made before, as a
model makes them once for all layers. All take turns; the best processor time of `--repeats` counts.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from reporting import report
from text2sql.model.attention import DocumentLayout, additive_mask, attend
from text2sql.model.gpt import same_document


def packed_documents(rows: int, tokens: int, shortest: int, longest: int) -> Tensor:
    """[rows, tokens]: numbers of documents whose lengths are drawn evenly on a logarithmic scale."""
    drawn = []
    for _ in range(rows):
        ends = torch.empty(tokens).uniform_(math.log(shortest), math.log(longest)).exp().long().cumsum(0)
        drawn.append(torch.searchsorted(ends, torch.arange(tokens), right=True))
    return torch.stack(drawn)


def seconds(attention: Callable[..., Tensor], inputs: list[Tensor]) -> float:
    """Processor time of one forward and backward."""
    start = time.process_time()
    output = attention(*inputs)
    torch.autograd.grad(output, inputs, torch.ones_like(output))
    return time.process_time() - start


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Measure all in bf16 and fp32."""
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    documents = packed_documents(arguments.rows, arguments.tokens, arguments.shortest, arguments.longest)
    result: dict[str, object] = {"settings": {k: v for k, v in vars(arguments).items() if k != "output"}}
    for dtype in (torch.bfloat16, torch.float32):
        mask = additive_mask(same_document(documents), dtype)
        ways: dict[str, Callable[..., Tensor]] = {
            "by_document": DocumentLayout.of(documents, None, arguments.heads, dtype).attend,
            "blockwise": partial(attend, mask=mask),
            "fused": partial(F.scaled_dot_product_attention, attn_mask=mask),
        }
        shape = (arguments.rows, arguments.tokens, arguments.heads, arguments.head_size)
        inputs = [torch.randn(shape, dtype=dtype).transpose(1, 2).requires_grad_() for _ in range(3)]
        best = dict.fromkeys(ways, float("inf"))
        for _ in range(arguments.repeats):
            for name, attention in ways.items():
                best[name] = min(best[name], seconds(attention, inputs))
        ratios = {f"by_document_is_faster_than_{name}_by": best[name] / best["by_document"] for name in list(ways)[1:]}
        result[str(dtype)] = {name: round(value, 4) for name, value in {**best, **ratios}.items()}
    return result


def main() -> None:
    """Parse the arguments, measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=1024, help="tokens per row")
    parser.add_argument("--shortest", type=int, default=70, help="tokens of the shortest document")
    parser.add_argument("--longest", type=int, default=600, help="tokens of the longest document")
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--head-size", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, help="JSON file for the result")
    arguments = parser.parse_args()
    report(run(arguments), arguments.output)


if __name__ == "__main__":
    main()
