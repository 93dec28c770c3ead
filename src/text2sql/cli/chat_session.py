"""What a chat remembers, and how it asks and runs: Ctrl-C ends what is running, not the chat."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from text2sql.assistant import Alternative, Answer, Assistant, Conversation
from text2sql.cli.assistants import format_answer, labelled, show_warnings
from text2sql.cli.cancelling import run_cancellable
from text2sql.cli.line_input import LineInput
from text2sql.cli.output import clean, cut, terminal_width
from text2sql.database import Database, connect
from text2sql.errors import UserError

_CLEAR_LINE = "\r\x1b[K"
_STREAM_PAUSE = 0.05
"""Seconds between two drawings of the SQL that is being written."""


@dataclass
class ChatSession:
    """A conversation about one database. `time_limit` is seconds; `rows` are those shown of a result."""

    assistant: Assistant
    database: Database
    lines: LineInput
    time_limit: float = 5.0
    row_limit: int = 1000
    rows: int = 20
    for_spreadsheets: bool = False
    last: Answer | None = None
    conversation: Conversation = field(default_factory=Conversation)

    @property
    def prompt(self) -> str:
        """The database's name, where questions are typed."""
        return f"{cut(clean(self.database.name), 30)}> "

    def ask(self, question: str) -> None:
        """Answer a question, which may follow up the ones before."""
        draw = sql_line()

        def work(check: Callable[[], None]) -> Answer:
            def on_sql(sql: str) -> None:
                check()
                draw(sql)

            return self.assistant.ask(
                self.database,
                question,
                self.conversation,
                time_limit=self.time_limit,
                row_limit=self.row_limit,
                on_sql=on_sql,
            )

        try:
            self.last = run_cancellable(work, self.database.cancel)
        finally:
            draw("")
        self.show()

    def run_sql(self, sql: str) -> None:
        """Run the user's own SQL, read-only; a follow-up may build on it."""
        self.last = self._run(sql)
        self.conversation.add(self.last)
        self.show()

    def rerun(self, sql: str) -> None:
        """Answer the last question with other SQL; what follows builds on it."""
        before = self.require_last()
        answer = self._run(sql, before.question)
        others = [other for other in before.alternatives if other.sql != sql]
        if before.sql and before.sql != sql:
            others.insert(0, Alternative(before.sql, before.confidence))
        self.last = replace(answer, alternatives=tuple(others))
        if self.conversation.turns and self.conversation.turns[-1] is before:
            self.conversation.turns[-1] = self.last
        self.show()

    def connect(self, url: str) -> None:
        """Go over to another database; the conversation begins anew. Raises UserError and stays when it fails."""
        database = connect(url)
        self.database.close()
        self.database = database
        self.forget()
        show_warnings(database)
        print(self.greeting())

    def forget(self) -> None:
        """Begin a new conversation."""
        self.last = None
        self.conversation = Conversation()

    def greeting(self) -> str:
        """One line that says which database this is."""
        count = len(self.database.schema.tables)
        tables = f"{count} table{'' if count == 1 else 's'}"
        return f"{clean(self.database.url)} ({self.database.dialect}, {tables}); \\help lists the commands"

    def require_last(self) -> Answer:
        """The last answer. Raises UserError when nothing was asked yet."""
        if self.last is None:
            raise UserError("nothing was asked yet: type a question, or \\sql SELECT ...")
        return self.last

    def show(self) -> None:
        """Print the last answer."""
        if self.last is not None:
            print(format_answer(self.last, self.rows), flush=True)

    def _run(self, sql: str, question: str = "") -> Answer:
        return run_cancellable(
            lambda check: self.assistant.run(
                self.database, sql, question=question, time_limit=self.time_limit, row_limit=self.row_limit
            ),
            self.database.cancel,
        )


def sql_line() -> Callable[[str], None]:
    """Draws the SQL so far on one line of the terminal, "" takes it away; does nothing elsewhere."""
    width = terminal_width()
    if width is None or os.environ.get("TERM", "dumb") == "dumb":
        return lambda sql: None
    drawn = 0.0

    def draw(sql: str) -> None:
        nonlocal drawn
        if sql and time.monotonic() - drawn < _STREAM_PAUSE:
            return
        drawn = time.monotonic()
        sys.stdout.write(_CLEAR_LINE + (cut(labelled("SQL", sql), width - 1) if sql else ""))
        sys.stdout.flush()

    return draw
