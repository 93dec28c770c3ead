"""The training loop: packed batches in, checkpoints and a log out.

Between a `Learner`'s steps it saves, validates, samples and looks whether to stop. It knows tokens and weights only;
what they mean, and how generated text is scored, is the callers' (`Callbacks`).

Exactness: every step seeds the random generators from the run's seed and its own number, so a resumed run repeats an
uninterrupted one bit for bit on a CPU, whatever validations and samples came between. With `max_minutes` the learning
rate follows the clock and runs no longer repeat.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from text2sql.config import TrainingConfig
from text2sql.data.packing import Batch, DocumentSource, PackedBatches
from text2sql.errors import UserError
from text2sql.model import GPT, flops_per_token, load_model, save_weights
from text2sql.training import checkpoint as files
from text2sql.training.interrupt import StopSignals
from text2sql.training.learner import Learner, StepResult
from text2sql.training.logging import RunLog
from text2sql.training.schedule import rate_share

# What may change between a run and its continuation: when to stop, save and look, and where to compute.
CHANGEABLE = {
    "max_minutes", "save_minutes", "evaluate_every", "evaluate_batches", "sample_every", "keep_checkpoints",
    "nan_limit", "micro_batch_tokens", "compile", "parallel", "device", "workers",
}  # fmt: skip


@dataclass
class Callbacks:
    """What the caller adds to a run; the model they are given holds the averaged weights, in evaluation mode.

    On several ranks they are called on the main one only.
    """

    sample: Callable[[GPT, int], str] | None = None
    """(model, step) -> generated text for the log, every `sample_every` steps."""
    validate: Callable[[GPT, int], dict[str, float]] | None = None
    """(model, step) -> more validation metrics; with a "score" (higher is better) that one chooses the best."""
    write_extras: Callable[[Path], None] | None = None
    """Adds files (tokenizer, prompt form, configuration) to the checkpoint folder that it is given."""


@dataclass
class Progress:
    """Where a run stands; saved with every checkpoint."""

    step: int = 0
    minutes: float = 0.0
    tokens: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0


@dataclass
class TrainingSummary:
    """How a run ended. `minutes` and `tokens` are of the whole run, its earlier parts included."""

    step: int
    minutes: float
    tokens: int
    skipped: int
    interrupted: bool
    loss: float | None
    """Mean loss of the last 50 steps that weren't skipped, in this call; None if there were none."""
    metrics: dict[str, float] = field(default_factory=dict)
    """The last evaluation."""
    last: Path | None = None
    best: Path | None = None


def pack_training(source: DocumentSource, config: TrainingConfig, **options: Any) -> PackedBatches:
    """Endless batches of one optimizer step each; `options` are `PackedBatches`'s."""
    return PackedBatches(source, _rows(config), config.context, config.seed, workers=config.workers, **options)


def pack_validation(source: DocumentSource, config: TrainingConfig, **options: Any) -> PackedBatches:
    """One pass over `source` in batches of the training's shape; the trainer takes the first `evaluate_batches`."""
    return PackedBatches(source, _rows(config), config.context, config.seed, epochs=1, **options)


def _rows(config: TrainingConfig) -> int:
    return max(1, config.batch_tokens // config.context)


class Trainer:
    """Trains `model` in place on `batches` as `config` says; see the module's docstring.

    batches: one optimizer step each, over all ranks. directory: of the checkpoints; a run that is found there is
    continued. tokenizer: its fingerprint, which a continued run must share, as it must what `identity` holds (such as
    the checkpoint that the weights came from). Raises UserError as `Learner` does.
    """

    def __init__(
        self,
        model: GPT,
        config: TrainingConfig,
        batches: PackedBatches,
        validation_batches: PackedBatches | None,
        directory: str | Path,
        log_directory: str | Path | None,
        tokenizer: str,
        callbacks: Callbacks | None = None,
        identity: Mapping[str, Any] | None = None,
        title: str = "training",
        progress_bar: bool = True,
    ) -> None:
        self.model, self.config = model, config
        self.batches, self.validation_batches = batches, validation_batches
        self.directory = Path(directory)
        self.log_directory = Path(log_directory) if log_directory else None
        self.callbacks, self.title, self.progress_bar = callbacks or Callbacks(), title, progress_bar
        self.learner = Learner(model, config, batches.rows, batches.context)
        self.ranks, self._device = self.learner.ranks, self.learner.precision.device
        settings = {key: value for key, value in asdict(config).items() if key not in CHANGEABLE}
        shape = {f"model.{key}": value for key, value in asdict(model.config).items()}
        # Through JSON, so that it compares equal to what a checkpoint gives back.
        self.identity = json.loads(json.dumps({"tokenizer": tokenizer, **shape, **settings, **(identity or {})}))
        self.progress = Progress()
        self._saved = Progress(step=-1)
        self._losses: deque[float] = deque(maxlen=50)

    # ---- the loop

    def fit(self) -> TrainingSummary:
        """Train until the steps are done or the time is up, or until Ctrl-C or SIGTERM, which save and return.

        Raises UserError when the checkpoints are another run's or damaged, the disk is full, or the loss stays NaN.
        """
        self._resume()
        step, steps = self.progress.step, self.config.steps
        evaluated = files.is_evaluated(self.directory, step)
        self.log = RunLog(self.log_directory, self.title, step, evaluated, steps, self.ranks.main, self.progress_bar)
        try:
            with StopSignals() as signals:
                stopped = self._train(signals)
        finally:
            self.log.close()
            self.batches.close()
        return self._summary(stopped or signals.requested)

    def _train(self, signals: StopSignals) -> bool:
        """The loop; True when it was asked to stop."""
        self._began, self._minutes_before = time.monotonic(), self.progress.minutes
        self._first_step, stop = self.progress.step, False
        if self._evaluation_due() and not files.is_evaluated(self.directory, self.progress.step):
            self._evaluate()  # a run that was killed while evaluating
        self.learner.compile()
        while not stop and not self._finished():
            stop = self._train_step(signals)
            due = self._evaluation_due()
            if due or stop or self.progress.minutes - self._saved.minutes >= self.config.save_minutes:
                self._save()
            if due and not stop:
                self._evaluate()
            if self.config.sample_every and self.progress.step % self.config.sample_every == 0 and not stop:
                self._sample()
        return stop

    def _finished(self) -> bool:
        limit = self.config.max_minutes
        return self.progress.step >= self.config.steps or (limit is not None and self.progress.minutes >= limit)

    def _evaluation_due(self) -> bool:
        every, step = self.config.evaluate_every, self.progress.step
        return self._finished() or bool(every and step and step % every == 0)

    def _train_step(self, signals: StopSignals) -> bool:
        """One optimizer step, logged; True when a rank was asked to stop.

        Raises UserError when it is one too many that had to be skipped.
        """
        progress, began = self.progress, time.monotonic()
        share = rate_share(self.config, progress.step, progress.minutes)
        batch = next(self.batches)
        result = self.learner.step(batch, progress.step, share)
        progress.step += 1
        progress.tokens += batch.tokens
        progress.skipped += not result.updated
        progress.skipped_in_a_row = 0 if result.updated else progress.skipped_in_a_row + result.counts
        if result.updated:
            self._losses.append(result.loss)
        # All ranks go by the main one's clock, and stop when any was asked to.
        minutes = self._minutes_before + (time.monotonic() - self._began) / 60
        progress.minutes, asked = self.ranks.sum((minutes * self.ranks.main, signals.requested), self._device)
        self._log_step(batch, result, share, time.monotonic() - began)
        if progress.skipped_in_a_row >= self.config.nan_limit:
            raise UserError(
                f"{self.title}: loss or gradient was not finite for {progress.skipped_in_a_row} steps up to step "
                f"{progress.step}; lower the learning rates or set precision to fp32, and train into another folder"
            )
        return asked > 0

    def _log_step(self, batch: Batch, result: StepResult, share: float, seconds: float) -> None:
        shape, predicted = self.model.config, int((batch.weights > 0).sum())
        head = 6 * shape.vocabulary_size * shape.width  # paid where a token is predicted only
        body = flops_per_token(shape, self.config.context) - head
        flops = (batch.tokens * body + predicted * head) / seconds
        peak = self.learner.precision.peak_flops()
        metrics = {
            "loss": result.loss,
            "rate": share,
            "gradient_norm": result.gradient_norm,
            "tokens": self.progress.tokens,
            "tokens_per_second": batch.tokens / seconds,
            "tflops": flops / 1e12,
            **({"mfu": flops / (peak * self.ranks.world)} if peak else {}),
            "minutes": self.progress.minutes,
            "skipped": self.progress.skipped,
        }
        self.log.step(self.progress.step, metrics, self._seconds_left())

    def _seconds_left(self) -> float:
        trained, elapsed = self.progress.step - self._first_step, time.monotonic() - self._began
        left = elapsed / trained * (self.config.steps - self.progress.step)
        if self.config.max_minutes:
            left = min(left, 60 * (self.config.max_minutes - self._minutes_before) - elapsed)
        return left

    # ---- looking at the model

    def _evaluate(self) -> None:
        """Validation loss and the caller's metrics of the checkpoint just saved; notes whether it is the best."""
        metrics = {}
        with self.learner.for_use():
            if self.validation_batches is not None:
                metrics["validation_loss"] = self.learner.validation_loss(self.validation_batches)
            if self.callbacks.validate:
                model = self.learner.whole_model()
                if self.ranks.main:
                    metrics.update(self.callbacks.validate(model, self.progress.step))
        if self.ranks.main:
            self.log.validation(self.progress.step, metrics)
            files.note_evaluation(self.directory, self.progress.step, metrics)
            files.prune(self.directory, self.config.keep_checkpoints)
        self.ranks.barrier()

    def _sample(self) -> None:
        if self.callbacks.sample is None:
            return
        with self.learner.for_use():
            model = self.learner.whole_model()
            if self.ranks.main:
                self.log.sample(self.progress.step, self.callbacks.sample(model, self.progress.step))
        self.ranks.barrier()

    # ---- saving and resuming

    def _save(self) -> None:
        if self._saved.step == self.progress.step:
            return
        weights, tensors, scale = self.learner.state()
        state = {
            "progress": asdict(self.progress),
            "position": self.batches.state_dict(),
            "scaler": scale,
            "identity": self.identity,
        }

        def write(folder: Path) -> None:
            save_weights(weights, self.model.config, folder)
            files.save_state(folder, tensors, state)
            if self.callbacks.write_extras:
                self.callbacks.write_extras(folder)

        if self.ranks.main:
            files.write_checkpoint(self.directory, self.progress.step, write)
            files.prune(self.directory, self.config.keep_checkpoints)
        self._saved = replace(self.progress)
        self.ranks.barrier()

    def _resume(self) -> None:
        """Continue from the last checkpoint, if there is one; all ranks read it."""
        found = files.checkpoints(self.directory)
        if not found:
            return
        checkpoint = found[-1]
        state, tensors = files.load_state(checkpoint, self.identity)
        try:
            self.learner.load_state(load_model(checkpoint).state_dict(), tensors, state["scaler"])
            self.progress = Progress(**state["progress"])
            self.batches.load_state_dict(state["position"])
        except (KeyError, TypeError) as error:
            raise UserError(
                f"{checkpoint}: the trainer's state lacks {error}; delete the folder and run again"
            ) from error
        self._saved = replace(self.progress)

    def _summary(self, interrupted: bool) -> TrainingSummary:
        found = files.checkpoints(self.directory)
        return TrainingSummary(
            step=self.progress.step,
            minutes=self.progress.minutes,
            tokens=self.progress.tokens,
            skipped=self.progress.skipped,
            interrupted=interrupted,
            loss=sum(self._losses) / len(self._losses) if self._losses else None,
            metrics=files.read_evaluation(found[-1]) if found else {},
            last=found[-1] if found else None,
            best=files.resolve_checkpoint(self.directory) if found else None,
        )
