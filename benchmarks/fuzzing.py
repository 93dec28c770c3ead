"""How many accidental matches do variants of the databases catch, and how often do they err?

    python benchmarks/fuzzing.py --spider data/raw/spider --fuzz 10 --output fuzzing.json

On Spider dev (official databases), for seeded mutations of the gold queries (`tests/sql_mutations.py`) or for the
lines of `--predictions`: how many match the gold query on the one database, and how many of those a variant tells
apart. Mutations of two kinds change nothing but the writing, so that telling those apart would be an error.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from pathlib import Path

from text2sql.data.spider import is_rebuilt, read_spider_split
from text2sql.evaluation.scoring import ScoringOptions, score
from text2sql.files import write_json

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from sql_mutations import mutate

HARMLESS = frozenset({"identical", "resolve_aliases"})


def main() -> None:
    """Mutate or read, score, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spider", type=Path, default=Path("data/raw/spider"))
    parser.add_argument("--predictions", type=Path, help="one SQL per line of dev (default: mutations of the golds)")
    parser.add_argument("--mutations", type=int, default=3, help="mutations of each gold query")
    parser.add_argument("--fuzz", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, metavar="FILE.json")
    arguments = parser.parse_args()
    dev = read_spider_split(arguments.spider, "dev")
    rng = random.Random(arguments.seed)
    examples, predictions, kinds = [], [], []
    lines = arguments.predictions.read_text(encoding="utf-8").split("\n") if arguments.predictions else None
    for number, example in enumerate(dev):
        if example.database is None or is_rebuilt(example):
            continue
        for _ in range(1 if lines else arguments.mutations):
            kind, text = ("prediction", lines[number]) if lines else mutate(example.sql, example.schema, rng)
            examples.append(example)
            predictions.append(text)
            kinds.append(kind)
    options = ScoringOptions(time_limit=2.0, fuzz=arguments.fuzz, seed=arguments.seed, progress=True)
    report = score(examples, predictions, options)
    counts: dict[str, Counter[str]] = {"all": Counter(), "harmless": Counter(), "other": Counter()}
    caught = []
    for entry, kind in zip(report.examples, kinds, strict=True):
        groups = ("all", "harmless" if set(kind.split("+")) <= HARMLESS else "other")
        outcome = "match" if entry["execution_match"] else "no match"
        for group in groups:
            counts[group][outcome] += 1
        if entry["execution_match"] and not entry["execution_match_fuzzed"]:
            caught.append({"kind": kind} | {key: entry[key] for key in ("db_id", "gold", "prediction", "reason")})
            for group in groups:
                counts[group]["caught"] += 1
    result = {"fuzz": arguments.fuzz, "seed": arguments.seed, "pairs": len(examples), **counts}
    print(json.dumps(result, indent=2))
    if arguments.output:
        write_json(arguments.output, result | {"examples": caught})


if __name__ == "__main__":
    main()
