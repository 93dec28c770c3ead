"""Comparing two results: against a plain reference that tries every order of the columns, and the official quirks."""

from __future__ import annotations

import random
from collections import Counter
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text2sql.evaluation.results import ComparisonTooLargeError, results_equal

Rows = list[tuple[Any, ...]]


def reference(gold: Rows, predicted: Rows, ordered: bool) -> bool:
    """The definition, taken literally: some order of the columns makes the rows equal."""
    if not gold and not predicted:
        return True
    if len(gold) != len(predicted) or len(gold[0]) != len(predicted[0]):
        return False
    for order in permutations(range(len(gold[0]))):
        moved = [tuple(row[i] for i in order) for row in predicted]
        if gold == moved if ordered else Counter(gold) == Counter(moved):
            return True
    return False


cells = st.sampled_from([0, 1, 2, "1", "a", "", None, b"a"])


@st.composite
def two_results(draw: st.DrawFn) -> tuple[Rows, Rows]:
    """A result and, mostly, the same one with its columns and rows moved and perhaps a cell changed."""
    width, height = draw(st.integers(1, 5)), draw(st.integers(0, 6))
    row = st.tuples(*[cells] * width)
    gold = draw(st.lists(row, min_size=height, max_size=height))
    order = draw(st.permutations(range(width)))
    predicted = [tuple(row[i] for i in order) for row in draw(st.permutations(gold))]
    if predicted and draw(st.booleans()):
        place = draw(st.integers(0, len(predicted) - 1))
        predicted[place] = draw(row)
    return gold, predicted


@settings(max_examples=400, deadline=None)
@given(two_results(), st.booleans())
def test_equal_to_the_literal_definition(results: tuple[Rows, Rows], ordered: bool) -> None:
    gold, predicted = results
    assert results_equal(gold, predicted, ordered) == reference(gold, predicted, ordered)
    assert results_equal(predicted, gold, ordered) == reference(gold, predicted, ordered)


def test_empty_results_are_equal_whatever_their_columns() -> None:
    assert results_equal([], [], ordered=True)
    assert not results_equal([], [(1,)], ordered=False)


@pytest.mark.parametrize(
    ("gold", "predicted", "equal"),
    [
        ([(1,)], [(1.0,)], True),
        ([(1,)], [("1",)], False),
        ([(None,)], [(None,)], True),
        ([(b"a",)], [("a",)], False),
        ([(2**53 + 1,)], [(float(2**53),)], False),
        ([("a", 1)], [(1.0, "a")], True),
        ([(3, 30)], [(3.0, 30.0)], False),  # sorted as text, 30 comes before 3 but 3.0 before 30.0
        ([(3, 40)], [(3.0, 40.0)], True),
        ([(float("inf"), 1)], [(1, float("inf"))], True),
    ],
)
def test_types_as_in_the_official_code(gold: Rows, predicted: Rows, equal: bool) -> None:
    assert results_equal(gold, predicted, ordered=False) == equal
    assert results_equal(gold, predicted, ordered=True) == equal


def test_many_columns_that_look_alike_are_matched_at_once() -> None:
    random_numbers = random.Random(1)
    gold = [tuple(random_numbers.randrange(2) for _ in range(40)) for _ in range(60)]
    order = random_numbers.sample(range(40), 40)
    predicted = random_numbers.sample([tuple(row[i] for i in order) for row in gold], len(gold))
    assert results_equal(gold, predicted, ordered=False)
    changed = [*predicted[1:], tuple(1 - cell for cell in predicted[0])]
    assert not results_equal(gold, changed, ordered=False)


def test_two_thousand_columns() -> None:
    gold = [tuple(range(row, row + 2000)) for row in range(3)]
    predicted = [row[::-1] for row in gold]
    assert results_equal(gold, predicted, ordered=False)
    assert not results_equal(gold, [*predicted[:2], (*predicted[2][:-1], 0)], ordered=False)
    assert results_equal([(0,) * 2000], [(0.0,) * 2000], ordered=False)


def test_symmetric_results_end_at_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two graphs that differ but look alike from every node: a hexagon, and two triangles, as columns of edges."""
    monkeypatch.setattr("text2sql.evaluation.results.COMPARISON_BUDGET", 100)

    def incidence(edges: list[tuple[int, int]]) -> Rows:
        return [tuple(int(node in edge) for node in range(6)) for edge in edges]

    hexagon = incidence([(i, (i + 1) % 6) for i in range(6)])
    triangles = incidence([(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3)])
    with pytest.raises(ComparisonTooLargeError):
        results_equal(hexagon, triangles, ordered=False)
    monkeypatch.undo()
    assert not results_equal(hexagon, triangles, ordered=False)
