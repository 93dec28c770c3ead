"""Does a prediction said to be 80 % likely turn out right in 80 % of the cases?

Expected calibration error and the reliability table behind it (Naeini, Cooper, Hauskrecht 2015; Guo et al. 2017,
"On calibration of modern neural networks", section 2). Confidence is the probability of the whole generated text.
"""

from __future__ import annotations

from collections.abc import Sequence


def calibration(
    confidences: Sequence[float], correct: Sequence[bool], bins: int = 10
) -> tuple[float, dict[str, dict[str, float]]]:
    """The expected calibration error, and per bin of confidence how many there are, how sure and how often right.

    Confidences lie in [0, 1]; bins are of equal width, closed above ("0.1-0.2" holds 0.2, the first also 0); empty
    ones are left out. Raises ValueError when there are no predictions or one of them is no probability.
    """
    if not confidences or not all(0 <= value <= 1 for value in confidences):
        raise ValueError("confidences must be probabilities, at least one")
    groups: dict[int, list[tuple[float, bool]]] = {}
    for confidence, right in zip(confidences, correct, strict=True):
        number = next(n for n in range(bins) if confidence <= (n + 1) / bins)
        groups.setdefault(number, []).append((confidence, right))
    table, error = {}, 0.0
    for number in sorted(groups):
        group = groups[number]
        confidence = sum(value for value, _ in group) / len(group)
        accuracy = sum(right for _, right in group) / len(group)
        error += abs(accuracy - confidence) * len(group) / len(confidences)
        name = f"{number / bins:g}-{(number + 1) / bins:g}"
        table[name] = {"count": len(group), "confidence": confidence, "accuracy": accuracy}
    return error, table
