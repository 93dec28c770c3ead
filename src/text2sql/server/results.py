"""Values, results and answers as JSON: what every API of the server sends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from text2sql.assistant.formats import json_value
from text2sql.database import ExecutionResult

if TYPE_CHECKING:
    from text2sql.assistant.answer import Answer

CELL_CHARACTERS = 100_000
"""Characters of one text cell that are sent."""


def cell_json(value: Any, longest: int = CELL_CHARACTERS) -> Any:
    """A cell as JSON, see `formats.json_value`; texts of more than `longest` characters are cut."""
    return _cut(json_value(value), longest)


def _cut(plain: Any, longest: int) -> Any:
    if isinstance(plain, str):
        return _text(plain, longest)
    if isinstance(plain, list):
        return [_cut(part, longest) for part in plain]
    if isinstance(plain, dict):
        return {key: _cut(part, longest) for key, part in plain.items()}
    return plain


def _text(text: str, longest: int) -> str:
    text = text.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate cannot be sent
    return text if len(text) <= longest else text[:longest] + "…"


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
