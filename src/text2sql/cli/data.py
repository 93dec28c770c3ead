"""`text2sql data`: download the sets, count what is in them, check for leaks, make training pairs."""

from __future__ import annotations

import argparse
from pathlib import Path

from text2sql.cli import self_training
from text2sql.cli.output import format_table
from text2sql.config import Config, DataConfig, PromptingConfig, SetConfig
from text2sql.data.contents import Contents
from text2sql.data.download import download
from text2sql.data.example import Example
from text2sql.data.leakage import LeakGuard
from text2sql.data.manifest import data_sets
from text2sql.data.sets import available_splits
from text2sql.data.statistics import Encode, statistics, statistics_table
from text2sql.decoding.generator import PROMPTING_FILE
from text2sql.errors import UserError
from text2sql.files import read_json
from text2sql.pipeline.sources import data_directory, load_examples, question_texts
from text2sql.prompting.expressions import CanonicalError
from text2sql.prompting.prompt import PromptEncoder, tokens_of
from text2sql.prompting.question_encoder import encoder_of
from text2sql.tokenizer import Tokenizer

COUNTED = ("wikisql", "spider", "spider_syn", "other_text2sql")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `text2sql data`."""
    actions = parser.add_subparsers(dest="action", required=True)
    fetch = actions.add_parser("download", help="fetch sets into data/raw, checked by size and sha256")
    fetch.add_argument("sets", nargs="*", help=f"default: all of {', '.join(data_sets())}")
    stats = actions.add_parser("stats", help="counts, token lengths, truncation and coverage per set")
    stats.add_argument("sets", nargs="*", help="NAME or NAME:SPLIT, or files (default: every downloaded split)")
    stats.add_argument("--tokenizer", metavar="DIR", help="checkpoint folder (default: a BPE learnt from the sets)")
    stats.add_argument("--context", type=int, default=512, help="tokens beyond which an example counts as truncated")
    check = actions.add_parser("check", help="look for dev, test and holdout questions or tables in training sets")
    check.add_argument("sets", nargs="*", default=["wikisql:train", "spider:train"], help="NAME:SPLIT or files")
    self_training.add_actions(actions)
    for action in (fetch, stats, check):
        action.add_argument("--data-dir", default=DataConfig().directory, help="folder of the downloaded sets")


def run(arguments: argparse.Namespace) -> int:
    """Run one action; `check` exits with 1 when there is a leak."""
    if arguments.action == "download":
        found = download(arguments.sets, arguments.data_dir, progress=True)
        rows = [(s.name, s.files, round(s.bytes / 1e6, 1), s.rows, s.origin) for s in found]
        print(format_table(("set", "files", "MB", "rows", "from"), rows))
        return 0
    if arguments.action in self_training.ACTIONS:
        return self_training.run(arguments)
    config = Config(data=DataConfig(directory=arguments.data_dir))
    return _stats(arguments, config) if arguments.action == "stats" else _check(arguments, config)


def _stats(arguments: argparse.Namespace, config: Config) -> int:
    names = [part for name in arguments.sets or COUNTED for part in _splits(name, config)]
    if not names:
        raise UserError(f"no data set in {arguments.data_dir}; run ./scripts/download_data.sh")
    sets = {name: _read(name, config) for name in names}
    tokenizer, form = _tokenizer(arguments, list(sets.values()))
    encode = _lengths(encoder_of(tokenizer, form), Contents(data_directory(config)))
    counted = {
        name: statistics(examples, tokenizer, encode, arguments.context, progress=True)
        for name, examples in sets.items()
    }
    print(statistics_table(counted))
    return 0


def _check(arguments: argparse.Namespace, config: Config) -> int:
    guard = LeakGuard.for_directory(data_directory(config))
    reports = [guard.check(_read(name, config), name, progress=True) for name in arguments.sets]
    for report in reports:
        print(report)
        for leak in report.leaks[:10]:
            print(f"  {leak}")
    return 1 if any(report.leaks for report in reports) else 0


def _splits(name: str, config: Config) -> list[str]:
    """`NAME:SPLIT` for each downloaded split of a known set; anything else stays as it is."""
    if name in COUNTED:
        return [f"{name}:{split}" for split in available_splits(name, data_directory(config))]
    return [name]


def _read(name: str, config: Config) -> list[Example]:
    """`NAME:SPLIT`, or a file alone for all of it."""
    known, colon, split = name.rpartition(":")
    return load_examples(SetConfig(known, split) if colon else SetConfig(name, "all"), config)


def _tokenizer(arguments: argparse.Namespace, sets: list[list[Example]]) -> tuple[Tokenizer, PromptingConfig]:
    if arguments.tokenizer:
        folder = Path(arguments.tokenizer)
        return Tokenizer.load(folder), read_json(folder / PROMPTING_FILE, PromptingConfig)
    form = PromptingConfig(max_columns=512)
    return Tokenizer.train(question_texts(sets), 8192, tokens_of(form), progress=True), form


def _lengths(encoder: PromptEncoder, contents: Contents) -> Encode:
    def encode(example: Example) -> tuple[int, int] | None:
        try:
            item = encoder.prepare(example.question, example.sql, example.schema, contents.links(example))
        except CanonicalError:
            return None
        _, answer = encoder.document(item)
        return len(answer) - sum(answer), sum(answer)

    return encode
