"""The chat's commands: lines that begin with a backslash."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from text2sql.assistant.explain import explain
from text2sql.assistant.formats import to_csv, to_json, to_markdown
from text2sql.cli.assistants import format_alternatives, format_links
from text2sql.cli.chat_session import ChatSession
from text2sql.cli.output import clean, format_table, terminal_width
from text2sql.database import ExecutionResult
from text2sql.errors import UserError
from text2sql.schema import Schema, Table


@dataclass(frozen=True)
class Command:
    """What a command does; `arguments` and `help` are for people."""

    run: Callable[[ChatSession, str], None]
    arguments: str
    help: str


def handle(chat: ChatSession, line: str) -> bool:
    """Do what a line says; False when it ends the chat. Raises UserError for what cannot be done."""
    if not line:
        return True
    if not line.startswith("\\"):
        if line.lower() in ("quit", "exit"):
            return False
        chat.ask(line)
        return True
    name, _, rest = line[1:].partition(" ")
    if name in ("quit", "q"):
        return False
    command = COMMANDS.get(name)
    if command is None:
        near = _did_you_mean(name, COMMANDS, prefix="\\")
        raise UserError(f"there is no command \\{clean(name)}{near}; \\help lists them")
    command.run(chat, rest.strip())
    return True


def completions(chat: ChatSession, text: str) -> list[str]:
    """Commands, tables and columns that begin with `text`."""
    schema = chat.database.schema
    names = [f"\\{name}" for name in COMMANDS] if text.startswith("\\") else []
    if text and not names:
        names = [table.name for table in schema.tables] + [column.name for _, column in schema.columns]
    return sorted({name for name in names if name.lower().startswith(text.lower())})


def _schema(chat: ChatSession, name: str) -> None:
    schema = chat.database.schema
    if not name:
        rows = [(table.name, ", ".join(column.name for column in table.columns)) for table in schema.tables]
        print(format_table(("table", "columns"), rows, terminal_width()) if rows else "there are no tables")
        return
    table = schema.table(name.strip('"'))
    if table is None:
        raise UserError(f"there is no table {clean(name)}{_did_you_mean(name, [t.name for t in schema.tables])}")
    print(_describe(table, schema, chat.database.row_count(table.name)))


def _describe(table: Table, schema: Schema, count: int | None) -> str:
    rows = [(c.name, c.type, _key_text(table, c.name, schema), c.comment) for c in table.columns]
    header = [("column", "type", "key", "comment"), *rows]
    kept = [i for i in range(4) if i < 2 or any(row[i] for row in rows)]  # no empty columns
    lines = [[row[i] for i in kept] for row in header]
    title = table.name + (f": {table.comment}" if table.comment else "")
    known = "" if count is None else f" (about {count} rows)"
    return f"{clean(title)}{known}\n{format_table(lines[0], lines[1:], terminal_width())}"


def _key_text(table: Table, column: str, schema: Schema) -> str:
    parts = ["primary key"] if column in table.primary_key else []
    for key in schema.foreign_keys:
        if key.table.lower() == table.name.lower() and column in key.columns:
            target = key.referenced_columns[key.columns.index(column)] if key.referenced_columns else ""
            parts.append(f"→ {key.referenced_table}{'.' if target else ''}{target}")
    return ", ".join(parts)


def _sql(chat: ChatSession, sql: str) -> None:
    if sql:
        chat.run_sql(sql)
    else:
        print(clean(chat.require_last().sql) or "the last question has no SQL")


def _edit(chat: ChatSession, _: str) -> None:
    edited = chat.lines.edit(chat.require_last().sql)
    if edited:
        chat.rerun(edited)
    else:
        print("nothing to run")


def _explain(chat: ChatSession, _: str) -> None:
    sql = chat.require_last().sql
    if not sql:
        raise UserError("the last question has no SQL to explain")
    words = explain(sql, chat.database.schema, chat.database.dialect)
    print("\n".join(map(clean, words.splitlines())))


def _alternatives(chat: ChatSession, _: str) -> None:
    print(format_alternatives(chat.require_last()))


def _use(chat: ChatSession, number: str) -> None:
    others = chat.require_last().alternatives
    if not (number.isascii() and number.isdigit() and 1 <= int(number) <= len(others)):
        known = f"a number from 1 to {len(others)}" if others else "there are no alternatives"
        raise UserError(f"\\use {clean(number)}: {known}; \\alternatives lists them")
    chat.rerun(others[int(number) - 1].sql)


def _links(chat: ChatSession, _: str) -> None:
    print(format_links(chat.require_last().links))


def _export(chat: ChatSession, name: str) -> None:
    path = Path(name).expanduser()
    writers: dict[str, Callable[[ExecutionResult], str]] = {
        ".csv": lambda result: to_csv(result, chat.for_spreadsheets),
        ".json": to_json,
        ".md": to_markdown,
    }
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise UserError(f"\\export {clean(name)}: give a file that ends with .csv, .json or .md")
    result = chat.require_last().result
    if result is None:
        raise UserError("the last question has no rows to export")
    text = writer(result)
    if path.exists() and not chat.lines.confirm(f"{clean(str(path))} exists; overwrite it?"):
        raise UserError(f"{clean(str(path))} exists and was left as it is")
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except (OSError, ValueError) as error:
        raise UserError(f"{clean(str(path))} cannot be written: {error}") from error
    more = " (the result was cut at its limit: --row-limit sets it)" if result.truncated else ""
    print(f"{len(result.rows)} rows in {clean(str(path))}{more}")


def _connect(chat: ChatSession, url: str) -> None:
    if not url:
        print(chat.greeting())
        return
    chat.connect(url)


def _new(chat: ChatSession, _: str) -> None:
    chat.forget()
    print("a new conversation")


def _help(chat: ChatSession, _: str) -> None:
    rows = [(f"\\{name} {command.arguments}".rstrip(), command.help) for name, command in COMMANDS.items()]
    width = max(len(row[0]) for row in rows)
    print("A question in English is answered; it may follow up the one before.")
    print("\n".join(f"{left:<{width}}  {right}" for left, right in rows))
    print("Ctrl-C cancels what is running, Ctrl-D leaves.")


def _did_you_mean(name: str, known: Iterable[str], prefix: str = "") -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {prefix}{clean(near[0])}" if near else ""


COMMANDS: dict[str, Command] = {
    "schema": Command(_schema, "[TABLE]", "the tables, or the columns of one"),
    "sql": Command(_sql, "[SELECT ...]", "show the last SQL, or run your own (read-only)"),
    "edit": Command(_edit, "", "change the last SQL in $EDITOR, or on the line, and run it"),
    "explain": Command(_explain, "", "say in words what the last SQL does"),
    "alternatives": Command(_alternatives, "", "other readings of the last question"),
    "use": Command(_use, "N", "answer with alternative N"),
    "links": Command(_links, "", "what the question's words were linked to"),
    "export": Command(_export, "FILE", "write the last rows to a .csv, .json or .md file"),
    "connect": Command(_connect, "[URL]", "ask another database"),
    "new": Command(_new, "", "begin a new conversation"),
    "help": Command(_help, "", "this list"),
    "quit": Command(lambda chat, _: None, "", "leave (Ctrl-D does too)"),
}
