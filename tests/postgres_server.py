"""A real PostgreSQL server for tests: its own data folder under the temporary folder, its own free port.

A test file that needs it imports the fixture: `from postgres_server import postgres_server`. The server starts once
per test process, with the first test that asks for it, and ends with the process. Tests are skipped, with the
reason, where PostgreSQL is not installed.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

import pytest

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'text2sql[db]'")

SUPERUSER = "postgres"
PASSWORD = "s3cret:/?#[]@ word"
"""Password of every role: full of characters that a URL must escape."""
_QUOTED = "s3cret%3A%2F%3F%23%5B%5D%40%20word"


class PostgresServer:
    """A running server. `url` gives addresses, `execute` changes things as the superuser."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="text2sql-postgres-"))
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        (self.folder / "password").write_text(PASSWORD)
        if os.geteuid() == 0:  # the server refuses to run as root
            shutil.chown(self.folder, "postgres")
            shutil.chown(self.folder / "password", "postgres")
        options = ["-A", "scram-sha-256", "-U", SUPERUSER, "--no-sync", "-E", "UTF8", "--locale=C"]
        arguments = ["initdb", "-D", str(self.folder / "data"), f"--pwfile={self.folder / 'password'}", *options]
        subprocess.run(self._as_user(arguments), check=True, capture_output=True)

    def _as_user(self, arguments: list[str]) -> list[str]:
        command = [str(self._programs / arguments[0]), *arguments[1:]]
        if os.geteuid() != 0:
            return command
        role = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        return [*role, "--pdeathsig", "INT", *command] if arguments[0] == "postgres" else [*role, *command]

    def start(self) -> None:
        """Start and wait until it answers."""
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "16MB",
            "max_connections": 40,
            "autovacuum": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            command = self._as_user(["postgres", "-D", str(self.folder / "data"), *options])
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.execute("SELECT 1")
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.1)

    def stop(self) -> None:
        """Stop at once: sessions are ended."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:  # a session that does not look at signals
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait(30)
            self._process = None

    def close(self) -> None:
        """Stop and delete."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str = "postgres", user: str = SUPERUSER, password: str = _QUOTED) -> str:
        """Address with the password (percent-encoded)."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def execute(self, sql: str, database: str = "postgres", user: str = SUPERUSER) -> list[tuple]:
        """Run statements, each committed, and give the rows of the last one."""
        with psycopg.connect(self.url(database, user), autocommit=True) as connection:
            cursor = connection.execute(sql)
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    def make_database(self, name: str, script: str = "") -> str:
        """Create a database, fill it by a script, and give the superuser's address of it."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.execute(f'CREATE DATABASE "{name}"')
        if script:
            self.execute(script, name)
        return self.url(name)

    def make_role(self, name: str, options: str = "") -> None:
        """Create a role that may log in with `PASSWORD`, where there is none."""
        if not self.execute(f"SELECT 1 FROM pg_roles WHERE rolname = '{name}'"):
            self.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}' {options}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _programs() -> Path | None:
    """Folder of initdb and postgres: on the PATH, or where Debian keeps the newest version."""
    found = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    return Path(found).resolve().parent if found else (folders[-1] if folders else None)


@cache
def shared_server() -> PostgresServer:
    """The server of this process, started when first asked for."""
    programs = _programs()
    if programs is None or (os.geteuid() == 0 and shutil.which("setpriv") is None):
        pytest.skip("PostgreSQL's server is not installed (Debian: apt install postgresql)")
    server = PostgresServer(programs)
    atexit.register(server.close)
    server.start()
    return server


@pytest.fixture(scope="session")
def postgres_server() -> PostgresServer:
    """A running server, the same one for every test file."""
    return shared_server()
