"""Speed of our BPE against Hugging Face `tokenizers` and the textbook version, in one run on the same text.

    python benchmarks/tokenizer.py --data-dir data/raw --output outputs/metrics/tokenizer_benchmark.json

The text is WikiSQL's and Spider's training part: questions, SQL, and tables (header and rows, a line each). Every
time is the best of `--repeats` runs, by the wall clock and by the processor's, which other work on the machine
disturbs less. Hugging Face runs once on one core and once on all; our trainer is plain Python on one core, our
encoder is tiktoken. The textbook trainer takes merges x text, so all of them are also timed on a slice with few
merges. Only time is measured: that the ids are equal is the tests' business.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tiktoken
import tokenizers
from tokenizers import models, pre_tokenizers, trainers

from text2sql.data.files import read_json, read_jsonl, require_file
from text2sql.errors import UserError
from text2sql.files import write_json
from text2sql.tokenizer import Tokenizer, textbook
from text2sql.tokenizer.files import render_json
from text2sql.tokenizer.pretokenization import PATTERN
from text2sql.tokenizer.training import train_merges

AGGREGATES = ("", "MAX", "MIN", "COUNT", "SUM", "AVG")
OPERATORS = ("=", ">", "<")


def training_texts(directory: Path) -> Iterator[str]:
    """All text of the training parts of WikiSQL and Spider. Raises UserError if a file is missing or damaged."""
    wikisql, spider = directory / "wikisql", directory / "spider"
    hint = "give the data's folder with --data-dir"
    headers = {}
    for table in read_jsonl(require_file(wikisql, "train.tables.jsonl", hint), lambda row, _: row):
        headers[table["id"]] = table["header"]
        yield from (" | ".join(map(str, row)) for row in [table["header"], *table["rows"]])
    for row in read_jsonl(require_file(wikisql, "train.jsonl", hint), lambda row, _: row):
        yield row["question"]
        yield sql_of(row["sql"], headers[row["table_id"]])
    for name in ("train_spider.json", "train_others.json"):
        for row in read_json(require_file(spider, name, hint)):
            yield row["question"]
            yield row["query"]


def sql_of(query: dict[str, Any], header: list[str]) -> str:
    """A WikiSQL query as SQL text."""
    column, aggregate = header[query["sel"]], AGGREGATES[query["agg"]]
    conditions = [f"{header[left]} {OPERATORS[operator]} '{value}'" for left, operator, value in query["conds"]]
    where = f" where {' and '.join(conditions)}" if conditions else ""
    return f"select {aggregate}({column}) from table{where}" if aggregate else f"select {column} from table{where}"


def hugging_face(texts: list[str], merges: int) -> tokenizers.Tokenizer:
    """Train `tokenizers` with our pre-tokenisation and size."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    split = pre_tokenizers.Split(tokenizers.Regex(PATTERN), "isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=256 + merges, min_frequency=2, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def clock(repeats: int, action: Callable[[], object], cores: str = "all") -> dict[str, float]:
    """Seconds of the fastest of several runs; `cores` "one" keeps Hugging Face from using more."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false" if cores == "one" else "true"
    runs = []
    for _ in range(repeats):
        wall, processor = time.perf_counter(), time.process_time()
        action()
        runs.append((time.perf_counter() - wall, time.process_time() - processor))
    return {"wall": min(wall for wall, _ in runs), "cpu": min(processor for _, processor in runs)}


def compare_training(texts: list[str], merges: int, repeats: int) -> dict[str, dict[str, float]]:
    """Seconds to learn `merges` merges."""
    return {
        "ours (one core)": clock(repeats, lambda: train_merges(texts, merges)),
        "Hugging Face, one core": clock(repeats, lambda: hugging_face(texts, merges), "one"),
        "Hugging Face, all cores": clock(repeats, lambda: hugging_face(texts, merges)),
    }


def compare_encoding(tokenizer: Tokenizer, texts: list[str], repeats: int) -> dict[str, dict[str, float]]:
    """Seconds to encode the texts."""
    theirs = tokenizers.Tokenizer.from_str(json.dumps(render_json(tokenizer.merges, [])))
    return {
        "ours (one core)": clock(repeats, lambda: [tokenizer.encode(text) for text in texts]),
        "Hugging Face, one core": clock(repeats, lambda: theirs.encode_batch_fast(texts), "one"),
        "Hugging Face, all cores": clock(repeats, lambda: theirs.encode_batch_fast(texts)),
    }


def megabytes(texts: list[str]) -> float:
    """Millions of UTF-8 bytes."""
    return sum(len(text.encode()) for text in texts) / 1e6


def measure(texts: list[str], options: argparse.Namespace) -> list[dict[str, Any]]:
    """The four comparisons: training and encoding, on all text and, with the textbook version, on a slice."""
    merges, repeats = options.vocabulary_size - 256, options.repeats
    part = texts[:: max(1, len(texts) // options.slice_texts)][: options.slice_texts]
    tokenizer = Tokenizer(train_merges(texts, merges), [])
    few = options.slice_merges
    training, training_part = compare_training(texts, merges, repeats), compare_training(part, few, repeats)
    encoding, encoding_part = compare_encoding(tokenizer, texts, repeats), compare_encoding(tokenizer, part, repeats)
    training_part["textbook"] = clock(1, lambda: textbook.train_merges(part, few))
    encoding_part["textbook"] = clock(1, lambda: [textbook.encode(text, tokenizer.merges) for text in part])
    sections = [
        (f"training {merges:,} merges", texts, training),
        (f"training {few:,} merges", part, training_part),
        ("encoding", texts, encoding),
        ("encoding", part, encoding_part),
    ]
    return [
        {"task": task, "texts": len(over), "megabytes": megabytes(over), "seconds": seconds}
        for task, over, seconds in sections
    ]


def table(section: dict[str, Any]) -> str:
    """One comparison as a Markdown table; the first row is the one that the ratios compare with."""
    task, texts, size, seconds = section["task"], section["texts"], section["megabytes"], section["seconds"]
    lines = [f"{task}: {texts:,} texts, {size:.2f} MB", ""]
    lines += ["| | seconds | MB/s | CPU seconds | time / ours | CPU time / ours |", "|---|---|---|---|---|---|"]
    ours = next(iter(seconds.values()))
    for name, time_of in seconds.items():
        wall, cpu = time_of["wall"], time_of["cpu"]
        ratios = f"{wall / ours['wall']:.2f} | {cpu / ours['cpu']:.2f}"
        lines.append(f"| {name} | {wall:.3f} | {size / wall:.2f} | {cpu:.3f} | {ratios} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Parse the options, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mirror = os.environ.get("TEXT2SQL_DATA_MIRROR", "data/raw")
    parser.add_argument(
        "--data-dir", type=Path, default=Path(mirror), help=f"folder of wikisql/ and spider/ ({mirror})"
    )
    parser.add_argument("--vocabulary-size", type=int, default=8192, help="bytes and merges (8192)")
    parser.add_argument("--slice-texts", type=int, default=2000, help="texts that the textbook version gets (2000)")
    parser.add_argument("--slice-merges", type=int, default=100, help="merges that the textbook version learns (100)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the fastest counts (3)")
    parser.add_argument("--output", type=Path, help="write the figures to this JSON file")
    options = parser.parse_args()
    try:
        texts = list(training_texts(options.data_dir))
    except UserError as error:
        parser.error(str(error))
    sections = measure(texts, options)
    print("\n".join(map(table, sections)))
    if options.output:
        machine = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "python": platform.python_version()}
        versions = {"tokenizers": tokenizers.__version__, "tiktoken": tiktoken.__version__}
        figures = {"machine": machine, "versions": versions, "repeats": options.repeats, "sections": sections}
        write_json(options.output, figures)


if __name__ == "__main__":
    main()
