"""The web application: routes, the page, errors, and what happens at the start and the end."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from text2sql.assistant.endpoint import SentenceWriter
from text2sql.decoding.generator import Generator
from text2sql.errors import UserError
from text2sql.server import api, openai_api
from text2sql.server.auth import Guard, error_body, error_response
from text2sql.server.errors import ApiError, one_line
from text2sql.server.service import Service
from text2sql.server.settings import Settings
from text2sql.server.streams import INTERNAL_ERROR
from text2sql.server.workers import ClientGoneError

STATIC = Path(__file__).with_name("static")
_CLIENT_GONE = 499
logger = logging.getLogger("text2sql.server")


def create_app(
    settings: Settings, generator: Generator, model: str = "text2sql", writer: SentenceWriter | None = None
) -> FastAPI:
    """The application for one model, named `model`. Raises UserError for a database that cannot be opened.

    Its threads end with the server, or by `app.state.service.close()`. Bound beyond loopback it needs a token.
    """
    if not settings.loopback and not settings.token:
        raise UserError(f"a server bound to {settings.host} needs a token: give --token, or bind it to 127.0.0.1")
    app = FastAPI(
        title="text2sql",
        version=version("text2sql"),
        description='Ask databases in words. Errors have the form `{"detail": "one line"}`.',
        docs_url=None,  # FastAPI's pages load scripts from elsewhere
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.service = Service(settings, generator, model, writer)
    locked = [Security(HTTPBearer(auto_error=False))] if settings.token else []  # for OpenAPI: `Guard` does the check
    app.include_router(api.public)
    app.include_router(api.router, dependencies=locked)
    app.include_router(openai_api.router, dependencies=locked)
    app.add_middleware(Guard, settings=settings)
    _add_page(app)
    app.add_exception_handler(UserError, _user_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientGoneError, _nobody)
    app.add_exception_handler(Exception, _bug)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.service.close()


def _add_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    app.mount("/static", _Files(directory=STATIC))


class _Files(StaticFiles):
    """The page's files; the browser asks each time whether they have changed."""

    def file_response(self, *arguments: object, **options: object) -> Response:
        response: Response = super().file_response(*arguments, **options)  # type: ignore[arg-type]
        response.headers.setdefault("Cache-Control", "no-cache")
        return response


async def _user_error(request: Request, error: Exception) -> Response:
    refused = error if isinstance(error, ApiError) else ApiError(400, one_line(error))
    return error_response(request.url.path, refused)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()[:5]]
    status = 400 if request.url.path.startswith("/v1/") else 422
    return JSONResponse(error_body(request.url.path, status, one_line("; ".join(found))), status)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = _methods(request.url.path) or headers.get("Allow", "GET")
    body = error_body(request.url.path, error.status_code, one_line(error.detail))
    return JSONResponse(body, error.status_code, headers)


def _methods(path: str) -> str:
    """All methods of a path: Starlette names those of the first route only."""
    routers = (api.public, api.router, openai_api.router)
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    return ", ".join(sorted({method for r in routes if r.path_regex.fullmatch(path) for method in r.methods or ()}))


async def _nobody(request: Request, error: Exception) -> Response:
    return Response(status_code=_CLIENT_GONE)


async def _bug(request: Request, error: Exception) -> Response:
    return JSONResponse(error_body(request.url.path, 500, INTERNAL_ERROR), 500)
