"""The options of scoring that `text2sql score` and `text2sql evaluate` share."""

from __future__ import annotations

import argparse
from pathlib import Path

from text2sql.errors import UserError
from text2sql.evaluation.scoring import ScoringOptions


def add_scoring_arguments(parser: argparse.ArgumentParser) -> None:
    """`--fuzz`, `--keep-distinct`, `--time-limit`, `--processes`, `--output`."""
    defaults = ScoringOptions()
    parser.add_argument(
        "--fuzz",
        type=int,
        default=0,
        metavar="N",
        help="a right prediction must also be right on N seeded variants of the database's contents",
    )
    parser.add_argument(
        "--keep-distinct",
        action="store_true",
        help="explain errors and judge variants by the verdict with DISTINCT kept (both verdicts are always reported)",
    )
    parser.add_argument("--time-limit", type=float, default=defaults.time_limit, help="seconds that one query may run")
    parser.add_argument("--processes", type=int, default=defaults.processes, help="worker processes (default: 2)")
    parser.add_argument(
        "--output", metavar="FILE.json", help="write the report here; .md and .predictions.jsonl beside it"
    )


def scoring_options(arguments: argparse.Namespace) -> ScoringOptions:
    """The options of a command line. Raises UserError for impossible ones."""
    for name, least in (("fuzz", 0), ("processes", 1)):
        if getattr(arguments, name) < least:
            raise UserError(f"--{name} is {getattr(arguments, name)}; it must be at least {least}")
    if not arguments.time_limit > 0:
        raise UserError(f"--time-limit is {arguments.time_limit}; it must be more than 0")
    return ScoringOptions(
        time_limit=arguments.time_limit,
        processes=arguments.processes,
        fuzz=arguments.fuzz,
        seed=arguments.seed,
        keep_distinct=arguments.keep_distinct,
        progress=True,
    )


def json_path(name: str | None) -> Path | None:
    """The path of a report. Raises UserError unless it ends in .json: other files go beside it by suffix."""
    if name is not None and not name.endswith(".json"):
        raise UserError(f"--output {name}: a report's name ends in .json (.md and .predictions.jsonl go beside it)")
    return Path(name) if name else None
