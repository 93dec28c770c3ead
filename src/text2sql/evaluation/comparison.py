"""Two reports on the same examples, compared pair by pair: what changed, and is it more than luck?

Because both sides answered the same questions, the difference is judged on the examples where they disagree: exact
McNemar test (two-sided binomial on the flipped examples; McNemar 1947) and a paired bootstrap interval (Efron 1979).
Two accuracies with overlapping intervals can still differ surely here, and the other way round.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from text2sql.errors import UserError
from text2sql.evaluation.report import Report, markdown_table
from text2sql.evaluation.summary import IN_BREAKDOWNS, METRICS, ON_DATABASES, is_right

RESAMPLES = 10_000
LISTED_FLIPS = 20
"""Flipped examples of each direction in the Markdown report; the page has all."""


@dataclass(frozen=True)
class PairedMetric:
    """One metric on both sides. `low` and `high` bound the difference B - A at 95 %."""

    name: str
    count: int
    before: float
    after: float
    low: float
    high: float
    gained: int
    """Examples with the verdict only on side B."""
    lost: int
    """Examples with it only on side A."""
    p_value: float


@dataclass(frozen=True)
class Comparison:
    """`gained` and `lost` are positions of the examples that only B, or only A, answers rightly."""

    before: Report
    after: Report
    names: tuple[str, str]
    metrics: list[PairedMetric]
    gained: list[int]
    lost: list[int]

    def markdown(self) -> str:
        """The before-against-after tables and the first flipped examples."""
        first, second = self.names
        parts = [f"# {first} against {second}: {self.after.dataset}, {self.after.split}, {self.after.count} examples"]
        parts += ["", metric_table(self)]
        for name, groups in self.after.breakdowns.items():
            table = self._breakdown(name, groups)
            parts += ["", f"## By {name}", "", table] if table else []
        for title, places in ((f"Only {second} is right", self.gained), (f"Only {first} is right", self.lost)):
            parts += ["", f"## {title}: {len(places)}", ""]
            parts += [self._flip(place) for place in places[:LISTED_FLIPS]]
            parts += [f"- and {len(places) - LISTED_FLIPS} more"] if len(places) > LISTED_FLIPS else []
        parts += ["", "## Settings that differ", "", self._settings(), ""]
        return "\n".join(parts)

    def _breakdown(self, name: str, groups: dict[str, dict[str, float]]) -> str:
        old = self.before.breakdowns.get(name, {})
        shown = [METRICS[verdict] for verdict in IN_BREAKDOWNS] + ["f1", "accuracy"]
        metrics = [metric for metric in shown if any(metric in scores for scores in groups.values())]
        if name == "confidence" or not metrics:
            return ""
        rows = []
        for group, scores in groups.items():
            cells = [f"{_percent(old.get(group, {}).get(m))} → {_percent(scores.get(m))}" for m in metrics]
            rows.append([group, str(int(scores["count"])), *cells])
        return markdown_table([name, "count", *metrics], rows)

    def _flip(self, place: int) -> str:
        old, new = self.before.examples[place], self.after.examples[place]
        lines = [f"{old['id']}: {old['question'] or '(no question)'}", f"gold `{old['gold']}`"]
        lines += [f"{name} `{entry['prediction']}`" for name, entry in zip(self.names, (old, new), strict=True)]
        return "- " + "\n  - ".join(" ".join(line.split()) for line in lines)

    def _settings(self) -> str:
        old, new = self.before.settings, self.after.settings
        different = [key for key in old | new if old.get(key) != new.get(key)]
        rows = [[key, f"`{old.get(key)}`", f"`{new.get(key)}`"] for key in different]
        return markdown_table(["setting", *self.names], rows) if rows else "none"


def compare(before: Report, after: Report, names: tuple[str, str] = ("A", "B"), seed: int = 0) -> Comparison:
    """Compare two reports; `seed` seeds the bootstrap.

    Raises UserError when they are over different examples, in number, order, question or gold query.
    """
    _require_same_examples(before, after)
    metrics = []
    for verdict, name in METRICS.items():
        for rebuilt in (False, True):
            pairs = _verdicts(before, after, verdict, rebuilt)
            if pairs:
                metrics.append(_paired(f"{name}_rebuilt" if rebuilt else name, pairs, seed))
    flips = [(is_right(a), is_right(b)) for a, b in zip(before.examples, after.examples, strict=True)]
    gained = [n for n, flip in enumerate(flips) if flip == (False, True)]
    lost = [n for n, flip in enumerate(flips) if flip == (True, False)]
    return Comparison(before, after, names, metrics, gained, lost)


def metric_table(comparison: Comparison) -> str:
    """Before against after as a Markdown table, in percent."""
    first, second = comparison.names
    header = [
        "metric",
        "examples",
        first,
        second,
        "difference",
        "95 % interval",
        f"only {second}",
        f"only {first}",
        "p",
    ]
    rows = [
        [
            m.name,
            str(m.count),
            _percent(m.before),
            _percent(m.after),
            f"{100 * (m.after - m.before):+.2f}",
            f"{100 * m.low:+.2f} to {100 * m.high:+.2f}",
            str(m.gained),
            str(m.lost),
            f"{m.p_value:.3g}",
        ]
        for m in comparison.metrics
    ]
    return markdown_table(header, rows)


def mcnemar(gained: int, lost: int) -> float:
    """The exact two-sided p-value: how likely is so uneven a split of the flips if each way is equally likely?"""
    flips = gained + lost
    tail = sum(math.comb(flips, k) for k in range(min(gained, lost) + 1))
    return min(1.0, 2 * tail / 2**flips)


def bootstrap_interval(
    gained: int, lost: int, count: int, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """The 95 % percentile interval of the difference of two accuracies, examples drawn with replacement.

    Only how many of the drawn examples were gained or lost matters, so that these numbers are drawn at once.
    """
    rng = np.random.default_rng(seed)
    shares = [gained / count, lost / count, (count - gained - lost) / count]
    drawn = rng.multinomial(count, shares, size=resamples)
    low, high = np.quantile((drawn[:, 0] - drawn[:, 1]) / count, [0.025, 0.975])
    return float(low), float(high)


def _paired(name: str, pairs: Sequence[tuple[bool, bool]], seed: int) -> PairedMetric:
    gained, lost = pairs.count((False, True)), pairs.count((True, False))
    count = len(pairs)
    low, high = bootstrap_interval(gained, lost, count, seed)
    before, after = (sum(pair[side] for pair in pairs) / count for side in (0, 1))
    return PairedMetric(name, count, before, after, low, high, gained, lost, mcnemar(gained, lost))


def _verdicts(before: Report, after: Report, verdict: str, rebuilt: bool) -> list[tuple[bool, bool]]:
    """Both verdicts on each example that both sides judged; rebuilt databases apart where that matters."""
    return [
        (bool(a[verdict]), bool(b[verdict]))
        for a, b in zip(before.examples, after.examples, strict=True)
        if verdict in a and verdict in b
        if rebuilt == (verdict in ON_DATABASES and bool(b.get("rebuilt_database")))
    ]


def _require_same_examples(before: Report, after: Report) -> None:
    if len(before.examples) != len(after.examples):
        raise UserError(
            f"the reports have {len(before.examples)} and {len(after.examples)} examples: score both on the same ones"
        )
    for number, (a, b) in enumerate(zip(before.examples, after.examples, strict=True)):
        for key in ("id", "question", "gold"):
            if a.get(key) != b.get(key):
                difference = f"{key} {_short(a.get(key))} and {_short(b.get(key))}"
                raise UserError(f"the reports differ in example {number}: {difference}: score both on the same ones")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f}"
