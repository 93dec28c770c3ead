"""`text2sql data practise` and `text2sql data invent`: training pairs that models make for a model."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

from text2sql.cli.checkpoints import load_generators
from text2sql.config import Config, DataConfig, DecodingConfig, SetConfig
from text2sql.data.contents import Contents
from text2sql.decoding.engine import check_options
from text2sql.decoding.question_writer import QuestionWriter
from text2sql.errors import UserError
from text2sql.pipeline.evaluation import sample
from text2sql.pipeline.self_training import Row, Tally, check_databases, check_practised, invent, practise
from text2sql.pipeline.sources import SYNTHETIC, data_directory, generated_examples, load_examples

ACTIONS = ("practise", "invent")


def add_actions(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of both actions."""
    again = actions.add_parser("practise", help="further pairs for training questions: a model's own right answers")
    again.add_argument(
        "--checkpoint",
        action="append",
        metavar="DIR",
        help="checkpoint folder (default: the shipped model); the answers of several teach one what they know together",
    )
    again.add_argument("--samples", type=int, default=8, metavar="K", help="answers to each question (default: 8)")
    again.add_argument("--limit", type=int, metavar="N", help="a sample of N questions, chosen by --seed")
    new = actions.add_parser("invent", help="new pairs: generated SQL, put into words by one model, checked by another")
    new.add_argument("--writer", required=True, metavar="DIR", help="checkpoint of prompting.direction=question")
    new.add_argument(
        "--checker",
        dest="checkpoint",
        action="append",
        metavar="DIR",
        help="checkpoint that writes SQL (default: the shipped model); several are averaged, token by token",
    )
    new.add_argument("--per-database", type=int, default=100, metavar="N", help="queries for each (default: 100)")
    sets = {again: "wikisql, spider, spider_syn or synthetic/...", new: "wikisql or spider"}
    for action in (again, new):
        action.add_argument("--set", dest="name", required=True, help=sets[action])
        action.add_argument("--split", default="train", help="a training split (default: train)")
        action.add_argument("--temperature", type=float, default=0.7, help="of what is sampled (default: 0.7)")
        action.add_argument("--seed", type=int, default=0, help="seeds the samples and what is generated")
        action.add_argument(
            "--output", required=True, metavar="FILE.jsonl", help="a new file, to be named in data.sets"
        )
        action.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 or mps (default: cpu)")
        action.add_argument("--batch-size", type=int, default=64, help="answers decoded together (default: 64)")
        action.add_argument("--data-dir", default=DataConfig().directory, help="folder of the downloaded sets")


def run(arguments: argparse.Namespace) -> int:
    """Make pairs until the set is through or Ctrl-C is pressed; what was written stays."""
    base, output = arguments.name.removeprefix(SYNTHETIC), Path(arguments.output)
    check_practised(base, arguments.split)
    if output.exists() or output.suffix != ".jsonl":
        raise UserError(f"--output {output}: name a file that is not there yet, ending in .jsonl")
    config = Config(data=DataConfig(directory=arguments.data_dir))
    tally = Tally()
    rows = (_practise if arguments.action == "practise" else _invent)(arguments, config, base, tally)
    try:
        _write(rows, output)
    finally:
        print(
            f"{output}: {tally.asked} asked, {tally.hard} hard, {tally.found} found; "
            f"{tally.skipped} skipped: no rows, or an answer that proves nothing"
        )
    return 0


def _practise(arguments: argparse.Namespace, config: Config, base: str, tally: Tally) -> Iterable[Row]:
    _at_least_one(arguments, "samples", "limit", "batch_size")
    options = _options(arguments, arguments.samples)
    generator, _ = load_generators(arguments)
    examples = load_examples(SetConfig(arguments.name, arguments.split), config)
    examples = sample(examples, arguments.limit, arguments.seed)
    check_databases(examples)
    contents = Contents(data_directory(config))
    return practise(generator, examples, base, contents, options, tally)


def _invent(arguments: argparse.Namespace, config: Config, base: str, tally: Tally) -> Iterable[Row]:
    _at_least_one(arguments, "per_database", "batch_size")
    options = _options(arguments)
    writer = QuestionWriter.load(arguments.writer, arguments.device)
    checker, _ = load_generators(arguments)
    directory = data_directory(config)
    examples = generated_examples(base, arguments.split, directory, arguments.per_database, arguments.seed)
    check_databases(examples)
    return invent(writer, checker, examples, base, Contents(directory), options, tally)


def _options(arguments: argparse.Namespace, samples: int = 1) -> DecodingConfig:
    """How the writing model samples. `--batch-size` counts the sequences that are in memory at once."""
    options = DecodingConfig(
        do_sample=True,
        temperature=arguments.temperature,
        num_return_sequences=samples,
        seed=arguments.seed,
        batch_size=max(1, arguments.batch_size // samples),
    )
    check_options(options)
    return options


def _at_least_one(arguments: argparse.Namespace, *names: str) -> None:
    for name in names:
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise UserError(f"--{name.replace('_', '-')} is {value}; it must be at least 1")


def _write(rows: Iterable[Row], path: Path) -> None:
    """Line by line, so that an interrupted run leaves what it made. Raises UserError when the disk takes none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                file.flush()
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from error
