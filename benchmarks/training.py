"""Tokens per second of a training step against a plain Hugging Face loop on the same documents.

    python benchmarks/training.py --preset tiny --repeats 4 --output outputs/metrics/training.json

Documents are as long as instruction-tuning examples, and the last fifth of each is the answer that is trained on. Our
step packs them into rows and computes logits for answers only; the plain loop pads them to the longest, gives
`transformers.LlamaForCausalLM` labels of -100 outside the answers, and steps `torch.optim.AdamW`. All start from the
same weights and take turns, one step each on the same documents; each one's best step counts, by the processor's
time and by the wall clock, without the padding's tokens. `first_loss` shows that they compute the same thing.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from torch.nn.utils.rnn import pad_sequence

from reporting import machine, report
from text2sql.config import ModelConfig, TrainingConfig
from text2sql.data.packing import Batch, Document, PackedBatches
from text2sql.model import GPT, load_model, resolve, save_model
from text2sql.training.learner import Learner

Step = Callable[[Batch], float]
IGNORED = -100


class Answers:
    """Random tokens whose last fifth is trained on."""

    def __init__(self, vocabulary: int, longest: int) -> None:
        self.vocabulary, self.longest = vocabulary, longest

    def __len__(self) -> int:
        return 10_000

    def document(self, index: int, epoch: int) -> Document:
        rng = random.Random(index)
        length = rng.randint(self.longest // 5, self.longest)
        weights = [0.0 if i < 0.8 * length else 1.0 for i in range(length)]
        return Document([rng.randrange(self.vocabulary) for _ in range(length)], weights)


def ours(directory: str, optimizer: str, precision: str, arguments: argparse.Namespace) -> Step:
    """A step of our trainer; the rate is fixed."""
    config = TrainingConfig(
        batch_tokens=arguments.batch_tokens, micro_batch_tokens=arguments.batch_tokens, context=arguments.context,
        optimizer=optimizer, precision=precision, device="cpu", ema=0.0,
    )  # fmt: skip
    learner = Learner(load_model(directory), config, arguments.batch_tokens // arguments.context, arguments.context)
    return lambda batch: learner.step(batch, 0, 1.0).loss


def plain_loop(directory: str, precision: str) -> Step:
    """A step of a loop as one writes it first."""
    model = transformers.LlamaForCausalLM.from_pretrained(directory, dtype=torch.float32).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.003, betas=(0.9, 0.95), weight_decay=0.1)

    def step(batch: Batch) -> float:
        ids, labels, real = padded(batch)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = model(input_ids=ids, attention_mask=real, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    return step


def padded(batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The batch's documents a row each: ids, labels (not shifted, as transformers wants them), attention mask."""
    ids, labels = [], []
    for row in range(len(batch.ids)):
        for number in range(int(batch.documents[row].max()) + 1):
            at = batch.documents[row] == number
            ids.append(batch.ids[row, at])
            own = torch.full_like(ids[-1], IGNORED)
            trained = batch.weights[row, at][:-1] > 0
            own[1:][trained] = batch.targets[row, at][:-1][trained]
            labels.append(own)
    real = pad_sequence([torch.ones_like(row) for row in ids], batch_first=True)
    return pad_sequence(ids, batch_first=True), pad_sequence(labels, True, IGNORED), real


def measure(ways: dict[str, Step], batches: PackedBatches, repeats: int) -> dict[str, dict[str, float]]:
    """Every way's first loss and best tokens per second; a first step of each, not timed, warms up."""
    warm_up = next(batches)
    found = {name: {"first_loss": round(step(warm_up), 4)} for name, step in ways.items()}
    for _ in range(repeats):
        batch = next(batches)
        for name, step in ways.items():
            wall, processor = time.perf_counter(), time.process_time()
            step(batch)
            rates = {
                "tokens_per_second": batch.tokens / (time.perf_counter() - wall),
                "tokens_per_processor_second": batch.tokens / (time.process_time() - processor),
            }
            found[name].update({key: round(max(rate, found[name].get(key, 0.0)), 1) for key, rate in rates.items()})
    return found


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Build all ways from the same weights and measure them."""
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    shape = resolve(ModelConfig(preset=arguments.preset, context=arguments.context), arguments.vocabulary)
    with tempfile.TemporaryDirectory() as directory:
        save_model(GPT(shape), directory)
        ways = {
            f"{optimizer} {precision}": ours(directory, optimizer, precision, arguments)
            for optimizer in ("adamw", "muon")
            for precision in ("fp32", "bf16")
        }
        ways |= {f"Hugging Face adamw {precision}": plain_loop(directory, precision) for precision in ("fp32", "bf16")}
    source = Answers(arguments.vocabulary, arguments.context)
    batches = PackedBatches(source, arguments.batch_tokens // arguments.context, arguments.context, seed=0)
    found = measure(ways, batches, arguments.repeats)
    key = "tokens_per_processor_second"
    ratios = {
        f"{optimizer} {precision}": round(
            found[f"{optimizer} {precision}"][key] / found[f"Hugging Face adamw {precision}"][key], 2
        )
        for optimizer in ("adamw", "muon")
        for precision in ("fp32", "bf16")
    }
    return {
        "settings": {k: v for k, v in vars(arguments).items() if k != "output"},
        "machine": machine(),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "ways": found,
        "faster_than_hugging_face_by": ratios,
    }


def main() -> None:
    """Parse the arguments, measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=["tiny", "small", "base", "large"], default="tiny")
    parser.add_argument("--vocabulary", type=int, default=4096)
    parser.add_argument("--context", type=int, default=512, help="tokens of a packed row, and of the longest document")
    parser.add_argument("--batch-tokens", type=int, default=4096, help="tokens per step")
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, help="JSON file for the result")
    arguments = parser.parse_args()
    report(run(arguments), arguments.output)


if __name__ == "__main__":
    main()
