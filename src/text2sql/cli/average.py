"""`text2sql average`: one model of several checkpoints' mean weights."""

from __future__ import annotations

import argparse
from pathlib import Path

from text2sql.training.averaging import average_checkpoints


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `text2sql average`."""
    parser.add_argument("checkpoints", nargs="+", metavar="CHECKPOINT", help="two or more model folders of one run")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder for the averaged model, new or empty")
    run_folder = "outputs/checkpoints/spider/finetuning"
    parser.epilog = (
        f"example: text2sql average {run_folder}/step-002400 {run_folder}/step-002800 --output outputs/averaged\n"
        "A run keeps more than its last checkpoint with --set finetuning.keep_checkpoints=5."
    )


def run(arguments: argparse.Namespace) -> int:
    """Average and say where the model is."""
    average_checkpoints([Path(folder) for folder in arguments.checkpoints], Path(arguments.output))
    print(f"{arguments.output}: the mean of {len(arguments.checkpoints)} checkpoints")
    return 0
