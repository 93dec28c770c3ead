"""The README's commands, files and links exist, and its commands' arguments are understood."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from text2sql.cli import VERBS, build_parser
from text2sql.config import load_config

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = [
    (page.name, line.split("#")[0].strip())
    for page in PAGES
    for block in re.findall(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    for line in block.splitlines()
    if line.split("#")[0].strip()
]
SCRIPTS = {"train.sh": "train", "evaluate.sh": "evaluate"}


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=[command[:60] for _, command in COMMANDS])
def test_commands_are_understood(page: str, command: str) -> None:
    words = shlex.split(command)
    program, arguments = words[0], words[1:]
    if program.startswith("./scripts/"):
        assert (ROOT / program).is_file()
        verb = SCRIPTS.get(Path(program).name)
        arguments = [verb, *arguments] if verb else []
        if verb == "train" and len(arguments) == 1:
            arguments.append("configs/quickstart.yaml")
    elif program.endswith("python"):
        assert (ROOT / arguments[0]).is_file()
        return
    else:
        assert program.endswith("text2sql"), f"{page}: what is {program}?"
    if arguments:
        parsed = build_parser(arguments[0]).parse_args(arguments)
        if parsed.verb == "train":
            load_config(ROOT / parsed.config, parsed.overrides)
        if parsed.verb == "ask":
            assert (ROOT / parsed.db).is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    paths = re.findall(r"`((?:configs|examples|tests|benchmarks|scripts|notebooks|docs|src)/[\w./-]+\.\w+)`", text)
    for path in [*links, *paths]:
        assert (page.parent / path).exists() or (ROOT / path).exists(), f"{page.name}: {path}"


def test_every_verb_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [verb for verb in VERBS if f"`text2sql {verb}" not in text] == []
