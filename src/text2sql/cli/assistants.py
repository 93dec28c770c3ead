"""What the verbs that ask a database share: options, the assistant, and an answer as text for people."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from text2sql.assistant import Answer, Assistant, LinkedItem
from text2sql.assistant.endpoint import SentenceWriter
from text2sql.cli.output import clean, format_result, terminal_width
from text2sql.database import Database
from text2sql.decoding.checkpoints import default_model
from text2sql.decoding.generator import Generator
from text2sql.errors import UserError

WRITER_KEY_VARIABLE = "TEXT2SQL_WRITER_KEY"
"""Environment variable with the key of `--writer-url`."""
_LABEL = 10


def add_assistant_arguments(parser: argparse.ArgumentParser) -> None:
    """`--db`, the model's options and the limits of a query."""
    parser.add_argument(
        "--db", required=True, metavar="URL", help="SQLite file, sqlite:///file, postgresql://..., duckdb:///file"
    )
    parser.add_argument("--checkpoint", metavar="DIR", help="model folder (default: the model that ships)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 or mps (default: cpu)")
    parser.add_argument("--beams", "--num-beams", dest="num_beams", type=int, metavar="N", help="beam search width")
    parser.add_argument("--max-new-tokens", type=int, metavar="N", help="longest SQL in tokens")
    add_writer_arguments(parser)
    parser.add_argument("--time-limit", type=_seconds, default=5.0, metavar="S", help="seconds that a query may run")


def add_row_arguments(parser: argparse.ArgumentParser) -> None:
    """How many rows are fetched and shown, and how CSV is written."""
    parser.add_argument("--row-limit", type=_count, default=1000, metavar="N", help="rows fetched (default: 1000)")
    parser.add_argument("--rows", type=_count, default=20, metavar="N", help="rows that a table shows (default: 20)")
    parser.add_argument(
        "--for-spreadsheets", action="store_true", help="CSV: an apostrophe before text that would run as a formula"
    )


def add_writer_arguments(parser: argparse.ArgumentParser) -> None:
    """Which language model words the answers, if any does."""
    parser.add_argument("--writer-url", metavar="URL", help="OpenAI-compatible endpoint that writes the sentences")
    parser.add_argument(
        "--writer-model", metavar="NAME", help=f"model of --writer-url; its key is read from ${WRITER_KEY_VARIABLE}"
    )


def load_writer(arguments: argparse.Namespace) -> SentenceWriter | None:
    """The writer that the options name. Raises UserError when only one of them is given."""
    if (arguments.writer_url is None) != (arguments.writer_model is None):
        raise UserError("--writer-url and --writer-model belong together: give both")
    if arguments.writer_url is None:
        return None
    return SentenceWriter(arguments.writer_url, arguments.writer_model, os.environ.get(WRITER_KEY_VARIABLE))


def load_assistant(arguments: argparse.Namespace) -> Assistant:
    """The assistant with the model that the options name. Raises UserError when there is none."""
    writer = load_writer(arguments)
    folder = Path(arguments.checkpoint) if arguments.checkpoint else default_model()
    assistant = Assistant(Generator.load(folder, arguments.device), writer=writer)
    given = {name: getattr(arguments, name) for name in ("num_beams", "max_new_tokens")}
    assistant.options = replace(assistant.options, **{name: n for name, n in given.items() if n is not None})
    return assistant


def warn(text: str) -> None:
    """One line on standard error."""
    print(f"text2sql: {clean(text)}", file=sys.stderr)


def show_warnings(database: Database) -> None:
    """What the user should know of a database, on standard error."""
    for warning in database.warnings:
        warn(f"warning: {warning}")


def labelled(label: str, text: str) -> str:
    """A line of an answer: its label, then the text; further lines stand below it."""
    return "\n".join(
        f"{label if number == 0 else '':<{_LABEL}}{clean(line)}"
        for number, line in enumerate(text.splitlines() or [""])
    )


def format_answer(answer: Answer, rows: int = 20) -> str:
    """Sentence, SQL, rows and confidence of an answer, or why there is none."""
    lines = [labelled("meant", answer.rewritten)] if answer.rewritten else []
    if answer.error is None:
        lines += [labelled("tried", f"{failure.sql} ({failure.error})") for failure in answer.failures]
    if answer.abstained is not None:
        return "\n".join([*lines, labelled("no answer", answer.abstained)])
    if answer.sql:
        lines.append(labelled("SQL", answer.sql))
    if answer.error is not None or answer.result is None:
        lines.append(labelled("error", answer.error or "the query was not run"))
        lines += [labelled("hint", answer.hint)] if answer.hint else []
    else:
        lines += [labelled("answer", answer.sentence), "", format_result(answer.result, rows, terminal_width())]
    return "\n".join([*lines, *_footer(answer)])


def format_links(links: Sequence[LinkedItem]) -> str:
    """The tables, columns and cells that words of the question were linked to, or that only the SQL uses."""
    if not links:
        return "no words of the question were linked"
    return "\n".join(f"{clean(link.words).rstrip('?!.,;:') or '(SQL)'} → {clean(_item(link))}" for link in links)


def format_alternatives(answer: Answer) -> str:
    """The other readings of a question, numbered from 1."""
    if not answer.alternatives:
        return "there are no alternatives"
    found = enumerate(answer.alternatives, start=1)
    return "\n".join(f"{number}. {clean(other.sql)} ({other.confidence:.0%})" for number, other in found)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds above 0")
    return seconds


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return count


def _footer(answer: Answer) -> list[str]:
    lines = []
    if answer.result is not None and answer.error is None:
        count = len(answer.result.rows)
        shown = f"{count}{'+' if answer.result.truncated else ''} row{'' if count == 1 else 's'}"
        confidence = f", confidence {answer.confidence:.0%}" if answer.question else ""
        lines.append(f"({shown}, {answer.seconds:.1f} s{confidence})")
    if not answer.sure:
        lines.append(labelled("not sure", "check the SQL; other readings:" if answer.alternatives else "check the SQL"))
        lines += [labelled("", line) for line in format_alternatives(answer).splitlines() if answer.alternatives]
    return lines


def _item(link: LinkedItem) -> str:
    place = link.table if link.column is None else f"{link.table}.{link.column}"
    return f"{link.kind} {place}" + (f" = {link.value!r}" if link.value is not None else "")
