"""A chat at a pseudo-terminal, driven as a person would."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

from tiny_checkpoint import SHOP


def command(folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "text2sql.cli", "chat", "--db", SHOP, "--checkpoint", str(folder), *options]


class Terminal:
    """A program at a pseudo-terminal of its own, as a person would use it."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, b"\x28\x00\x64\x00\x00\x00\x00\x00")  # 40 lines of 100
        self.process = subprocess.Popen(
            arguments,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C becomes a signal
        )
        os.close(slave)
        self.seen = ""

    def type(self, text: str) -> None:
        self.seen = ""
        os.write(self.master, text.encode())

    def wait_for(self, pattern: str, seconds: float = 240) -> str:
        """What was printed since the last `type`, once it holds the pattern."""
        assert self._appears(pattern, seconds), f"no {pattern!r} in {self.seen!r}"
        return self.seen

    def interrupt_until(self, pattern: str, seconds: float = 240) -> str:
        """Press Ctrl-C at a prompt, again every other second as a person would, until the pattern appears.

        Python's readline looks for a signal only when it interrupts the wait for a key: one that comes just before
        that wait begins is not noticed until the next key.
        """
        deadline = time.monotonic() + seconds
        self.type("\x03")
        while not self._appears(pattern, 2):
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.seen!r}"
            os.write(self.master, b"\x03")
        return self.seen

    def _appears(self, pattern: str, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.seen):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if select.select([self.master], [], [], min(left, 1))[0]:
                self.seen += os.read(self.master, 65536).decode(errors="replace")
        return True

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        with contextlib.suppress(OSError):
            os.close(self.master)


def open_chat(folder: Path, home: Path, *options: str) -> Terminal:
    """A chat over the music shop at a terminal; its history and settings are under `home`."""
    environment = {k: v for k, v in os.environ.items() if k not in ("VISUAL", "EDITOR", "INPUTRC")}
    environment |= {"XDG_STATE_HOME": str(home / "state"), "TERM": "xterm", "HOME": str(home)}
    return Terminal(command(folder, *options), environment)
