"""`text2sql chat`: question after question in the terminal."""

from __future__ import annotations

import argparse

from text2sql.assistant import Assistant
from text2sql.cli.assistants import add_assistant_arguments, add_row_arguments, load_assistant, show_warnings, warn
from text2sql.cli.chat_commands import completions, handle
from text2sql.cli.chat_session import ChatSession
from text2sql.cli.line_input import LineInput
from text2sql.database import Database, connect
from text2sql.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `text2sql chat`."""
    add_assistant_arguments(parser)
    add_row_arguments(parser)
    parser.epilog = (
        "Type questions; lines that begin with a backslash are commands, \\help lists them.\n"
        "Ctrl-C cancels what is running, Ctrl-D leaves. Without a terminal each line of the input is a question."
    )


def run(arguments: argparse.Namespace) -> int:
    """Talk until the end of the input."""
    database = connect(arguments.db)
    try:
        show_warnings(database)
        chat = start(load_assistant(arguments), database, arguments)
    except BaseException:
        database.close()
        raise
    try:
        talk(chat)
    finally:
        chat.database.close()  # `\connect` may have changed it
    return 0


def start(assistant: Assistant, database: Database, arguments: argparse.Namespace) -> ChatSession:
    """A chat on standard input and output."""
    lines = LineInput(lambda text: completions(chat, text))
    chat = ChatSession(
        assistant,
        database,
        lines,
        arguments.time_limit,
        arguments.row_limit,
        arguments.rows,
        arguments.for_spreadsheets,
    )
    return chat


def talk(chat: ChatSession) -> None:
    """Read lines and do what they say until the input ends or a line says so."""
    interactive = chat.lines.interactive
    if interactive:
        print(chat.greeting())
    goes_on = True
    while goes_on:
        try:
            goes_on = handle(chat, chat.lines.read(chat.prompt))
        except EOFError:
            goes_on = False
            if interactive:
                print()
        except UserError as error:
            warn(str(error))
        except KeyboardInterrupt:
            if not interactive:
                raise
            print("\ncancelled")
