"""`text2sql evaluate`: score a checkpoint on a set with gold SQL."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from text2sql.cli.checkpoints import add_model_arguments, decoding_options, load_generators
from text2sql.cli.output import format_report
from text2sql.cli.scoring_options import add_scoring_arguments, json_path, scoring_options
from text2sql.config import Config, DataConfig, EvaluationConfig, SetConfig
from text2sql.data.contents import Contents
from text2sql.data.example import Example
from text2sql.data.sets import available_splits
from text2sql.data.spider import read_spider
from text2sql.errors import UserError
from text2sql.evaluation.prediction_files import write_official
from text2sql.pipeline.evaluation import evaluate
from text2sql.pipeline.sources import data_directory, load_examples

EMBEDDED = ("test", "test_templates", "test_databases")
"""Splits of the embedded examples."""
BENCHMARKS = (("spider", "dev"), ("wikisql", "dev"), ("wikisql", "holdout"))
"""What the model card reports, evaluated when no set is named and these are at hand."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `text2sql evaluate`."""
    parser.add_argument(
        "--dataset",
        help="wikisql, spider, examples, or a file (default: the dev sets of Spider and WikiSQL where they are, "
        "else the examples)",
    )
    parser.add_argument("--split", help="dev, holdout, test, ... as the set defines it")
    parser.add_argument("--data-dir", default=DataConfig().directory, help="folder of the downloaded sets")
    parser.add_argument("--questions", metavar="FILE", help="a Spider-style question file that lies elsewhere")
    parser.add_argument("--tables", metavar="FILE", help="its tables.json")
    parser.add_argument("--databases", metavar="DIR", help="its folder of databases")
    parser.add_argument(
        "--limit", "--sample", type=int, metavar="N", help="score a sample of N questions, chosen by --seed"
    )
    parser.add_argument("--no-contents", action="store_true", help="schema only: no cells in the prompt")
    parser.add_argument(
        "--execution-guidance", action="store_true", help="take the first beam that runs and returns something"
    )
    parser.add_argument("--semantic-guard", action="store_true", help="pass over beams that are senseless")
    parser.add_argument(
        "--vote", action="store_true", help="take the query that most beams or samples agree on, by rows or text"
    )
    parser.add_argument(
        "--predictions-out", metavar="FILE", help="write the predictions in the set's official form, for other scorers"
    )
    add_scoring_arguments(parser)
    add_model_arguments(parser)
    parser.epilog = "example: text2sql evaluate --checkpoint outputs/checkpoints/spider --dataset spider --split dev"


def run(arguments: argparse.Namespace) -> int:
    """Evaluate one split, or all that the model card reports."""
    output = json_path(arguments.output)
    scoring = scoring_options(arguments)
    generator, checkpoints = load_generators(arguments)
    settings = EvaluationConfig(
        limit=arguments.limit,
        use_contents=not arguments.no_contents,
        execution_guidance=arguments.execution_guidance,
        semantic_guard=arguments.semantic_guard,
        vote=arguments.vote,
        time_limit=arguments.time_limit,
        seed=arguments.seed,
    )
    if settings.limit is not None and settings.limit < 1:
        raise UserError(f"--limit is {settings.limit}; it must be at least 1")
    config = Config(data=DataConfig(directory=arguments.data_dir))
    contents = Contents(data_directory(config))
    sets = _sets(arguments, config)
    for dataset, split in sets:
        examples = _examples(arguments, dataset, split, config)
        report = evaluate(
            generator, examples, contents, decoding_options(arguments, generator), settings, checkpoints, scoring
        )
        print(format_report(report))
        for path, write in ((output, report.save), (arguments.predictions_out, partial(write_official, report))):
            if path:
                path = Path(path)
                write(path if len(sets) == 1 else path.with_stem(f"{path.stem}-{dataset}-{split}"))
    return 0


def _sets(arguments: argparse.Namespace, config: Config) -> list[tuple[str, str]]:
    """(set, split) pairs to score: the one that is named, or those that are at hand."""
    if arguments.dataset and arguments.dataset != "examples":
        return [(arguments.dataset, arguments.split or "dev")]
    if arguments.split or arguments.questions:
        return [("examples", arguments.split or "dev")]
    directory = data_directory(config)
    at_hand = [(name, split) for name, split in BENCHMARKS if split in available_splits(name, directory)]
    embedded = [("examples", split) for split in EMBEDDED]
    return embedded if arguments.dataset else at_hand or embedded


def _examples(arguments: argparse.Namespace, dataset: str, split: str, config: Config) -> list[Example]:
    files = (arguments.questions, arguments.tables, arguments.databases)
    if any(files):
        if not all(files):
            raise UserError("--questions, --tables and --databases belong together: give all three")
        return read_spider(*files, split, dataset)
    return load_examples(SetConfig(dataset, split), config)
