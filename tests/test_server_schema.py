"""Schemathesis against a running server: no request that it can think of breaks what OpenAPI promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from serving import MUSIC, scripted_generator, serving
from text2sql.server.app import create_app
from text2sql.server.settings import Settings

EXAMPLES = "3"
"""Random requests of each operation, beside the systematic ones."""
UNCHECKED = "positive_data_acceptance"
"""Whether a URL opens, a file is a table and SQL can be read is not said by OpenAPI."""


def test_every_answer_is_as_documented(tmp_path: Path) -> None:
    settings = Settings(
        databases=(str(MUSIC),), allow_connect=True, schemes=("sqlite",), time_limit=2.0, token="sesame"
    )
    with serving(create_app(settings, scripted_generator(), "tiny")) as url:
        command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json"]
        command += ["--checks", "all", "--exclude-checks", UNCHECKED, "--phases", "examples,coverage,fuzzing"]
        command += ["--max-examples", EXAMPLES, "--seed", "1", "--no-color", "--continue-on-failure"]
        command += ["--header", "Authorization: Bearer sesame", "--header", "X-Database: music_shop"]
        found = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=500, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "Tested: 13" in found.stdout
