"""`Assistant`: a question over a database in, an `Answer` out.

The road: refuse what is no question; complete a follow-up from the conversation; link the question to names and
cells; let the model write several readings (beams), of which those that make no sense for the schema come last;
translate each to the database's dialect and run it until one runs (execution guidance, bounded); say how sure that is,
and put the rows into a sentence. Nothing here raises for what a model or a user's question can do; UserError is for
databases and models that cannot be opened, and for questions too long for the model.

A reading that runs but finds nothing stays: taking the next one that finds rows was tried and changed nothing (of 299
Spider dev questions with an early model 5 became right and 4 wrong).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self
from weakref import WeakKeyDictionary

from text2sql.assistant.abstention import unanswerable, unlinked, with_suggestions, writes
from text2sql.assistant.answer import Alternative, Answer, Failure, readings
from text2sql.assistant.conversation import Conversation, FollowUp
from text2sql.assistant.endpoint import SentenceWriter
from text2sql.assistant.links import linked_items
from text2sql.assistant.repair import with_cell_spelling
from text2sql.assistant.sentences import sentence
from text2sql.assistant.streaming import ReadableSQL
from text2sql.assistant.suggestions import Suggestion, name_suggestions, value_suggestions
from text2sql.config import DecodingConfig
from text2sql.data.database_values import value_index
from text2sql.database import Database, ExecutionResult, connect
from text2sql.decoding.checkpoints import default_model
from text2sql.decoding.generator import Generator, OnPieces, Request
from text2sql.decoding.prediction import Prediction
from text2sql.decoding.semantic_guard import is_senseless
from text2sql.errors import UserError
from text2sql.prompting.linking import Links, ValueIndex, link

Predict = Callable[[list[Request], DecodingConfig], list[list[Prediction]]]
THRESHOLD = 0.5
"""Confidence from which on the assistant calls itself sure."""
_VALUES = 10_000
"""Values that a misspelt word is compared with at most."""


class Assistant:
    """Answers questions; usable from several threads. Close it, or use it as a context manager.

    `generator`, `threshold`, `options` and `progress` (a bar while a database's values are read) may be changed.
    """

    def __init__(
        self,
        generator: Generator,
        *,
        predict: Predict | None = None,
        writer: SentenceWriter | None = None,
        threshold: float = THRESHOLD,
        options: DecodingConfig | None = None,
    ) -> None:
        """`predict` replaces the generator's own, for instance to batch several threads' questions; without it the
        model serves one question at a time. `writer` writes sentences in place of the templates. `threshold` is the
        confidence in [0, 1] from which an answer is called sure; `options` default to beam search over 4 beams.
        """
        self.generator = generator
        self.threshold = threshold
        self.options = options or DecodingConfig(num_beams=4, max_new_tokens=generator.max_new_tokens)
        self.progress = False
        self._predict = predict or self._predict_alone
        self._writer = writer
        self._model_lock = threading.Lock()
        self._opening_lock = threading.Lock()
        self._opened: dict[str, Database] = {}
        self._indexes: WeakKeyDictionary[Database, _LazyIndex] = WeakKeyDictionary()

    @classmethod
    def from_pretrained(cls, directory: str | Path | None = None, device: str = "cpu") -> Assistant:
        """An assistant with the model in `directory`, by default the shipped or newest one (`default_model`).

        Raises UserError when there is no model, or its files are damaged.
        """
        folder = Path(directory) if directory is not None else default_model()
        return cls(Generator.load(folder, device))

    # -- asking ---------------------------------------------------------------------------------------------------

    def ask(
        self,
        database: Database | str,
        question: str,
        conversation: Conversation | None = None,
        *,
        time_limit: float = 5.0,
        row_limit: int = 1000,
        on_sql: Callable[[str], None] | None = None,
    ) -> Answer:
        """Answer a question; with a `conversation` also a follow-up, and the answer is added to it.

        `time_limit` seconds are for all queries of the answer together, `row_limit` rows are kept. `on_sql` gets
        the whole SQL so far whenever it changes, at last the final one; it must not raise. Raises UserError when the
        database cannot be opened or read and when the question is too long for the model.
        """
        start = time.perf_counter()
        asking = _Asking(self, self._open(database), question.strip(), time_limit, row_limit, on_sql)
        answer = replace(asking.answer(conversation), seconds=time.perf_counter() - start)
        if conversation is not None:
            conversation.add(answer)
        return answer

    def run(
        self, database: Database | str, sql: str, *, time_limit: float = 5.0, row_limit: int = 1000, question: str = ""
    ) -> Answer:
        """Run SQL that a user wrote or edited, as safely as the model's: the answer has no alternatives."""
        start = time.perf_counter()
        opened = self._open(database)
        result = opened.run(sql, time_limit, row_limit)
        links = linked_items(question, Links(), sql, opened.schema, opened.dialect)
        text = self.sentence(question, sql, result, opened)
        seconds = time.perf_counter() - start
        return Answer(question, None, sql, result, text, 1.0, True, (), links, result.error, None, seconds)

    def sentence(self, question: str, sql: str, result: ExecutionResult, database: Database) -> str:
        """The result in words: by the writer if there is one and it answers in time, else by the templates."""
        asked = question and result.error is None
        written = self._writer.write(question, sql, result) if self._writer and asked else None
        return written or sentence(question, sql, result, database.schema, database.dialect)

    def value_index(self, database: Database) -> ValueIndex:
        """The index of a database's values, built when it is first needed; other databases do not wait for it."""
        with self._opening_lock:
            lazy = self._indexes.setdefault(database, _LazyIndex())
        return lazy.get(database, self.progress)

    def predict(self, question: str, database: Database, links: Links, on_pieces: OnPieces | None) -> list[Prediction]:
        """The model's readings of one question, best first."""
        request = Request(question, database.schema, links, on_pieces)
        return self._predict([request], self.options)[0]

    def _predict_alone(self, requests: list[Request], options: DecodingConfig) -> list[list[Prediction]]:
        with self._model_lock:
            return self.generator.predict(requests, options)

    def _open(self, database: Database | str) -> Database:
        """The database, opened once for each path or URL that it is named by."""
        if isinstance(database, Database):
            return database
        with self._opening_lock:
            name = str(database)
            if name not in self._opened:
                self._opened[name] = connect(name)
            return self._opened[name]

    def close(self) -> None:
        """Close the databases that were opened here by name."""
        with self._opening_lock:
            while self._opened:
                self._opened.popitem()[1].close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Asking:
    """One question on its way to an answer."""

    def __init__(
        self,
        assistant: Assistant,
        database: Database,
        question: str,
        time_limit: float,
        row_limit: int,
        on_sql: Callable[[str], None] | None,
    ) -> None:
        self.assistant, self.database, self.question = assistant, database, question
        self.row_limit, self.on_sql, self._shown = row_limit, on_sql, ""
        self.time_limit, self.seconds_left = time_limit, time_limit
        self.rewritten: str | None = None

    def answer(self, conversation: Conversation | None) -> Answer:
        reason = unanswerable(self.question)
        if reason is not None:
            return self._refuse(reason)
        follow_up = self._follow_up(conversation)
        if follow_up is None or follow_up.sql is None:  # "remove duplicates" is a request, but no writing one
            reason = writes(self.question)
            if reason is not None:
                return self._refuse(reason)
        if follow_up is None:
            return self._ask_model(self.question)
        self.rewritten = follow_up.question
        if follow_up.sql is not None:
            result = self._run(follow_up.sql)
            if result.error is None:
                links = self._link(follow_up.question)
                return self._answered([Alternative(follow_up.sql, follow_up.confidence)], 0, result, (), links)
        return self._ask_model(follow_up.question)

    def _follow_up(self, conversation: Conversation | None) -> FollowUp | None:
        if conversation is None or not conversation.turns:
            return None
        links = self._link(self.question)
        return conversation.follow_up(self.question, self.database.schema, links, self.database.dialect)

    def _link(self, question: str) -> Links:
        return link(question, self.database.schema, self.assistant.value_index(self.database))

    def _ask_model(self, question: str) -> Answer:
        links = self._link(question)
        predictions = self.assistant.predict(question, self.database, links, self._watcher())
        found, failures = self._translated(predictions, links)
        confidence = found[0].confidence if found else 0.0
        reason = unlinked(self.database.schema, links, confidence, self.assistant.threshold)
        if reason is None and not found:
            reason = "The model found no query for this question: try other words, or a simpler question."
        if reason is not None:
            return self._abstain(reason, links)
        for number, reading in enumerate(found):
            result = self._run(reading.sql)
            if result.error is None:
                return self._answered(found, number, result, tuple(failures), links)
            failures.append(Failure(reading.sql, result.error))
            if result.error == "cancelled" or self.seconds_left <= 0:
                break
        return self._failed(found, failures, links)

    def _translated(self, predictions: Sequence[Prediction], links: Links) -> tuple[list[Alternative], list[Failure]]:
        """The different readings in the database's dialect, senseless ones last, and those that have no equal there."""
        canonicalizer = self.assistant.generator.encoder.canonicalizer(self.database.schema)
        sensible = sorted(predictions, key=lambda prediction: is_senseless(prediction.sql, canonicalizer))
        found: dict[str, float] = {}
        failures = []
        for reading in readings(sensible):
            repaired = with_cell_spelling(reading.sql, links, self.database.schema)
            try:
                sql = self.database.translate(repaired)
            except UserError as error:
                failures.append(Failure(reading.sql, str(error)))
            else:
                found[sql] = min(1.0, found.get(sql, 0.0) + reading.confidence)
        return [Alternative(sql, confidence) for sql, confidence in found.items()], failures

    def _run(self, sql: str) -> ExecutionResult:
        """Run SQL in what is left of the time."""
        result = self.database.run(sql, max(self.seconds_left, 0.01), self.row_limit)
        self.seconds_left -= result.seconds
        return result

    def _watcher(self) -> OnPieces | None:
        """Turns pieces that the model writes into calls of `on_sql`."""
        if self.on_sql is None:
            return None
        encoder = self.assistant.generator.encoder
        readable = ReadableSQL(encoder.canonicalizer(self.database.schema))
        return lambda pieces, mentions: self._show(readable.text(pieces, mentions))

    def _show(self, sql: str) -> None:
        if self.on_sql is not None and sql != self._shown:
            self._shown = sql
            self.on_sql(sql)

    # -- answers --------------------------------------------------------------------------------------------------

    def _answered(
        self,
        found: Sequence[Alternative],
        chosen: int,
        result: ExecutionResult,
        failures: tuple[Failure, ...],
        links: Links,
    ) -> Answer:
        sql, confidence = found[chosen].sql, found[chosen].confidence
        sure = confidence >= self.assistant.threshold
        question = self.rewritten or self.question
        hint = self._hint(sql, result, links, sure)
        self._show(sql)
        return replace(
            self._blank(links, sql),
            result=result,
            sentence=_joined(self.assistant.sentence(question, sql, result, self.database), hint),
            confidence=confidence,
            sure=sure,
            alternatives=tuple(one for one in found if one.sql != sql),
            hint=hint,
            failures=failures,
        )

    def _hint(self, sql: str, result: ExecutionResult, links: Links, sure: bool) -> str | None:
        """What may be meant by values that the database does not have and, when unsure, by names."""
        suggestions = value_suggestions(sql, result, self.database)
        if not suggestions and not sure:
            suggestions = self._suggestions(links)
        return with_suggestions("", suggestions) or None

    def _failed(self, found: Sequence[Alternative], failures: Sequence[Failure], links: Links) -> Answer:
        """The best reading with its error, when none ran."""
        best = found[0]
        error = next(failure.error for failure in failures if failure.sql == best.sql)
        hint = with_suggestions("", self._suggestions(links)) or None
        result = ExecutionResult((), [], False, 0.0, error)
        self._show(best.sql)
        return replace(
            self._blank(links, best.sql),
            result=result,
            sentence=_joined(self.assistant.sentence(self.question, best.sql, result, self.database), hint),
            confidence=best.confidence,
            alternatives=tuple(found[1:]),
            error=error,
            hint=hint,
            failures=tuple(failures),
        )

    def _refuse(self, reason: str) -> Answer:
        return replace(self._blank(Links(), ""), sentence=reason, abstained=reason)

    def _abstain(self, reason: str, links: Links) -> Answer:
        hint = with_suggestions("", self._suggestions(links)) or None
        text = _joined(reason, hint)
        return replace(self._blank(links, ""), sentence=text, abstained=text, hint=hint)

    def _blank(self, links: Links, sql: str) -> Answer:
        """An answer without rows, to be filled in."""
        asked = self.rewritten or self.question
        items = linked_items(asked, links, sql, self.database.schema, self.database.dialect)
        return Answer(self.question, self.rewritten, sql, None, "", 0.0, False, (), items, None, None, 0.0)

    def _suggestions(self, links: Links) -> list[Suggestion]:
        texts = list(islice(self.assistant.value_index(self.database).texts(), _VALUES))
        return name_suggestions(self.rewritten or self.question, self.database.schema, links, texts)


def _joined(text: str, hint: str | None) -> str:
    return f"{text} {hint}" if hint else text


class _LazyIndex:
    """One database's value index; whoever needs it first builds it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._index: ValueIndex | None = None

    def get(self, database: Database, progress: bool) -> ValueIndex:
        with self._lock:
            if self._index is None:
                self._index = value_index(database, progress=progress)
            return self._index
