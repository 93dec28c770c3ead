"""`text2sql mcp`: a Model Context Protocol server for programs that talk to language models."""

from __future__ import annotations

import argparse
import contextlib
import sys

from text2sql.cli.assistants import add_assistant_arguments, load_assistant, show_warnings
from text2sql.database import connect
from text2sql.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `text2sql mcp`."""
    add_assistant_arguments(parser)
    parser.add_argument(
        "--http", type=int, metavar="PORT", help="serve on http://127.0.0.1:PORT/mcp instead of standard input"
    )
    parser.epilog = (
        "Tools: ask (a question), schema, run (SQL, read-only). Messages go to standard error.\n"
        'In a client: {"command": "text2sql", "args": ["mcp", "--db", "/path/to/file.sqlite"]}'
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until the client leaves or Ctrl-C."""
    if arguments.http is not None and not 0 < arguments.http < 65536:
        raise UserError(f"--http {arguments.http}: give a port from 1 to 65535")
    try:
        from text2sql.server.mcp import create_server
    except ModuleNotFoundError as error:
        raise UserError(f'the package {error.name} is missing: pip install -e ".[serve]"') from error
    with connect(arguments.db) as database:
        with contextlib.redirect_stdout(sys.stderr):  # standard output belongs to the protocol
            show_warnings(database)
            assistant = load_assistant(arguments)
        server = create_server(assistant, database, arguments.time_limit)
        if arguments.http is None:
            server.run("stdio")
        else:
            print(f"text2sql: MCP server on http://127.0.0.1:{arguments.http}/mcp", file=sys.stderr)
            server.run("streamable-http", host="127.0.0.1", port=arguments.http)
    return 0
