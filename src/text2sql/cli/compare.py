"""`text2sql compare`: two evaluation reports, example by example."""

from __future__ import annotations

import argparse
from pathlib import Path

from text2sql.cli.output import format_table
from text2sql.errors import UserError
from text2sql.evaluation.comparison import compare
from text2sql.evaluation.comparison_page import comparison_page
from text2sql.evaluation.report import Report
from text2sql.files import write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `text2sql compare`."""
    parser.add_argument("before", metavar="A.json", help="a report of text2sql evaluate or score")
    parser.add_argument("after", metavar="B.json", help="another one, over the same examples")
    parser.add_argument("--names", nargs=2, metavar=("A", "B"), help="what to call the two (default: the files' names)")
    parser.add_argument("--seed", type=int, default=0, help="seeds the bootstrap intervals")
    parser.add_argument("--output", metavar="FILE.html", help="write a page to browse the examples with")
    parser.add_argument("--markdown", metavar="FILE.md", help="write the tables and flipped examples")
    parser.epilog = "example: text2sql compare base.json tuned.json --output comparison.html --markdown comparison.md"


def run(arguments: argparse.Namespace) -> int:
    """Compare, print the metrics, write the files."""
    if arguments.seed < 0:
        raise UserError(f"--seed is {arguments.seed}; it must be at least 0")
    paths = Path(arguments.before), Path(arguments.after)
    stems = [path.stem for path in paths]
    names = tuple(arguments.names or (stems if stems[0] != stems[1] else ("A", "B")))
    comparison = compare(Report.load(paths[0]), Report.load(paths[1]), (names[0], names[1]), arguments.seed)
    rows = [
        (
            m.name,
            m.count,
            *(round(100 * v, 2) for v in (m.before, m.after, m.after - m.before)),
            m.gained,
            m.lost,
            m.p_value,
        )
        for m in comparison.metrics
    ]
    only = [f"only {name}" for name in reversed(names)]
    print(format_table(("metric", "examples", *(f"{name} %" for name in names), "B - A", *only, "p"), rows))
    if arguments.markdown:
        write_text(Path(arguments.markdown), comparison.markdown())
    if arguments.output:
        write_text(Path(arguments.output), comparison_page(comparison))
    return 0
