"""What the routes share: assistant, databases, threads, conversations; and the blocking work of requests."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from text2sql.assistant import Answer, Assistant, Conversation
from text2sql.assistant.endpoint import SentenceWriter
from text2sql.assistant.explain import explain
from text2sql.assistant.formats import FORMATS
from text2sql.decoding.generator import Generator, Request
from text2sql.server.batching import BatchingPredictor, current_job
from text2sql.server.conversations import Conversations
from text2sql.server.databases import Databases, Entry
from text2sql.server.errors import ApiError
from text2sql.server.pool import PooledDatabase
from text2sql.server.results import answer_json
from text2sql.server.settings import Settings
from text2sql.server.workers import Workers

_Counted = tuple[float, dict[str, int | None]]
COUNT_SECONDS = 60.0
"""How long the tables' row counts are kept."""
COUNTING_SECONDS = 3.0
"""How long the rows of all tables of one database are counted; later tables have none."""


class Service:
    """Everything behind the routes. The methods block: they are called by worker threads."""

    def __init__(self, settings: Settings, generator: Generator, model: str, writer: SentenceWriter | None) -> None:
        """Open the databases and start the threads. Raises UserError for a database that cannot be opened."""
        self.settings = settings
        self.model = model
        self.generator = generator
        self.started = int(time.time())
        self.databases = Databases(settings)
        self.predictor = BatchingPredictor(generator.predict, settings.largest_batch, settings.gather_seconds)
        self.assistant = Assistant(generator, predict=self.predictor, writer=writer)
        self.questions = Workers(settings.question_threads, settings.queue_length, "question")
        self.queries = Workers(settings.query_threads, settings.queue_length, "query")
        self.conversations = Conversations(settings.conversations)
        self._counts: WeakKeyDictionary[PooledDatabase, _Counted] = WeakKeyDictionary()

    def close(self) -> None:
        """Cancel all work, end the threads, close the databases, delete the uploads."""
        self.questions.close()
        self.queries.close()
        self.predictor.close()
        self.databases.close()

    def read_values(self) -> None:
        """Build the index of the values of every open database, which its first question would wait for."""
        for entry in self.databases.all():
            self.assistant.value_index(entry.database)

    def ask(
        self,
        entry: Entry,
        question: str,
        conversation: Conversation,
        row_limit: int | None = None,
        on_sql: Callable[[str], None] | None = None,
    ) -> Answer:
        """Answer a question; the conversation grows by it. `on_sql` must not raise: the model's thread calls it."""
        return self.assistant.ask(
            entry.database,
            question,
            conversation,
            time_limit=self.settings.time_limit,
            row_limit=row_limit or self.settings.row_limit,
            on_sql=on_sql,
        )

    def run(self, entry: Entry, sql: str, row_limit: int | None) -> bytes:
        """Rows of a user's SQL as `AnswerJSON`."""
        rows = row_limit or self.settings.row_limit
        answer = self.assistant.run(entry.database, sql, time_limit=self.settings.time_limit, row_limit=rows)
        return self.answer_body(answer, None)

    def answer_body(self, answer: Answer, conversation: str | None) -> bytes:
        """`AnswerJSON` as bytes: encoding a large result takes time that the event loop does not have."""
        return to_json(answer_json(answer, conversation, self.settings.result_bytes))

    def explain(self, entry: Entry, sql: str) -> str:
        """SQL in words. Raises UserError for SQL that cannot be read."""
        try:
            return explain(sql, entry.database.schema, entry.database.dialect)
        except RecursionError:
            raise ApiError(400, "the SQL is nested too deeply to be put into words") from None

    def export(self, entry: Entry, sql: str, form: str) -> tuple[bytes, bool]:
        """Rows as a file, and whether there were more. Raises ApiError 400 when the query fails."""
        result = entry.database.run(sql, self.settings.time_limit, self.settings.export_rows)
        if result.error is not None:
            raise ApiError(400, f"the query failed: {result.error}")
        return FORMATS[form](result).encode("utf-8", "replace"), result.truncated

    def schema(self, entry: Entry) -> bytes:
        """`SchemaJSON` as bytes."""
        schema = entry.database.schema
        counts = self._row_counts(entry)
        references = {
            (key.table, column): f"{key.referenced_table}.{referenced}"
            for key in schema.foreign_keys
            for column, referenced in zip(key.columns, key.referenced_columns, strict=True)
        }
        tables = [
            {
                "name": table.name,
                "comment": table.comment,
                "rows": counts.get(table.name),
                "columns": [
                    {
                        "name": column.name,
                        "type": column.type,
                        "primary_key": column.name in table.primary_key,
                        "comment": column.comment,
                        "references": references.get((table.name, column.name)),
                    }
                    for column in table.columns
                ],
            }
            for table in schema.tables
        ]
        database = entry.database
        return to_json({"database": entry.id, "name": database.name, "dialect": database.dialect, "tables": tables})

    def prompt_tokens(self, requests: list[Request]) -> int:
        """Tokens that the model read to answer requests."""
        encoder, context = self.generator.encoder, self.generator.model.config.context
        budget = context - min(self.assistant.options.max_new_tokens, context // 4)
        prompts = (encoder.prompt(r.question, r.schema, r.links, budget=budget) for r in requests)
        return sum(len(prompt.ids) for prompt in prompts)

    def _row_counts(self, entry: Entry) -> dict[str, int | None]:
        known = self._counts.get(entry.database)
        now = time.monotonic()
        if known is None or now - known[0] > COUNT_SECONDS:
            known = self._counts[entry.database] = now, _count_rows(entry, now + COUNTING_SECONDS)
        return known[1]


def _count_rows(entry: Entry, deadline: float) -> dict[str, int | None]:
    job = current_job()
    counts: dict[str, int | None] = {}
    for table in entry.database.schema.tables:
        job.check()
        counts[table.name] = entry.database.row_count(table.name) if time.monotonic() < deadline else None
    return counts


def to_json(content: Any) -> bytes:
    """Compact JSON in UTF-8. What is no JSON (NaN) raises ValueError."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
