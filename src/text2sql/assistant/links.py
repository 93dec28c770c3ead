"""What an answer rests on: the tables and columns of its SQL, and what the question's words were linked to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlglot
from sqlglot import exp

from text2sql.assistant.answer import LinkedItem
from text2sql.prompting.linking import Links
from text2sql.prompting.words import Word, normalise, split_words, stem
from text2sql.schema import Schema

_PUNCTUATION = " ?.!,;:'\"()"


def linked_items(question: str, links: Links, sql: str, schema: Schema, dialect: str) -> tuple[LinkedItem, ...]:
    """Tables and columns that the SQL uses, then those that the question names exactly, then matching cells.

    Only cells of columns that the SQL uses are listed, unless it uses none of them.
    """
    tables, columns = used_items(sql, schema, dialect)
    table_numbers = dict.fromkeys([*tables, *(n for n, mark in links.tables.items() if mark == "exact")])
    column_numbers = dict.fromkeys([*columns, *(n for n, mark in links.columns.items() if mark == "exact")])
    words = split_words(question)
    items = [_table(schema, number, question, words) for number in table_numbers]
    items += [_column(schema, number, question, words) for number in column_numbers]
    cells = [cell for cell in links.cells if cell.column in columns] or links.cells
    for cell in cells:
        table, column = schema.columns[cell.column]
        text = question[words[cell.first_word].start : words[cell.last_word].end]
        items.append(LinkedItem("cell", table.name, column.name, cell.text, text.strip(_PUNCTUATION)))
    return tuple(items)


def used_items(sql: str, schema: Schema, dialect: str) -> tuple[list[int], list[int]]:
    """Numbers of the tables and columns that SQL text names, each once, in its order; none when it is no SQL."""
    try:
        query = sqlglot.parse_one(sql, read=dialect)
    except (sqlglot.errors.SqlglotError, RecursionError):
        return [], []
    aliases = {t.alias_or_name.lower(): t.name for t in query.find_all(exp.Table)}
    named = [t.name for t in query.find_all(exp.Table) if schema.table(t.name) is not None]
    tables = list(dict.fromkeys(schema.table_number(name) for name in named))
    columns = [n for column in query.find_all(exp.Column) for n in _numbers(column, aliases, tables, schema)]
    return tables, list(dict.fromkeys(columns))


def _numbers(column: exp.Column, aliases: dict[str, str], tables: Sequence[int], schema: Schema) -> Iterator[int]:
    """The column's number; for an unqualified name that several tables have, the first table's."""
    if column.table:
        candidates = [aliases.get(column.table.lower(), column.table)]
    else:
        candidates = [schema.tables[number].name for number in tables]
    for name in candidates:
        table = schema.table(name)
        if table is not None and table.column(column.name) is not None:
            yield schema.column_number(name, column.name)
            return


def _table(schema: Schema, number: int, question: str, words: Sequence[Word]) -> LinkedItem:
    table = schema.tables[number]
    return LinkedItem("table", table.name, None, None, mentioning_words(table.words, question, words))


def _column(schema: Schema, number: int, question: str, words: Sequence[Word]) -> LinkedItem:
    table, column = schema.columns[number]
    return LinkedItem("column", table.name, column.name, None, mentioning_words(column.words, question, words))


def mentioning_words(name: str, question: str, words: Sequence[Word]) -> str:
    """The question's words that stand for a name: all of it in a row, else the words it shares; "" for none."""
    parts = [stem(part) for part in normalise(name).split()]
    stems = [stem(normalise(word.text)) for word in words]
    for first in range(len(stems) - len(parts) + 1):
        if parts and stems[first : first + len(parts)] == parts:
            return question[words[first].start : words[first + len(parts) - 1].end]
    return " ".join(word.text for word, one in zip(words, stems, strict=True) if len(one) > 2 and one in parts)
