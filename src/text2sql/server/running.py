"""Binding a port and running the application on it with uvicorn."""

from __future__ import annotations

import errno
import socket

import uvicorn
from fastapi import FastAPI

from text2sql.errors import UserError

KEEP_ALIVE_SECONDS = 75
SHUTDOWN_SECONDS = 3
"""How long requests may go on after Ctrl-C before they are cancelled."""
MOST_CONNECTIONS = 900
"""Below the usual limit of 1024 open files; further connections are answered with 503."""
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {
            "()": "text2sql.server.errors.SecretFreeFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {
        name: {"handlers": ["stderr"], "level": "WARNING", "propagate": False} for name in ("uvicorn", "text2sql")
    },
}


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises UserError for a port in use and for an address that is not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UserError(f"port {port} of {host} is in use: choose another one with --port (0: any)") from error
        reason = error.strerror or error
        raise UserError(f"cannot listen on {host}, port {port} ({reason}): check --host and --port") from error
    except OverflowError as error:
        raise UserError(f"--port {port}: give a port from 0 to 65535") from error


def web_server(app: FastAPI) -> uvicorn.Server:
    """The server of an application; `run(sockets=[...])` blocks until Ctrl-C or `should_exit`."""
    config = uvicorn.Config(
        app,
        log_config=LOGGING,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    return uvicorn.Server(config)
