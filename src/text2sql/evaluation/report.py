"""What an evaluation found: metrics with everything that a reader needs to trust or repeat them.

A `Report` is written three times: JSON (with the verdict on every example), Markdown (metrics and breakdowns), and
the predictions alone as JSONL.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from text2sql.errors import UserError
from text2sql.files import write_json, write_text


@dataclass
class Report:
    """Scores of one set and split. `metrics` are fractions; `counts` says over how many examples each was taken."""

    dataset: str
    split: str
    count: int
    metrics: dict[str, float]
    counts: dict[str, int]
    settings: dict[str, Any] = field(default_factory=dict)
    """Checkpoint and data hashes, seed, flags, versions."""
    breakdowns: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    """Name of a breakdown -> group -> metric; `count` among the metrics."""
    examples: list[dict[str, Any]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write `path` (JSON), and beside it the Markdown report and the predictions as JSONL."""
        write_json(path, asdict(self))
        write_text(path.with_suffix(".md"), self.markdown())
        lines = (json.dumps(example, ensure_ascii=False) for example in self.examples)
        write_text(path.with_suffix(".predictions.jsonl"), "".join(f"{line}\n" for line in lines))

    @classmethod
    def load(cls, path: Path) -> Report:
        """Read what `save` wrote. Raises UserError when it is missing or no report."""
        try:
            report = cls(**json.loads(path.read_text(encoding="utf-8")))
            report._check()
            return report
        except FileNotFoundError as error:
            raise UserError(f"{path} not found; make it with text2sql evaluate --output {path}") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise UserError(f"{path}: not an evaluation report ({error})") from error
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error

    def _check(self) -> None:
        """Raise ValueError where a field has not the form that it is read in."""
        tables = [self.metrics, self.counts, self.settings, self.breakdowns]
        groups = self.breakdowns.values() if isinstance(self.breakdowns, dict) else ()
        scores = [group for table in groups if isinstance(table, dict) for group in table.values()]
        if not all(isinstance(table, dict) for table in [*tables, *groups, *scores]):
            raise ValueError("metrics, counts, settings and breakdowns must be objects in braces")
        needed = {"id", "gold", "prediction"}
        if not (isinstance(self.examples, list) and all(needed <= entry.keys() for entry in self.examples)):
            raise ValueError("it has no list of examples with ids, gold queries and predictions")

    def markdown(self) -> str:
        """Metrics, breakdowns and settings as Markdown tables."""
        parts = [f"# {self.dataset}, {self.split}: {self.count} examples", "", self._metrics_table()]
        for name, groups in self.breakdowns.items():
            metrics = list(dict.fromkeys(metric for scores in groups.values() for metric in scores))
            rows = [
                [group, *(_number(metric, scores[metric]) if metric in scores else "" for metric in metrics)]
                for group, scores in groups.items()
            ]
            parts += ["", f"## By {name}", "", markdown_table([name, *metrics], rows)]
        rows = [[key, f"`{value}`"] for key, value in self.settings.items()]
        return "\n".join([*parts, "", "## Settings", "", markdown_table(["setting", "value"], rows), ""])

    def _metrics_table(self) -> str:
        rows = [
            [name, _number(name, value), str(self.counts.get(name, self.count))] for name, value in self.metrics.items()
        ]
        return markdown_table(["metric", "value", "examples"], rows)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _number(name: str, value: float) -> str:
    return str(int(value)) if name == "count" else f"{value:.4f}"
