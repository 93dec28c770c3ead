"""The JSON API: health, databases, schema, ask, run, explain, export."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Query, Request, Response, UploadFile
from fastapi.responses import JSONResponse, StreamingResponse

from text2sql.server.databases import Entry
from text2sql.server.models import (
    AnswerJSON,
    AskRequest,
    ConnectRequest,
    DatabaseId,
    DatabaseJSON,
    DatabasesJSON,
    ErrorJSON,
    ExplainRequest,
    ExportRequest,
    HealthJSON,
    RunRequest,
    SchemaJSON,
    TextJSON,
)
from text2sql.server.service import Service
from text2sql.server.streams import HEADERS, EventQueue, event

_ERRORS = {
    400: "The request makes no sense for this database",
    401: "A token is needed",
    403: "Not allowed on this server",
    404: "No such database or conversation",
    408: "The body did not arrive",
    409: "Not possible now",
    413: "The body is too large",
    422: "The body or a parameter is not as described here",
    500: "A bug; the server's log says more",
    503: "Too many requests are waiting; Retry-After says when to try again",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorJSON, "description": text} for status, text in _ERRORS.items()
}
_EVENTS = {
    "text/event-stream": {
        "itemSchema": {
            "type": "object",
            "properties": {"event": {"enum": ["sql", "answer", "error"]}, "data": {"type": "string"}},
            "required": ["event", "data"],
        }
    }
}
_MEDIA_TYPES = {"csv": "text/csv", "json": "application/json", "markdown": "text/markdown"}
_SUFFIXES = {"csv": "csv", "json": "json", "markdown": "md"}
_FILES: dict[str, Any] = {media: {"schema": {"type": "string"}} for media in _MEDIA_TYPES.values()}
_FILES["application/json"] = {"schema": {"type": "array", "items": {"type": "object"}}}
public = APIRouter(responses=ERRORS)
"""What needs no token."""
router = APIRouter(responses=ERRORS)


async def service_of(request: Request) -> Service:
    """The service behind the application."""
    service: Service = request.app.state.service
    return service


TheService = Annotated[Service, Depends(service_of)]


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json")


@public.get("/health", response_model=HealthJSON)
async def health(service: TheService) -> JSONResponse:
    """Whether the server is alive, its model, and how many requests it is working on."""
    waiting = len(service.questions) + len(service.queries)
    content = {"status": "ok", "model": service.model, "version": version("text2sql"), "waiting": waiting}
    return JSONResponse(content)


@router.get("/databases", response_model=DatabasesJSON)
async def databases(service: TheService) -> JSONResponse:
    """The open databases, the default first."""
    return JSONResponse({"databases": [_described(entry) for entry in service.databases.all()]})


@router.post("/databases", response_model=DatabaseJSON, status_code=201)
async def connect(body: ConnectRequest, request: Request, service: TheService) -> JSONResponse:
    """Open a database that the server can reach."""
    running = service.queries.start(lambda: service.databases.connect(body.url))
    return JSONResponse(_described(await running.result(request)), 201)


@router.delete("/databases/{database}", status_code=204)
async def disconnect(database: str, request: Request, service: TheService) -> Response:
    """Close a database; an uploaded one is deleted."""
    await service.queries.start(lambda: service.databases.remove(database)).result(request)
    return Response(status_code=204)


@router.post("/uploads", response_model=DatabaseJSON, status_code=201)
async def upload(
    files: Annotated[list[UploadFile], File(description="one SQLite file, or CSV files")],
    request: Request,
    service: TheService,
) -> JSONResponse:
    """Make a database of one SQLite file or of CSV files, each of which becomes a table."""
    named = [(file.filename or "", file.file) for file in files]
    running = service.queries.start(lambda: service.databases.upload(named))
    return JSONResponse(_described(await running.result(request)), 201)


@router.get("/schema", response_model=SchemaJSON)
async def schema(request: Request, service: TheService, database: Annotated[DatabaseId, Query()] = None) -> Response:
    """Tables, columns and keys of a database."""
    entry = service.databases.get(database)
    return _json(await service.queries.start(lambda: service.schema(entry)).result(request))


@router.post("/ask", response_model=AnswerJSON, responses={200: {"content": _EVENTS}})
async def ask(body: AskRequest, request: Request, service: TheService) -> Response:
    """Answer a question. With `stream` the SQL comes as it is written, then the answer."""
    entry = service.databases.get(body.database)
    session = service.conversations.take(body.conversation, entry.id)
    events = EventQueue() if body.stream else None

    def work() -> bytes:
        show = None if events is None else lambda text: events.put(event("sql", {"text": text}))
        answer = service.ask(entry, body.question, session.conversation, body.row_limit, show)
        answered = service.answer_body(answer, session.id)
        return answered if events is None else b"event: answer\ndata: " + answered + b"\n\n"

    try:
        running = service.questions.start(work, session.release)
    except BaseException:
        session.release()
        raise
    if events is None:
        return _json(await running.result(request))
    stream = events.until(running, request, lambda status, text: event("error", {"detail": text, "status": status}))
    return StreamingResponse(stream, headers=HEADERS, media_type="text/event-stream")


@router.post("/run", response_model=AnswerJSON)
async def run(body: RunRequest, request: Request, service: TheService) -> Response:
    """Run SQL, read-only and within the limits. A query that fails is an answer with `error`."""
    entry = service.databases.get(body.database)
    return _json(await service.queries.start(lambda: service.run(entry, body.sql, body.row_limit)).result(request))


@router.post("/explain", response_model=TextJSON)
async def explain(body: ExplainRequest, request: Request, service: TheService) -> JSONResponse:
    """SQL in words."""
    entry = service.databases.get(body.database)
    text = await service.queries.start(lambda: service.explain(entry, body.sql)).result(request)
    return JSONResponse({"text": text})


@router.post("/export", response_class=Response, responses={200: {"content": _FILES}})
async def export(body: ExportRequest, request: Request, service: TheService) -> Response:
    """The rows of SQL as a file; the header X-Truncated says `true` when there are more rows than it holds."""
    entry = service.databases.get(body.database)
    content, truncated = await service.queries.start(lambda: service.export(entry, body.sql, body.format)).result(
        request
    )
    headers = {
        "Content-Disposition": f'attachment; filename="result.{_SUFFIXES[body.format]}"',
        "X-Truncated": str(truncated).lower(),
    }
    return Response(content, headers=headers, media_type=_MEDIA_TYPES[body.format])


def _described(entry: Entry) -> dict[str, Any]:
    database = entry.database
    return {
        "id": entry.id,
        "name": database.name,
        "dialect": database.dialect,
        "url": database.url,
        "warnings": list(database.warnings),
    }
