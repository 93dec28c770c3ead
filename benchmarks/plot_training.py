"""Draw the training curves of a run: loss, learning rate and speed by step, from its metrics.jsonl files.

    python benchmarks/plot_training.py logs/training_logs/wikisql --output docs/results/wikisql_curves.png

Needs matplotlib (the `notebook` extra).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a metrics file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def smooth(values: list[float], share: float = 0.95) -> list[float]:
    """Exponential average, corrected for its start."""
    averaged, total, weight = [], 0.0, 0.0
    for value in values:
        total, weight = share * total + (1 - share) * value, share * weight + 1 - share
        averaged.append(total / weight)
    return averaged


def draw(logs: Path, output: Path) -> None:
    """One row of plots per stage."""
    stages = [path.parent for path in sorted(logs.glob("*/metrics.jsonl"), reverse=True)]
    figure, axes = plt.subplots(len(stages), 3, figsize=(12, 3 * len(stages)), squeeze=False)
    for row, stage in zip(axes, stages, strict=True):
        metrics = read(stage / "metrics.jsonl")
        steps = [m for m in metrics if "loss" in m]
        checks = [m for m in metrics if "validation_loss" in m]
        x = [m["step"] for m in steps]
        row[0].plot(x, smooth([m["loss"] for m in steps]), label="training")
        row[0].plot([m["step"] for m in checks], [m["validation_loss"] for m in checks], "o", label="validation")
        row[0].set(title=f"{stage.name}: loss", xlabel="step", yscale="log")
        row[0].legend()
        row[1].plot(x, [m["rate"] for m in steps])
        row[1].set(title="share of the peak learning rate", xlabel="step")
        row[2].plot(x, smooth([m["tokens_per_second"] for m in steps]))
        row[2].set(title="tokens per second", xlabel="step")
    figure.tight_layout()
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=80)


def main() -> None:
    """Read the arguments and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", type=Path, help="folder with one folder per stage")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    draw(arguments.logs, arguments.output)


if __name__ == "__main__":
    main()
