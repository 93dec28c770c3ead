"""What the text of a prediction says without running it: exact match, validity, invented names, equal wording.

Which database it would run on does not matter here; answers are the business of `execution` and `answers`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from text2sql.evaluation.exact_match import ExactMatch, exact_match
from text2sql.evaluation.hallucination import is_valid_sql, unresolved_names
from text2sql.schema import Schema

_PIECE = re.compile(
    r"""(?P<string>'(?:''|[^'])*'|"(?:""|[^"])*")|(?P<gap>(?:\s+|--[^\n]*|/\*.*?(?:\*/|\Z))+)|(?P<word>[\w$.]+)|<>|[<>!=]=|.""",
    re.DOTALL,
)


@dataclass(frozen=True)
class TextVerdict:
    """`unresolved` are the names that the schema does not have, `same_text` compares `normalised_sql`."""

    exact: ExactMatch
    valid: bool
    unresolved: list[str]
    same_text: bool


def judge_text(gold: str, predicted: str, schema: Schema) -> TextVerdict:
    """Everything that can be said of a prediction without a database, whatever the texts.

    Raises UserError for a schema that no SQLite database can have.
    """
    return TextVerdict(
        exact_match(gold, predicted, schema),
        is_valid_sql(predicted, schema),
        unresolved_names(predicted, schema),
        normalised_sql(gold) == normalised_sql(predicted),
    )


def normalised_sql(sql: str) -> str:
    """The text with one spelling of what does not matter, for exact string match.

    Words lower-cased, strings kept and put into single quotes, comments dropped, one blank between any two pieces,
    `<>` as `!=`, no semicolon at the end.
    """
    pieces = []
    for found in _PIECE.finditer(sql):
        text = found[0]
        if found["string"]:
            inside = text[1:-1].replace(text[0] * 2, text[0])
            pieces.append("'" + inside.replace("'", "''") + "'")
        elif not found["gap"]:
            pieces.append({"<>": "!=", "==": "="}.get(text, text.lower()))
    while pieces and pieces[-1] == ";":
        pieces.pop()
    return " ".join(pieces)


def one_line(sql: str) -> str:
    """The text on one line without tabs, as the official prediction files need it; empty for no SQL at all.

    Comments go, since one would swallow the rest of the line. A line break inside a string becomes a blank: the only
    change that can change an answer.
    """
    pieces = []
    for found in _PIECE.finditer(sql):
        pieces.append(" " if found["gap"] else re.sub(r"[\t\r\n]", " ", found[0]))
    return "".join(pieces).strip()
