"""What a run tells: a progress bar, `metrics.jsonl` and TensorBoard, on the main rank only.

The JSON lines are the record (every number in full precision, one line a step, a validation or a sample); TensorBoard
shows the same.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tqdm import tqdm

from text2sql.errors import UserError
from text2sql.files import write_text

METRICS_FILE, SAMPLES_FILE = "metrics.jsonl", "samples.jsonl"


class RunLog:
    """The log of one run from `step` on; what it holds of later steps, from a run that was killed, is dropped.

    So is the evaluation of `step` itself unless it was `evaluated`: killed between the log and the checkpoint's own
    record, the run evaluates again.
    """

    def __init__(
        self, directory: Path | None, title: str, step: int, evaluated: bool, steps: int, enabled: bool, bar: bool
    ) -> None:
        self._writer: Any = None
        self._directory = directory if enabled else None
        if self._directory is not None:
            from torch.utils.tensorboard import SummaryWriter  # slow to import

            with _disk_errors(self._directory):
                self._directory.mkdir(parents=True, exist_ok=True)
                _keep(self._directory / SAMPLES_FILE, lambda line: line["step"] <= step)
                _keep(
                    self._directory / METRICS_FILE,
                    lambda line: line["step"] < step or (line["step"] == step and (evaluated or "loss" in line)),
                )
                self._writer = SummaryWriter(str(self._directory), purge_step=step + 1 if step else None)
        self._bar = tqdm(
            total=steps,
            initial=step,
            desc=title,
            unit="step",
            disable=not (enabled and bar),
            # In a file, where every redraw is a line's worth of text, now and then is enough.
            mininterval=0.5 if sys.stderr.isatty() else 15,
            bar_format="{desc} {percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]",
        )

    def step(self, step: int, metrics: Mapping[str, float], left_seconds: float) -> None:
        """One training step's metrics; `left_seconds` until the end of the run."""
        self._write(METRICS_FILE, {"step": step, **metrics})
        self._scalars("training", step, metrics)
        speed, left = metrics["tokens_per_second"], tqdm.format_interval(max(0, int(left_seconds)))
        self._bar.set_postfix_str(f"loss {metrics['loss']:.3f}, {speed:,.0f} tokens/s, ETA {left}", refresh=False)
        self._bar.update(step - self._bar.n)

    def validation(self, step: int, metrics: Mapping[str, float]) -> None:
        """The metrics of an evaluation, if there are any."""
        if not metrics:
            return
        self._write(METRICS_FILE, {"step": step, **metrics})
        self._scalars("validation", step, metrics)
        self.note(f"step {step}: " + ", ".join(f"{name} {value:.4g}" for name, value in metrics.items()))

    def sample(self, step: int, text: str) -> None:
        """What the model generated."""
        self._write(SAMPLES_FILE, {"step": step, "text": text})
        if self._writer:
            self._writer.add_text("sample", text, step)

    def note(self, line: str) -> None:
        """A line above the bar."""
        if not self._bar.disable:
            self._bar.write(line, file=sys.stderr)

    def close(self) -> None:
        """Flush everything; the bar stays on the screen."""
        self._bar.close()
        if self._writer:
            # Of a disk that is full the caller has been told, or nothing that matters is lost.
            with suppress(OSError):
                self._writer.close()

    def _write(self, name: str, line: Mapping[str, object]) -> None:
        if self._directory is None:
            return
        # NaN isn't JSON; a reader finds null.
        plain = {key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in line.items()}
        with _disk_errors(self._directory), (self._directory / name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(plain, ensure_ascii=False) + "\n")

    def _scalars(self, section: str, step: int, metrics: Mapping[str, float]) -> None:
        if self._directory is None:
            return
        with _disk_errors(self._directory):
            for name, value in metrics.items():
                self._writer.add_scalar(f"{section}/{name}", value, step)


@contextmanager
def _disk_errors(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"the log {directory} could not be written ({error.strerror or error}); make room and run again to continue"
        ) from error


def _keep(path: Path, wanted: Callable[[dict[str, Any]], bool]) -> None:
    """Drop the lines that aren't wanted, and one that was cut short."""
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if _holds(line, wanted)]
    if len(kept) < len(lines):
        write_text(path, "".join(kept))


def _holds(line: str, wanted: Callable[[dict[str, Any]], bool]) -> bool:
    try:
        return wanted(json.loads(line))
    except (ValueError, KeyError, TypeError):
        return False
