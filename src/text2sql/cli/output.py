"""Tables of text for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from text2sql.database import ExecutionResult
from text2sql.evaluation.report import Report

WIDEST_CELL = 40


def format_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Columns aligned, numbers to the right, long cells cut."""
    cells = [[_cell(value) for value in row] for row in rows]
    titles = [_cut(title) for title in header]
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    numeric = [
        bool(rows) and all(value is None or isinstance(value, int | float) for value in column)
        for column in (zip(*rows, strict=True) if rows else [()] * len(titles))
    ]

    def line(row: Sequence[str]) -> str:
        parts = (c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, numeric, strict=True))
        return "  ".join(parts).rstrip()

    return "\n".join([line(titles), "  ".join("-" * width for width in widths), *map(line, cells)])


def format_result(result: ExecutionResult, most: int = 20) -> str:
    """The rows of a query as a table, or its error."""
    if result.error is not None:
        return f"error: {result.error}"
    if not result.rows:
        return "(no rows)"
    table = format_table(result.columns, result.rows[:most])
    hidden = len(result.rows) - most
    if hidden > 0:
        table += f"\n({hidden}{'+' if result.truncated else ''} more rows)"
    return table


def format_report(report: Report) -> str:
    """The metrics as a table for the terminal."""
    rows = [(name, report.counts.get(name, report.count), round(100 * v, 2)) for name, v in report.metrics.items()]
    return f"{report.dataset}, {report.split}\n{format_table(('metric', 'examples', '%'), rows)}\n"


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, float):
        return f"{value:.6g}"
    return _cut(str(value))


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= WIDEST_CELL else text[: WIDEST_CELL - 1] + "…"
