"""Many clients at once, slow queries, clients that leave, a stop in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import threading
import time

import httpx
import pytest

from serving import COUNT, ENDLESS, JAPAN, MUSIC, SCRIPT, SLOW, scripted_generator, served, serving_process, wait_until
from text2sql.server.settings import Settings

PATIENT = Settings(databases=(str(MUSIC),), time_limit=300.0)


def post(client: httpx.Client, path: str, body: dict) -> threading.Thread:
    """Send a request from a thread of its own, and forget it."""

    def send() -> None:
        with contextlib.suppress(httpx.HTTPError):  # the server may be stopped meanwhile
            httpx.post(f"{client.base_url}{path}", json=body, timeout=400)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    return thread


def leave_after_sending(client: httpx.Client, path: str, body: dict) -> socket.socket:
    """A connection with a request on its way, to be closed by the caller."""
    request = client.build_request("POST", path, json=body)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(request.content)}\r\n\r\n"
    connection = socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=60)
    connection.sendall(head.encode() + request.content)
    return connection


def waiting(client: httpx.Client) -> int:
    return client.get("/health").json()["waiting"]


def test_many_clients_at_once_get_their_own_answers() -> None:
    generator = scripted_generator(delay=0.02)
    questions = [q for q in SCRIPT if q != SLOW] * 25

    async def ask_all(url: httpx.URL) -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as client:
            return await asyncio.gather(*(client.post("/ask", json={"question": q}) for q in questions))

    with served(generator=generator) as client:
        responses = asyncio.run(ask_all(client.base_url))
        assert {response.status_code for response in responses} == {200}
        assert [r.json()["sql"].lower() for r in responses] == [SCRIPT[q].lower() for q in questions]
        assert waiting(client) == 0
    assert sum(generator.batches) == len(questions)
    assert len(generator.batches) < len(questions) / 3


def test_a_full_queue_is_refused_with_the_time_to_come_back() -> None:
    with served(Settings(databases=(str(MUSIC),), queue_length=2, time_limit=300.0)) as client:
        for _ in range(2):
            post(client, "/run", {"sql": ENDLESS})
        wait_until(lambda: waiting(client) == 2)
        refused = client.post("/run", json={"sql": "SELECT 1"})
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert client.post("/ask", json={"question": COUNT}).status_code == 200  # questions have a queue of their own


def test_slow_queries_do_not_block_the_others() -> None:
    with served(PATIENT) as client:
        for _ in range(2):
            post(client, "/run", {"sql": ENDLESS})
            post(client, "/ask", {"question": SLOW})
        wait_until(lambda: waiting(client) == 4)
        start = time.monotonic()
        assert client.post("/run", json={"sql": "SELECT 1"}).json()["result"]["rows"] == [[1]]
        assert client.post("/ask", json={"question": JAPAN}).json()["error"] is None
        assert client.get("/schema").status_code == 200
        assert time.monotonic() - start < 60
        assert waiting(client) == 4


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/run", {"sql": ENDLESS}),
        ("/export", {"sql": ENDLESS, "format": "csv"}),
        ("/ask", {"question": SLOW}),
        ("/ask", {"question": SLOW, "stream": True}),
        ("/v1/chat/completions", {"model": "tiny", "messages": [{"role": "user", "content": SLOW}]}),
        ("/v1/chat/completions", {"model": "tiny", "stream": True, "messages": [{"role": "user", "content": SLOW}]}),
    ],
)
def test_a_client_that_leaves_stops_its_query(path: str, body: dict) -> None:
    with served(PATIENT) as client:
        pool = client.app.state.service.databases.get().database  # type: ignore[attr-defined]
        connection = leave_after_sending(client, path, body)
        wait_until(lambda: bool(pool._busy))
        connection.close()
        wait_until(lambda: waiting(client) == 0)
        assert not pool._busy


def test_a_client_that_leaves_takes_its_question_out_of_the_queue() -> None:
    generator = scripted_generator(delay=1.0)
    settings = Settings(databases=(str(MUSIC),), largest_batch=1)
    with served(settings, generator) as client:
        connections = [leave_after_sending(client, "/ask", {"question": COUNT}) for _ in range(5)]
        wait_until(lambda: waiting(client) == 5)
        for connection in connections:
            connection.close()
        wait_until(lambda: waiting(client) == 0)
    assert len(generator.batches) < 5


def test_a_conversation_answers_one_question_at_a_time() -> None:
    with served(PATIENT) as client:
        first = client.post("/ask", json={"question": COUNT}).json()["conversation"]
        connection = leave_after_sending(client, "/ask", {"question": SLOW, "conversation": first})
        wait_until(lambda: waiting(client) == 1)
        refused = client.post("/ask", json={"question": COUNT, "conversation": first})
        assert refused.status_code == 409
        connection.close()
        wait_until(lambda: waiting(client) == 0)
        assert client.post("/ask", json={"question": COUNT, "conversation": first}).status_code == 200


def test_stopping_the_server_stops_its_queries() -> None:
    with served(PATIENT) as client:
        thread = post(client, "/run", {"sql": ENDLESS})
        wait_until(lambda: waiting(client) == 1)
        service = client.app.state.service  # type: ignore[attr-defined]
        start = time.monotonic()
    thread.join(60)
    assert time.monotonic() - start < 60
    assert len(service.queries) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one child process")
def test_the_command_serves_until_ctrl_c() -> None:
    with serving_process() as (url, process):
        assert httpx.get(f"{url}/health", timeout=60).json()["status"] == "ok"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read().strip() == "text2sql: stopped"
