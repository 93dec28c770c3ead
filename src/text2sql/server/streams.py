"""Server-sent events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

from fastapi import Request

from text2sql.errors import UserError
from text2sql.server.errors import ApiError, one_line
from text2sql.server.service import to_json
from text2sql.server.workers import ClientGoneError, Running

logger = logging.getLogger("text2sql.server")
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""A proxy must neither keep nor collect the events."""
INTERNAL_ERROR = "internal error: the server's log says more"


def event(name: str, content: object) -> bytes:
    """One event with a JSON body."""
    return b"event: " + name.encode() + b"\ndata: " + to_json(content) + b"\n\n"


class EventQueue:
    """Events that a worker thread puts and a response sends."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    def put(self, message: bytes) -> None:
        """Add an event, from any thread."""
        self._loop.call_soon_threadsafe(self._queue.put_nowait, message)

    async def until(
        self, running: Running[bytes], request: Request, failed: Callable[[int, str], bytes]
    ) -> AsyncIterator[bytes]:
        """The events until the work is done, then what it gave, or `failed(status, detail)` where it raised."""
        finished = asyncio.ensure_future(running.result(request))
        finished.add_done_callback(lambda _: self._queue.put_nowait(None))
        try:
            while (message := await self._queue.get()) is not None:
                yield message
            yield _last(finished, failed)
        finally:
            finished.cancel()
            running.abandon()


def _last(finished: asyncio.Future[bytes], failed: Callable[[int, str], bytes]) -> bytes:
    try:
        return finished.result()
    except (ClientGoneError, asyncio.CancelledError):
        return b""
    except UserError as error:
        return failed(error.status if isinstance(error, ApiError) else 400, one_line(error))
    except Exception:
        logger.exception("a streamed request failed")
        return failed(500, INTERNAL_ERROR)
