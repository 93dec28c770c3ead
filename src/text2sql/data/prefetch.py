"""Results of a function made ahead of time by worker processes, in the order of the calls.

For a GPU that trains faster than one process can prepare examples. Without workers it is a plain loop.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from typing import Any, TypeVar

T = TypeVar("T")

CHUNK = 16
"""Calls sent to a worker at a time: sending costs some tenths of a millisecond."""
CHUNKS_AHEAD = 4
"""Chunks per worker that are under way."""


def fetch_ahead(function: Callable[..., T], arguments: Iterator[tuple[Any, ...]], workers: int) -> Iterator[T]:
    """`function(*a)` for each `a` of `arguments`, in order; with `workers` > 0 it must be picklable.

    Closing the iterator ends the workers.
    """
    if workers == 0:
        for call in arguments:
            yield function(*call)
        return
    # Spawned, not forked: a fork of a process whose threads hold locks (torch, CUDA) may hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(function,))
    try:
        waiting: deque[Future[list[T]]] = deque()
        while chunk := list(islice(arguments, CHUNK)):
            waiting.append(pool.submit(_call, chunk))
            if len(waiting) > workers * CHUNKS_AHEAD:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


_function: Callable[..., Any]


def _start_worker(function: Callable[..., Any]) -> None:
    global _function
    _function = function
    # Ctrl-C goes to the whole process group; the main process decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _call(chunk: list[tuple[Any, ...]]) -> list[Any]:
    return [_function(*arguments) for arguments in chunk]
