"""What the server serves and what it allows: addresses, rights, limits. One dataclass, no behaviour."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

QUESTION_CHARACTERS = 2_000
"""Longest question; the model's context holds far less."""
SQL_CHARACTERS = 20_000
"""Longest SQL text of a request."""
LARGEST_ROW_LIMIT = 10_000
"""Most rows that a request may ask for."""


@dataclass(frozen=True)
class Settings:
    """Everything that `create_app` needs to know. Times are seconds, sizes bytes."""

    databases: tuple[str, ...] = ()
    """URLs or paths opened at the start; the first is the default of every request."""
    checkpoint: str | None = None
    """Checkpoint folder; None takes the shipped model."""
    device: str = "cpu"
    """Where the model runs: cpu, cuda, cuda:1, mps."""
    host: str = "127.0.0.1"
    """Address that the server is bound to; beyond loopback a token is needed."""
    port: int = 8000
    """TCP port; 0 takes a free one."""
    token: str | None = None
    """Secret that requests carry as `Authorization: Bearer ...`; None asks for none (loopback only)."""
    allow_connect: bool | None = None
    """Whether clients may connect to new URLs and paths; None: only while bound to loopback."""
    schemes: tuple[str, ...] = ("sqlite", "postgresql", "postgres", "duckdb")
    """URL schemes that clients may connect to; a plain path is sqlite. Others run unguarded in this process."""
    allow_uploads: bool = True
    """Whether clients may upload CSV and SQLite files."""

    time_limit: float = 5.0
    """Longest that one query may run."""
    row_limit: int = 1_000
    """Rows of a result where the request does not say."""
    export_rows: int = 100_000
    """Most rows of an exported file."""
    result_bytes: int = 20_000_000
    """About the most text of one result that is sent; later rows are cut off and the result is marked truncated."""

    body_bytes: int = 262_144
    """Largest request body, uploads apart."""
    body_seconds: float = 30.0
    """Longest silence while a body is being received."""
    upload_bytes: int = 50_000_000
    """Largest upload, all its files together."""
    upload_files: int = 20
    """Most files of one upload."""
    uploads_bytes: int = 500_000_000
    """Most that all uploads may take on disk."""
    most_databases: int = 32
    """Most databases open at a time."""
    connections: int = 8
    """Most connections to one database, that is queries that run on it at a time."""

    question_threads: int = 32
    """Questions worked on at a time, most of them waiting for the model."""
    query_threads: int = 8
    """Other requests that run queries at a time."""
    queue_length: int = 256
    """Questions (and, apart from them, queries) that are admitted at a time; the next one is answered with 503."""
    largest_batch: int = 32
    """Most questions that the model answers together."""
    gather_seconds: float = 0.005
    """How long the model waits for more questions before it starts a batch."""
    conversations: int = 500
    """Conversations that are remembered; the one not used for longest is forgotten first."""

    @property
    def loopback(self) -> bool:
        """Whether only programs on this machine can reach the server."""
        return is_loopback(self.host)

    @property
    def may_connect(self) -> bool:
        """Whether clients may open databases by URL or path."""
        return self.loopback if self.allow_connect is None else self.allow_connect


def is_loopback(host: str) -> bool:
    """Whether an address or name (`localhost`, `127.0.0.1`, `::1`) is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
