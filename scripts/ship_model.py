"""Copy a trained checkpoint to models/: weights in bf16, tokenizer, prompt form, and a card with its measured numbers.

    .venv/bin/python scripts/ship_model.py outputs/checkpoints/text2sql_8m models/text2sql-8m docs/results/*.json
    .venv/bin/python scripts/ship_model.py models/text2sql-8m models/text2sql-8m docs/results/spider-dev.json

Reports (`text2sql evaluate --output`) of other weights than the folder's are refused, so that the card cannot lie:
ship first, evaluate what was shipped, then run it again with the reports.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import torch

from text2sql.config import load_config
from text2sql.errors import UserError
from text2sql.evaluation.report import Report
from text2sql.files import file_sha256, write_text
from text2sql.model import load_model
from text2sql.model.files import WEIGHTS_FILE, save_weights

SKIPPED = (WEIGHTS_FILE, "README.md")
ROWS = {
    "execution_accuracy": "execution",
    "execution_accuracy_gold_not_empty": "execution, gold returns something",
    "execution_accuracy_unquirked": "execution, without WikiSQL's quirks",
    "logical_form_accuracy": "logical form",
    "exact_match": "exact set match",
    "valid_sql": "valid SQL",
}
"""Metrics of the card, as far as a report has them."""
CHOICES = {"semantic_guard": "semantic guard", "execution_guidance": "execution-guided", "vote": "vote"}
"""How one of several candidates was chosen: options of the evaluation, in the card's words."""

CARD = """\
---
license: apache-2.0
language: en
pipeline_tag: text-generation
tags: [text-to-sql]
---

# {name}

A decoder-only transformer of {parameters:.1f}M parameters (Llama layout, {layers} layers of {width}) that writes SQL
for an English question over a schema. Trained from random weights, tokenizer included; no pretrained weights or word
vectors of any kind.

## Numbers

{table}

Weights (sha256): `{sha256}`. Each number is in `docs/results/` with its hashes, seed and options; the command is
`./scripts/evaluate.sh` for the greedy ones; with `--dataset`, `--split` and `--num-beams`, `--prompt-orders`,
`--semantic-guard`, `--execution-guidance`, `--no-contents` or `--no-grammar-mask` for the others. Development sets
only: the test splits were not at hand.
{notes}

## Training

`./scripts/train.sh {config}` makes it again from data to numbers; the resolved configuration is `experiment.yaml`.
{compute}

Data: WikiSQL (BSD-3-Clause; tables from Wikipedia, CC BY-SA) without the held-out twelfth of its tables and without
tables that repeat one of dev; Spider train (CC BY-SA 4.0) and Spider-Syn train (MIT); questions generated over the
databases of Spider train and over WikiSQL's training tables, single and put together; for pretraining, tables and
questions of OTT-QA, WikiTableQuestions, FeTaQA and others (MIT, CC BY-SA 4.0, Apache-2.0). No question or table of an
evaluation split is among them; `text2sql data check` says so.

## Use and limits

For asking small and middle-sized databases questions of the kind that WikiSQL and Spider ask, with a person who reads
the SQL; not for decisions that nobody checks. English only. It is small: names that it never saw, nested queries and
several joins often go wrong, and it cannot tell when a question has no answer in the schema. The assistant shows how
sure it is and what else the question may mean. Schemas beyond {context} tokens lose their least linked columns.
"""


def main() -> int:
    """Exit code 2 for unusable files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("reports", type=Path, nargs="*")
    parser.add_argument("--config", default="configs/text2sql_8m.yaml", help="the configuration that makes the model")
    parser.add_argument("--compute", default="", help="what the training took: a sentence for the card")
    parser.add_argument("--notes", default="", help="a sentence after the table of numbers")
    arguments = parser.parse_args()
    try:
        ship(arguments)
    except UserError as error:
        print(f"ship_model: {error}", file=sys.stderr)
        return 2
    return 0


def ship(arguments: argparse.Namespace) -> None:
    """Write the model folder and its card."""
    model = load_model(arguments.checkpoint)
    load_config(arguments.checkpoint / "experiment.yaml")
    weights = {name: tensor.to(torch.bfloat16) for name, tensor in model.state_dict().items()}
    save_weights(weights, model.config, arguments.target)
    if arguments.checkpoint != arguments.target:
        for path in arguments.checkpoint.iterdir():
            if path.is_file() and path.name not in SKIPPED and not path.name.startswith("trainer_state"):
                shutil.copyfile(path, arguments.target / path.name)
    sha256 = file_sha256(arguments.target / WEIGHTS_FILE)
    card = CARD.format(
        name=arguments.target.name,
        parameters=sum(parameter.numel() for parameter in model.parameters()) / 1e6,
        layers=model.config.layers,
        width=model.config.width,
        context=model.config.context,
        sha256=sha256,
        table=table([Report.load(path) for path in arguments.reports], sha256),
        config=arguments.config,
        compute=arguments.compute,
        notes=arguments.notes,
    )
    write_text(arguments.target / "README.md", card)


def table(reports: list[Report], sha256: str) -> str:
    """The reports' metrics as Markdown. Raises UserError for a report of other weights."""
    lines = ["| set | metric | % | questions | decoding |", "|---|---|---|---|---|"]
    for report in reports:
        settings = report.settings
        if settings.get("checkpoint_sha256") != sha256:
            raise UserError(f"the report on {report.dataset} {report.split} is of other weights: evaluate again")
        beams = settings["decoding"]["num_beams"]
        decoding = "greedy" if beams == 1 else f"{beams} beams"
        orders = settings["decoding"].get("prompt_orders", 1)
        decoding += f", {orders} schema orders" if orders > 1 else ""
        chosen = (key for key in CHOICES if settings["evaluation"].get(key))
        decoding += "".join(f", {CHOICES[key]}" for key in chosen)
        decoding += "" if settings["evaluation"]["use_contents"] else ", schema only"
        decoding += "" if settings["decoding"]["grammar_mask"] else ", no mask"
        for metric, words in ROWS.items():
            if metric in report.metrics:
                count = report.counts.get(metric, report.count)
                value = 100 * report.metrics[metric]
                lines.append(f"| {report.dataset} {report.split} | {words} | {value:.2f} | {count:,} | {decoding} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
