"""The conversations that the server remembers, by id."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field, replace

from text2sql.assistant import Answer, Conversation
from text2sql.server.errors import ApiError

KEPT_ROWS = 20
"""Rows of an earlier answer that are kept."""


@dataclass
class Session:
    """A conversation about one database. `busy` while one of its questions is being answered."""

    id: str
    database: str
    conversation: Conversation = field(default_factory=Conversation)
    busy: bool = False

    def release(self) -> None:
        """The question has been answered or given up. Most rows of the answers are forgotten."""
        turns = self.conversation.turns
        turns[:] = map(_small, turns)
        self.busy = False


class Conversations:
    """The `most` conversations used last. Used by the event loop's thread only."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def take(self, identifier: str | None, database: str) -> Session:
        """The conversation of that id, a new one for None, for one question: `release` it afterwards.

        Raises ApiError 404 for an unknown id, 409 for one about another database or with a question under way.
        """
        if identifier is None:
            session = Session(secrets.token_urlsafe(12), database)
        else:
            session = self._known(identifier, database)
        session.busy = True
        self._sessions[session.id] = session
        self._sessions.move_to_end(session.id)
        while len(self._sessions) > self._most:
            self._sessions.popitem(last=False)
        return session

    def _known(self, identifier: str, database: str) -> Session:
        session = self._sessions.get(identifier)
        if session is None:
            raise ApiError(404, "this conversation is unknown or too old: ask without it to begin a new one")
        if session.database != database:
            raise ApiError(409, "this conversation is about another database: ask without it to begin a new one")
        if session.busy:
            raise ApiError(409, "an earlier question of this conversation is still being answered: wait for it")
        return session


def _small(answer: Answer) -> Answer:
    if answer.result is None or len(answer.result.rows) <= KEPT_ROWS:
        return answer
    return replace(answer, result=replace(answer.result, rows=answer.result.rows[:KEPT_ROWS], truncated=True))
