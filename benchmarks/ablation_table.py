"""The ablation table: every row against the base on the same questions, example by example.

A row's metric and the base's are taken over the seeds that both have run, and so are the tests: each pair is one
question answered by both sides with the same seed (McNemar's exact test and a paired bootstrap interval:
`text2sql.evaluation.comparison`). The seeds ask the same questions, so with several of them the p-values lean to the
small side. One seed says nothing about the luck of a training.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from text2sql.errors import UserError
from text2sql.evaluation.comparison import PairedMetric, compare
from text2sql.evaluation.report import Report, markdown_table
from text2sql.evaluation.summary import METRICS

SHOWN = {"logical_form_accuracy": "LF", "exact_match": "EM", "execution_accuracy": "EX"}
"""Metric -> its heading in the Markdown table; the JSON has all metrics."""
SURE = 0.05
VERDICTS = (*METRICS, "rebuilt_database")
"""What is kept of every question."""

LEAD = f"""# Ablations

`python benchmarks/ablations.py --output FILE.json`: each row changes one thing of the first and has its budget. Percent
of the questions in a column's brackets; in a cell's the difference to the base and McNemar's p, bold below {SURE}. LF
is logical form, EM exact set match, EX execution. One seed does not tell a lever from the luck of a training. Rows of
the plan that are missing have not been run. Commits, seeds, hashes and all metrics are in the JSON beside this file;
each run, with its configuration and the verdict on every question, is in the folder that `--runs` names.
"""

Result = dict[str, Any]
"""What `ablations.note` gives for one run."""


def table(results: Sequence[Result]) -> Result:
    """The rows in their order, the base first, with every metric's difference to the base."""
    by_name: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_name[result["name"]].append(result)
    base = {result["seed"]: result for result in results if result["kind"] == "base"}
    rows = [line(runs, base) for runs in by_name.values() if any(run["seed"] in base for run in runs)]
    rows.sort(key=lambda row: row["kind"] != "base")
    return {"rows": rows, "machine": results[0]["machine"]}


def line(runs: Sequence[Result], base: dict[int, Result]) -> Result:
    """One row: means of the seeds that the base has too, and its metrics against the base's."""
    runs = [run for run in runs if run["seed"] in base]
    sets = {title: against_base(title, runs, [base[run["seed"]] for run in runs]) for title in runs[0]["sets"]}
    asked = sum(found["count"] for run in runs for found in run["sets"].values())
    spent = sum(found["count"] * found["seconds_per_question"] for run in runs for found in run["sets"].values())
    kept = ("seed", "tokens", "minutes", "checkpoints", "commit", "training")
    return {
        **{key: runs[0][key] for key in ("name", "lever", "overrides", "models", "kind")},
        "tokens": sum(run["tokens"] for run in runs) // len(runs),
        "minutes": round(sum(run["minutes"] for run in runs) / len(runs), 2),
        "seconds_per_question": round(spent / asked, 4),
        "sets": {title: [asdict(metric) for metric in metrics] for title, metrics in sets.items()},
        "data_sha256": {title: found["data_sha256"] for title, found in runs[0]["sets"].items()},
        "runs": [
            {key: run[key] for key in kept} | {"metrics": {t: s["metrics"] for t, s in run["sets"].items()}}
            for run in runs
        ],
    }


def against_base(title: str, runs: Sequence[Result], base: Sequence[Result]) -> list[PairedMetric]:
    """The metrics of one set, the seeds' examples pooled; `before` is the base's.

    Raises UserError when the runs have answered other questions.
    """
    for run, of_base in zip(runs, base, strict=True):
        if run["sets"][title]["data_sha256"] != of_base["sets"][title]["data_sha256"]:
            raise UserError(f"{run['name']}, seed {run['seed']}: other questions of {title} than the base's")
    return compare(pooled(base, title), pooled(runs, title)).metrics


def pooled(runs: Sequence[Result], title: str) -> Report:
    """The verdicts of all seeds, one after another, as one report."""
    examples = [entry for run in runs for entry in unpack(run["sets"][title]["verdicts"])]
    return Report(title, "", len(examples), {}, {}, examples=examples)


def pack(examples: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Verdict -> one character for each example of a report: 1 and 0, or - where the example has none."""
    found = {name: "".join("-" if name not in e else "01"[bool(e[name])] for e in examples) for name in VERDICTS}
    return {name: text for name, text in found.items() if text.strip("-")}


def unpack(verdicts: Mapping[str, str]) -> list[dict[str, bool]]:
    """The examples that `pack` read, with their verdicts and nothing else."""
    return [
        {name: mark == "1" for name, mark in zip(verdicts, marks, strict=True) if mark != "-"}
        for marks in zip(*verdicts.values(), strict=True)
    ]


def markdown(summary: Result) -> str:
    """The table: percent, and in brackets the difference to the base with p."""
    columns = [
        (title, metric["name"], f"{title} {SHOWN[metric['name']]} ({metric['count']})")
        for title, metrics in summary["rows"][0]["sets"].items()
        for metric in metrics
        if metric["name"] in SHOWN
    ]
    header = ["lever", "row", "changes", "seeds", "tokens, M", "minutes", "ms a question", *(c[2] for c in columns)]
    rows = [
        [
            row["lever"],
            row["name"],
            ", ".join(f"`{change}`" for change in (*row["overrides"], *row["models"])),
            str(len(row["runs"])),
            f"{row['tokens'] / 1e6:.1f}" if row["tokens"] else "",
            f"{row['minutes']:.1f}" if row["tokens"] else "",
            f"{1000 * row['seconds_per_question']:.0f}",
            *(cell(row["sets"][title], name) for title, name, _ in columns),
        ]
        for row in summary["rows"]
    ]
    return f"{LEAD}\n{markdown_table(header, rows)}\n"


def cell(metrics: Sequence[Result], name: str) -> str:
    """A metric in percent, with its difference to the base unless there is none to tell."""
    metric = next((one for one in metrics if one["name"] == name), None)
    if metric is None:
        return ""
    value, difference = 100 * metric["after"], 100 * (metric["after"] - metric["before"])
    if not metric["gained"] and not metric["lost"]:
        return f"{value:.1f}"
    text = f"{value:.1f} ({difference:+.1f}, p {metric['p_value']:.2g})"
    return f"**{text}**" if metric["p_value"] < SURE else text
