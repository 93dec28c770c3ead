"""Conditions on the rows of a table, each with many ways to say it.

A condition is said as a modifier behind the noun ("albums *with a price over 20*") or as a predicate ("which albums
*cost more than 20*"). Modifiers and predicates come from patterns that depend on the column's kind, on its name and on
the operator. Conditions on the table that a row refers to are said through its role ("trips *whose start station is in
Harbour*").
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from text2sql.english import ACTIVE, is_plural, plural, singular, with_article
from text2sql.synthesis.catalogue import ColumnFacts, Reference, TableFacts, is_true
from text2sql.synthesis.patterns import expand
from text2sql.synthesis.query import Comparison, Field, number_text
from text2sql.synthesis.vocabulary import PENDING, PLACE_NOUNS, PREMODIFIER_NOUNS
from text2sql.synthesis.wording import (
    ADJECTIVE_COMPARISONS,
    BOOLEAN_ADJECTIVE,
    BOOLEAN_HAS,
    BOOLEAN_VERB,
    COUNTED,
    DATE_IS,
    DATE_WHEN,
    EVENT,
    LIKE,
    LIST,
    MISSING,
    NAME_EQUAL,
    NUMBER_IS,
    NUMBER_OF,
    PARTICIPLE_ACTIVE,
    PARTICIPLE_MISSING,
    PARTICIPLE_PASSIVE,
    PLACE,
    ROLE,
    ROLE_NAMED,
    TEXT,
    VERBS,
    YEAR_IS,
    YEAR_WHEN,
    Forms,
)


class Condition(ABC):
    """A comparison and its wording."""

    comparison: Comparison
    premodifier: str = ""
    """Said before the noun ("Jazz" albums); empty where that is not possible."""

    @abstractmethod
    def modifier(self, random: Random, many: bool) -> str:
        """Words behind the noun: `with a price over 20`."""

    @abstractmethod
    def predicate(self, random: Random, many: bool) -> str:
        """Words behind the noun as a subject: `cost more than 20` (`many`), `costs more than 20`."""


@dataclass
class ColumnCondition(Condition):
    """A condition on a column of the table itself. A draw takes one of `forms`, then one of its patterns."""

    comparison: Comparison
    forms: Sequence[Forms]
    slots: dict[str, str]
    person: bool = False
    premodifier: str = field(default="")

    def modifier(self, random: Random, many: bool) -> str:
        """See `Condition.modifier`."""
        pattern = random.choice(random.choice(self.forms).modifiers)
        return expand(pattern, random, **self.slots, **agreement(many, self.person))

    def predicate(self, random: Random, many: bool) -> str:
        """See `Condition.predicate`."""
        pattern = random.choice(random.choice(self.forms).predicates)
        return expand(pattern, random, **self.slots, **agreement(many, self.person))


@dataclass
class RoleCondition(Condition):
    """A condition on the row that `reference` points at."""

    reference: Reference
    inner: Condition

    @property
    def comparison(self) -> Comparison:  # type: ignore[override]
        """The inner comparison, one source further along the path."""
        inner = self.inner.comparison
        return replace(inner, left=replace(inner.left, source=inner.left.source + 1))

    def modifier(self, random: Random, many: bool) -> str:
        """See `Condition.modifier`."""
        return self._say(random, many, "modifiers")

    def predicate(self, random: Random, many: bool) -> str:
        """See `Condition.predicate`."""
        return self._say(random, many, "predicates")

    def _say(self, random: Random, many: bool, part: str) -> str:
        inner, role = self.inner, self.reference.role
        named = isinstance(inner, ColumnCondition) and inner.comparison.operator == "="
        named = named and inner.comparison.left.column is self.reference.parent.display and random.random() < 0.6
        patterns = getattr(ROLE_NAMED if named else ROLE, part)
        if not named and part == "modifiers" and self.reference.alone and role == self.reference.parent.singular:
            patterns += ("(of|belonging to|for) {a_role} {m}",)
        slots = {
            "role": role,
            "a_role": with_article(role),
            "role_who": "who" if self.reference.parent.person else "that",
            "p": inner.predicate(random, False),
            "m": inner.modifier(random, False),
            "v": inner.slots["v"] if isinstance(inner, ColumnCondition) else "",
        }
        return expand(random.choice(patterns), random, **slots, **agreement(many, self.reference.child.person))


def agreement(many: bool, person: bool) -> dict[str, str]:
    """Slots that agree with the subject's number."""
    words = ("are", "have", "", "do", "were", "their") if many else ("is", "has", "s", "does", "was", "its")
    slots = dict(zip(("is", "has", "s", "do", "was", "their"), words, strict=True))
    return slots | {"who": "who" if person else "that"} | ({"their": "their"} if person else {})


def draw_condition(table: TableFacts, random: Random, avoid: Sequence[ColumnFacts | None] = ()) -> Condition | None:
    """A condition on one of the table's columns, with values from the database; None where nothing is suitable."""
    kinds = {"category": 4, "name": 2, "text": 1, "number": 4, "year": 3, "date": 3, "boolean": 2}
    columns = [c for c in table.columns if c.kind in kinds and c not in avoid and c.values]
    if not columns:
        return None
    column = random.choices(columns, [kinds[c.kind] for c in columns])[0]
    if column.nulls and random.random() < 0.2:
        return null_condition(table, column, random)
    if column.kind == "boolean":
        return boolean_condition(table, column, random)
    if column.kind in ("number", "year", "date"):
        return range_condition(table, column, random)
    draw = random.random()
    if column.kind in ("name", "text") and draw < 0.5:
        return like_condition(table, column, random)
    if column.kind == "category" and draw < 0.12 and len(column.values) > 3:
        return list_condition(table, column, random)
    return equality(table, column, random.choice(column.values), random, "=" if draw < 0.88 else "!=")


def equality(table: TableFacts, column: ColumnFacts, value: Any, random: Random, operator: str = "=") -> Condition:
    """A text column equals (or `!=`) a value."""
    forms = [TEXT[operator]]
    special = _speaks_for_itself(table, column, value)
    if column.noun.split()[-1] in PLACE_NOUNS and column is not table.display and special:
        forms = [TEXT[operator], PLACE[operator, table.person], PLACE[operator, table.person]]
    elif column is table.display and operator == "=" and special:
        forms = [TEXT[operator], NAME_EQUAL[column.noun == "title"], NAME_EQUAL[column.noun == "title"]]
    condition = _condition(table, column, operator, value, forms, quoted(value, random))
    if operator == "=" and special and column.noun.split()[-1] in PREMODIFIER_NOUNS:
        condition.premodifier = str(value)
    return condition


def _speaks_for_itself(table: TableFacts, column: ColumnFacts, value: Any) -> bool:
    """Whether no other column of the table holds the value, so that the column need not be named."""
    folded = str(value).casefold()
    others = (v for c in table.columns if c is not column and c.kind != "unused" for v in c.values)
    return all(str(other).casefold() != folded for other in others)


_OPPOSITE = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


def range_condition(table: TableFacts, column: ColumnFacts, random: Random) -> Condition:
    """A number, year or date is over, under, equal to or between values."""
    low, high = sorted(random.choice(column.values) for _ in range(2))
    if column.kind == "date" and random.random() < 0.25:
        return _year_of_date(table, column, low)
    if low != high and random.random() < 0.18:
        words = {"v": f"{_value(low)} and {_value(high)}", "low": _value(low), "high": _value(high)}
        return _measured(table, column, "BETWEEN", (low, high), words)
    operator = random.choices((">", "<", ">=", "<=", "=", "!="), (6, 6, 4, 4, 3, 1))[0]
    if operator in ("=", "!=") and column.distinct > 60:
        operator = ">"
    edge = column.values[0 if operator in ("<", ">=") else -1]
    if low == edge:  # all rows or none would fit
        operator = _OPPOSITE.get(operator, operator)
    value = _rounded(low, column, random)
    return _measured(table, column, operator, value, {"v": _value(value)})


def _year_of_date(table: TableFacts, column: ColumnFacts, value: str) -> Condition:
    year = value[:4]
    return _measured(table, column, "LIKE", f"{year}%", {"v": year})


def _rounded(value: Any, column: ColumnFacts, random: Random) -> Any:
    """Now and then a round number near a value, as people ask for."""
    if column.kind != "number" or random.random() < 0.6 or abs(value) < 20:
        return value
    digits = len(str(int(abs(value)))) - random.choice((1, 2))
    rounded = round(value / 10**digits) * 10**digits
    return rounded or value


def _measured(table: TableFacts, column: ColumnFacts, operator: str, value: Any, words: dict[str, str]) -> Condition:
    forms = _number_forms(column, operator) if column.kind == "number" else _time_forms(table, column, operator)
    condition = _condition(table, column, operator, value, forms, "")
    condition.slots.update(words)
    if value == 1:
        condition.slots["counted"] = singular(condition.slots["counted"])
    if column.unit:
        for slot in ("v", "high"):
            if slot in words:
                condition.slots[slot] += f" {column.unit}"
    return condition


def _number_forms(column: ColumnFacts, operator: str) -> list[Forms]:
    if is_plural(column.noun):
        return [COUNTED[operator]]
    if column.noun.startswith("number of "):
        return [COUNTED[operator], NUMBER_IS[operator]]
    forms = [NUMBER_IS[operator], NUMBER_OF[operator]]
    last = column.noun.split()[-1]
    if last in VERBS and operator in VERBS[last]:
        forms.append(VERBS[last][operator])
    if last in ADJECTIVE_COMPARISONS and operator in ADJECTIVE_COMPARISONS[last]:
        forms.append(ADJECTIVE_COMPARISONS[last][operator])
    return forms


def _time_forms(table: TableFacts, column: ColumnFacts, operator: str) -> list[Forms]:
    is_forms, when = (YEAR_IS, YEAR_WHEN) if column.kind == "year" else (DATE_IS, DATE_WHEN)
    others = [c for c in table.of_kind("date", "year") if c is not column]
    forms = [is_forms[operator]]
    if column.participle and all(c.participle != column.participle for c in others):
        pattern = PARTICIPLE_ACTIVE if column.participle in ACTIVE else PARTICIPLE_PASSIVE
        forms += [pattern.around(when[operator])] * 2
    elif column.noun == "date" and not others:
        forms += [EVENT.around(when[operator])] * 2
    return forms


def like_condition(table: TableFacts, column: ColumnFacts, random: Random) -> Condition | None:
    """A text starts with, ends with or contains a piece of a value."""
    value = random.choice([v for v in column.values if isinstance(v, str)] or [""])
    words = [word for word in value.split() if word.isalpha() and len(word) > 2]
    if not words or not value[:2].isalpha() or not value[-2:].isalpha():
        return None
    place = random.choice(("start", "end", "inside"))
    if place == "start":
        piece = random.choice((value[:1], value[:2], value.split()[0]))
    elif place == "end":
        piece = random.choice((value[-1:], value[-2:], value.split()[-1]))
    else:
        piece = random.choice(words)
    pattern = {"start": f"{piece}%", "end": f"%{piece}", "inside": f"%{piece}%"}[place]
    quote = random.choice(("'{}'", '"{}"')) if len(piece) < 3 or random.random() < 0.5 else "{}"
    condition = _condition(table, column, "LIKE", pattern, [LIKE[place]], quote.format(piece))
    condition.slots["kind"] = ("letters" if len(piece) == 2 else "letter") if len(piece) < 3 else "word"
    return condition


def list_condition(table: TableFacts, column: ColumnFacts, random: Random) -> Condition:
    """A text is one of two or three values."""
    values = tuple(random.sample(column.values, random.choice((2, 2, 3))))
    style = random.choice(("{}", "{}", '"{}"'))
    if any(v == v.lower() or '"' in v for v in values):
        style = "'{}'" if all("'" not in v for v in values) else "{}"
    words = [style.format(value) for value in values]
    listed = f"{', '.join(words[:-1])} or {words[-1]}"
    condition = _condition(table, column, "IN", values, [LIST], listed)
    condition.slots["all"] = f"{', '.join(words[:-1])} and {words[-1]}"
    return condition


def null_condition(table: TableFacts, column: ColumnFacts, random: Random) -> Condition:
    """A value is missing, or is not."""
    operator = random.choice(("IS NULL", "IS NULL", "IS NOT NULL"))
    forms = [MISSING[operator, is_plural(column.noun)]]
    if column.participle in PENDING:
        forms.append(PARTICIPLE_MISSING[operator])
    return _condition(table, column, operator, None, forms, "")


def boolean_condition(table: TableFacts, column: ColumnFacts, random: Random) -> Condition:
    """A yes/no column: `is electric`, `has shelter`, `needs prescription`."""
    value = random.choice(column.values)
    yes = is_true(value)
    first, _, rest = column.noun.partition(" ")
    if first == "is" and rest:
        forms = BOOLEAN_ADJECTIVE[yes]
    elif first == "has" and rest:
        forms = BOOLEAN_HAS[yes]
    else:
        forms = BOOLEAN_VERB[yes] if first.endswith("s") and rest else BOOLEAN_ADJECTIVE[yes]
        rest = rest if first.endswith("s") and rest else column.noun
    condition = _condition(table, column, "=", value, [forms], "")
    condition.slots |= {"rest": rest, "a_rest": with_article(rest), "verb": first.removesuffix("s")}
    if yes and first == "is" and " " not in rest:
        condition.premodifier = rest
    return condition


def _condition(
    table: TableFacts, column: ColumnFacts, operator: str, value: Any, forms: Sequence[Forms], text: str
) -> ColumnCondition:
    bare = column.noun.removeprefix("number of ")
    slots = {
        "v": text,
        "c": column.noun,
        "cs": plural(column.noun),
        "a_c": with_article(column.noun),
        "be": "are" if is_plural(column.noun) else "is",
        "es": "" if is_plural(column.noun) else "s",
        "counted": bare,
        "participle": column.participle,
    }
    return ColumnCondition(Comparison(Field(column), operator, value), forms, slots, table.person)


def _value(value: Any) -> str:
    return value if isinstance(value, str) else number_text(value)


def quoted(value: Any, random: Random) -> str:
    """A text value as people write it: bare, or in quotes where it would not be seen to be a value."""
    text = str(value)
    marks = [mark for mark in ("'", '"') if mark not in text]
    needs = len(text) < 3 or text == text.lower() or not all(c.isalnum() or c in " .-'" for c in text)
    if marks and random.random() < (0.6 if needs else 0.25):
        mark = random.choice(marks)
        return f"{mark}{text}{mark}"
    return text
