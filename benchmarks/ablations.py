"""What each lever is worth: one small model per row of a plan, all on the same budget, against the plan's base.

    python benchmarks/ablations.py benchmarks/ablations.yaml --output docs/results/ablations.json

A row is a name, the lever that it turns and overrides of the base's configuration as `text2sql train --set` takes
them. What it changes decides what it costs: decoding and evaluation are tried on the base's model; data, the prompt's
form and fine-tuning start from the base's pretrained model of the same seed (and keep its tokenizer); a row that
changes tokenizer, model or pretraining, or needs other special tokens, is trained from nothing. A row may also name
the folders of finished models. All rows are checked before the first is trained. Every run leaves
outputs/ablations/NAME-seedS.json and is not done again; after Ctrl-C or a kill the same command goes on, in the
middle of a training too. A row that fails is reported and the others go on.

After every run the table is written anew, as JSON and beside it as Markdown (`ablation_table`). It needs the runs'
files only: `--check --runs docs/results/ablations --output FILE.json` writes that of the runs that were kept there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ablation_table import markdown, pack, table
from reporting import machine
from text2sql.config import Config, from_mapping, load_config, read_yaml, to_mapping
from text2sql.errors import UserError
from text2sql.files import file_sha256, write_json, write_text
from text2sql.model.files import WEIGHTS_FILE
from text2sql.pipeline.run import Outcome, check_stages, evaluate_checkpoints, run_experiment
from text2sql.pipeline.stages import Folders, stage_checkpoint
from text2sql.prompting.prompt import tokens_of

BASE = "base"
FIXED = frozenset(
    {"name", "start", "finetuning.steps", "finetuning.max_minutes", "finetuning.seed", "pretraining.seed"}
    | {"evaluation.sets", "evaluation.limit", "evaluation.seed"}
)
"""What the plan decides, or what must be equal for rows to be compared."""

Kind = Literal["base", "decoding", "fine-tuning", "training"]
"""What a run does itself; the rest is the base's."""


@dataclass
class Row:
    """One line of the table."""

    name: str = ""
    """Names the run's files."""
    lever: str = ""
    """What the row is about, in a word or two; rows of one lever stand together."""
    overrides: list[str] = field(default_factory=list)
    """section.key=value, as `text2sql train --set` takes them."""
    models: list[str] = field(default_factory=list)
    """Folders of models that are scored, several as one, in place of the base's; `{seed}` in them stands for the seed.
    Nothing is trained, so that overrides can be of decoding and evaluation only."""


@dataclass
class Plan:
    """Everything that is to be run."""

    base: str = ""
    """The configuration that all rows change."""
    finetuning_tokens: int = 1_000_000
    """Tokens that every row is fine-tuned on; its steps follow from its batch_tokens."""
    minutes: float | None = None
    """Fine-tuning ends after so many minutes at the latest; rows that differ in speed then differ in tokens."""
    seeds: list[int] = field(default_factory=lambda: [1])
    """Every row is run once with each; the base is pretrained once for each."""
    rows: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Run:
    """One row with one seed."""

    row: Row
    seed: int
    kind: Kind
    config: Config
    base: Config
    """The base's configuration with the same seed."""
    path: Path
    """Its result."""

    @property
    def scored(self) -> list[Path]:
        """The models of a run that trains none."""
        named = [Path(model.replace("{seed}", str(self.seed))) for model in self.row.models]
        return named or [Folders.of(self.base).checkpoint]


# ---- the plan


def read_plan(path: Path) -> Plan:
    """Read a plan. Raises UserError when it is no plan, and for rows without a name of their own."""
    plan = from_mapping(Plan, read_yaml(path, "base, finetuning_tokens, seeds and rows"), str(path))
    names = [row.name for row in plan.rows]
    for name in names:
        if not name.replace("-", "").isalnum() or name == BASE or names.count(name) > 1:
            raise UserError(f"{path}: a row's name is {name!r}; give each row its own, of letters, digits and hyphens")
    if plan.finetuning_tokens < 1 or not plan.seeds:
        raise UserError(f"{path}: finetuning_tokens must be at least 1, and seeds must name one")
    return plan


def runs_of(plan: Plan, folder: Path, only: Sequence[str] = ()) -> list[Run]:
    """All runs in their order, seed by seed, the base first; `only` names the rows to take beside it.

    `folder` keeps their results. Raises UserError when a row cannot be run, whichever it is, and when a result is there
    of another configuration.
    """
    unknown = sorted(set(only) - {row.name for row in plan.rows})
    if unknown:
        raise UserError(f"the plan has no row {unknown[0]!r}; it has {', '.join(row.name for row in plan.rows)}")
    rows = [Row(BASE, BASE), *(row for row in plan.rows if not only or row.name in only)]
    runs = [prepared(plan, row, seed, folder) for seed in plan.seeds for row in rows]
    for run in runs:
        if run.path.is_file() and not is_of(result_of(run), run):
            raise UserError(f"{run.path} is of another configuration: delete it, or give the row another name")
    return runs


def is_of(result: dict[str, Any], run: Run) -> bool:
    """Whether a result is this run's; settings that were not there yet when it was made had their defaults."""
    same_models = result.get("models", []) == run.row.models
    return same_models and from_mapping(Config, result["config"], str(run.path)) == run.config


def prepared(plan: Plan, row: Row, seed: int, folder: Path) -> Run:
    """The run of a row with a seed. Raises UserError naming the row for overrides that cannot be."""
    path = folder / f"{row.name}-seed{seed}.json"
    base, config = configuration(plan, Row(BASE, BASE), seed), configuration(plan, row, seed)
    if row.name == BASE:
        return Run(row, seed, "base", config, base, path)
    changed = {key for key, value in flat(config).items() if value != flat(base)[key]} - {"name", "finetuning.steps"}
    if changed & FIXED:
        raise UserError(f"row {row.name!r} changes {min(changed & FIXED)}, which must be the same for all rows")
    if not changed and not row.models:
        raise UserError(f"row {row.name!r} changes nothing: the base has the same settings")
    kind = kind_of(changed, config, base)
    if row.models and kind != "decoding":
        raise UserError(f"row {row.name!r} names models and changes {min(changed)}, which needs a training")
    return Run(row, seed, kind, config, base, path)


def configuration(plan: Plan, row: Row, seed: int) -> Config:
    """A row's experiment under the plan's budget."""
    try:
        config = load_config(plan.base, row.overrides)
        check_stages(config)
    except UserError as error:
        raise UserError(f"row {row.name!r}: {error}") from error
    given = {override.partition("=")[0] for override in row.overrides}
    if given & FIXED:
        raise UserError(f"row {row.name!r} sets {min(given & FIXED)}, which must be the same for all rows")
    config.name = f"ablations/{row.name}-seed{seed}"
    tuning = config.finetuning
    tuning.steps, tuning.max_minutes = max(1, plan.finetuning_tokens // tuning.batch_tokens), plan.minutes
    tuning.seed = config.pretraining.seed = seed
    return config


def flat(config: Config) -> dict[str, Any]:
    """The settings by `section.key`."""
    found: dict[str, Any] = {}
    for name, value in to_mapping(config).items():
        found |= {f"{name}.{key}": inner for key, inner in value.items()} if isinstance(value, dict) else {name: value}
    return found


def kind_of(changed: set[str], config: Config, base: Config) -> Kind:
    """What has to be run when these settings differ from the base's."""
    sections = {key.partition(".")[0] for key in changed}
    if sections <= {"decoding", "evaluation"}:
        return "decoding"
    own_beginning = sections & {"tokenizer", "model", "pretraining"} or not base.pretraining.corpora
    if own_beginning or tokens_of(config.prompting) != tokens_of(base.prompting):
        return "training"
    return "fine-tuning"


# ---- one run


def carry_out(run: Run, say: Callable[[str], None]) -> Outcome:
    """Train what is the run's own and score it."""
    if run.kind == "decoding":
        return Outcome(run.scored[0], reports=evaluate_checkpoints(run.config, run.scored, say))
    if run.kind == "fine-tuning":
        start = stage_checkpoint(Folders.of(run.base), "pretraining")
        pretraining = replace(run.config.pretraining, corpora=[])
        return run_experiment(replace(run.config, start=str(start), pretraining=pretraining), say)
    return run_experiment(run.config, say)


def note(run: Run, outcome: Outcome) -> dict[str, Any]:
    """The result of a run as it is kept."""
    stages = outcome.stages.values()
    checkpoints = run.scored if run.kind == "decoding" else [outcome.checkpoint]
    return {
        **asdict(run.row),
        "seed": run.seed,
        "kind": run.kind,
        "tokens": sum(stage.tokens for stage in stages),
        "minutes": round(sum(stage.minutes for stage in stages), 2),
        "sets": {
            f"{report.dataset} {report.split}": {
                "count": report.count,
                "metrics": report.metrics,
                "counts": report.counts,
                "data_sha256": report.settings["data_sha256"],
                "seconds_per_question": report.settings["seconds_per_question"],
                "verdicts": pack(report.examples),
            }
            for report in outcome.reports
        },
        "checkpoints": {str(folder): file_sha256(folder / WEIGHTS_FILE) for folder in checkpoints},
        "commit": commit(),
        "machine": machine(),
        "training": {name: {"loss": stage.loss, **stage.metrics} for name, stage in outcome.stages.items()},
        "config": to_mapping(run.config),
    }


def commit() -> str | None:
    """The program's version in git, with a plus where files differ from it; None outside of a checkout."""
    folder = Path(__file__).resolve().parent
    commands = (["git", "rev-parse", "HEAD"], ["git", "status", "--porcelain", "--untracked-files=no"])
    try:
        found, changes = (
            subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
            for command in commands
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{found}+" if changes else found


def result_of(run: Run) -> dict[str, Any]:
    """What `note` wrote. Raises UserError when the file is damaged."""
    try:
        result: dict[str, Any] = json.loads(run.path.read_text(encoding="utf-8"))
        if not {"name", "sets", "config"} <= result.keys():
            raise ValueError("keys are missing")
    except (ValueError, AttributeError) as error:
        raise UserError(f"{run.path}: no result of a run ({error}); delete it and run again") from error
    return result


# ---- all runs


def carry_out_all(runs: Sequence[Run], output: Path | None, say: Callable[[str], None]) -> int:
    """Do what is not done yet; the exit code: 0, 1 when a row failed, 130 when a training was interrupted."""
    failed = []
    for run in runs:
        if not run.path.is_file():
            say(f"{run.row.name}, seed {run.seed}: {run.kind}")
            try:
                outcome = carry_out(run, say)
            except Exception as error:  # one lever's mistake must not cost the others their night
                if not isinstance(error, UserError):
                    traceback.print_exc()
                say(f"{run.row.name}, seed {run.seed} failed: {error}")
                failed.append(run.row.name)
                continue
            if outcome.interrupted:
                say("interrupted; the same command goes on from here")
                return 130
            write_json(run.path, note(run, outcome))
            write_table(runs, output)
    write_table(runs, output)
    say(f"failed: {', '.join(failed)}" if failed else "all runs are done")
    return 1 if failed else 0


def write_table(runs: Sequence[Run], output: Path | None) -> None:
    """The table over the runs that are done, once the base is."""
    found = [result_of(run) for run in runs if run.path.is_file()]
    if output and any(result["name"] == BASE for result in found):
        summary = table(found)
        write_json(output, summary)
        write_text(output.with_suffix(".md"), markdown(summary))


def main() -> int:
    """Parse the arguments, check the plan, run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", nargs="?", type=Path, default=Path("benchmarks/ablations.yaml"), help="YAML file")
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW", help="these rows and the base")
    parser.add_argument(
        "--check", action="store_true", help="list the runs and train nothing; with --output the table is written"
    )
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="the table; FILE.md is written beside it")
    parser.add_argument(
        "--runs",
        type=Path,
        metavar="DIR",
        default=Path("outputs/ablations"),
        help="the runs' results, which are not done again (default: outputs/ablations)",
    )
    arguments = parser.parse_args()
    began = time.monotonic()
    try:
        runs = runs_of(read_plan(arguments.plan), arguments.runs, arguments.only)
        if arguments.check:
            lines = (f"{r.row.name}, seed {r.seed}: {r.kind}{', done' if r.path.is_file() else ''}" for r in runs)
            print("\n".join(lines))
            write_table(runs, arguments.output)
            return 0
        return carry_out_all(
            runs, arguments.output, lambda text: print(f"[{time.monotonic() - began:7.0f} s] {text}", flush=True)
        )
    except UserError as error:
        print(f"ablations: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("ablations: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
