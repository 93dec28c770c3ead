"""The examples of docs/api.md run, and their responses have the fields that it shows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import MUSIC, scripted_generator, serving
from text2sql.server.app import create_app
from text2sql.server.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[1]
DEFAULT = "http://127.0.0.1:8000"
BLOCK = re.compile(r"```(sh|python)\n(.*?)```(?:\n+```json\n(.*?)```)?", re.DOTALL)
EXAMPLES = BLOCK.findall((REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(create_app(Settings(databases=(str(MUSIC),)), scripted_generator(), "tiny")) as found:
        yield found


def shape(value: object) -> object:
    """What two responses of one kind share: keys, and the shape of the first element."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]] or "list"
    return "value"


def fits(shown: object, found: object) -> bool:
    """Whether a response has the documented shape; lists may be empty and values null."""
    if "list" in (shown, found) or "value" in (shown, found):
        return True
    if isinstance(shown, dict) and isinstance(found, dict):
        return shown.keys() == found.keys() and all(fits(shown[key], found[key]) for key in shown)
    return isinstance(shown, list) and isinstance(found, list) and fits(shown[0], found[0])


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples use curl, which is not installed")
def test_the_shell_examples_run(url: str) -> None:
    commands = [(text, shown) for kind, text, shown in EXAMPLES if kind == "sh"]
    assert len(commands) >= 11
    for command, shown in commands:
        script = command.replace(DEFAULT, url).replace("curl -s", "curl -sS --fail-with-body")
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=REPOSITORY, check=False)
        assert done.returncode == 0, command + done.stdout + done.stderr
        if shown:
            found = json.loads(done.stdout)
            assert fits(shape(json.loads(shown)), shape(found)), f"{command}\nshown {shown}\nfound {done.stdout}"


def test_the_python_example_runs(url: str) -> None:
    program = next(text for kind, text, _ in EXAMPLES if kind == "python").replace(DEFAULT, url)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    whole, streamed = done.stdout[: len(done.stdout) // 2 + 1], done.stdout[len(done.stdout) // 2 + 1 :]
    assert whole.strip() == streamed.strip()
    assert "```sql" in whole
