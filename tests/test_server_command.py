"""`text2sql serve` and scripts/serve.sh: options, and errors that say what to do."""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from serving import MUSIC, serving_process
from text2sql.cli import serve
from text2sql.errors import UserError
from text2sql.server.running import bind

REPOSITORY = Path(__file__).resolve().parents[1]


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    return parser.parse_args(arguments)


def test_a_port_in_use_is_named_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} .*in use.*--port"):
            serve.run(parsed("--db", str(MUSIC), "--port", str(port)))


@pytest.mark.parametrize(("host", "port"), [("256.1.1.1", 0), ("nowhere.invalid", 0), ("127.0.0.1", 99999)])
def test_an_address_that_is_none_is_named(host: str, port: int) -> None:
    with pytest.raises(UserError, match="--port"):
        bind(host, port)


@pytest.mark.parametrize(
    "arguments",
    [("--time-limit", "0"), ("--row-limit", "0"), ("--row-limit", "10001"), ("--time-limit", "nan")],
)
def test_impossible_limits_are_refused(arguments: tuple[str, str]) -> None:
    with pytest.raises(UserError, match=arguments[0]):
        serve.settings_of(parsed(*arguments))


def test_missing_databases_and_models_are_named_before_anything_is_served(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing"):
        serve.run(parsed("--port", "0", "--checkpoint", str(tmp_path / "nothing")))
    with pytest.raises(UserError, match="belong together"):
        serve.run(parsed("--port", "0", "--writer-url", "http://localhost:1/v1"))


def test_the_token_comes_from_the_option_the_environment_or_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(serve.TOKEN_VARIABLE, raising=False)
    assert serve.settings_of(parsed()).token is None
    assert serve.settings_of(parsed("--token", "a")).token == "a"
    made = [serve.settings_of(parsed("--host", "0.0.0.0")).token or "" for _ in range(2)]
    assert made[0] != made[1]
    assert len(made[0]) >= 32
    monkeypatch.setenv(serve.TOKEN_VARIABLE, "b")
    assert serve.settings_of(parsed()).token == "b"


def test_connecting_is_for_this_machine_unless_it_is_allowed() -> None:
    options = [(), ("--host", "0.0.0.0"), ("--host", "0.0.0.0", "--allow-connect"), ("--no-allow-connect",)]
    assert [serve.settings_of(parsed(*o)).may_connect for o in options] == [True, False, True, False]


def test_without_the_extra_the_error_names_it() -> None:
    program = (
        "import sys; sys.modules['fastapi'] = None\n"
        "from text2sql.cli import serve; import argparse\n"
        "parser = argparse.ArgumentParser(); serve.add_arguments(parser)\n"
        "serve.run(parser.parse_args([]))"
    )
    failed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert failed.returncode != 0
    assert failed.stderr.strip().endswith('the package fastapi is missing: pip install -e ".[serve]"')


def test_a_token_that_was_made_is_printed_and_works() -> None:
    with serving_process("--host", "0.0.0.0") as (url, process):
        assert process.stdout is not None
        token = process.stdout.readline().split("the token is ")[1].split()[0]
        url = url.replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{url}/databases", timeout=60).status_code == 401
        headers = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"{url}/databases", headers=headers, timeout=60).status_code == 200


def test_the_script_explains_itself() -> None:
    shown = subprocess.run([REPOSITORY / "scripts" / "serve.sh", "--help"], capture_output=True, text=True, check=True)
    for word in ("--db", "--port", "--host", "--checkpoint", "--token", "127.0.0.1:8000"):
        assert word in shown.stdout
