"""Follow-up questions: "only those after 2015", "and the average?", "what about Canada?".

One mechanism: a hand-written rule recognises the follow-up and applies it to the syntax tree of the SQL before it
(`editing`), because that query is known to run and was seen by the user, while a small model asked again with a
longer question often changes more than was wanted. The same rule writes the completed question, which is shown, and
which the model is asked where the query cannot be edited safely: when the column is not clear from the words, lies
outside of the query's tables, or the query is more than one SELECT over tables.

Recognised: filters (numbers, dates, years, values of the database, exclusion), replaced values ("what about
Canada?"), counts, averages and other aggregates, order, first rows, superlatives ("and the cheapest?"), groups, other
or more columns, no duplicates, which ones. Pronouns that nothing in the question itself explains are replaced by
the one thing found before or by a description of the rows, and the model is asked.

Not handled: a follow-up on a turn before the last, taking a filter away again ("remove that filter"), two changes
in one sentence ("only Jazz, sorted by price"), comparisons with an earlier answer ("is that more than last year?"),
columns of tables that the query does not read (the model tries), relative dates ("last month"), other languages than
English, and a short follow-up without any mark of one ("the price" alone). "What is the average price?" is complete
in itself and therefore a new question.
"""

from __future__ import annotations

import re
from dataclasses import replace

from text2sql.assistant import filters, followups
from text2sql.assistant.answer import Answer
from text2sql.assistant.editing import NotEditableError, Query
from text2sql.assistant.followups import FollowUp, Previous, Rule
from text2sql.assistant.links import used_items
from text2sql.prompting.linking import Links, link
from text2sql.schema import Schema

RULES: tuple[Rule, ...] = (
    followups.count,
    followups.which_ones,
    followups.distinct,
    followups.limit,
    followups.sort,
    followups.group,
    followups.aggregate,
    filters.comparison,
    followups.superlative,
    followups.columns,
    filters.value,
    followups.pronoun,
)
_MARKS = re.compile(r"^(?:(?:and|but|now|then|so|ok|okay|well|great|please|can you|could you)\b[, ]*)+")
_THANKS = re.compile(r",? (?:please|thanks|thank you)$")
_LONGEST = 14
"""Words of a follow-up at most; a longer question is taken to be complete."""


class Conversation:
    """The turns of one chat over one database, the last `limit` of them. Not for several threads at once."""

    def __init__(self, limit: int = 20) -> None:
        self.turns: list[Answer] = []
        self._limit = limit

    def add(self, answer: Answer) -> None:
        """Remember an answer; the oldest beyond the limit are forgotten."""
        self.turns.append(answer)
        del self.turns[: -self._limit]

    def complete(self, question: str, schema: Schema) -> str | None:
        """The full question that a follow-up stands for; None for a question that is complete in itself."""
        found = self.follow_up(question, schema, link(question, schema))
        return found.question if found else None

    def follow_up(self, question: str, schema: Schema, links: Links, dialect: str = "sqlite") -> FollowUp | None:
        """What a follow-up stands for, with the edited SQL where a rule could edit it; None for a new question.

        `links` are the question's own: values of the database are only recognised by their cells.
        """
        last = next((turn for turn in reversed(self.turns) if turn.sql and turn.error is None), None)
        text = " ".join(question.lower().strip(" ?.!;,").split())
        if last is None or not text or len(text.split()) > _LONGEST or not used_items(last.sql, schema, dialect)[0]:
            return None
        bare = _MARKS.sub("", _THANKS.sub("", text))
        asked = (last.rewritten or last.question or "the rows shown").strip(" ?.!;,")
        query = _editable(last.sql, schema, dialect)
        previous = Previous(asked, query, last.result, schema, links, bool(_MARKS.match(text)), question)
        for rule in RULES:
            found = rule(bare, previous)
            if found is not None:
                return replace(found, confidence=last.confidence)
        return None


def _editable(sql: str, schema: Schema, dialect: str) -> Query | None:
    try:
        return Query(sql, schema, dialect)
    except NotEditableError:
        return None
