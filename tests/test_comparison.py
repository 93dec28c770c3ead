"""Comparing two reports: the tests of significance, flips, refusals, and a page that hostile text cannot leave."""

from __future__ import annotations

import html.parser
import json
from pathlib import Path
from typing import Any

import pytest

from text2sql.cli import main
from text2sql.errors import UserError
from text2sql.evaluation.comparison import bootstrap_interval, compare, mcnemar
from text2sql.evaluation.comparison_page import comparison_page
from text2sql.evaluation.report import Report
from text2sql.evaluation.summary import summarise

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>@DATA@ &amp; | `"


def report(verdicts: str, **changes: Any) -> Report:
    """A report with an example per character, right where it is 1."""
    entries = [
        {
            "id": f"own/{n}",
            "db_id": "shop",
            "question": f"question {n}",
            "gold": "SELECT 1",
            "prediction": f"SELECT {mark}",
            "exact_match": mark == "1",
            "hardness": "easy",
            **changes,
        }
        for n, mark in enumerate(verdicts)
    ]
    return summarise("own", "test", entries)


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [(0, 0, 1), (5, 5, 1), (1, 0, 1), (0, 6, 0.03125), (6, 0, 0.03125), (10, 2, 0.03857421875), (8, 1, 0.0390625)],
)
def test_mcnemar_is_the_exact_binomial(gained: int, lost: int, p: float) -> None:
    assert mcnemar(gained, lost) == p


def test_mcnemar_of_thousands() -> None:
    assert 0 < mcnemar(2600, 2400) < 0.01


def test_the_interval_holds_the_difference_and_narrows_with_more_examples() -> None:
    low, high = bootstrap_interval(30, 10, 100)
    assert low < 0.2 < high
    assert 0.05 < low < 0.1
    assert high - low == pytest.approx(2 * 1.96 * ((0.4 - 0.04) / 100) ** 0.5, rel=0.1)
    narrow = bootstrap_interval(300, 100, 1000)
    assert narrow[1] - narrow[0] < (high - low) / 2
    assert bootstrap_interval(30, 10, 100) == (low, high)
    assert bootstrap_interval(0, 0, 9) == (0, 0)


def test_flips_and_metrics() -> None:
    found = compare(report("110010"), report("101110"), ("base", "tuned"))
    (metric,) = found.metrics
    assert (metric.name, metric.count, metric.gained, metric.lost) == ("exact_match", 6, 2, 1)
    assert (metric.before, metric.after) == (3 / 6, 4 / 6)
    assert (found.gained, found.lost) == ([2, 3], [1])
    text = found.markdown()
    assert "| exact_match | 6 | 50.00 | 66.67 | +16.67 |" in text
    assert "## Only tuned is right: 2" in text
    assert "| easy | 6 | 50.00 → 66.67 |" in text


def test_settings_that_differ_are_told() -> None:
    before, after = report("1"), report("1")
    before.settings, after.settings = {"seed": 0, "version": "1"}, {"seed": 3, "version": "1"}
    text = compare(before, after).markdown()
    assert "| seed | `0` | `3` |" in text
    assert "version" not in text


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (report("111"), "2 and 3 examples"),
        (report("11", question="another"), "example 0: question"),
        (report("11", gold="SELECT 2"), "example 0: gold"),
        (report("11", id="x"), "example 0: id"),
    ],
)
def test_other_examples_are_refused(after: Report, words: str) -> None:
    with pytest.raises(UserError, match=words):
        compare(report("11"), after)


class Page(html.parser.HTMLParser):
    """Collects tags, attributes and the data of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.data: list[str] = []
        self.within = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.within = ("id", "data") in attrs

    def handle_endtag(self, tag: str) -> None:
        self.within = False

    def handle_data(self, data: str) -> None:
        if self.within:
            self.data.append(data)


def test_hostile_text_stays_text_in_the_page() -> None:
    fields = dict.fromkeys(("question", "gold", "prediction", "reason", "gold_answer", "db_id", "hardness"), HOSTILE)
    side = report("10", **fields)
    text = comparison_page(compare(side, side, (HOSTILE, "</title><b>")))
    page = Page(text)
    assert page.tags.count("script") == 2
    assert not {"img", "b", "link", "iframe"} & set(page.tags)
    assert not [name for name, value in page.attributes if name.startswith("on") or "http" in (value or "")]
    data = json.loads("".join(page.data))
    assert data["rows"][0]["question"] == data["rows"][0]["sides"][1]["sql"] == HOSTILE
    assert data["names"][0] == HOSTILE
    assert "innerHTML" not in text
    assert "default-src 'none'" in text


def test_the_command_writes_page_and_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report("110").save(tmp_path / "base.json")
    report("111").save(tmp_path / "tuned.json")
    files = [str(tmp_path / name) for name in ("base.json", "tuned.json")]
    outputs = ["--output", str(tmp_path / "c.html"), "--markdown", str(tmp_path / "c.md")]
    assert main(["compare", *files, *outputs]) == 0
    assert "only tuned" in capsys.readouterr().out
    assert "base against tuned" in (tmp_path / "c.html").read_text()
    assert "| exact_match | 3 |" in (tmp_path / "c.md").read_text()


def test_the_command_refuses_what_it_cannot_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report("110").save(tmp_path / "a.json")
    report("11").save(tmp_path / "b.json")
    (tmp_path / "c.json").write_text("{")
    for other, words in (("b", "3 and 2 examples"), ("c", "not an evaluation report"), ("d", "not found")):
        assert main(["compare", str(tmp_path / "a.json"), str(tmp_path / f"{other}.json")]) == 2
        assert words in capsys.readouterr().err
