"""Lines that a user types: history that outlives the session, completion, prefilled lines, the user's editor."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

try:
    import readline
except ImportError:  # Windows
    readline = None  # type: ignore[assignment]

from text2sql.errors import UserError

HISTORY_LENGTH = 1000
_SECRET = re.compile(r"://[^/@\s]*:[^@\s]*@|password", re.IGNORECASE)
"""A line with a password in it is not written to the history."""


def history_file() -> Path:
    """Where the history is kept: `$XDG_STATE_HOME/text2sql/history`, by default under `~/.local/state`."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "text2sql" / "history"


class LineInput:
    """Standard input, with prompts and line editing where a person types at a terminal."""

    def __init__(self, complete: Callable[[str], Sequence[str]]) -> None:
        """`complete` gives the words that may stand for what was typed of one."""
        self.interactive = sys.stdin.isatty() and sys.stdout.isatty()
        self._history: Path | None = None
        if hasattr(sys.stdin, "reconfigure"):
            sys.stdin.reconfigure(errors="replace")
        if self.interactive and readline is not None:
            self._open_history()
            readline.set_completer_delims(" \t\n(),=")
            readline.set_completer(lambda text, n: dict(enumerate(complete(text))).get(n))
            readline.parse_and_bind("tab: complete")

    def read(self, prompt: str) -> str:
        """The next line. Raises EOFError at the end, KeyboardInterrupt for Ctrl-C."""
        if not self.interactive:
            line = sys.stdin.readline()
            if not line:
                raise EOFError
            return line.strip()
        line = input(prompt).strip()
        self._remember(line)
        return line

    def confirm(self, question: str) -> bool:
        """Whether a person says yes; False where nobody can be asked."""
        if not self.interactive:
            return False
        with contextlib.suppress(EOFError):
            return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
        return False

    def edit(self, text: str) -> str:
        """The text as the user changed it: in `$VISUAL` or `$EDITOR`, else on a line that is already filled in.

        Raises UserError when the editor cannot be run or there is no terminal to type at.
        """
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
        if editor:
            return _edit_in(editor, text)
        if not self.interactive or readline is None:
            raise UserError("there is no terminal to edit at: set EDITOR, or give the SQL with \\sql SELECT ...")
        readline.set_startup_hook(lambda: readline.insert_text(" ".join(text.split())))
        try:
            return input("SQL> ").strip()
        except EOFError:
            return ""
        finally:
            readline.set_startup_hook(None)

    def _open_history(self) -> None:
        path = history_file()
        readline.set_auto_history(False)
        readline.set_history_length(HISTORY_LENGTH)
        with contextlib.suppress(OSError):  # a chat without history is better than none
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
            readline.clear_history()
            readline.read_history_file(path)
            readline.write_history_file(path)  # what is over the length goes
            self._history = path

    def _remember(self, line: str) -> None:
        count = 0 if readline is None else readline.get_current_history_length()
        if readline is None or not line or _SECRET.search(line) or (count and readline.get_history_item(count) == line):
            return
        readline.add_history(line)
        if self._history is not None:
            with contextlib.suppress(OSError):
                readline.append_history_file(1, self._history)


def _edit_in(editor: str, text: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "query.sql"
        file.write_text(text + "\n", encoding="utf-8")
        before = signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is the editor's meanwhile
        try:
            code = subprocess.run([*shlex.split(editor), str(file)], check=False).returncode
            edited = file.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise UserError(f"the editor {editor!r} cannot be used ({error}): set EDITOR") from error
        finally:
            signal.signal(signal.SIGINT, before)
    if code != 0:
        raise UserError(f"the editor {editor!r} ended with code {code}: nothing is run")
    return edited
