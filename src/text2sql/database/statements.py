"""The second layer of safety: is a SQL text one reading statement? Decided on its syntax tree, never on keywords.

The first layer is each engine's own (read-only files and transactions, authorizer, limits). For PostgreSQL, where a
function can reach outside of the transaction, the tree's functions, types and relations are checked too.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.dialects.sqlite import SQLite
from sqlglot.parsers.sqlite import SQLiteParser

from text2sql.database.postgres_guard import CheckedPostgres, check_text, check_tree

MAX_LENGTH = 100_000
"""Longest statement in characters that is parsed; longer ones are refused."""
MAX_TOKENS = 5_000
"""Most words and signs: the parser takes about 0.1 ms for each, and nothing can stop it."""
STEPS_PER_TOKEN = 25
"""How often the parser may take or give back a token, on average: it backtracks, for some texts without end."""
MAX_LARGE_CALLS = 10
MAX_CALLS_ON_LARGE = 40
"""Most calls that make large values on SQLite, and most operations where there is one: SQLite looks at its clock
between rows, not between the functions of one row, each of which may move 10 MB."""
_LARGE_NAMES = "char concat concat_ws format group_concat hex printf quote randomblob replace zeroblob"
_MAKE_LARGE = frozenset(_LARGE_NAMES.split())
_ONLY_READING = "only reading queries are run"
_ROOTS = (exp.Select, exp.SetOperation, exp.Subquery, exp.Values)
_WRITING_NAMES = """
    Alter Analyze Attach Cache Command Comment Commit Copy Create Delete Describe Detach Drop Execute Export Grant
    Insert Into Kill LoadData Lock Merge Pragma Put Refresh Revoke Rollback Set Show Transaction TruncateTable Uncache
    Update Use
"""
_WRITING = tuple(getattr(exp, name) for name in _WRITING_NAMES.split() if hasattr(exp, name))

_TOKEN = re.compile(r"""'[^']*'|"[^"]*"|\w+|[^\w\s]""")

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns about each statement that is no query, with its text


def check_statement(sql: str, dialect: str, row_functions: frozenset[str] = frozenset()) -> str | None:
    """Why `sql` may not be run, in one line, or None for one SELECT, WITH or set operation that only reads.

    `dialect` is sqlglot's name. A text that sqlglot cannot parse is refused, but for SQLite, whose authorizer sees
    everything: there the engine says what is wrong. `row_functions`: see `postgres_guard.check_tree`.
    """
    postgres = dialect == "postgres"
    reason = _size(sql) or (check_text(sql) if postgres else None)
    if reason:
        return f"refused ({reason}): {_ONLY_READING}"
    try:
        statements = _parse(sql, _READERS.get(dialect, dialect))
        reason = _structure(statements)
        if not reason and statements[0]:
            reason = check_tree(statements[0], row_functions) if postgres else _large_values(statements[0], dialect)
    except sqlglot.errors.SqlglotError as error:
        return None if dialect == "sqlite" else _syntax_error(error)
    except (RecursionError, _TooManyStepsError):
        return "refused (nested too deeply): write it with fewer levels"
    return f"refused ({reason}): {_ONLY_READING}" if reason else None


class CheckedSQLite(SQLite):
    """SQLite as sqlglot reads it, but every call keeps the name that was written."""

    class Parser(SQLiteParser):
        """The parser without functions of its own."""

        FUNCTIONS: ClassVar[dict[str, Callable]] = {}


_READERS: dict[str, type[Dialect]] = {"postgres": CheckedPostgres, "sqlite": CheckedSQLite}


class _TooManyStepsError(Exception):
    """The parser went back and forth more often than any sensible statement needs."""


@cache
def _parser_class(base: type[Any]) -> type[Any]:
    """A dialect's parser that gives up after `steps_left` moves."""

    class Bounded(base):
        steps_left = 0

        def _advance(self, times: int = 1) -> None:
            self.steps_left -= 1
            if self.steps_left < 0:
                raise _TooManyStepsError
            super()._advance(times)

    return Bounded


def _parse(sql: str, dialect: type[Dialect] | str) -> list[exp.Expr | None]:
    reader = Dialect.get_or_raise(dialect)
    tokens = reader.tokenize(sql)
    parser = _parser_class(reader.parser_class)(dialect=reader)
    parser.steps_left = STEPS_PER_TOKEN * len(tokens) + 1_000
    statements: list[exp.Expr | None] = parser.parse(tokens, sql)
    return statements


def _size(sql: str) -> str | None:
    """Why a text is too large to be parsed. Quoted texts count as one token."""
    if len(sql) > MAX_LENGTH:
        return f"longer than {MAX_LENGTH:,} characters"
    if len(_TOKEN.findall(sql)) > MAX_TOKENS:
        return f"more than {MAX_TOKENS:,} words"
    return None


def _structure(statements: list[exp.Expr | None]) -> str | None:
    """What is wrong with the shape of a text: not one statement, not a query, or something that writes inside."""
    if any(node is not None and not isinstance(node, exp.Semicolon) for node in statements[1:]):  # that: a comment
        return "several statements"
    root = statements[0] if statements else None
    if root is None:
        return "no statement"
    if not isinstance(root, _ROOTS):
        return _name(root)
    writing = next(root.find_all(*_WRITING), None)
    return _name(writing) if writing is not None else None


def _large_values(root: exp.Expr, dialect: str) -> str | None:
    """Why a query for SQLite could spend long on the large values of a single row."""
    if dialect != "sqlite":
        return None
    if any(_is_wide_format(call) for call in root.find_all(exp.Anonymous)):
        return "a format of more than 999 characters"
    large = sum(call.name.lower() in _MAKE_LARGE for call in root.find_all(exp.Anonymous))
    operations = sum(1 for _ in root.find_all(exp.Func, exp.Binary)) if large else 0
    return "too much work on large values" if large > MAX_LARGE_CALLS or operations > MAX_CALLS_ON_LARGE else None


def _is_wide_format(call: exp.Anonymous) -> bool:
    """Whether printf pads without bound: up to 2**31 characters are made one by one, and then thrown away."""
    template = call.expressions[0] if call.expressions else None
    if call.name.lower() not in ("printf", "format") or template is None:
        return False
    return not (isinstance(template, exp.Literal) and not re.search(r"\*|\d{4}", template.name))


def _name(node: exp.Expr) -> str:
    """How SQL calls a statement: the first word of a command that is not parsed further, else the node's name."""
    words = str(node.this).split() if isinstance(node, exp.Command) else [type(node).__name__]
    return (words or ["command"])[0].upper()


def _syntax_error(error: Exception) -> str:
    """One line without sqlglot's inner names and colours."""
    details = getattr(error, "errors", None) or [{}]
    near = str(details[0].get("highlight") or "")[:40]
    return f"syntax error near {near!r}" if near else "syntax error"
