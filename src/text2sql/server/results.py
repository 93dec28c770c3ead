"""Values, results and answers as JSON: what every API of the server sends."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from text2sql.database import ExecutionResult

if TYPE_CHECKING:
    from text2sql.assistant.answer import Answer

BLOB_BYTES = 64
"""Bytes of a blob that are shown."""
CELL_CHARACTERS = 100_000
"""Characters of one text cell that are sent."""
DECIMAL_DIGITS = 300
"""Longest integer part of a decimal that is sent as a number."""


def cell_json(value: Any, longest: int | None = CELL_CHARACTERS) -> Any:
    """A cell as JSON. `longest` cuts texts and blobs short; None keeps them whole.

    Dates are ISO text, decimals numbers, blobs `0x...`; infinities and NaN are text. Integers are exact, also those
    that JavaScript's own numbers would round.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return _blob(bytes(value), longest)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [cell_json(item, longest) for item in value]
    if isinstance(value, dict):
        return {str(key): cell_json(item, longest) for key, item in value.items()}
    return _text(str(value), longest)


def _decimal(value: Decimal) -> Any:
    if not value.is_finite() or value.adjusted() > DECIMAL_DIGITS:
        return str(value)
    return int(value) if value == value.to_integral_value() else float(value)


def _blob(value: bytes, longest: int | None) -> str:
    if longest is None or len(value) <= BLOB_BYTES:
        return "0x" + value.hex()
    return "0x" + value[:BLOB_BYTES].hex() + "…"


def _text(text: str, longest: int | None) -> str:
    text = text.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate cannot be sent
    return text if longest is None or len(text) <= longest else text[:longest] + "…"


def result_json(result: ExecutionResult, limit: int) -> dict[str, Any]:
    """`ResultJSON`. Rows after about `limit` bytes of text are cut off."""
    rows, cut = _rows_within(result.rows, limit)
    return {
        "columns": [_text(str(name), CELL_CHARACTERS) for name in result.columns],
        "rows": rows,
        "truncated": result.truncated or cut,
        "seconds": result.seconds,
        "error": result.error,
        "chart": _chart(result),
    }


def _rows_within(rows: Sequence[tuple[Any, ...]], limit: int) -> tuple[list[list[Any]], bool]:
    sent: list[list[Any]] = []
    size = 0
    for row in rows:
        cells = [cell_json(value) for value in row]
        size += sum(len(cell) + 3 if isinstance(cell, str) else 8 for cell in cells)
        if size > limit:
            return sent, True
        sent.append(cells)
    return sent, False


def _chart(result: ExecutionResult) -> dict[str, Any] | None:
    from text2sql.assistant.charts import suggest_chart

    chart = suggest_chart(result)
    return None if chart is None else {"kind": chart.kind, "x": chart.x, "y": list(chart.y)}


def answer_json(answer: Answer, conversation: str | None, limit: int) -> dict[str, Any]:
    """`AnswerJSON`; `limit` as in `result_json`."""
    return {
        "question": answer.question,
        "rewritten": answer.rewritten,
        "sql": answer.sql,
        "result": None if answer.result is None else result_json(answer.result, limit),
        "sentence": _text(answer.sentence, CELL_CHARACTERS),
        "confidence": answer.confidence,
        "sure": answer.sure,
        "alternatives": [asdict(alternative) for alternative in answer.alternatives],
        "links": [asdict(link) for link in answer.links],
        "abstained": answer.abstained,
        "error": answer.error,
        "seconds": answer.seconds,
        "conversation": conversation,
    }
