"""Ctrl-C that stops the work at hand and not the program."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")
_REPEAT = 0.2
"""Seconds between two calls of `cancel`: what is cancelled may be about to begin its next query."""


def run_cancellable(work: Callable[[Callable[[], None]], Result], cancel: Callable[[], None]) -> Result:
    """Run `work` in a thread and wait for it; on Ctrl-C call `cancel` until it has ended.

    A thread, because Python sees Ctrl-C only between instructions of the main thread: one that waits in a database's
    library would not stop. `work` gets a function to call now and then, which raises once Ctrl-C was pressed.

    Raises KeyboardInterrupt when it was cancelled, and whatever `work` raises.
    """
    outcome: list[tuple[Result | None, BaseException | None]] = []
    done, cancelled = threading.Event(), threading.Event()

    def check() -> None:
        if cancelled.is_set():
            raise KeyboardInterrupt

    def target() -> None:
        try:
            outcome.append((work(check), None))
        except BaseException as error:  # handed to the waiting thread
            outcome.append((None, error))
        finally:
            done.set()

    threading.Thread(target=target, daemon=True).start()
    while not done.is_set():
        try:
            if cancelled.is_set():
                cancel()
            done.wait(_REPEAT if cancelled.is_set() else None)
        except KeyboardInterrupt:
            cancelled.set()
    if cancelled.is_set():
        raise KeyboardInterrupt
    result, error = outcome[0]
    if error is not None:
        raise error
    return result  # type: ignore[return-value]
