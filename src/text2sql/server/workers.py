"""A bounded pool of threads for the blocking work of requests, and the watch over requests whose client has gone.

More work than the bound is refused with 503. Work whose client disconnects is cancelled: it leaves the queue, or the
query that it runs is stopped.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from starlette.requests import Request

from text2sql.server.batching import Cancelled, Job, working_on
from text2sql.server.errors import ApiError

T = TypeVar("T")
RETRY_SECONDS = 2
"""When a client that was refused is told to come back."""
_CANCEL_SECONDS = 0.1


class ClientGoneError(Exception):
    """The client has disconnected; there is nobody to answer."""


class Running(Generic[T]):
    """Work that a thread does or will do."""

    def __init__(self, job: Job, future: concurrent.futures.Future[T]) -> None:
        self.job = job
        self.future = future

    async def result(self, request: Request) -> T:
        """What the work gives, or raises. Raises ClientGoneError, after cancelling it, when the client leaves."""
        waiter = asyncio.wrap_future(self.future)
        gone = asyncio.ensure_future(_disconnected(request))
        try:
            await asyncio.wait((waiter, gone), return_when=asyncio.FIRST_COMPLETED)
            if not waiter.done():
                raise ClientGoneError
            return waiter.result()
        finally:
            gone.cancel()
            waiter.cancel()
            self.abandon()

    def abandon(self) -> None:
        """Cancel the work if it is not done."""
        self.future.cancel()
        if not self.future.done():
            task = asyncio.get_running_loop().create_task(self._cancel_until_done())
            _cancelling.add(task)  # the loop itself keeps only a weak reference
            task.add_done_callback(_cancelling.discard)

    async def _cancel_until_done(self) -> None:
        """Again and again: a query that is just about to begin misses the first call."""
        while not self.future.done():
            self.job.cancel()
            await asyncio.sleep(_CANCEL_SECONDS)
        with contextlib.suppress(BaseException):  # nobody asks for it any more
            self.future.exception()


_cancelling: set[asyncio.Task[None]] = set()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class Workers:
    """`threads` threads; at most `limit` pieces of work are admitted, those being done included."""

    def __init__(self, threads: int, limit: int, name: str) -> None:
        self._pool = concurrent.futures.ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._limit = limit
        self._lock = threading.Lock()
        self._jobs: set[Job] = set()

    def __len__(self) -> int:
        """Pieces of work that are admitted and not done."""
        return len(self._jobs)

    def start(self, work: Callable[[], T], finished: Callable[[], object] | None = None) -> Running[T]:
        """Have a thread do `work`; `finished` is called at its end, also where it never began. Raises ApiError 503."""
        job = Job()
        with self._lock:
            if len(self._jobs) >= self._limit:
                detail = f"{len(self._jobs)} requests are waiting already: try again in {RETRY_SECONDS} seconds"
                raise ApiError(503, detail, RETRY_SECONDS)
            self._jobs.add(job)
        try:
            future = self._pool.submit(_in_job, job, work)
        except RuntimeError:  # the pool has been shut down
            self._leave(job)
            raise ApiError(503, "the server is shutting down", RETRY_SECONDS) from None
        future.add_done_callback(lambda _: self._leave(job))
        if finished is not None:
            future.add_done_callback(lambda _: finished())
        return Running(job, future)

    def close(self) -> None:
        """Cancel all work and wait until the threads have ended."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        while jobs := list(self._jobs):
            for job in jobs:
                job.cancel()
            threading.Event().wait(_CANCEL_SECONDS)
        self._pool.shutdown(wait=True)

    def _leave(self, job: Job) -> None:
        with self._lock:
            self._jobs.discard(job)


def _in_job(job: Job, work: Callable[[], T]) -> T:
    with working_on(job):
        job.check()
        try:
            return work()
        except Cancelled as cancelled:
            raise ClientGoneError from cancelled
