"""When the assistant does not answer, and what it says then.

Rules that can be explained, each measured on questions that must pass (the example databases', Spider's) and ones
that must not: an empty text, small talk, a request to change data, and a question of which no word is linked to a
table, column or value of the database while the model is unsure. That last rule is sharp because linking is wide:
only 1 of the 78 example questions and 3 of Spider's 1,034 dev questions link to nothing.

What is not noticed: a question about things that the database lacks that also names something it has ("the salary
of each artist"). Low confidence is then all that is said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from text2sql.assistant.suggestions import Suggestion
from text2sql.prompting.linking import Links
from text2sql.prompting.words import normalise
from text2sql.schema import Schema

UNLINKED_THRESHOLD = 0.9
"""Confidence that a question needs of which nothing is linked."""
_SMALL_TALK = re.compile(
    r"(hi|hello|hey|good (morning|afternoon|evening)|thanks?|thank you|ok|okay|yes|no|bye|goodbye|help|test|"
    r"how are you|who are you|what can you do|what are you)( (there|you|very much|so much|all|again|a lot))*"
)
_POLITE = re.compile(
    r"^((please|kindly|now|then|and|just|go ahead and|can you|could you|would you|will you|you should|you must|"
    r"i want you to|i want to|i would like to|i d like to|i need to|let us|let s|we need to|help me( to)?) )+"
)
_WRITING = re.compile(
    r"(delete|erase|truncate|insert|update(?! me\b)|overwrite|drop|alter|rename|destroy|wipe|grant|revoke|vacuum|"
    r"(remove|modify|change|replace|edit|create|make)(?! me\b| a list| a table of| a chart| a plot| a report)|"
    r"add(?! up\b)|set (the |all |every |each |its |their |\w+ (?:to\b|\d)))\b"
)


def unanswerable(question: str) -> str | None:
    """Why a text is no question about data, or None when it may be one."""
    words = normalise(question)
    if not question.strip():
        return "The question is empty: write what you want to know."
    if not any(c.isalpha() for c in words):
        return "There are no words in this: ask a question about the data, in English."
    if _SMALL_TALK.fullmatch(words):
        return "This is no question about the data: ask something that its tables can answer."
    return None


def writes(question: str) -> str | None:
    """Why a request to change data is refused, or None when the text is no such request."""
    words = _POLITE.sub("", normalise(question))
    match = _WRITING.match(words)
    if match is None:
        return None
    verb = match.group().split()[0]
    return f"This asks to change the data ({verb!r}), and the database is only ever read: ask a question about it."


def unlinked(schema: Schema, links: Links, confidence: float, threshold: float) -> str | None:
    """Why a question that mentions nothing of the database isn't answered, or None when it may be."""
    if links.tables or links.columns or links.cells or confidence >= max(threshold, UNLINKED_THRESHOLD):
        return None
    names = [table.name for table in schema.tables]
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"Nothing in this question matches a table, column or value of {schema.name} (its tables: {shown})."


def with_suggestions(text: str, suggestions: Sequence[Suggestion]) -> str:
    """A text and the suggestions after it, each as a sentence."""
    return " ".join([text, *(str(one)[0].upper() + str(one)[1:] for one in suggestions)]).strip()
