"""Seconds that one question takes as `text2sql ask` answers it, part by part, beside `transformers` on the same prompt.

    python benchmarks/latency.py --spider-limit 200 --output docs/results/latency.json

The questions of the example databases and, where the data is, of Spider dev are asked one at a time on the CPU:
linking, prompt, decoding under the grammar mask, execution, the sentence; greedily and by beam search. The same
weights then continue the same prompt in `transformers.LlamaForCausalLM.generate`, greedily, without mask, linking or
execution. All three take turns on each question, in one process. Starting Python, loading the model and reading a
database's values, which happens once per database, are not counted. Parts are by the wall clock; `mask` is a part of
`decoding`. Only questions that reach the model count.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import transformers
from tqdm import tqdm

import text2sql.assistant.assistant
import text2sql.decoding.generator
from reporting import machine, percentiles, report
from text2sql.assistant import Assistant
from text2sql.config import DecodingConfig
from text2sql.data.sets import available_splits, read_set
from text2sql.database import Database, SQLiteDatabase, connect
from text2sql.decoding.checkpoints import default_model
from text2sql.decoding.generator import Generator
from text2sql.decoding.mask import GrammarMask
from text2sql.files import file_sha256
from text2sql.model.files import WEIGHTS_FILE
from text2sql.pipeline.evaluation import sample

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
Asked = tuple[str, str]
"""A database's path and a question."""


class Stopwatch:
    """Adds up the seconds spent in functions, and keeps what each returned last."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.returned: dict[str, Any] = {}

    @contextmanager
    def watching(self, functions: Mapping[str, tuple[Any, str]]) -> Iterator[None]:
        """Within it the time in each `part: (owner, name)` counts."""
        with ExitStack() as stack:
            for part, (owner, name) in functions.items():
                stack.enter_context(patch.object(owner, name, self._timed(getattr(owner, name), part)))
            yield

    def _timed(self, original: Callable[..., Any], part: str) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                self.returned[part] = original(*arguments, **options)
            finally:
                self.seconds[part] += time.perf_counter() - began
            return self.returned[part]

        return timed

    def clear(self) -> None:
        """Begin again."""
        self.seconds.clear()
        self.returned.clear()


class Bench:
    """The model, ready to answer in three ways; `parts` are timed within `watch.watching(parts)`."""

    def __init__(self, folder: Path, beams: int) -> None:
        self.generator = Generator.load(folder)
        self.assistant = Assistant(self.generator)
        self.llama = transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.ways = {"greedy": DecodingConfig(), f"{beams} beams": DecodingConfig(num_beams=beams)}
        self.watch = Stopwatch()
        self.parts = {
            "linking": (text2sql.assistant.assistant, "link"),
            "prompt": (self.generator.encoder, "prompt"),
            "decoding": (text2sql.decoding.generator, "complete"),
            "mask": (GrammarMask, "__call__"),
            "execution": (SQLiteDatabase, "run"),
        }

    def question(self, database: Database, question: str) -> dict[str, dict[str, float]]:
        """Seconds and tokens of each way; empty for a question that the model is not asked."""
        found = {}
        for name, options in self.ways.items():
            self.assistant.options = options
            self.watch.clear()
            began = time.perf_counter()
            self.assistant.ask(database, question)
            total = time.perf_counter() - began
            if "decoding" not in self.watch.returned:
                return {}
            parts = {part: self.watch.seconds[part] for part in self.parts}
            rest = total - sum(parts.values()) + parts["mask"]
            tokens = len(self.watch.returned["decoding"][0][0].ids)
            found[name] = {"total": total, **parts, "rest": rest, "tokens": tokens}
        prompt = self.watch.returned["prompt"].ids
        began = time.perf_counter()
        tokens = self.continued(prompt)
        found["transformers"] = {"total": time.perf_counter() - began, "tokens": tokens, "prompt_tokens": len(prompt)}
        return found

    @torch.inference_mode()
    def continued(self, prompt: list[int]) -> int:
        """How many tokens `generate` adds to a prompt, the end token not counted, as it isn't for our engine."""
        end, ids = self.generator.encoder.end_id, torch.tensor([prompt])
        options = {"max_new_tokens": DecodingConfig().max_new_tokens, "do_sample": False}
        found = self.llama.generate(
            ids, attention_mask=torch.ones_like(ids), eos_token_id=end, pad_token_id=end, **options
        )
        return int((found[0, len(prompt) :] != end).sum())


def example_questions() -> Iterator[Asked]:
    """Those beside the example databases."""
    for path in sorted((EXAMPLES / "questions").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield str(EXAMPLES / f"{path.stem}.sqlite"), json.loads(line)["question"]


def spider_questions(directory: Path, limit: int) -> list[Asked]:
    """A seeded sample of Spider dev; none where it is not at hand."""
    if "dev" not in available_splits("spider", directory):
        return []
    examples = [example for example in read_set("spider", "dev", directory) if example.database]
    return [(str(example.database), example.question) for example in sample(examples, limit, seed=0)]


def measure(bench: Bench, questions: list[Asked], name: str) -> dict[str, Any]:
    """Percentiles of every part of each way, and how the ways compare."""
    seconds: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with ExitStack() as stack:
        stack.enter_context(bench.watch.watching(bench.parts))
        databases = {path: stack.enter_context(connect(path)) for path in dict.fromkeys(path for path, _ in questions)}
        for path, database in databases.items():  # reads the values, and warms everything up
            bench.question(database, next(question for of, question in questions if of == path))
        for path, question in tqdm(questions, desc=name, unit="question"):
            for way, parts in bench.question(databases[path], question).items():
                for part, value in parts.items():
                    seconds[way][part].append(value)
    return {
        "questions": len(seconds["transformers"]["total"]),
        **{way: summary(parts) for way, parts in seconds.items()},
        "ratio_to_transformers": ratios(seconds),
    }


def summary(parts: dict[str, list[float]]) -> dict[str, Any]:
    """Percentiles of the seconds, means of the tokens."""
    counts = {part: values for part, values in parts.items() if part.endswith("tokens")}
    means = {part: round(sum(values) / len(values), 1) for part, values in counts.items()}
    return {part: percentiles(values) for part, values in parts.items() if part not in counts} | means


def ratios(seconds: dict[str, dict[str, list[float]]]) -> dict[str, float]:
    """Our time over theirs: the median and 95th percentile of a whole answer, and the time of a new token."""
    ours, theirs = seconds["greedy"], seconds["transformers"]
    answers, generated = percentiles(ours["total"]), percentiles(theirs["total"])
    per_token = [sum(one[part]) / sum(one["tokens"]) for one, part in ((ours, "decoding"), (theirs, "total"))]
    found = {f"answer_{name}": answers[name] / generated[name] for name in ("p50", "p95")}
    found["decoding_per_token"] = per_token[0] / per_token[1]
    return {name: round(value, 2) for name, value in found.items()}


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Load the model both ways and measure."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    before, folder = machine(), arguments.checkpoint or default_model()
    sets = {"examples": list(example_questions())[: arguments.example_limit]}
    sets["spider dev"] = spider_questions(arguments.data_dir, arguments.spider_limit)
    bench = Bench(folder, arguments.beams)
    return {
        "model": folder.name,
        "model_sha256": file_sha256(folder / WEIGHTS_FILE),
        "machine": before | {"threads": torch.get_num_threads()},
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "decoding": {way: asdict(options) for way, options in bench.ways.items()},
        "sets": {name: measure(bench, questions, name) for name, questions in sets.items() if questions},
    }


def main() -> None:
    """Parse the arguments, measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mirror = os.environ.get("TEXT2SQL_DATA_MIRROR", "data/raw")
    parser.add_argument("--checkpoint", type=Path, help="model folder (default: the model that ships)")
    parser.add_argument("--data-dir", type=Path, default=Path(mirror), help=f"folder of spider/ ({mirror})")
    parser.add_argument("--example-limit", type=int, metavar="N", help="ask only the first questions of the examples")
    parser.add_argument("--spider-limit", type=int, default=200, metavar="N", help="questions of Spider dev (200)")
    parser.add_argument("--beams", type=int, default=4)
    parser.add_argument("--threads", type=int, help="torch's threads (default: as many as torch chooses)")
    parser.add_argument("--output", type=Path, help="JSON file for the result")
    arguments = parser.parse_args()
    report(run(arguments), arguments.output)


if __name__ == "__main__":
    main()
