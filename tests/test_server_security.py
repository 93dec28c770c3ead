"""Who may talk to the server, how much, and what it must never say."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serving import COUNT, MUSIC, scripted_generator, served
from text2sql.errors import UserError
from text2sql.server.app import create_app
from text2sql.server.errors import SecretFreeFormatter, one_line
from text2sql.server.settings import Settings, is_loopback

TOKEN = "correct horse battery staple".replace(" ", "-")
SMALL = Settings(databases=(str(MUSIC),), body_bytes=3_000, upload_bytes=5_000, body_seconds=0.5)


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with served(SMALL) as found:
        yield found


@pytest.fixture(scope="module")
def guarded() -> Iterator[httpx.Client]:
    settings = Settings(databases=(str(MUSIC),), host="0.0.0.0", token=TOKEN)
    with served(settings) as found:
        yield found


def raw(client: httpx.Client, request: bytes, more: bytes = b"") -> bytes:
    """The answer to bytes sent as they are."""
    address = client.base_url.host, client.base_url.port
    with socket.create_connection(address, timeout=30) as connection:  # type: ignore[arg-type]
        connection.sendall(request + more)
        return connection.recv(65536)


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:80", "LOCALHOST", "127.0.0.2:1"])
def test_names_of_this_machine_are_let_in(client: httpx.Client, host: str) -> None:
    assert client.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "10.0.0.1", ""]
)
def test_other_names_are_refused(client: httpx.Client, host: str) -> None:
    refused = client.get("/schema", headers={"Host": host})
    assert refused.status_code == 403
    assert "tables" not in refused.text


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:1", "https://localhost.evil.example"]
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/run"), ("DELETE", "/databases/music_shop"), ("POST", "/v1/chat/completions")]
)
def test_other_sites_pages_are_refused(client: httpx.Client, origin: str, method: str, path: str) -> None:
    assert client.request(method, path, json={"sql": "SELECT 1"}, headers={"Origin": origin}).status_code == 403


def test_the_own_page_is_let_in_and_no_other_may_read(client: httpx.Client) -> None:
    own = str(client.base_url).rstrip("/")
    response = client.post("/run", json={"sql": "SELECT 1"}, headers={"Origin": own})
    assert response.status_code == 200
    assert not [name for name in response.headers if name.startswith("access-control")]
    preflight = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    refused = client.options("/run", headers=preflight)
    assert refused.status_code in (403, 405)
    assert "access-control-allow-origin" not in refused.headers


def test_a_body_that_a_plain_form_could_send_is_refused(client: httpx.Client) -> None:
    response = client.post("/run", content='{"sql": "SELECT 1"}', headers={"Content-Type": "text/plain"})
    assert response.status_code == 422


@pytest.mark.parametrize("path", ["/", "/health", "/schema", "/nothing", "/static/nothing.js", "/v1/models"])
def test_every_response_has_the_security_headers(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


def test_pages_that_load_scripts_from_elsewhere_are_off(client: httpx.Client) -> None:
    assert [client.get(path).status_code for path in ("/docs", "/redoc", "/openapi.json")] == [404, 404, 200]


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/settings.py", "/static//etc/passwd"]
)
def test_only_the_pages_files_are_served(client: httpx.Client, path: str) -> None:
    answer = raw(client, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer \xe9"],
)
def test_without_the_token_nothing_is_told(guarded: httpx.Client, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
    for path in ("/schema", "/databases", "/openapi.json", "/v1/models"):
        refused = guarded.get(path, headers=headers)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert "music" not in refused.text
    assert guarded.post("/ask", json={"question": COUNT}, headers=headers).status_code == 401


def test_with_the_token_everything_works_under_any_name(guarded: httpx.Client) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Host": "database.example"}
    assert guarded.get("/schema", headers=headers).status_code == 200
    assert guarded.post("/ask", json={"question": COUNT}, headers=headers).json()["result"]["rows"]
    assert guarded.get("/health").status_code == 200


def test_beyond_loopback_clients_open_no_other_databases(guarded: httpx.Client) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    refused = guarded.post("/databases", json={"url": str(MUSIC)}, headers=headers)
    assert refused.status_code == 403
    assert "switched off" in refused.json()["detail"]


def test_beyond_loopback_a_token_is_needed() -> None:
    with pytest.raises(UserError, match="needs a token"):
        create_app(Settings(host="0.0.0.0"), scripted_generator())
    assert [is_loopback(h) for h in ("localhost", "127.1.2.3", "::1", "0.0.0.0", "::", "example.com", "")] == [
        True, True, True, False, False, False, False,
    ]  # fmt: skip


def test_large_bodies_are_refused_whether_announced_or_not(client: httpx.Client) -> None:
    announced = client.post("/run", json={"sql": "SELECT '" + "x" * 4000 + "'"})
    assert announced.status_code == 413
    assert "3000 bytes" in announced.json()["detail"]
    chunked = client.post("/run", content=(b"x" * 1000 for _ in range(5)), headers={"Content-Type": "application/json"})
    assert chunked.status_code == 413
    upload = client.post("/uploads", files={"files": ("a.csv", b"x\n" + b"1\n" * 4000)})
    assert upload.status_code == 413
    answer = raw(client, b"POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n")
    assert answer.split()[1] in (b"413", b"400")


def test_a_body_that_never_arrives_is_given_up(client: httpx.Client) -> None:
    head = b"POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n"
    assert raw(client, head, b'{"sql":').startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/ask", {"question": "x" * 2001}),
        ("/ask", {"question": " \n\t"}),
        ("/ask", {"question": "How many?", "row_limit": 0}),
        ("/ask", {"question": "How many?", "row_limit": 10**9}),
        ("/ask", {"question": "How many?", "typo": 1}),
        ("/ask", {"question": 5}),
        ("/run", {"sql": ""}),
        ("/run", []),
        ("/export", {"sql": "SELECT 1", "format": "../../etc/passwd"}),
        ("/databases", {"url": "x" * 2001}),
    ],
)
def test_bodies_that_make_no_sense_are_refused_in_one_line(client: httpx.Client, path: str, body: object) -> None:
    refused = client.post(path, json=body)
    assert refused.status_code == 422
    assert isinstance(refused.json()["detail"], str)
    assert "\n" not in refused.json()["detail"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"sql": "\\ud800"}', b"[" * 2000, b"NaN"])
def test_bodies_that_are_no_json_are_refused(client: httpx.Client, content: bytes) -> None:
    assert client.post("/run", content=content, headers={"Content-Type": "application/json"}).status_code in (400, 422)


def test_a_huge_result_is_cut_off() -> None:
    with served(Settings(databases=(str(MUSIC),), result_bytes=100_000)) as client:
        sql = "SELECT hex(zeroblob(10000)) FROM tracks"
        response = client.post("/run", json={"sql": sql})
        assert response.json()["result"]["truncated"]
        assert 0 < len(response.json()["result"]["rows"]) <= 5
        assert len(response.content) < 200_000


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret-pw@127.0.0.1:1/shop",
        "postgresql://me:s3cret-pw@nowhere.invalid/shop?sslmode=disable",
        "postgresql://127.0.0.1:1/shop?user=me&password=s3cret-pw",
    ],
)
def test_a_password_is_neither_sent_nor_logged(
    client: httpx.Client, url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    refused = client.post("/databases", json={"url": url})
    assert refused.status_code in (403, 409)
    written = capfd.readouterr()
    assert "s3cret-pw" not in refused.text + written.out + written.err
    assert "s3cret-pw" not in client.get("/databases").text


def test_secrets_are_taken_out_of_texts() -> None:
    text = "no postgresql+psycopg://me:p@ss/w:rd@host/db, password=abc&x=1, Authorization: Bearer abc.def"
    assert one_line(text + "\nnext") == (
        "no postgresql+psycopg://me:***@host/db, password=***&x=1, Authorization: Bearer *** next"
    )
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "failed: %s", ("mysql://a:secret@h/d",), None)
    assert SecretFreeFormatter("%(message)s").format(record) == "failed: mysql://a:***@h/d"


def test_uploads_are_bounded_and_leave_nothing_behind() -> None:
    settings = Settings(databases=(str(MUSIC),), uploads_bytes=40_000, most_databases=3, upload_files=2)
    with served(settings) as client:
        root: Path = client.app.state.service.databases._folder  # type: ignore[attr-defined]
        assert root.stat().st_mode & 0o077 == 0
        table = ("files", ("t.csv", b"x\n1\n"))
        assert client.post("/uploads", files=[("files", (f"{n}.csv", b"x\n1\n")) for n in range(3)]).status_code == 413
        assert client.post("/uploads", files={"files": ("b.csv", b"x\n" + b"1\n" * 25_000)}).status_code == 413
        assert [client.post("/uploads", files=[table]).status_code for _ in range(3)] == [201, 201, 409]
    assert not root.exists()
