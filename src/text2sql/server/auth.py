"""What stands before every request: token, Host and Origin checks, body limits; and the headers of every response.

Without a token the server is bound to loopback, where any web page that the user visits could talk to it through the
browser. Two checks keep pages out: the Host header must name this machine (DNS rebinding), and a changing request
must not come from another origin (cross-site request forgery). With a token neither is needed, since no browser
sends it by itself.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from text2sql.server.errors import ApiError
from text2sql.server.settings import Settings, is_loopback

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'; img-src 'self' data: blob:",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_PUBLIC = re.compile(r"/(static/.*|health)?")
"""Paths that need no token: a browser cannot send one when it loads the page; they tell nothing of a database."""
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def error_body(path: str, status: int, detail: str) -> dict[str, object]:
    """An error as JSON: OpenAI's form under /v1, else `{"detail": ...}`."""
    if not path.startswith("/v1/"):
        return {"detail": detail}
    kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 503: "server_error"}
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "server_error")
    code = {401: "invalid_api_key", 404: "not_found"}.get(status)
    return {"error": {"message": detail, "type": kind, "param": None, "code": code}}


def error_response(path: str, error: ApiError) -> JSONResponse:
    """The response that an `ApiError` becomes."""
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error_body(path, error.status, str(error)), error.status, headers)


class Guard:
    """ASGI middleware that lets through what `settings` allow."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the request, then hand it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(MutableHeaders(scope=message))
            await send(message)

        limit = self._settings.upload_bytes if scope["path"] == "/uploads" else self._settings.body_bytes
        try:
            self._check(scope["method"], scope["path"], headers)
            _check_length(headers.get("content-length"), limit)
        except ApiError as error:
            await error_response(scope["path"], error)(scope, receive, send_with_headers)
            return
        body = LimitedBody(receive, limit, self._settings.body_seconds)
        await self.app(scope, body.receive, send_with_headers)

    def _check(self, method: str, path: str, headers: Headers) -> None:
        if self._settings.token is not None:
            if not _PUBLIC.fullmatch(path):
                _check_token(headers.get("authorization", ""), self._settings.token)
            return
        host = headers.get("host", "")
        if not is_loopback(_host_name(host)):
            raise ApiError(403, "the Host header names another machine: open the page as localhost or 127.0.0.1")
        origin = headers.get("origin")
        if method not in _SAFE_METHODS and origin is not None and urlsplit(origin).netloc != host:
            raise ApiError(403, "the request comes from another site's page: it is refused")


def _host_name(host: str) -> str:
    """`[::1]:8000` -> `::1`, `localhost:8000` -> `localhost`; "" for what is no host."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _check_token(authorization: str, token: str) -> None:
    scheme, _, given = authorization.partition(" ")
    equal = hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode("utf-8", "replace"))
    if scheme.lower() != "bearer" or not equal:
        raise ApiError(401, "a token is needed: send the header 'Authorization: Bearer TOKEN'")


def _check_length(length: str | None, limit: int) -> None:
    if length is not None and length.isdecimal() and int(length[:20]) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> ApiError:
    return ApiError(413, f"the request's body is larger than {limit} bytes")


def _add_headers(headers: MutableHeaders) -> None:
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("Cache-Control", "no-store")


class LimitedBody:
    """The body of a request as long as it is small enough and keeps coming; HTTPException 413 and 408 otherwise.

    That class is the one that FastAPI, which reads the body, does not take for an error of the body's syntax.
    """

    def __init__(self, receive: Receive, limit: int, seconds: float) -> None:
        self._receive = receive
        self._limit = limit
        self._seconds = seconds
        self._size = 0
        self._complete = False

    async def receive(self) -> Message:
        """The next message of the client."""
        if self._complete:  # what comes now is the client's leaving, however late
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._seconds)
        except TimeoutError:
            detail = f"the request's body did not arrive: nothing for {self._seconds:g} seconds"
            raise HTTPException(408, detail) from None
        self._size += len(message.get("body", b""))
        if self._size > self._limit:
            raise HTTPException(413, str(_too_large(self._limit)))
        self._complete = not message.get("more_body", False)
        return message
