"""docs/evaluation.md is true: its commands run, the tests and metrics that it names exist."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from spider_files import make_set
from test_cli_score import wikisql_set
from text2sql.cli import build_parser, main
from text2sql.evaluation.summary import METRICS

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "evaluation.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line)[1:] for block in re.findall(r"```bash\n(.*?)```", PAGE, re.S) for line in block.splitlines()
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the commands name."""
    folder = tmp_path_factory.mktemp("page")
    gold = "SELECT name FROM item WHERE year > 2014"
    make_set(folder, [(gold, gold), (gold, "SELECT name FROM item WHERE id > 1")])
    wikisql_set(folder, [{"query": {"sel": 0, "agg": 0, "conds": [[1, 0, 3]]}}, {"error": "none"}])
    for old, new in {"gold.sql": "dev_gold.sql", "q.jsonl": "dev.jsonl", "t.jsonl": "dev.tables.jsonl"}.items():
        (folder / old).rename(folder / new)
    (folder / "p.jsonl").rename(folder / "predicted.jsonl")
    return folder


def test_the_page_has_commands_of_every_verb() -> None:
    assert {command[0] for command in COMMANDS} == {"score", "evaluate", "compare"}


def test_commands_run_in_the_order_of_the_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One test, not one per command: later commands read the files that earlier ones write."""
    monkeypatch.chdir(folder)
    for command in COMMANDS:
        if command[0] == "evaluate":  # needs a model: test_cli runs one; here the options must exist
            parsed = build_parser("evaluate").parse_args(command)
            assert parsed.output
            report = json.loads((folder / "report.json").read_text())
            Path(parsed.output).write_text(json.dumps(report))
        else:
            assert main(command) == 0, command
            for option in ("--output", "--markdown"):
                if option in command:
                    assert (folder / command[command.index(option) + 1]).stat().st_size > 100


def test_every_named_test_exists() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in TESTS.glob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 10
    assert not [name for name in named if f"def {name}(" not in sources]


def test_every_deliberate_difference_is_on_the_page() -> None:
    for name in ("test_exact_match.py", "test_execution.py", "test_wikisql_metrics.py"):
        tests = re.findall(r"def (test_difference_\w+)\(", (TESTS / name).read_text(encoding="utf-8"))
        assert tests
        assert not [test for test in tests if f"`{test}`" not in PAGE]


def test_every_metric_is_explained() -> None:
    explained = set(re.findall(r"`([a-z_]+)`", PAGE))
    assert set(METRICS.values()) - {"logical_form_accuracy_ordered"} <= explained
