"""Patterns for saying a condition, by the column's kind and the operator.

Pure data in the pattern language of `english.expand`. Slots: `{c}` the column's noun, `{a_c}` with its article, `{v}`
the value; `{be}` and `{es}` agree with the column; `{is}`, `{has}`, `{s}`, `{do}`, `{was}`, `{their}`, `{who}` agree
with the subject.
"""

from __future__ import annotations

from typing import NamedTuple


class Forms(NamedTuple):
    """Ways to say one condition: behind the noun, and as what the noun does."""

    modifiers: tuple[str, ...]
    predicates: tuple[str, ...]

    def around(self, when: str) -> Forms:
        """These forms with `{when}` replaced by a pattern."""
        return Forms(
            tuple(pattern.replace("{when}", when) for pattern in self.modifiers),
            tuple(pattern.replace("{when}", when) for pattern in self.predicates),
        )


TEXT = {
    "=": Forms(
        (
            "whose {c} {be} {v}",
            "whose {c} ({be}|equal{es}) {v}",
            "with {c} {v}",
            "with the {c} {v}",
            "with {v} as [the ]{c}",
            "{who} {has} {c} {v}",
            "{who} {has} {v} as {their} {c}",
            "where the {c} {be} {v}",
            "having {c} {v}",
        ),
        ("{has} {c} {v}", "{has} the {c} {v}", "{has} {v} as [{their} ]{c}"),
    ),
    "!=": Forms(
        (
            "whose {c} {be} not {v}",
            "whose {c} {be} (something other than|different from|anything but) {v}",
            "with {a_c} other than {v}",
            "{who} {do} not have {c} {v}",
            "{who} {do} not have {v} as {their} {c}",
            "where the {c} {be} not {v}",
        ),
        ("{do} not have {c} {v}", "{do} not have {v} as [{their} ]{c}", "{has} {a_c} other than {v}"),
    ),
}
PLACE = {
    ("=", False): Forms(("in {v}", "located in {v}", "{who} {is} in {v}", "from {v}"), ("{is} [located ]in {v}",)),
    ("=", True): Forms(
        ("from {v}", "{who} {is} from {v}", "who come{s} from {v}"), ("{is} from {v}", "come{s} from {v}")
    ),
    ("!=", False): Forms(("not in {v}", "outside [of ]{v}", "{who} {is} not in {v}"), ("{is} not in {v}",)),
    ("!=", True): Forms(("not from {v}", "{who} {is} not from {v}"), ("{is} not from {v}", "{do} not come from {v}")),
}
NAME_EQUAL = {
    False: Forms(
        ("called {v}", "named {v}", "with the name {v}", "{who} {is} (called|named) {v}"), ("{is} (called|named) {v}",)
    ),
    True: Forms(("called {v}", "titled {v}", "with the title {v}", "entitled {v}"), ("{is} (called|titled) {v}",)),
}
LIST = Forms(
    (
        "whose {c} {be} [either ]{v}",
        "whose {c} {be} (one|any) of {all}",
        "with {c} {v}",
        "with [any of ]the {cs} {v}",
        "{who} {has} {c} {v}",
        "where the {c} {be} (among|one of) {all}",
        "having {c} {v}",
    ),
    ("{has} {c} {v}", "{has} one of the {cs} {all}", "{has} {v} as {their} {c}"),
)

_OVER = "(over|above|more than|greater than|higher than) {v}"
_UNDER = "(under|below|less than|lower than|smaller than) {v}"
_AT_LEAST = "(at least {v}|no less than {v}|not less than {v}|{v} or more)"
_AT_MOST = "(at most {v}|no more than {v}|not more than {v}|{v} or less)"
_BETWEEN = "(between {low} and {high}|in the range [from ]{low} to {high})"


def _number_is(amount: str, *more: str) -> Forms:
    return Forms(
        (
            f"whose {{c}} {{be}} {amount}",
            f"where the {{c}} {{be}} {amount}",
            f"for which the {{c}} {{be}} {amount}",
            *more,
        ),
        (f"{{has}} {{a_c}} that is {amount}",),
    )


def _number_of(amount: str, *more: str) -> Forms:
    return Forms(
        (f"with {{a_c}} of {amount}", f"{{who}} {{has}} {{a_c}} of {amount}", f"having {{a_c}} of {amount}", *more),
        (f"{{has}} {{a_c}} of {amount}",),
    )


NUMBER_IS = {
    ">": _number_is(_OVER, "whose {c} exceed{es} {v}", "with {c} > {v}", "with {a_c} (over|above|higher than) {v}"),
    "<": _number_is(_UNDER, "with {c} < {v}", "with {a_c} (under|below|lower than) {v}"),
    ">=": _number_is(_AT_LEAST, "with {c} >= {v}", "whose {c} {be} {v} or higher"),
    "<=": _number_is(_AT_MOST, "with {c} <= {v}", "whose {c} {be} {v} or lower", "whose {c} {be} not over {v}"),
    "=": _number_is("[exactly |equal to ]{v}", "with {c} = {v}", "with {c} {v}"),
    "!=": _number_is("(not|not equal to|different from) {v}", "with {a_c} other than {v}"),
    "BETWEEN": _number_is(_BETWEEN, "with {a_c} between {low} and {high}", "with {c} from {low} to {high}"),
}
NUMBER_OF = {
    ">": _number_of("(over|more than) {v}"),
    "<": _number_of("(under|less than) {v}"),
    ">=": _number_of(_AT_LEAST),
    "<=": _number_of(_AT_MOST, "with {a_c} of up to {v}"),
    "=": _number_of("[exactly ]{v}"),
    "!=": _number_of("(something other than|anything but) {v}"),
    "BETWEEN": _number_of("(between {low} and {high}|{low} to {high})"),
}


def _counted(amount: str) -> Forms:
    return Forms(
        (f"with {amount}", f"{{who}} {{has}} {amount}", f"having {amount}", f"with {amount}"), (f"{{has}} {amount}",)
    )


COUNTED = {
    ">": _counted("(more than|over) {v} {counted}"),
    "<": _counted("(fewer than|less than|under) {v} {counted}"),
    ">=": _counted("(at least {v}|{v} or more|no fewer than {v}|not less than {v}) {counted}"),
    "<=": _counted("(at most {v}|no more than {v}|up to {v}|{v} or fewer) {counted}"),
    "=": _counted("[exactly ]{v} {counted}"),
    "!=": _counted("a number of {counted} other than {v}"),
    "BETWEEN": _counted("(between {low} and {high}|{low} to {high}) {counted}"),
}

_AMOUNTS = {
    ">": "(more than|over) {v}",
    "<": "(less than|under) {v}",
    ">=": "(at least {v}|{v} or more)",
    "<=": "(at most {v}|no more than {v}|up to {v})",
    "=": "[exactly ]{v}",
    "BETWEEN": "between {low} and {high}",
}


def _verb(verb: str, participle: str) -> dict[str, Forms]:
    return {
        operator: Forms((f"{{who}} {verb}{{s}} {amount}", f"{participle} {amount}"), (f"{verb}{{s}} {amount}",) * 2)
        for operator, amount in _AMOUNTS.items()
    }


def _adjectives(more: str, less: str) -> dict[str, Forms]:
    return {
        operator: Forms(
            (f"({word}) than {{v}}", f"{{who}} {{is}} ({word}) than {{v}}"), (f"{{is}} ({word}) than {{v}}",)
        )
        for operator, word in ((">", more), ("<", less))
    }


VERBS = {"price": _verb("cost", "costing"), "cost": _verb("cost", "costing"), "duration": _verb("last", "lasting")}
VERBS |= {"weight": _verb("weigh", "weighing"), "salary": _verb("earn", "earning")}
ADJECTIVE_COMPARISONS = {
    "duration": _adjectives("longer", "shorter"),
    "length": _adjectives("longer", "shorter"),
    "age": _adjectives("older", "younger"),
    "height": _adjectives("taller", "shorter"),
    "weight": _adjectives("heavier", "lighter"),
}

YEAR_WHEN = {
    ">": "(after|later than) {v}",
    ">=": "(since {v}|in {v} or later|in or after {v}|from {v} on[wards])",
    "<": "(before|earlier than|prior to) {v}",
    "<=": "(until {v}|in {v} or earlier|in or before {v}|up to {v}|no later than {v})",
    "=": "in [the year ]{v}",
    "!=": "in a year other than {v}",
    "BETWEEN": "(between {low} and {high}|from {low} to {high})",
}
DATE_WHEN = {
    ">": "(after|later than) {v}",
    ">=": "(since {v}|on or after {v}|from {v} on[wards])",
    "<": "(before|earlier than|prior to) {v}",
    "<=": "(until {v}|on or before {v}|up to {v}|no later than {v})",
    "=": "on {v}",
    "!=": "on a day other than {v}",
    "BETWEEN": "(between {low} and {high}|from {low} to {high})",
    "LIKE": "(in|during|in the year) {v}",
}


def _time_is(when: str) -> Forms:
    return Forms(
        (
            f"whose {{c}} {{be}} {when}",
            f"with {{a_c}} {when}",
            f"where the {{c}} {{be}} {when}",
            f"{{who}} {{has}} {{a_c}} {when}",
        ),
        (f"{{has}} {{a_c}} {when}",),
    )


_TIME_IS = {
    ">": "(after|later than) {v}",
    "<": "(before|earlier than) {v}",
    "!=": "other than {v}",
    "BETWEEN": "between {low} and {high}",
}
YEAR_IS = {operator: _time_is(when) for operator, when in _TIME_IS.items()} | {
    ">=": Forms(
        ("whose {c} {be} {v} or later", "with {c} {v} or later", "with {c} >= {v}"), ("{has} {c} {v} or later",)
    ),
    "<=": Forms(
        ("whose {c} {be} {v} or earlier", "with {c} {v} or earlier", "with {c} <= {v}"), ("{has} {c} {v} or earlier",)
    ),
    "=": Forms(
        ("whose {c} {be} {v}", "with {c} {v}", "where the {c} {be} {v}", "with the {c} {v}"), ("{has} {c} {v}",)
    ),
}
DATE_IS = {operator: _time_is(when) for operator, when in _TIME_IS.items()} | {
    ">=": _time_is("on or after {v}"),
    "<=": _time_is("on or before {v}"),
    "=": YEAR_IS["="],
    "LIKE": _time_is("in [the year ]{v}"),
}
PARTICIPLE_PASSIVE = Forms(
    ("{participle} {when}", "{participle} {when}", "{who} {was} {participle} {when}"), ("{was} {participle} {when}",)
)
PARTICIPLE_ACTIVE = Forms(("{who} {participle} {when}",), ("{participle} {when}",))
EVENT = Forms(
    ("{when}", "{who} took place {when}", "{who} happened {when}", "dated {when}"),
    ("took place {when}", "happened {when}"),
)

LIKE = {
    "start": Forms(
        (
            "whose {c} (start{es}|begin{es}) with {v}",
            "whose {c} (start{es}|begin{es}) with the {kind} {v}",
            "with {a_c} (starting|beginning) with {v}",
            "{who} {has} {a_c} (starting|beginning) with {v}",
            "where the {c} (start{es}|begin{es}) with {v}",
        ),
        ("{has} {a_c} (starting|beginning) with [the {kind} ]{v}", "{has} {a_c} that (start{es}|begin{es}) with {v}"),
    ),
    "end": Forms(
        (
            "whose {c} end{es} (with|in) {v}",
            "whose {c} end{es} with the {kind} {v}",
            "with {a_c} ending (with|in) {v}",
            "{who} {has} {a_c} ending (with|in) {v}",
            "where the {c} end{es} (with|in) {v}",
        ),
        ("{has} {a_c} ending (with|in) [the {kind} ]{v}", "{has} {a_c} that end{es} (with|in) {v}"),
    ),
    "inside": Forms(
        (
            "whose {c} (contain{es}|include{es}) {v}",
            "whose {c} (contain{es}|include{es}) the {kind} {v}",
            "with {v} in (the|{their}) {c}",
            "with the {kind} {v} in {their} {c}",
            "with {a_c} (containing|including) {v}",
            "{who} {has} {v} in {their} {c}",
            "where the {c} (contain{es}|include{es}) {v}",
        ),
        ("{has} [the {kind} ]{v} in {their} {c}", "{has} {a_c} (containing|including) [the {kind} ]{v}"),
    ),
}
MISSING = {
    ("IS NULL", False): Forms(
        (
            "without {a_c}",
            "with no {c}",
            "{who} {has} no {c}",
            "{who} {do} not have {a_c}",
            "whose {c} {be} (missing|unknown|not known|not recorded|empty)",
            "where the {c} {be} (missing|unknown|not given)",
            "with (a missing|an unknown) {c}",
        ),
        ("{has} no {c}", "{do} not have {a_c}", "{has} (a missing|an unknown) {c}", "{has} no {c} on record"),
    ),
    ("IS NOT NULL", False): Forms(
        (
            "with a known {c}",
            "whose {c} {be} (known|recorded|not missing|not empty)",
            "{who} {has} {a_c} on record",
            "with {a_c} on record",
            "where the {c} {be} (known|given|not missing)",
        ),
        ("{has} a known {c}", "{has} {a_c} on record"),
    ),
}
MISSING |= {
    ("IS NULL", True): Forms(
        (
            "with no {c} (given|recorded)",
            "with an unknown number of {c}",
            "whose {c} are (missing|unknown|not recorded)",
            "where the {c} are (missing|unknown|not given)",
        ),
        ("{has} no {c} recorded", "{has} an unknown number of {c}"),
    ),
    ("IS NOT NULL", True): Forms(
        ("with a known number of {c}", "whose {c} are (known|recorded|not missing)", "where the {c} are known"),
        ("{has} a known number of {c}",),
    ),
}
PARTICIPLE_MISSING = {
    "IS NULL": Forms(
        ("not [yet ]{participle}", "{who} {has} not been {participle}[ yet]", "never {participle}"),
        ("{has} not been {participle}", "{has} not yet been {participle}", "{was} never {participle}"),
    ),
    "IS NOT NULL": Forms(
        ("{who} {has} [already ]been {participle}", "already {participle}"), ("{has} [already ]been {participle}",)
    ),
}

BOOLEAN_ADJECTIVE = {
    True: Forms(("{who} {is} {rest}", "marked as {rest}", "{who} {is} {rest}"), ("{is} {rest}",)),
    False: Forms(("{who} {is} not {rest}", "not marked as {rest}"), ("{is} not {rest}",)),
}
BOOLEAN_HAS = {
    True: Forms(("with {a_rest}", "{who} {has} {a_rest}", "having {a_rest}"), ("{has} {a_rest}",)),
    False: Forms(
        ("without {a_rest}", "with no {rest}", "{who} {has} no {rest}", "{who} {do} not have {a_rest}"),
        ("{has} no {rest}", "{do} not have {a_rest}"),
    ),
}
BOOLEAN_VERB = {
    True: Forms(("{who} {verb}{s} {a_rest}",), ("{verb}{s} {a_rest}",)),
    False: Forms(("{who} {do} not {verb} {a_rest}",), ("{do} not {verb} {a_rest}",)),
}

ROLE = Forms(
    ("whose {role} {p}", "with {a_role} {m}", "{who} {has} {a_role} {m}", "where the {role} {p}"),
    ("{has} {a_role} {m}", "{has} {a_role} {role_who} {p}"),
)
ROLE_NAMED = Forms(
    (
        "of [the ]{role} {v}",
        "for [the ]{role} {v}",
        "whose {role} is [called |named ]{v}",
        "with [the ]{role} {v}",
        "{who} {has} {v} as {their} {role}",
        "where the {role} is {v}",
    ),
    ("{has} {v} as {their} {role}", "{has} [the ]{role} {v}"),
)
