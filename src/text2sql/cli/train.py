"""`text2sql train`: a whole experiment."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from text2sql.cli.ask import ask
from text2sql.cli.output import format_table
from text2sql.config import load_config
from text2sql.database import connect
from text2sql.decoding.generator import Generator
from text2sql.pipeline.run import Outcome, run_experiment

DEMONSTRATION = (
    ("examples/music_shop.sqlite", "How many albums are there?"),
    ("examples/music_shop.sqlite", "What are the names of the artists from Brazil?"),
    ("examples/city_bikes.sqlite", "Which station has the highest capacity?"),
)
"""What a finished model is asked, if the databases are there."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `text2sql train`."""
    parser.add_argument("config", help="YAML file, such as configs/quickstart.yaml")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="section.key=value",
        help="override one setting; may be given several times",
    )
    parser.epilog = (
        "A run that was interrupted goes on where it stopped when the same command is given again.\n"
        "The model lands in outputs/checkpoints/NAME, logs in logs/training_logs/NAME, scores in outputs/metrics/NAME."
    )


def run(arguments: argparse.Namespace) -> int:
    """Train, evaluate, ask; exit code 130 when interrupted."""
    began = time.monotonic()
    config = load_config(arguments.config, arguments.overrides)
    main_process = os.environ.get("RANK", "0") == "0"

    def say(text: str) -> None:
        if main_process:
            print(f"[{time.monotonic() - began:5.0f} s] {text}", flush=True)

    outcome = run_experiment(config, say, main_process)
    if not main_process:
        return 0
    if outcome.interrupted:
        print("interrupted; the same command goes on from the last checkpoint")
        return 130
    for database, question in DEMONSTRATION:
        if Path(database).is_file() and config.prompting.direction == "sql":
            print(f"\ndatabase  {database}\n{_answer(outcome, database, question)}")
    print(f"\n{summary(outcome, time.monotonic() - began)}")
    return 0


def _answer(outcome: Outcome, database: str, question: str) -> str:
    with connect(database) as opened:
        return ask(Generator.load(outcome.checkpoint), opened, question)[0]


def summary(outcome: Outcome, seconds: float) -> str:
    """The final table: stages with their loss, sets with their scores."""
    stages = [
        (name, stage.step, stage.tokens, round(stage.minutes, 1), stage.loss, stage.metrics.get("validation_loss"))
        for name, stage in outcome.stages.items()
    ]
    scores = [
        (f"{report.dataset} {report.split}", metric, report.counts.get(metric, report.count), round(100 * value, 1))
        for report in outcome.reports
        for metric, value in report.metrics.items()
    ]
    parts = [format_table(("stage", "steps", "tokens", "minutes", "loss", "validation loss"), stages)]
    if scores:
        parts.append(format_table(("set", "metric", "examples", "%"), scores))
    return "\n\n".join([*parts, f"model in {outcome.checkpoint}, {seconds / 60:.1f} minutes"])
