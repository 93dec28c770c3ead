"""What the assistant says: an `Answer` and its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import Literal

from text2sql.database import ExecutionResult
from text2sql.decoding.prediction import Prediction


@dataclass(frozen=True)
class LinkedItem:
    """A table, column or cell that the answer uses or the question mentions; `words` are the question's, or ""."""

    kind: Literal["table", "column", "cell"]
    table: str
    column: str | None
    value: str | None
    words: str


@dataclass(frozen=True)
class Alternative:
    """Another reading of the question, in the database's dialect."""

    sql: str
    confidence: float


@dataclass(frozen=True)
class Failure:
    """SQL that was tried before the answer's, and the database's error."""

    sql: str
    error: str


@dataclass(frozen=True)
class Answer:
    """An answered question, or the reason why it is none.

    `rewritten` is the full question that a follow-up was understood as. `sql` is in the database's dialect, "" when
    the assistant abstained; `abstained` then says why. `error` is the database's, when no SQL ran. `confidence` lies
    in [0, 1]; `sure` says that it reaches the assistant's threshold. `hint` says what may be meant by names that the
    database does not have. `failures` are the readings that did not run. `seconds` is wall time.
    """

    question: str
    rewritten: str | None
    sql: str
    result: ExecutionResult | None
    sentence: str
    confidence: float
    sure: bool
    alternatives: tuple[Alternative, ...]
    links: tuple[LinkedItem, ...]
    error: str | None
    abstained: str | None
    seconds: float
    hint: str | None = None
    failures: tuple[Failure, ...] = ()


def readings(predictions: Sequence[Prediction]) -> list[Alternative]:
    """The different SQLs of one request's predictions, best first, with their confidence.

    With p the probability of an SQL's tokens under the model (summed over beams that make the same SQL) and P that
    of all beams together, beams without SQL included, confidence is p · p/P: the model's own probability, lowered by
    the share that other readings hold. It rises with p, falls with every rival's probability, and is p when there is
    no rival. Probabilities that come from one beam stand for themselves; those outside the beams are already in p.
    """
    best = max((prediction.log_probability for prediction in predictions), default=0.0)
    masses: dict[str, float] = {}  # relative to the best beam's: long SQL has probabilities under the smallest float
    for prediction in predictions:
        masses[prediction.sql] = masses.get(prediction.sql, 0.0) + exp(prediction.log_probability - best)
    total = sum(masses.values())
    return [Alternative(sql, min(1.0, exp(best) * mass * mass / total)) for sql, mass in masses.items() if sql]
