"""Many calls of one function in worker processes, each of which is killed when a call does not end.

For work on predictions of unknown origin: a text can keep a parser busy for hours, a query can keep SQLite's planner
busy. Results come in the order of the calls; a call that had to be killed has its `WorkerKilledError` as result.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tqdm import tqdm

from text2sql.evaluation.workers import Worker, WorkerKilledError


def call_in_workers(
    function: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    time_limit: float,
    processes: int = 2,
    description: str | None = None,
) -> list[Any]:
    """The results of `function(*call)` for every call, `time_limit` seconds for each.

    `function` is a module's own function; a progress bar shows when there is a `description`. An exception of the
    function is raised here.
    """
    results: list[Any] = [None] * len(calls)
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in range(len(calls)):
        waiting.put(index)
    processes = min(processes, len(calls))
    with tqdm(total=len(calls), desc=description, disable=description is None) as bar:

        def work() -> None:
            with Worker(function) as worker:
                while True:
                    try:
                        index = waiting.get_nowait()
                    except queue.Empty:
                        return
                    try:
                        results[index] = worker.call(*calls[index], time_limit=time_limit)
                    except WorkerKilledError as killed:
                        results[index] = killed
                    bar.update()

        with ThreadPoolExecutor(max(processes, 1)) as pool:
            futures = [pool.submit(work) for _ in range(processes)]
            try:
                for future in futures:
                    future.result()
            finally:
                while not waiting.empty():  # after an error or Ctrl-C the other threads stop too
                    waiting.get()
    return results
