"""The OpenAI-compatible API: `/v1/models` and `/v1/chat/completions`.

The last user message is the question, what stands before it the conversation. The answer is the sentence, then the
SQL in a fenced block. Which database is asked says the header `X-Database` or the field `database`.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from text2sql.assistant import Answer, Conversation
from text2sql.server.api import TheService
from text2sql.server.auth import error_body
from text2sql.server.batching import current_job
from text2sql.server.databases import Entry
from text2sql.server.errors import ApiError
from text2sql.server.service import Service, to_json
from text2sql.server.settings import QUESTION_CHARACTERS
from text2sql.server.streams import HEADERS, EventQueue

_FENCE = re.compile(r"```\w*\n(.*?)```", re.DOTALL)
_PIECE = re.compile(r"\S*\s*")


class OpenAIError(BaseModel):
    """What was wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIErrorJSON(BaseModel):
    """An error in OpenAI's form."""

    error: OpenAIError


class TextPart(BaseModel):
    """A part of a message."""

    model_config = ConfigDict(strict=True)
    type: Literal["text"]
    text: str


class Message(BaseModel):
    """A message of the conversation."""

    model_config = ConfigDict(strict=True)
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None

    @property
    def text(self) -> str:
        """The content as one text."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(BaseModel):
    """`include_usage` adds a last chunk with the token counts."""

    model_config = ConfigDict(strict=True)
    include_usage: bool = False


class ChatRequest(BaseModel):
    """A chat completion. Options of sampling and the like are accepted and have no effect."""

    model_config = ConfigDict(strict=True, extra="allow")
    model: str
    messages: Annotated[list[Message], Field(min_length=1, max_length=1_000)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int | None, Field(ge=1, le=1)] = None
    database: Annotated[str | None, Field(max_length=100, description="id of a database")] = None


_TEXTS: dict[int | str, str] = {"4XX": "The request was refused", 500: "A bug", 503: "Too many requests are waiting"}
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": OpenAIErrorJSON, "description": text} for status, text in _TEXTS.items()
}
_COMPLETION = {200: {"content": {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {}}}}
router = APIRouter(prefix="/v1", responses=_ERRORS)


@router.get("/models")
async def models(service: TheService) -> JSONResponse:
    """The one model."""
    return JSONResponse({"object": "list", "data": [_model(service)]})


@router.get("/models/{model}")
async def model(model: str, service: TheService) -> JSONResponse:
    """One model by name."""
    _check_model(service, model)
    return JSONResponse(_model(service))


@router.post("/chat/completions", response_class=Response, responses=_COMPLETION)  # type: ignore[arg-type]
async def chat_completions(
    body: ChatRequest,
    request: Request,
    service: TheService,
    x_database: Annotated[str | None, Header(max_length=100)] = None,
) -> Response:
    """Answer the last user message."""
    _check_model(service, body.model)
    chat = read_messages(body.messages)
    entry = service.databases.get(body.database or x_database)
    completion = Completion(service, entry, chat)
    if not body.stream:
        running = service.questions.start(completion.body)
        return Response(await running.result(request), media_type="application/json")
    with_usage = body.stream_options is not None and body.stream_options.include_usage
    running = service.questions.start(lambda: completion.chunks(with_usage))
    events = EventQueue().until(running, request, _failed)
    return StreamingResponse(_opened(completion, events), headers=HEADERS, media_type="text/event-stream")


@dataclass
class Chat:
    """A question with what was said before."""

    question: str
    conversation: Conversation


def read_messages(messages: list[Message]) -> Chat:
    """The question and the conversation before it. Raises ApiError 400 where there is no question."""
    last = next((n for n in reversed(range(len(messages))) if messages[n].role == "user"), None)
    question = messages[last].text.strip() if last is not None else ""
    if last is None or not question:
        raise ApiError(400, "messages has no user message with text: the last one is the question")
    if len(question) > QUESTION_CHARACTERS:
        raise ApiError(400, f"the question has {len(question)} characters, more than {QUESTION_CHARACTERS}")
    conversation = Conversation()
    asked = ""
    for message in messages[:last]:
        if message.role == "user":
            asked = message.text.strip()
        fence = _FENCE.search(message.text) if message.role == "assistant" else None
        if asked and fence:
            conversation.add(_past(asked, fence[1].strip(), message.text[: fence.start()].strip()))
            asked = ""
    return Chat(question, conversation)


def _past(question: str, sql: str, sentence: str) -> Answer:
    return Answer(
        question=question,
        rewritten=None,
        sql=sql,
        result=None,
        sentence=sentence,
        confidence=1.0,
        sure=True,
        alternatives=(),
        links=(),
        error=None,
        abstained=None,
        seconds=0.0,
    )


class Completion:
    """The work of one chat completion; `body` and `chunks` block."""

    def __init__(self, service: Service, entry: Entry, chat: Chat) -> None:
        self._service = service
        self._entry = entry
        self._chat = chat
        self._id = f"chatcmpl-{secrets.token_hex(12)}"
        self._created = int(time.time())

    def body(self) -> bytes:
        """The whole completion."""
        text, usage = self._answer()
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        return to_json({**self._head("chat.completion"), "choices": [choice], "usage": usage})

    def opening(self) -> bytes:
        """The first chunk of a stream, which can be sent before the answer is there."""
        return self._chunk({"role": "assistant", "content": ""})

    def chunks(self, with_usage: bool) -> bytes:
        """All further chunks: the words of the answer, and the end."""
        text, usage = self._answer()
        pieces = [self._chunk({"content": piece}) for piece in _PIECE.findall(text) if piece]
        pieces.append(self._chunk({}, "stop"))
        if with_usage:
            pieces.append(_data(to_json({**self._head("chat.completion.chunk"), "choices": [], "usage": usage})))
        return b"".join([*pieces, _data(b"[DONE]")])

    def _answer(self) -> tuple[str, dict[str, int]]:
        answer = self._service.ask(self._entry, self._chat.question, self._chat.conversation)
        text = answer_text(answer)
        read = self._service.prompt_tokens(current_job().requests)
        written = len(self._service.generator.tokenizer.encode(text))
        return text, {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _data(to_json({**self._head("chat.completion.chunk"), "choices": [choice]}))

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self._id, "object": kind, "created": self._created, "model": self._service.model}


def answer_text(answer: Answer) -> str:
    """Sentence (or the reason why there is none) and SQL, as a chat shows them."""
    text = answer.abstained or answer.error or answer.sentence
    return f"{text}\n\n```sql\n{answer.sql}\n```" if answer.sql else text


async def _opened(completion: Completion, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield completion.opening()
    async for message in events:
        yield message


def _failed(status: int, detail: str) -> bytes:
    return _data(to_json(error_body("/v1/", status, detail)))


def _data(content: bytes) -> bytes:
    return b"data: " + content + b"\n\n"


def _check_model(service: Service, name: str) -> None:
    if name != service.model:
        raise ApiError(404, f"there is no such model; this server has {service.model!r}")


def _model(service: Service) -> dict[str, Any]:
    return {"id": service.model, "object": "model", "created": service.started, "owned_by": "text2sql"}
