"""Follow-ups that filter: "only those after 2015", "what about Canada?", "and in 2019?", "without Jazz".

A new condition takes the place of one on the same column that it cannot be meant together with: an equality by
another, "in 2018" by "in 2019", a bound by one of the same side. Every other condition is added.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import exp

from text2sql.assistant.editing import Query, literals_of
from text2sql.assistant.followups import FollowUp, Previous, edited, listed
from text2sql.assistant.resolving import content_words, is_quantity, is_time, is_year
from text2sql.prompting.linking import Cell
from text2sql.prompting.words import normalise, split_words, stem

_OPERATORS = {
    ">": r"after|later than|more than|greater than|over|above|higher than|exceeding|"
    r"(?:more expensive|longer|bigger|larger|taller|pricier) than",
    ">=": r"since|at least|no less than|not less than|starting from|from at least",
    "<=": r"until|up to|at most|no more than|not more than",
    "<": r"before|earlier than|less than|fewer than|under|below|lower than|(?:cheaper|shorter|smaller) than",
    "=": r"in|from|during|exactly|for|of|on",
}
_TIME_WORDS = frozenset(
    ("after", "later than", "since", "until", "before", "earlier than", "in", "from", "during", "on", "between")
)
_VALUE = r"\d{4}-\d\d-\d\d|\d[\d,]*(?:\.\d+)?"
_SIGNAL = re.compile(
    r"^(?:(?:what|how) about|only|just|but only|those|the ones|ones|which of|of (?:those|them)|filter|keep|restrict|"
    r"limit|show(?: me)? (?:only|just|those|the ones)|not|except|without|excluding|exclude|but not|leave out)\b"
)
_EXCLUDING = re.compile(r"\b(?:not|except|without|excluding|exclude|leave out|other than|no)\b")
_FRAME_LIST = """
    what how about only just show me the those these ones one which of them that are is were was be from in by for with
    and or but filter to keep restrict limit it not except without excluding exclude leave out other than a an all any
    who whose where have has had same they given list again now live living lives come comes
"""
_FRAME = frozenset(_FRAME_LIST.split())


def comparison(text: str, previous: Previous) -> FollowUp | None:
    """ "only those after 2015", "with a price over 20", "between 1990 and 2000" """
    text = re.sub(r"[$€£](?=\d)", "", text)
    text = re.sub(rf"(?:\b(?:from|in) )?({_VALUE}) or (?:later|newer|more|above|higher|over)$", r"since \1", text)
    text = re.sub(rf"(?:\b(?:from|in) )?({_VALUE}) or (?:earlier|older|less|below|lower|fewer)$", r"until \1", text)
    for operator, words in [("between", "between"), *_OPERATORS.items()]:
        second = rf" and (?P<second>{_VALUE})" if operator == "between" else ""
        match = re.fullmatch(
            rf"(?P<before>[a-z' ]*?)\b(?P<op>{words}) (?P<value>{_VALUE}){second}(?P<after>(?: [a-z]+){{0,3}})", text
        )
        if match is not None:
            return _compared(operator, match, text, previous)
    bare = re.fullmatch(r"(?:(?:what|how) about )?(?P<value>[12]\d{3})", text)
    return _filtered("=", None, [bare["value"]], "in " + bare["value"], previous, True) if bare else None


def _compared(operator: str, match: re.Match[str], text: str, previous: Previous) -> FollowUp | None:
    signalled = previous.marked or _SIGNAL.match(text) or not match["before"].strip() or _participle(match["before"])
    if not signalled or (previous.names_table and not _SIGNAL.match(text)):
        return None
    adjective = match["op"].split(" ")[-2] if match["op"].endswith(" than") else ""
    named = [match["before"], adjective if adjective not in _PLAIN else "", match["after"]]
    words = content_words(_strip_frame(" ".join(named)))
    number = previous.named(" ".join(words)) if words else None
    values = [value for value in (match["value"], match.groupdict().get("second")) if value]
    if words and number is None:
        return previous.plus(text) if previous.marked or _SIGNAL.match(text) else None
    name = f"with {previous.words(number)} " if number is not None else ""
    shown = (
        f"{'not' if _EXCLUDING.search(match['before']) else 'only'} those {name}{match['op']} {' and '.join(values)}"
    )
    return _filtered(operator, number, values, shown, previous, match["op"] in _TIME_WORDS)


def _participle(words: str) -> bool:
    """Whether all that stands before a comparison is a word such as "published": its subject was said before."""
    return re.fullmatch(r" *(?:[a-z]+ed|born|sold|bought|made|built) *", words) is not None


_PLAIN = frozenset(("more", "greater", "less", "fewer", "higher", "lower", "later", "earlier"))


def _strip_frame(text: str) -> str:
    return " ".join(word for word in text.split() if word not in _FRAME)


def _filtered(
    operator: str, number: int | None, values: Sequence[str], words: str, previous: Previous, temporal: bool
) -> FollowUp:
    """The query with a comparison; without a column the one that a number or date of that kind can only mean."""
    query = previous.query
    years = all(re.fullmatch(r"[12]\d{3}|\d{4}-\d\d-\d\d", value) for value in values)
    if number is not None and previous.schema.columns[number][1].type == "text" and temporal and years:
        number = None  # "published since 2000" is not about the publisher
    if number is None and temporal and years:
        number = previous.the_only(lambda t, c: is_time(c))
    elif number is None and query is not None and query.grouped and operator in _OPERATORS:
        return previous.plus(words, edited(lambda query: query.having(operator, _number(values[0])), query))
    elif number is None:
        number = _number_column(previous)
    if number is None or query is None:
        return previous.plus(words)
    conditions = _conditions(query, number, operator, values)
    replaced = [old for new in conditions for old in query.replaced_by(new)] if conditions else []
    if conditions and (operator == "=" or operator == "between"):
        replaced = query.compared(number)
    if not conditions:
        return previous.plus(words)
    if words.startswith("not "):
        return previous.plus(words, edited(lambda query: query.excluding(conditions), query))
    sql = edited(lambda query: query.filtered(conditions, replaced), query)
    return previous.plus(words, listed(sql, previous))


def _number_column(previous: Previous) -> int | None:
    """The column whose numbers the query before was about."""
    query = previous.query
    if query is None:
        return None
    compared = [query.number(c.this) for c in query.conditions() if any(not v.is_string for v in literals_of(c))]
    known = [number for number in compared if number is not None]
    return known[0] if known else previous.the_only(lambda t, c: is_quantity(t, c, previous.schema))


def _conditions(query: Query, number: int, operator: str, values: Sequence[str]) -> list[exp.Expr]:
    """Conditions for a comparison; of a date column with a year as comparisons with the first days of years."""
    _, column = query.schema.columns[number]
    if column.type == "time" and not is_year(column):
        return [query.comparison(number, sign, day) for sign, day in _days(operator, values)]
    if column.type not in ("number", "time"):
        return []
    if operator == "between":
        return [query.comparison(number, ">=", _number(values[0])), query.comparison(number, "<=", _number(values[1]))]
    return [query.comparison(number, operator, _number(values[0]))]


def _days(operator: str, values: Sequence[str]) -> list[tuple[str, str]]:
    """The comparisons with days that say what a comparison with a year (or a day) means, timestamps included."""
    if not all(re.fullmatch(r"\d{4}(-\d\d-\d\d)?", value) for value in values):
        return []
    first, last = values[0], values[-1]
    if len(first) > 4:
        return [(">=", first), ("<=", last)] if operator == "between" else [(operator, first)]
    start, end = (">=", f"{int(first):04d}-01-01"), ("<", f"{int(last) + 1:04d}-01-01")
    bounds = {">": [(">=", end[1])], ">=": [start], "<": [("<", start[1])], "<=": [end]}
    return bounds.get(operator, [start, end])


def _number(text: str) -> int | float:
    plain = text.replace(",", "")
    return float(plain) if "." in plain else int(plain)


def value(text: str, previous: Previous) -> FollowUp | None:
    """ "what about Canada?", "only jazz", "without Jazz" """
    signalled = bool(previous.marked or _SIGNAL.match(text))
    cells = _cells(previous) if previous.query is not None else []
    if not cells:
        return _unknown_value(text, previous)
    column = cells[0].column
    table = previous.schema.columns[column][0]
    own = {stem(w) for w in normalise(f"{table.words} {previous.words(column)}").split()}
    said = split_words(previous.asked)
    inside = {n for cell in previous.links.cells for n in range(cell.first_word, cell.last_word + 1)}
    outside = [normalise(word.text) for n, word in enumerate(said) if n not in inside]
    frame = _FRAME | _MARKS | ({"many"} if previous.query and previous.query.aggregates else set())
    strange = [word for word in outside if word and word not in frame and stem(word) not in own]
    if strange or (not signalled and any(stem(word) in own for word in outside)):
        return None
    return _with_values(cells, bool(_EXCLUDING.search(text)), previous)


_MARKS = frozenset(["and", "but", "now", "then", "so", "ok", "okay", "please", "also", "well"])


def _cells(previous: Previous) -> list[Cell]:
    """The cells mentioned that are meant: all of one column, one of the query's tables if possible."""
    query = previous.query
    assert query is not None
    cells = previous.links.cells
    compared = [cell for cell in cells if cell.column in query.resolver.numbers and query.compared(cell.column)]
    within = [cell for cell in cells if cell.column in query.resolver.numbers]
    chosen = (compared or within or list(cells))[:1]
    return [cell for cell in cells if chosen and cell.column == chosen[0].column]


def _with_values(cells: Sequence[Cell], excluding: bool, previous: Previous) -> FollowUp:
    query, column = previous.query, cells[0].column
    texts = list(dict.fromkeys(cell.text for cell in cells))
    name = previous.words(column)
    words = f"{'not' if excluding else 'only'} those with {name} {' or '.join(texts)}"
    if query is None or column not in query.resolver.numbers:
        return previous.plus(words)
    number_like = previous.schema.columns[column][1].type == "number"
    values: list[str | int | float] = [_number(t) if number_like and re.fullmatch(_VALUE, t) else t for t in texts]
    if excluding:
        conditions: list[exp.Expr] = [query.comparison(column, "!=", one) for one in values]
        return previous.plus(words, edited(lambda query: query.filtered(conditions), query))
    old = [c for c in query.compared(column) if isinstance(c, exp.EQ | exp.Like | exp.In)]
    sql = edited(lambda query: query.filtered([query.among(column, values)], old), query)
    return FollowUp(_replaced(previous, old, texts) or f"{previous.question}, {words}?", listed(sql, previous))


def _unknown_value(text: str, previous: Previous) -> FollowUp | None:
    """ "what about Atlantis?" takes the place of the one text that the query before compared with."""
    match = re.search(
        r"^(?:and |but )?(?:what|how) about (?:the )?(?P<value>.+?)[?.! ]*$", previous.asked, re.IGNORECASE
    )
    if match is None or previous.query is None or previous.links.tables or previous.links.columns:
        return None
    query = previous.query
    old = [c for c in query.conditions() if isinstance(c, exp.EQ) and literals_of(c) and literals_of(c)[0].is_string]
    number = query.number(old[0].this) if len(old) == 1 else None
    if number is None:
        return previous.plus(f"but for {match['value']}")
    new = query.comparison(number, "=", re.sub(r"^(?:in|from|by|for|with) ", "", match["value"]))
    sql = edited(lambda query: query.filtered([new], old), query)
    return FollowUp(_replaced(previous, old, [literals_of(new)[0].this]) or f"{previous.question}, {text}?", sql)


def _replaced(previous: Previous, old: Sequence[exp.Expr], texts: Sequence[str]) -> str | None:
    """The question before with the new value in the place of the old one, if that stands in it."""
    values = [literal.this for condition in old for literal in literals_of(condition)]
    if len(values) != 1:
        return None
    pattern = re.compile(rf"(?<!\w){re.escape(values[0].strip('%'))}(?!\w)", re.IGNORECASE)
    if not pattern.search(previous.question):
        return None
    return pattern.sub(lambda _: " or ".join(texts), previous.question, count=1) + "?"
