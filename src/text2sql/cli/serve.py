"""`text2sql serve`: the web page and the APIs."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from text2sql.cli.assistants import add_writer_arguments, load_writer
from text2sql.decoding.checkpoints import default_model
from text2sql.decoding.generator import Generator
from text2sql.errors import UserError
from text2sql.server.settings import LARGEST_ROW_LIMIT, Settings, is_loopback

if TYPE_CHECKING:
    from fastapi import FastAPI

TOKEN_VARIABLE = "TEXT2SQL_TOKEN"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `text2sql serve`."""
    defaults = Settings()
    parser.add_argument(
        "--db",
        action="append",
        default=[],
        metavar="URL",
        help="database to serve, such as a SQLite file or postgresql://...; may be given several times, the first is "
        "the default",
    )
    parser.add_argument("--host", default=defaults.host, help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=defaults.port, help="port (default: 8000; 0: any free one)")
    parser.add_argument(
        "--token",
        help=f"secret that requests must carry (or ${TOKEN_VARIABLE}); made and printed beyond loopback",
    )
    parser.add_argument("--checkpoint", metavar="DIR", help="model folder (default: the model that ships)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 or mps (default: cpu)")
    parser.add_argument("--time-limit", type=float, default=5.0, metavar="S", help="seconds that a query may run")
    parser.add_argument("--row-limit", type=int, default=1000, metavar="N", help="rows of a result (default: 1000)")
    parser.add_argument(
        "--allow-connect",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether clients may open other databases (default: only where --host is this machine)",
    )
    parser.add_argument(
        "--allow-uploads", action=argparse.BooleanOptionalAction, default=True, help="whether clients may upload files"
    )
    add_writer_arguments(parser)
    parser.epilog = "example: text2sql serve --db examples/music_shop.sqlite --port 8000"


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C. Raises UserError for a missing extra, database, model or free port."""
    settings = settings_of(arguments)
    try:
        from text2sql.server.running import bind, web_server
    except ModuleNotFoundError as error:
        raise UserError(f'the package {error.name} is missing: pip install -e ".[serve]"') from error
    with bind(settings.host, settings.port) as listening:
        app = _application(settings, arguments)
        app.state.service.read_values()
        port = listening.getsockname()[1]
        _announce(app, settings, port, made=not (arguments.token or os.environ.get(TOKEN_VARIABLE)))
        try:
            web_server(app).run(sockets=[listening])
        except KeyboardInterrupt:  # uvicorn raises it again when it has ended in good order
            print("text2sql: stopped", file=sys.stderr)
        finally:
            app.state.service.close()
    return 0


def settings_of(arguments: argparse.Namespace) -> Settings:
    """The settings of a command line. Raises UserError for impossible ones."""
    if not arguments.time_limit > 0:
        raise UserError(f"--time-limit {arguments.time_limit:g}: give a number of seconds above 0")
    if not 1 <= arguments.row_limit <= LARGEST_ROW_LIMIT:
        raise UserError(f"--row-limit {arguments.row_limit}: give a number from 1 to {LARGEST_ROW_LIMIT}")
    token = arguments.token or os.environ.get(TOKEN_VARIABLE)
    if token is None and not is_loopback(arguments.host):
        token = secrets.token_urlsafe(24)
    return Settings(
        databases=tuple(arguments.db),
        checkpoint=arguments.checkpoint,
        device=arguments.device,
        host=arguments.host,
        port=arguments.port,
        token=token or None,
        allow_connect=arguments.allow_connect,
        allow_uploads=arguments.allow_uploads,
        time_limit=arguments.time_limit,
        row_limit=arguments.row_limit,
    )


def _application(settings: Settings, arguments: argparse.Namespace) -> FastAPI:
    from text2sql.server.app import create_app

    writer = load_writer(arguments)
    folder = Path(settings.checkpoint) if settings.checkpoint else default_model()
    return create_app(settings, Generator.load(folder, settings.device), folder.resolve().name, writer)


def _announce(app: FastAPI, settings: Settings, port: int, made: bool) -> None:
    service = app.state.service
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    for entry in service.databases.all():
        for warning in entry.database.warnings:
            print(f"text2sql: warning: {entry.id}: {warning}", file=sys.stderr)
    names = ", ".join(entry.id for entry in service.databases.all()) or "no database yet"
    print(f"text2sql: {service.model} answers on http://{host}:{port}/ ({names}); Ctrl-C stops", flush=True)
    if settings.token and made:
        print(f"text2sql: the token is {settings.token} (header 'Authorization: Bearer ...')", flush=True)
