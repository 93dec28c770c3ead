"""Run a function in another process that can be killed at any moment.

SQLite looks at the clock between its instructions, but a single instruction (a LIKE over megabytes) or the planning
of a statement can take for ever. Only ending the process ends that. A `Worker` is a fresh Python process, not a
fork: it shares no threads, locks or accelerator state with its parent, and its memory is capped.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import text2sql

MEMORY_LIMIT = 2 * 2**30
"""Bytes of address space that a worker may take beyond what it holds when it starts (where the system supports it)."""

_READY = b"R"


class WorkerKilledError(Exception):
    """The call did not end: the process was killed at its time limit, or died (out of memory, a crash)."""


class Worker:
    """One process that answers calls of `function` one after another; started again after it had to be killed."""

    def __init__(self, function: Callable[..., Any], memory_limit: int = MEMORY_LIMIT) -> None:
        """`function` is a module's own function: arguments and results are pickled."""
        self._target = (function.__module__, function.__name__, memory_limit)
        self._process: subprocess.Popen[bytes] | None = None

    def call(self, *arguments: Any, time_limit: float) -> Any:
        """The function's result, its exception, or WorkerKilledError after `time_limit` seconds."""
        process = self._process or self._start()
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(time_limit, end)
        timer.start()
        try:
            _send(process.stdin, arguments)
            error, result = pickle.load(process.stdout)  # type: ignore[arg-type]
        except (EOFError, OSError, pickle.UnpicklingError) as failure:
            self.close()
            why = f"killed after {time_limit:g} s" if late.is_set() else "the process died"
            raise WorkerKilledError(why) from failure
        finally:
            timer.cancel()
        if isinstance(error, MemoryError):
            raise WorkerKilledError("memory limit exceeded")
        if error is not None:
            raise error
        return result

    def close(self) -> None:
        """End the process, if there is one; the next call starts another."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> subprocess.Popen[bytes]:
        root = str(Path(text2sql.__file__).parents[1])  # so that the child imports this very package
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", "from text2sql.evaluation.workers import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C reaches the parent only, which then ends its workers
        )
        _send(self._process.stdin, self._target)
        if not self._process.stdout.read(len(_READY)):  # type: ignore[union-attr]
            self.close()
            raise RuntimeError(f"a worker process could not start {'.'.join(map(str, self._target[:2]))}, see above")
        return self._process


def serve() -> None:
    """The child's side: answer calls from standard input until it closes."""
    calls, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the function prints must not get between the answers
    module, name, memory_limit = pickle.load(calls)
    function = getattr(importlib.import_module(module), name)
    _limit_memory(memory_limit)
    answers.write(_READY)
    answers.flush()
    with contextlib.suppress(EOFError):
        while True:
            arguments = pickle.load(calls)
            _send(answers, _outcome(function, arguments))


def _outcome(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Exception | None, Any]:
    try:
        return None, function(*arguments)
    except Exception as error:
        return error, None


def _send(stream: Any, message: Any) -> None:
    pickle.dump(message, stream)
    stream.flush()


def _limit_memory(limit: int) -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows has no resource, macOS no address limit
        import resource

        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + limit, held + limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
