"""Seconds to score all of Spider dev, exact match and execution, against the official script on the same files.

    python benchmarks/evaluation.py --spider data/raw/spider --official ../test-suite-sql-eval --output speed.json

Predictions are the gold queries, or the lines of `--predictions`. Ours runs in worker processes, once with exact match
and execution alone and once as `text2sql score` does, with every other verdict. The official script (a checkout of
taoyds/test-suite-sql-eval, and a Python that has nltk and sqlparse: `--official-python`) runs in the same minute on
the same machine. It needs the download of a sentence model for nothing: its word splitter is asked to keep lines
whole, which changes none of its tokens here. `agreement` compares the two scores.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from text2sql.data.example import Example
from text2sql.data.spider import is_rebuilt, read_spider_split
from text2sql.evaluation.exact_match import exact_match
from text2sql.evaluation.execution import ExecutionPair, execution_matches
from text2sql.evaluation.parallel import call_in_workers
from text2sql.evaluation.prediction_files import write_official
from text2sql.evaluation.report import Report
from text2sql.evaluation.scoring import ScoringOptions, instances, score
from text2sql.files import write_json

OFFICIAL = """
import functools, runpy, sys, nltk
nltk.word_tokenize = functools.partial(nltk.word_tokenize, preserve_line=True)
sys.path.insert(0, sys.argv[1])
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0] + "/evaluation.py", run_name="__main__")
"""


def ours(examples: list[Example], predictions: list[str], processes: int) -> tuple[float, float]:
    """Exact match and execution accuracy, nothing else."""
    calls = [(e.sql, sql, e.schema) for e, sql in zip(examples, predictions, strict=True)]
    pairs = [ExecutionPair(e.sql, sql, instances(e)) for e, sql in zip(examples, predictions, strict=True)]
    exact = call_in_workers(exact_match, calls, 10.0, processes)
    executed = execution_matches(pairs, processes=processes, progress=False)
    return sum(m.match for m in exact) / len(exact), sum(m.match for m in executed) / len(executed)


def official(
    code: Path, python: str, examples: list[Example], predictions: list[str], tables: Path
) -> tuple[float, float]:
    """The official script's two scores, on links to the same databases."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in {Path(e.database or "").parent for e in examples}:
            (folder / path.name).symlink_to(path.resolve())
        entries = [
            {"db_id": e.schema.name, "gold": e.sql, "prediction": sql}
            for e, sql in zip(examples, predictions, strict=True)
        ]
        predicted, gold = write_official(Report("", "", 0, {}, {}, examples=entries), folder / "predicted.sql")
        files = ["--gold", gold, "--pred", predicted, "--db", folder, "--table", tables, "--etype", "all"]
        command = [python, "-c", OFFICIAL, str(code.resolve()), *map(str, files)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    scores = {}
    for key in ("execution", "exact match"):
        found = re.search(rf"^{key} +(.*)$", run.stdout, re.MULTILINE)
        if found is None:
            sys.exit(f"the official script failed:\n{run.stderr[-2000:]}")
        scores[key] = float(found[1].split()[4])  # easy, medium, hard, extra, all, joint
    return scores["exact match"], scores["execution"]


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds by the wall clock, and the result."""
    began = time.perf_counter()
    result = function()
    return time.perf_counter() - began, result


def main() -> None:
    """Run all, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spider", type=Path, default=Path("data/raw/spider"), help="folder of the official layout")
    parser.add_argument("--predictions", type=Path, help="one SQL per line (default: the gold queries)")
    parser.add_argument("--official", type=Path, metavar="DIR", help="checkout of taoyds/test-suite-sql-eval")
    parser.add_argument("--official-python", default=sys.executable, help="a Python that has nltk and sqlparse")
    parser.add_argument("--without-rebuilt", action="store_true", help="leave out databases that are not the official")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--output", type=Path, metavar="FILE.json")
    arguments = parser.parse_args()
    dev = read_spider_split(arguments.spider, "dev")
    lines = [e.sql for e in dev]
    if arguments.predictions:
        lines = arguments.predictions.read_text(encoding="utf-8").split("\n")[: len(dev)]
    pairs = list(zip(dev, lines, strict=True))
    chosen = [(e, sql) for e, sql in pairs if e.database and not (arguments.without_rebuilt and is_rebuilt(e))]
    examples, predictions = [e for e, _ in chosen], [sql for _, sql in chosen]
    result: dict[str, Any] = {
        "examples": len(examples),
        "processes": arguments.processes,
        "load_before": os.getloadavg()[0],
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }
    seconds, scores = timed(lambda: ours(examples, predictions, arguments.processes))
    result |= {"seconds": seconds, "exact_match": scores[0], "execution_accuracy": scores[1]}
    options = ScoringOptions(processes=arguments.processes)
    result["seconds_full_report"], _ = timed(lambda: score(examples, predictions, options))
    if arguments.official:
        seconds, other = timed(
            lambda: official(
                arguments.official, arguments.official_python, examples, predictions, arguments.spider / "tables.json"
            )
        )
        result |= {"official_seconds": seconds, "official_exact_match": other[0], "official_execution": other[1]}
        result["ratio"] = seconds / result["seconds"]
        result["agreement"] = all(abs(a - b) < 0.0006 for a, b in zip(scores, other, strict=True))  # it prints 3 digits
    for key, value in result.items():
        print(f"{key:22} {value:.3f}" if isinstance(value, float) else f"{key:22} {value}")
    if arguments.output:
        write_json(arguments.output, result)


if __name__ == "__main__":
    main()
