"""`text2sql ask`: one question, its answer, SQL and rows."""

from __future__ import annotations

import argparse
import io
import sys

from text2sql.assistant import Answer, Assistant
from text2sql.assistant.explain import explain
from text2sql.assistant.formats import FORMATS, to_csv
from text2sql.cli.assistants import (
    add_assistant_arguments,
    add_row_arguments,
    format_answer,
    format_links,
    labelled,
    load_assistant,
    show_warnings,
    warn,
)
from text2sql.cli.cancelling import run_cancellable
from text2sql.database import Database, connect
from text2sql.decoding.generator import Generator
from text2sql.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `text2sql ask`."""
    parser.add_argument("question", help="the question, in English")
    add_assistant_arguments(parser)
    add_row_arguments(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--format", choices=("table", *FORMATS), default="table", help="form of the rows")
    form.add_argument("--sql-only", action="store_true", help="print nothing but the SQL")
    parser.add_argument("--links", action="store_true", help="show what the question's words were linked to")
    parser.add_argument("--explain", action="store_true", help="say in words what the SQL does")
    parser.epilog = (
        'example: text2sql ask --db examples/music_shop.sqlite "How many albums are there?"\n'
        "csv, json, markdown and --sql-only print only that on standard output, all else on standard error.\n"
        "exit code: 0 answered, 1 not answered or the SQL failed, 2 wrong arguments, missing files"
    )


def run(arguments: argparse.Namespace) -> int:
    """Answer one question; exit code 1 when there is no answer or its SQL fails."""
    if not arguments.question.strip():
        raise UserError("the question is empty: write what you want to know")
    with connect(arguments.db) as database:
        show_warnings(database)
        assistant = load_assistant(arguments)
        limits = {"time_limit": arguments.time_limit, "row_limit": arguments.row_limit}
        answer = run_cancellable(
            lambda check: assistant.ask(database, arguments.question, **limits, on_sql=lambda sql: check()),
            database.cancel,
        )
        notes = _notes(arguments, answer, database)
    if arguments.format == "table" and not arguments.sql_only:
        print("\n".join([labelled("question", answer.question), format_answer(answer, arguments.rows), *notes]))
    else:
        _print_data(arguments, answer, notes)
    return 0 if answered(answer) else 1


def ask(generator: Generator, database: Database, question: str, time_limit: float = 5.0) -> tuple[str, bool]:
    """Question, answer, SQL and rows as text, and whether the question was answered."""
    answer = Assistant(generator).ask(database, question, time_limit=time_limit)
    return "\n".join([labelled("question", question), format_answer(answer)]), answered(answer)


def answered(answer: Answer) -> bool:
    """Whether there is SQL and it ran."""
    return answer.abstained is None and answer.error is None and answer.result is not None


def _notes(arguments: argparse.Namespace, answer: Answer, database: Database) -> list[str]:
    """What was asked for besides the answer."""
    notes = []
    if arguments.explain and answer.sql:
        notes.append(labelled("in words", explain(answer.sql, database.schema, database.dialect)))
    if arguments.links:
        notes.append(labelled("linked", format_links(answer.links)))
    return notes


def _print_data(arguments: argparse.Namespace, answer: Answer, notes: list[str]) -> None:
    """Only the data on standard output, what people read on standard error."""
    failed = answer.abstained or answer.error
    if failed:
        warn(f"no answer: {failed}")
    if arguments.sql_only:
        print(answer.sql, end="\n" if answer.sql else "")
    elif answered(answer) and answer.result is not None:
        print(labelled("SQL", answer.sql), labelled("answer", answer.sentence), sep="\n", file=sys.stderr)
        spreadsheet = arguments.format == "csv" and arguments.for_spreadsheets
        data = to_csv(answer.result, True) if spreadsheet else FORMATS[arguments.format](answer.result)
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(newline="")  # CSV's line ends stay as they are on Windows too
        sys.stdout.write(data)
        if answer.result.truncated:
            warn(f"only the first {len(answer.result.rows)} rows were fetched; --row-limit sets how many")
    if not answer.sure and answered(answer):
        warn(f"not sure (confidence {answer.confidence:.0%}): check the SQL")
    if notes:
        print("\n".join(notes), file=sys.stderr)
