"""The floors of the house: a module imports from its own package or from lower floors only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "text2sql"
FLOORS = {
    "errors": 0, "schema": 0, "config": 0, "files": 0, "english": 0, "sql_tree": 0, "tokenizer": 0,
    "prompting": 1, "database": 1, "model": 1,
    "decoding": 2, "data": 2,
    "training": 3, "evaluation": 3,
    "synthesis": 4, "assistant": 4,
    "pipeline": 5, "server": 5,
    "cli": 6,
}  # fmt: skip


def imported(path: Path) -> set[str]:
    """First-level parts of text2sql that a module imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        names |= {m.split(".")[1] for m in modules if m.startswith("text2sql.")}
    return names


def test_every_part_has_a_floor() -> None:
    parts = {p.stem if p.is_file() else p.name for p in PACKAGE.iterdir() if p.suffix in (".py", "")}
    assert parts - {"__init__", "__pycache__", "py"} == set(FLOORS)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_downwards(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    upward = {name for name in imported(path) - {own} if FLOORS[name] >= FLOORS[own] > 0}
    assert not upward, f"{path} imports {upward}, which are not on lower floors"
    if FLOORS[own] == 0:  # the ground floor's modules may lean on one another
        assert all(FLOORS[name] == 0 for name in imported(path))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
