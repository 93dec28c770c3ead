"""A query's result as CSV, JSON or Markdown, and its cells as plain values that JSON can hold.

The one home of these forms: the terminal's exports, the server's downloads and the API's rows all come from here.
Values that a format does not have are written as text: dates in ISO 8601, blobs as `0x` and the hexadecimal digits of
at most `BLOB_BYTES` bytes, NaN and infinities by name.
"""

from __future__ import annotations

import datetime
import decimal
import json
import math
import numbers
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from text2sql.database import ExecutionResult
from text2sql.errors import UserError

BLOB_BYTES = 64
"""Bytes of a blob that are written; a longer one ends with `…` and its length."""
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_MARKDOWN_MARKS = re.compile(r"[\\|`*\[\]<~]|(?<!\w)_|_(?!\w)|&(?=#?\w+;)")


def to_csv(result: ExecutionResult, for_spreadsheets: bool = False) -> str:
    """A header and a line for each row, as RFC 4180 says (commas, CRLF, doubled quotes).

    NULL is an empty cell and an empty text is `""`, as in PostgreSQL's COPY; in a result of one column both are `""`,
    because readers skip empty lines. Values stay what they are: files are made for programs. `for_spreadsheets` puts
    an apostrophe before text that a spreadsheet would run as a formula (beginning with = + - @, tab or return).

    Raises UserError for the result of a query that failed.
    """
    _check(result)
    alone = len(result.columns) == 1
    lines: list[Iterable[str]] = [[_csv_cell(name, for_spreadsheets) for name in result.columns]]
    for row in result.rows:
        lines.append(_csv_cell("" if alone and v is None else v, for_spreadsheets) for v in row)
    return "".join(",".join(line) + "\r\n" for line in lines)


def to_json(result: ExecutionResult) -> str:
    """An array with one object for each row, one row a line; a repeated column name gets a number (`name_2`).

    Raises UserError for the result of a query that failed.
    """
    _check(result)
    names = unique_names(result.columns)
    rows = (json.dumps(dict(zip(names, json_row(row), strict=True)), ensure_ascii=False) for row in result.rows)
    body = ",\n ".join(rows)
    return f"[{body}]\n"


def to_markdown(result: ExecutionResult) -> str:
    """A table in GitHub's Markdown: marks in cells are escaped, line breaks are `<br>`, numbers stand right.

    Raises UserError for the result of a query that failed.
    """
    _check(result)
    rules = ["---:" if numeric else "---" for numeric in numeric_columns(result)]
    body = [[_markdown_cell(plain_text(value, "NULL")) for value in row] for row in result.rows]
    lines = [[_markdown_cell(name) for name in result.columns], rules, *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


FORMATS: dict[str, Callable[[ExecutionResult], str]] = {"csv": to_csv, "json": to_json, "markdown": to_markdown}
"""Format name -> its writer."""


def json_row(row: Sequence[Any]) -> list[Any]:
    """A row's cells, each as `json_value`."""
    return [json_value(value) for value in row]


def json_value(value: Any) -> Any:
    """What JSON can hold for a database's value: None, bool, int, finite float, text, or lists and objects of these."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else _not_finite(value)
        case decimal.Decimal():
            return _decimal(value)
        case bytes() | bytearray() | memoryview():
            return blob_text(bytes(value))
        case datetime.date() | datetime.time():  # a datetime is a date too
            return value.isoformat()
        case Mapping():
            return {str(key): json_value(part) for key, part in value.items()}
        case list() | tuple() | set() | frozenset():
            return [json_value(part) for part in value]
    return str(value)


def plain_text(value: Any, null: str = "") -> str:
    """A cell as text in full: `null` for NULL, true and false, numbers with all their digits, lists as JSON."""
    if value is None:
        return null
    if isinstance(value, decimal.Decimal):
        return str(value)
    plain = json_value(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def blob_text(value: bytes) -> str:
    """`0x` and hexadecimal digits of the first `BLOB_BYTES` bytes."""
    rest = f"… ({len(value)} bytes)" if len(value) > BLOB_BYTES else ""
    return f"0x{value[:BLOB_BYTES].hex()}{rest}"


def numeric_columns(result: ExecutionResult) -> list[bool]:
    """For each column whether all its values are numbers or NULL, and at least one is a number."""
    columns: list[Sequence[Any]] = list(zip(*result.rows, strict=True)) or [()] * len(result.columns)
    return [any(map(_is_number, column)) and all(v is None or _is_number(v) for v in column) for column in columns]


def unique_names(names: Sequence[str]) -> list[str]:
    """The names with `_2`, `_3`, ... behind those that were there before."""
    unique: list[str] = []
    for name in names:
        candidate, number = name, 1
        while candidate in unique:
            number += 1
            candidate = f"{name}_{number}"
        unique.append(candidate)
    return unique


def _check(result: ExecutionResult) -> None:
    if result.error is not None:
        raise UserError(f"there is no result to write, the query failed: {result.error}")


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Number) and not isinstance(value, bool)


def _decimal(value: decimal.Decimal) -> int | float | str:
    if not value.is_finite():
        return _not_finite(float(value)) if not value.is_snan() else "NaN"
    if value == value.to_integral_value() and value.adjusted() < 40:
        return int(value)
    near = float(value)
    return near if math.isfinite(near) else str(value)


def _not_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _csv_cell(value: Any, for_spreadsheets: bool) -> str:
    if value is None:
        return ""
    text = plain_text(value)
    if for_spreadsheets and isinstance(value, str) and text.startswith(_FORMULA_STARTS):
        text = "'" + text
    if not text or text != text.strip() or any(mark in text for mark in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _markdown_cell(text: str) -> str:
    escaped = _MARKDOWN_MARKS.sub(lambda mark: "\\" + mark.group(), text)
    return re.sub(r"\r\n|\r|\n", "<br>", escaped)
