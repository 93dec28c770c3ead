"""A query's rows as CSV, JSON or Markdown text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

from text2sql.database import ExecutionResult
from text2sql.server.results import cell_json

FORMATS = ("csv", "json", "markdown")
"""Names of the forms that `export` knows."""
MEDIA_TYPES = {"csv": "text/csv", "json": "application/json", "markdown": "text/markdown"}
SUFFIXES = {"csv": "csv", "json": "json", "markdown": "md"}


def export(result: ExecutionResult, form: str) -> str:
    """The rows in one of `FORMATS`, with a header. Raises KeyError for another form."""
    return _WRITERS[form](result)


def to_csv(result: ExecutionResult) -> str:
    """RFC 4180: comma, quotes where needed, CRLF. NULL is empty, a blob is hexadecimal."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(result.columns)
    writer.writerows([["" if value is None else cell_json(value, None) for value in row] for row in result.rows])
    return text.getvalue()


def to_json(result: ExecutionResult) -> str:
    """`{"columns": [...], "rows": [[...], ...], "truncated": false}`: column names may occur twice in SQL."""
    rows = [[cell_json(value, None) for value in row] for row in result.rows]
    content = {"columns": list(result.columns), "rows": rows, "truncated": result.truncated}
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def to_markdown(result: ExecutionResult) -> str:
    """A GitHub table; `|`, backslashes and line breaks inside cells are escaped."""
    lines = [result.columns, ["---"] * len(result.columns), *result.rows]
    return "".join(f"| {' | '.join(map(_markdown_cell, line))} |\n" for line in lines)


def _markdown_cell(value: Any) -> str:
    text = "" if value is None else str(cell_json(value, None))
    text = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
    return "<br>".join(text.splitlines())


_WRITERS: dict[str, Callable[[ExecutionResult], str]] = {"csv": to_csv, "json": to_json, "markdown": to_markdown}
