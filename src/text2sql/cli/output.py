"""Tables of text for the terminal.

What comes from a database is shown with its control characters made visible, so that no cell can steer the terminal.
"""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any

from text2sql.assistant.formats import numeric_columns, plain_text
from text2sql.database import ExecutionResult
from text2sql.evaluation.report import Report

WIDEST_CELL = 40
"""Characters of a cell where the width of the terminal is not known."""
NARROWEST_CELL = 8
"""Text columns are not cut below this: a table that still does not fit is shown row by row."""
_JOINERS = "\u200c\u200d"
"""Zero-width joiners are no printable characters to Python, but scripts and emoji need them."""


def terminal_width() -> int | None:
    """Columns of the terminal that standard output goes to; None when it goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def format_table(header: Sequence[str], rows: Sequence[Sequence[Any]], width: int | None = None) -> str:
    """Columns aligned, numbers to the right, long cells cut, so that lines have at most `width` characters.

    Numbers are never cut: where the columns do not fit, each row is shown as lines of `name  value`.
    """
    numeric = numeric_columns(ExecutionResult(tuple(header), list(map(tuple, rows)), False, 0.0, None))
    longest = WIDEST_CELL if width is None else width
    titles = [cut(clean(title), longest) for title in header]
    cells = [[_cell(value, longest) for value in row] for row in rows]
    widths = [max(map(display_width, column)) for column in zip(titles, *cells, strict=True)]
    if width is not None and sum(widths) + 2 * (len(widths) - 1) > width:
        fitted = _fit(widths, numeric, width)
        if fitted is None:
            return _records(titles, cells, width)
        widths = fitted

    def line(row: Sequence[str]) -> str:
        parts = (pad(cut(c, w), w, n) for c, w, n in zip(row, widths, numeric, strict=True))
        return "  ".join(parts).rstrip()

    return "\n".join([line(titles), "  ".join("-" * w for w in widths), *map(line, cells)])


def format_result(result: ExecutionResult, most: int = 20, width: int | None = None) -> str:
    """The first `most` rows of a query as a table of at most `width` characters, or its error."""
    if result.error is not None:
        return f"error: {clean(result.error)}"
    if not result.rows:
        return "(no rows)"
    table = format_table(result.columns, result.rows[:most], width)
    hidden = len(result.rows) - most
    if hidden > 0:
        table += f"\n({hidden}{'+' if result.truncated else ''} more rows)"
    elif result.truncated:
        table += "\n(there are more rows: the result was cut at its limit)"
    return table


def format_report(report: Report) -> str:
    """The metrics as a table for the terminal."""
    rows = [(name, report.counts.get(name, report.count), round(100 * v, 2)) for name, v in report.metrics.items()]
    return f"{report.dataset}, {report.split}\n{format_table(('metric', 'examples', '%'), rows)}\n"


def clean(text: str) -> str:
    """Text on one line, with characters that steer a terminal written as escapes."""
    text = " ".join(text.split())
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _JOINERS else c.encode("unicode_escape").decode("ascii") for c in text)


def display_width(text: str) -> int:
    """Terminal columns that a text takes: East Asian characters two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(_character_width(c) for c in text)


def cut(text: str, width: int) -> str:
    """The text in at most `width` terminal columns; what was cut ends with `…`."""
    if display_width(text) <= width:
        return text
    kept, used = [], 1
    for character in text:
        used += _character_width(character)
        if used > width:
            break
        kept.append(character)
    return "".join(kept) + "…"


def pad(text: str, width: int, right: bool) -> str:
    """The text filled up to `width` terminal columns; `right` puts it at the right end."""
    space = " " * (width - display_width(text))
    return space + text if right else text + space


def _character_width(character: str) -> int:
    if character in _JOINERS or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _cell(value: Any, longest: int) -> str:
    """A cell for people: numbers rounded to four decimals, text on one line."""
    if isinstance(value, float) and value == value and abs(value) != float("inf"):
        plain = f"{value:.4f}".rstrip("0").rstrip(".")
        return plain if 1e-3 <= abs(value) < 1e15 or value == 0 else f"{value:.6g}"
    return cut(clean(plain_text(value, "NULL")), longest)


def _fit(widths: Sequence[int], numeric: Sequence[bool], width: int) -> list[int] | None:
    """Narrower text columns, the widest first, so that all fit into `width`; None when they cannot."""
    fitted = list(widths)
    excess = sum(fitted) + 2 * (len(fitted) - 1) - width
    while excess > 0:
        candidates = [i for i, w in enumerate(fitted) if not numeric[i] and w > NARROWEST_CELL]
        if not candidates:
            return None
        fitted[max(candidates, key=fitted.__getitem__)] -= 1
        excess -= 1
    return fitted


def _records(titles: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> str:
    longest = max(map(display_width, titles))
    lines = []
    for number, row in enumerate(cells, start=1):
        lines.append(f"row {number}")
        lines += [
            cut(f"  {pad(title, longest, False)}  {cell}", width) for title, cell in zip(titles, row, strict=True)
        ]
    return "\n".join(lines)
