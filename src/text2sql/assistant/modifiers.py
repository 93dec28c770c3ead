"""One condition behind a noun: `whose genre is Jazz`, `released in 2023`, `without a website`."""

from __future__ import annotations

import re
from abc import abstractmethod

from sqlglot import exp

from text2sql.assistant.clauses import Clauses, flag_noun, negation
from text2sql.assistant.sql_meaning import Source, is_amount, is_name, is_time
from text2sql.english import ACTIVE, PARTICIPLES, PASSIVE, joined, singular, who, with_article

COUNT_WORDS: dict[type[exp.Expr], str] = {
    exp.GT: "more than", exp.GTE: "at least", exp.LT: "fewer than", exp.LTE: "at most", exp.EQ: "exactly",
}  # fmt: skip


class Modifiers(Clauses):
    """Conditions as modifiers of `subject`'s rows; the same words fit one row and many."""

    @abstractmethod
    def partner(self, node: exp.Expr, negated: bool) -> str | None:
        """`with at least one trip`, where a condition asks for rows of another table; None where it does not."""

    def modifier(self, node: exp.Expr) -> str:
        """One condition behind the noun: `whose genre is Jazz`, `released in 2023`, `without a website`."""
        node = node.unnest()
        flag = self.flag(node)
        if flag:
            return self._flag_modifier(*flag)
        if isinstance(node, exp.And) or (isinstance(node, exp.Or) and not self.same_column(node)):
            return f"for which {self.clause(node)}"
        same = self.same_column(node)
        if same:
            return f"whose {self.operand(same[0]).removeprefix('the ')} is {joined(same[1], 'or')}"
        negated, inner = negation(node)
        if isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null):
            return f"{'with' if negated else 'without'} {with_article(re.sub(r' ID$', '', self.term(inner.this)))}"
        partner = self.partner(inner, negated)
        if partner:
            return partner
        return self._happened(node) or self._named(node) or self._amount(node) or self._whose(node)

    def _named(self, node: exp.Expr) -> str | None:
        """`named FC Kestrel`, `titled Água Viva`, for the subject's own name."""
        resolved = self.scope.resolve(node.this) if isinstance(node, exp.EQ) else None
        value = self.value(node.args["expression"]) if resolved else None
        if not resolved or not value or resolved[0] != self.subject:
            return None
        if resolved[1].words.lower().endswith(" by"):
            return f"{resolved[1].words.lower()} {value}"
        if not is_name(resolved[1], resolved[0].noun):
            return None
        return f"{'titled' if resolved[1].words.lower().endswith('title') else 'named'} {value}"

    def _amount(self, node: exp.Expr) -> str | None:
        """`with more than 800 pages`, for the subject's own column that counts something."""
        left = node.this if type(node) in COUNT_WORDS else None
        resolved = self.scope.resolve(left)
        value = self.value(node.args["expression"]) if resolved else None
        if not resolved or not value or resolved[0] != self.subject or not is_amount(resolved[1]):
            return None
        words = resolved[1].words.lower()
        if isinstance(node, exp.EQ):
            return f"with {value} {singular(words) if value == '1' else words}"
        return f"with {COUNT_WORDS[type(node)]} {value} {singular(words) if value == '1' else words}"

    def _whose(self, node: exp.Expr) -> str:
        left, verb = self.predicate(node)
        same = self.subject and left in (f"the {self.subject.noun}", f"the {self.subject.noun} ID")
        if same and verb.startswith(("is among the ", "is not among the ")) and " ID" not in verb:
            return verb.removeprefix("is ")
        return f"whose {left.removeprefix('the ')} {verb}" if left.startswith("the ") else f"for which {left} {verb}"

    def _flag_modifier(self, source: Source, words: str, holds: bool) -> str:
        word, _, rest = words.partition(" ")
        own = source == self.subject
        if word == "has" and rest and own:
            return f"{'with' if holds else 'without'} {with_article(rest)}"
        whose = "" if own else f"whose {self.scope.relation(source)} is "
        return f"{whose}{'' if holds else 'not '}marked as {flag_noun(words)}"

    def _happened(self, node: exp.Expr) -> str | None:
        """`released after 2015`, `who joined before 2020`, for the subject's own dates."""
        _, inner = negation(node)
        resolved = self.scope.resolve(inner.this)
        if not resolved or resolved[0] != self.subject or not is_time(resolved[1]) or not self.subject:
            return None
        words = resolved[1].words.lower()
        verb = self.predicate(node)[1].removeprefix("is ")
        if (
            not re.match(r"in |after |before |between |.* or (later|earlier)$|(\d+ \w+ )?\d{4}$", verb)
            or "the " in verb
        ):
            return None
        verb = re.sub(r"^(?=\d+ )", "on ", re.sub(r"^(?=\d{4}\b)", "in ", verb))
        if words in ("year", "date", f"{self.subject.noun} year", f"{self.subject.noun} date"):
            return f"from {re.sub('^(in|on) ', '', verb)}" if not verb.startswith("between") else None
        front = words.rpartition(" ")[0]
        event = PARTICIPLES.get(front, front)
        if event in ACTIVE:
            return f"{who(self.subject.noun)} {event} {verb}"
        return f"{event} {verb}" if event in PASSIVE else None


def assembled(words: list[str]) -> str:
    """Modifiers in an order that cannot be misread: `released in 2020 whose genre is Jazz, with a website`."""
    heads = [text.split()[0] for text in words]
    fact = [text for text, head in zip(words, heads, strict=True) if head in ("whose", "who", "that", "for")]
    having = [text for text, head in zip(words, heads, strict=True) if head in ("with", "without")]
    event = [text for text in words if text not in fact and text not in having]
    front = " ".join(filter(None, [joined(event), joined(fact)]))
    if all(text.startswith("with ") for text in having):
        having = having[:1] + [text.removeprefix("with ") for text in having[1:]]
    return (", " if fact else " ").join(filter(None, [front, joined(having)]))
