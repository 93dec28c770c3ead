"""The whole job of one configuration, from data to numbers, going on where an earlier run of it stopped."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from text2sql.config import Config, SetConfig, load_config
from text2sql.data.contents import Contents
from text2sql.decoding.generator import Generator
from text2sql.errors import UserError
from text2sql.evaluation.report import Report
from text2sql.files import replacing
from text2sql.pipeline.evaluation import evaluate
from text2sql.pipeline.sources import data_directory, load_examples, training_examples
from text2sql.pipeline.stages import Folders, finetune, make_tokenizer, pretrain, stage_checkpoint, validation_examples
from text2sql.training import TrainingSummary
from text2sql.training.learner import check_prompt_loss

METRICS_FOLDER = Path("outputs/metrics")
TRAINER_FILES = ("trainer_state.safetensors", "trainer_state.json")


@dataclass
class Outcome:
    """What an experiment gave. `interrupted`: it stopped early and can be continued by running it again."""

    checkpoint: Path
    stages: dict[str, TrainingSummary] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)
    interrupted: bool = False


def run_experiment(config: Config, say: Callable[[str], None], main_process: bool = True) -> Outcome:
    """Train and evaluate. `say` is told what begins; only the main process writes and evaluates.

    Where `start` is another configuration, that one is run before, or what it lacks of being finished.
    Raises UserError for a configuration that contradicts itself, and as the stages do.
    """
    check_stages(config)
    if config.start and config.start.endswith((".yaml", ".yml")):
        first = load_config(config.start)
        say(f"first {config.start}")
        outcome = run_experiment(first, say, main_process)
        if outcome.interrupted:
            return outcome
        config = replace(config, start=str(stage_checkpoint(Folders.of(first), "finetuning")))
    folders = Folders.of(config)
    outcome = Outcome(folders.checkpoint)
    say("reading data")
    sets = training_examples(config, progress=main_process)
    say(f"{sum(map(len, sets)):,} training examples; tokenizer")
    tokenizer = make_tokenizer(config, sets, folders)
    start = Path(config.start) if config.start else None
    summary = pretrain(config, tokenizer, sets, folders)
    if summary is not None:
        outcome.stages["pretraining"] = summary
        if summary.interrupted:
            outcome.interrupted = True
            return outcome
        start = stage_checkpoint(folders, "pretraining")
    say("instruction tuning")
    summary = finetune(config, tokenizer, sets, validation_examples(config), folders, start)
    outcome.stages["finetuning"] = summary
    outcome.interrupted = summary.interrupted
    if outcome.interrupted or not main_process:
        return outcome
    publish(stage_checkpoint(folders, "finetuning"), folders.checkpoint)
    if config.prompting.direction == "question":  # a question has no score but the validation loss
        return outcome
    outcome.reports = evaluate_checkpoints(config, [folders.checkpoint], say)
    return outcome


def check_stages(config: Config) -> None:
    """Raises UserError for stages that contradict one another or the model, before anything is read or trained."""
    if config.start and config.pretraining.corpora:
        raise UserError("the config has both `start` and pretraining.corpora: a model to start from is not pretrained")
    if not config.start:
        check_prompt_loss(config.model.prefix_lm, config.finetuning)


def evaluate_checkpoints(config: Config, checkpoints: Sequence[Path], say: Callable[[str], None]) -> list[Report]:
    """Score a model, or several as one, on the configured sets; each report is saved at its `report_path`."""
    device = "cpu" if config.finetuning.device == "auto" else config.finetuning.device
    several = len(checkpoints) > 1
    generator = Generator.load_ensemble(checkpoints, device) if several else Generator.load(checkpoints[0], device)
    contents = Contents(data_directory(config))  # keeps tables and indexes that several splits share
    reports = []
    for wanted in config.evaluation.sets:
        say(f"evaluating on {wanted.name}, {wanted.split}")
        examples = load_examples(wanted, config)
        report = evaluate(generator, examples, contents, config.decoding, config.evaluation, checkpoints)
        report.save(report_path(config, wanted))
        reports.append(report)
    return reports


def report_path(config: Config, wanted: SetConfig) -> Path:
    """Where the scores of an experiment on one set are kept."""
    return METRICS_FOLDER / config.name / f"{wanted.name.replace('/', '-')}-{wanted.split}.json"


def publish(checkpoint: Path, directory: Path) -> None:
    """Copy a checkpoint without the trainer's state: what is left is the model to use."""
    for path in checkpoint.iterdir():
        if path.is_file() and path.name not in TRAINER_FILES:
            with replacing(directory / path.name) as part:
                shutil.copyfile(path, part)
