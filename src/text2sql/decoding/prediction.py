"""What a model makes of one question."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Prediction:
    """SQL of one request. `sql` is empty when the model's tokens made none; `error` then says why.

    `target` is the generated target in readable form; `log_probability` is that of its tokens.
    """

    sql: str
    target: str
    log_probability: float
    error: str | None = None
