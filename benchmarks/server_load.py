"""Many clients at once against a running `text2sql serve`: errors, latencies, questions per second.

    python benchmarks/server_load.py --clients 100 --questions 2000 --output docs/results/server.json

Starts the server on a free port of this machine with an example database (or takes `--url` of one that runs). Each
client asks one question after the other, so as many requests are under way as there are clients. The questions are
the example database's own; `/health` is asked all the while, to see whether the server stays awake. Latencies are the
clients': from the first byte sent to the last byte received.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import itertools
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from reporting import percentiles, report

REPOSITORY = Path(__file__).resolve().parents[1]
HEALTH_SECONDS = 0.5


@contextlib.contextmanager
def running_server(arguments: argparse.Namespace) -> Iterator[str]:
    """The address of the server that is measured."""
    if arguments.url:
        yield arguments.url
        return
    command = [sys.executable, "-m", "text2sql.cli", "serve", "--port", "0", "--db", str(arguments.database)]
    command += ["--checkpoint", str(arguments.checkpoint)] if arguments.checkpoint else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            yield next(word.rstrip("/") for word in line.split() if word.startswith("http://"))
        finally:
            process.terminate()


def questions_of(database: Path) -> list[str]:
    """The questions of an example database."""
    path = REPOSITORY / "examples" / "questions" / f"{database.stem}.jsonl"
    return [json.loads(line)["question"] for line in path.read_text(encoding="utf-8").splitlines()]


async def measure(url: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Ask all questions and count."""
    work = iter(list(itertools.islice(itertools.cycle(questions_of(arguments.database)), arguments.questions)))
    limits = httpx.Limits(max_connections=arguments.clients + 1, max_keepalive_connections=arguments.clients + 1)
    seconds: list[float] = []
    health: list[float] = []
    outcomes: collections.Counter[str] = collections.Counter()
    async with httpx.AsyncClient(base_url=url, timeout=arguments.timeout, limits=limits) as client:
        await client.post("/ask", json={"question": next(iter(questions_of(arguments.database)))})  # builds the index
        watch = asyncio.create_task(watch_health(client, health))
        start = time.perf_counter()
        await asyncio.gather(*(ask(client, work, seconds, outcomes) for _ in range(arguments.clients)))
        elapsed = time.perf_counter() - start
        watch.cancel()
    return {
        "questions": len(seconds),
        "errors": sum(count for outcome, count in outcomes.items() if outcome.startswith("failed")),
        "outcomes": dict(outcomes),
        "seconds": round(elapsed, 1),
        "questions_per_second": round(len(seconds) / elapsed, 1),
        "latency_seconds": percentiles(seconds),
        "health_latency_seconds": percentiles(health),
    }


async def ask(
    client: httpx.AsyncClient, work: Iterator[str], seconds: list[float], outcomes: collections.Counter[str]
) -> None:
    """One client: a question after the other until there are none left."""
    for question in work:
        start = time.perf_counter()
        outcome = await outcome_of(client, question)
        seconds.append(time.perf_counter() - start)
        outcomes[outcome] += 1


async def outcome_of(client: httpx.AsyncClient, question: str) -> str:
    """What became of a question: `failed ...` is the server's fault, all else an answer."""
    try:
        response = await client.post("/ask", json={"question": question})
        answer = response.json()
    except (httpx.HTTPError, ValueError) as error:
        return f"failed: {type(error).__name__}"
    if response.status_code != 200 or answer["question"] != question:
        return f"failed: status {response.status_code}"
    if answer["abstained"]:
        return "abstained"
    return "SQL failed" if answer["error"] else "answered"


async def watch_health(client: httpx.AsyncClient, seconds: list[float]) -> None:
    """Ask for the server's health all the while."""
    while True:
        start = time.perf_counter()
        await client.get("/health")
        seconds.append(time.perf_counter() - start)
        await asyncio.sleep(HEALTH_SECONDS)


def main() -> None:
    """Parse the arguments, measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="a server that runs already, such as http://127.0.0.1:8000")
    parser.add_argument("--database", type=Path, default=Path("examples/music_shop.sqlite"), help="an example database")
    parser.add_argument("--checkpoint", type=Path, help="model folder (default: the model that ships)")
    parser.add_argument("--clients", type=int, default=100, help="clients at a time")
    parser.add_argument("--questions", type=int, default=2000, help="questions in all")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds after which a client gives up")
    parser.add_argument("--output", type=Path, help="JSON file for the result")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with running_server(arguments) as url:
        model = httpx.get(f"{url}/health", timeout=60).json()
        measured = asyncio.run(measure(url, arguments))
    result = {
        "clients": arguments.clients,
        "database": arguments.database.stem,
        "model": model["model"],
        "version": model["version"],
        **measured,
        "machine": {"architecture": platform.machine(), "cores": os.cpu_count(), "load_before": load},
    }
    report(result, arguments.output)


if __name__ == "__main__":
    main()
