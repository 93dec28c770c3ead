"""One thread for the model: it answers the questions that are waiting together.

`Assistant` calls a `BatchingPredictor` from the many threads that work on requests; each call waits until the model
thread has taken its questions into a batch. A `Job` is the work of one request: it can be cancelled from another
thread, which frees its place in the queue or stops the query that it runs.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

from text2sql.config import DecodingConfig
from text2sql.decoding.generator import Request
from text2sql.decoding.prediction import Prediction

Predict = Callable[[list[Request], DecodingConfig], list[list[Prediction]]]


class Cancelled(BaseException):
    """The work is not wanted any more. No Exception, so that nothing on the way takes it for a failure."""


class Job:
    """The work of one request. `requests` are the questions that it put to the model."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.cancelled = False
        self._lock = threading.Lock()
        self._stops: list[Callable[[], object]] = []

    def check(self) -> None:
        """Raises Cancelled when the work has been cancelled."""
        if self.cancelled:
            raise Cancelled

    def cancel(self) -> None:
        """Stop what the job is doing now, and have `check` raise. May be called again."""
        with self._lock:
            self.cancelled = True
            for stop in self._stops:
                stop()

    @contextlib.contextmanager
    def stopped_by(self, stop: Callable[[], object]) -> Iterator[None]:
        """While inside, `cancel` calls `stop`, which must return at once."""
        with self._lock:
            self._stops.append(stop)
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._stops.remove(stop)


_job: ContextVar[Job | None] = ContextVar("job", default=None)


def current_job() -> Job:
    """The job of the calling thread; a new one, which nobody cancels, outside of any."""
    return _job.get() or Job()


@contextlib.contextmanager
def working_on(job: Job) -> Iterator[None]:
    """While inside, `current_job` gives this job."""
    token = _job.set(job)
    try:
        yield
    finally:
        _job.reset(token)


@dataclass(eq=False)
class _Waiting:
    requests: list[Request]
    options: DecodingConfig
    found: concurrent.futures.Future[list[list[Prediction]]] = field(default_factory=concurrent.futures.Future)


class BatchingPredictor:
    """`Generator.predict` for many threads, which share batches of up to about `largest` questions."""

    def __init__(self, predict: Predict, largest: int = 32, gather_seconds: float = 0.005) -> None:
        self._predict = predict
        self._largest = largest
        self._gather_seconds = gather_seconds
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)
        self._thread.start()

    def __call__(self, requests: Sequence[Request], options: DecodingConfig) -> list[list[Prediction]]:
        """The predictions of each request. Raises what the model raises, and Cancelled when the job is cancelled."""
        job = current_job()
        job.requests.extend(requests)
        waiting = _Waiting(list(requests), options)
        with job.stopped_by(waiting.found.cancel):
            if self._closed:
                raise Cancelled
            self._queue.put(waiting)
            try:
                return waiting.found.result()
            except concurrent.futures.CancelledError:
                raise Cancelled from None

    def close(self) -> None:
        """End the thread after the batch at hand; whoever still waits is cancelled."""
        self._closed = True
        self._queue.put(None)
        self._thread.join(timeout=30)
        with contextlib.suppress(queue.Empty):
            while True:
                left = self._queue.get_nowait()
                if left is not None:
                    left.found.cancel()

    def _work(self) -> None:
        while not self._closed:
            for group in self._gather():
                wanted = [waiting for waiting in group if waiting.found.set_running_or_notify_cancel()]
                if wanted:
                    self._answer(wanted)

    def _gather(self) -> list[list[_Waiting]]:
        """Everything that waits, once something does, in groups with equal options."""
        deadline = None
        groups: list[list[_Waiting]] = []
        size = 0
        while size < self._largest:
            left = None if deadline is None else max(0.0, deadline - time.perf_counter())
            try:
                waiting = self._queue.get(timeout=left)
            except queue.Empty:
                break
            if waiting is None:
                break
            deadline = deadline or time.perf_counter() + self._gather_seconds
            size += len(waiting.requests)
            group = next((g for g in groups if g[0].options == waiting.options), None)
            if group is None:
                groups.append(group := [])
            group.append(waiting)
        return groups

    def _answer(self, group: list[_Waiting]) -> None:
        try:
            found = self._predict([request for waiting in group for request in waiting.requests], group[0].options)
        except Exception as error:
            if len(group) == 1:
                group[0].found.set_exception(error)
                return
            for waiting in group:  # one question that cannot be answered must not fail the others
                self._answer([waiting])
            return
        start = 0
        for waiting in group:
            end = start + len(waiting.requests)
            waiting.found.set_result(found[start:end])
            start = end
