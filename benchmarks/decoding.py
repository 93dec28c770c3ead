"""Tokens per second of the decoding engine against the same model without a cache and Hugging Face's `generate`.

    python benchmarks/decoding.py --preset tiny --prompts 32 --new-tokens 64 --output outputs/metrics/decoding.json

All decode the same prompts of mixed lengths greedily (and by beam search) with the same random weights in fp32 and
write the same number of tokens: no completion may end early. The ways take turns, `--repeats` times, and each one's
best time counts, by the wall clock and by the processor's, which other work on the machine disturbs less. `agreement`
is the share of prompts for which a way writes the engine's tokens; near ties may keep it below 1.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import transformers

from reporting import machine, report
from text2sql.config import DecodingConfig, ModelConfig
from text2sql.decoding.engine import complete
from text2sql.model import GPT, resolve, save_model

NO_END = -1  # No token has this id, so no completion ends before its limit.
Ids = list[list[int]]


def engine(model: GPT, prompts: Ids, new_tokens: int, beams: int = 1) -> Ids:
    """Our engine, all prompts in one batch."""
    options = DecodingConfig(max_new_tokens=new_tokens, num_beams=beams, batch_size=len(prompts))
    return [row[0].ids for row in complete(model, prompts, options, NO_END)]


@torch.inference_mode()
def without_cache(model: GPT, prompts: Ids, new_tokens: int) -> Ids:
    """Greedy in the same batch, but every token costs a forward over its whole sequence."""
    lengths = torch.tensor([len(prompt) for prompt in prompts])
    ids = torch.zeros(len(prompts), int(lengths.max()) + new_tokens, dtype=torch.int64)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = torch.tensor(prompt)
    rows = torch.arange(len(prompts))
    for step in range(new_tokens):
        hidden = model.hidden(ids[:, : int(lengths.max()) + step])
        ids[rows, lengths + step] = model.head(hidden[rows, lengths + step - 1]).argmax(dim=-1)
    return [ids[row, lengths[row] : lengths[row] + new_tokens].tolist() for row in range(len(prompts))]


@torch.inference_mode()
def hugging_face(llama: transformers.LlamaForCausalLM, prompts: Ids, new_tokens: int, beams: int = 1) -> Ids:
    """`generate` on the same batch, padded on the left."""
    longest = max(len(prompt) for prompt in prompts)
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
    real = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    found = llama.generate(
        ids, attention_mask=real, max_new_tokens=new_tokens, num_beams=beams, do_sample=False, pad_token_id=0
    )
    return found[:, longest:].tolist()


def measure(ways: dict[str, Callable[[], Ids]], repeats: int, new_tokens: int) -> dict[str, dict[str, float]]:
    """Of each way: tokens per second, how much faster the engine is, and how often it agrees with the engine."""
    wall, processor = (dict.fromkeys(ways, float("inf")) for _ in range(2))
    written: dict[str, Ids] = {}
    for _ in range(repeats):
        for name, way in ways.items():
            starts = time.perf_counter(), time.process_time()
            written[name] = way()
            wall[name] = min(wall[name], time.perf_counter() - starts[0])
            processor[name] = min(processor[name], time.process_time() - starts[1])
    reference = written["engine"]
    return {
        name: {
            "tokens_per_second": round(len(ids) * new_tokens / wall[name], 1),
            "engine_is_faster_by": round(wall[name] / wall["engine"], 2),
            "tokens_per_processor_second": round(len(ids) * new_tokens / processor[name], 1),
            "engine_is_faster_by_processor_time": round(processor[name] / processor["engine"], 2),
            "agreement": sum(a == b for a, b in zip(ids, reference, strict=True)) / len(ids),
        }
        for name, ids in written.items()
    }


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Build the model and the prompts and measure."""
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    config = resolve(ModelConfig(preset=arguments.preset), arguments.vocabulary_size)
    model = GPT(config).eval()
    with tempfile.TemporaryDirectory() as directory:
        save_model(model, directory)
        llama = transformers.LlamaForCausalLM.from_pretrained(directory).eval()
    lengths = torch.linspace(arguments.prompt_length / 2, arguments.prompt_length, arguments.prompts).long().tolist()
    prompts = [torch.randint(config.vocabulary_size, (length,)).tolist() for length in lengths]
    new, beams = arguments.new_tokens, arguments.beams
    greedy = {
        "engine": lambda: engine(model, prompts, new),
        "without cache": lambda: without_cache(model, prompts, new),
        "transformers generate": lambda: hugging_face(llama, prompts, new),
    }
    beam = {
        "engine": lambda: engine(model, prompts, new, beams),
        "transformers generate": lambda: hugging_face(llama, prompts, new, beams),
    }
    return {
        "settings": {name: value for name, value in vars(arguments).items() if name != "output"},
        "machine": machine(),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "greedy": measure(greedy, arguments.repeats, new),
        f"beam search, {beams} beams": measure(beam, arguments.repeats, new),
    }


def main() -> None:
    """Parse the arguments, measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny", choices=("tiny", "small", "base", "large"))
    parser.add_argument("--vocabulary-size", type=int, default=8192)
    parser.add_argument("--prompts", type=int, default=32, help="prompts, decoded in one batch")
    parser.add_argument("--prompt-length", type=int, default=300, help="longest prompt; the shortest has half")
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--beams", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="JSON file for the result")
    arguments = parser.parse_args()
    report(run(arguments), arguments.output)


if __name__ == "__main__":
    main()
