"""Many calls of one function in worker processes, each of which is killed when a call does not end.

For work on predictions of unknown origin: a text can keep a parser busy for hours, a query can keep SQLite's planner
busy. Results come in the order of the calls; a call that had to be killed has its `WorkerKilledError` as result.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tqdm import tqdm

from text2sql.evaluation.workers import Worker, WorkerKilledError

Task = TypeVar("Task")
Result = TypeVar("Result")


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

    def work(worker: Worker, call: tuple[Any, ...]) -> Any:
        try:
            return worker.call(*call, time_limit=time_limit)
        except WorkerKilledError as killed:
            return killed

    return share_among_workers(function, calls, work, processes, description)


def share_among_workers(
    function: Callable[..., Any],
    tasks: Sequence[Task],
    work: Callable[[Worker, Task], Result],
    processes: int = 2,
    description: str | None = None,
) -> list[Result]:
    """`work(worker, task)` for every task, begun in their order, each with one of `processes` workers of `function`.

    `work` calls the worker as often as it likes. Progress bar and exceptions as in `call_in_workers`.
    """
    results: dict[int, Result] = {}
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in range(len(tasks)):
        waiting.put(index)
    with (
        tqdm(total=len(tasks), desc=description, disable=description is None) as bar,
        ThreadPoolExecutor(processes) as pool,
    ):

        def take_tasks() -> None:
            with Worker(function) as worker:
                while True:
                    try:
                        index = waiting.get_nowait()
                    except queue.Empty:
                        return
                    results[index] = work(worker, tasks[index])
                    bar.update()

        futures = [pool.submit(take_tasks) for _ in range(processes)]
        try:
            for future in futures:
                future.result()
        finally:
            while not waiting.empty():  # after an error or Ctrl-C the other threads stop too
                waiting.get()
    return [results[index] for index in range(len(tasks))]
