"""The rules that recognise a follow-up and apply it to the query before it.

Each rule takes the follow-up's bare text and the `Previous` turn, and gives a `FollowUp` or None when the text is
not of its kind. `RULES` are tried in order. A rule that knows what is wanted but cannot edit the query safely (the
column is unclear, or outside of the query's tables) gives the completed question without SQL, for the model.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from sqlglot import exp

from text2sql.assistant.editing import NotEditableError, Query, literals_of
from text2sql.assistant.resolving import is_quantity, is_time
from text2sql.database import ExecutionResult
from text2sql.english import plural
from text2sql.prompting.linking import Links, link
from text2sql.schema import Column, Schema, Table

NUMBER_WORDS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
}  # fmt: skip
_THEM = r"(?:them|those|these|it|that|this|all of them|the results?|the list|everything|they)"
_ASK = r"(?:(?:what|how) about |what(?:'s| is| was| are| were) |show(?: me)? |give(?: me)? |tell me |list |and )?"
_AGGREGATE_WORDS = {
    "average": "avg", "mean": "avg", "avg": "avg", "total": "sum", "sum": "sum", "maximum": "max", "max": "max",
    "highest": "max", "minimum": "min", "min": "min", "lowest": "min",
}  # fmt: skip
_DESCENDING_LIST = """
    newest latest youngest highest longest biggest largest greatest tallest best most descending desc decreasing
    reverse expensive recent
"""
_ASCENDING_LIST = """
    oldest earliest cheapest lowest shortest smallest worst least fewest ascending asc increasing alphabetical
    alphabetically
"""
_DESCENDING, _ASCENDING = frozenset(_DESCENDING_LIST.split()), frozenset(_ASCENDING_LIST.split())
_TIME_ADJECTIVES = frozenset(("newest", "latest", "recent", "oldest", "earliest"))
_ADJECTIVE = r"(?:most |least )?(?P<adjective>[a-z]+)"


@dataclass(frozen=True)
class FollowUp:
    """A completed question; `sql`, when a rule made it, is the edited query, as sure as the one before."""

    question: str
    sql: str | None = None
    confidence: float = 0.0


@dataclass(frozen=True)
class Previous:
    """The turn that a follow-up follows, and what the new words are linked to (numbers of words: of all of them)."""

    question: str
    query: Query | None
    result: ExecutionResult | None
    schema: Schema
    links: Links
    marked: bool
    """Whether the follow-up began with "and", "but" or the like."""
    asked: str
    """The follow-up as it was asked."""

    def plus(self, words: str, sql: str | None = None, joint: str = ", ") -> FollowUp:
        """The question before with something added."""
        return FollowUp(f"{self.question}{joint}{words}?", sql)

    @cached_property
    def names_table(self) -> bool:
        """Whether the follow-up names a table: then it may be a question of its own."""
        return "exact" in self.links.tables.values()

    def named(self, words: str) -> int | None:
        """The column of the query's tables that words name."""
        return self.query.resolver.named(words) if self.query else None

    def the_only(self, kind: Callable[[Table, Column], bool]) -> int | None:
        """The query's one column of a kind."""
        return self.query.resolver.the_only(kind) if self.query else None

    def words(self, number: int) -> str:
        """A column in words."""
        return self.schema.columns[number][1].words


Rule = Callable[[str, Previous], FollowUp | None]


def edited(make: Callable[[Query], str], query: Query | None) -> str | None:
    """An edit's SQL, or None where the query does not allow it."""
    try:
        return make(query) if query is not None else None
    except NotEditableError:
        return None


def count(text: str, previous: Previous) -> FollowUp | None:
    """ "how many are there?", "count them" """
    pattern = (
        rf"how many(?: of {_THEM})?(?: (?:are|is|were) (?:there|that|it|they|those|these))?(?: in total| altogether)?|"
        rf"count {_THEM}|{_ASK}(?:the|their) (?:count|number)(?: of {_THEM})?|(?:the )?number of {_THEM}"
    )
    if not re.fullmatch(pattern, text):
        return None
    return previous.plus("how many are there", edited(Query.counted, previous.query), ": ")


def aggregate(text: str, previous: Previous) -> FollowUp | None:
    """ "and the average?", "what is their highest price?" """
    words = "|".join(_AGGREGATE_WORDS)
    match = re.fullmatch(
        rf"{_ASK}(?:(?:the|in|on) )?(?P<their>their |its )?(?:the )?(?P<word>{words})"
        rf"(?: (?!of\b)(?P<column>[a-z ]+?))?(?: of (?P<of>{_THEM})| of (?:the |their |its )?(?P<other>[a-z ]+))?",
        text,
    )
    if match is None:
        return None
    named = match["column"] or match["other"]
    if named and not (previous.marked or match["their"] or match["of"] or text.startswith(("what about", "how about"))):
        return None  # "what is the average price?" is complete
    function = _AGGREGATE_WORDS[match["word"]]
    number = previous.named(named) if named else _quantity(previous)
    if number is None:
        return previous.plus(f"the {match['word']} {named or ''}".strip())
    sql = edited(lambda query: query.aggregated(function, number), previous.query)
    return previous.plus(f"the {match['word']} {previous.words(number)}", sql)


def _quantity(previous: Previous) -> int | None:
    """The numbers that the query before was about: of its aggregate, else its only column of quantities."""
    query = previous.query
    if query is None:
        return None
    inner = [query.number(one.this) for one in query.aggregates]
    known = [number for number in inner if number is not None]
    return known[0] if known else previous.the_only(lambda t, c: is_quantity(t, c, previous.schema))


def sort(text: str, previous: Previous) -> FollowUp | None:
    """ "sort them by price", "newest first", "in descending order" """
    directions = "ascending|descending|asc|desc|alphabetical|alphabetically|reverse|increasing|decreasing"
    order = rf"(?:in )?(?P<direction>{directions})"
    text = re.sub(r"(?:from )?high(?:est)? to low(?:est)?$", "descending", text)
    text = re.sub(r"(?:from )?low(?:est)? to high(?:est)?$", "ascending", text)
    verb = rf"(?:sort|order|rank|arrange|list|show|put|sorted|ordered|ranked)(?: {_THEM})?"
    match = re.fullmatch(
        rf"{verb}(?: (?:by|on) (?:the )?(?P<by>[a-z' ]+?))?(?:,? {order}(?: order)?)?(?:,? {_ADJECTIVE} first)?", text
    ) or re.fullmatch(rf"(?:{verb} )?(?:the )?(?:{order}(?: order)?|{_ADJECTIVE}(?: ones?)? first)", text)
    if match is None or not any(match.groupdict().values()):
        return None
    found = match.groupdict()
    word = found["direction"] or found["adjective"] or ""
    if found["adjective"] and word not in _ASCENDING | _DESCENDING:
        return None
    descending = word in _DESCENDING or " most " in f" {text}"
    query = previous.query
    if found.get("by"):
        return _sorted_by(found["by"], descending, previous)
    number = _ordered_column(word, previous) if word != "reverse" else None
    if number is None and (query is None or query.ordering is None):
        return previous.plus(f"sorted {text.removeprefix('sort ').removeprefix('order ')}")
    if word == "reverse" and query and query.ordering:
        descending = not query.ordering.args.get("desc")
    sql = edited(lambda query: query.ordered(number, descending), query)
    name = f"by {previous.words(number)} " if number is not None else ""
    return previous.plus(f"sorted {name}in {'descending' if descending else 'ascending'} order", sql)


def _sorted_by(by: str, descending: bool, previous: Previous) -> FollowUp:
    query = previous.query
    counted = query.aggregates if query and query.grouped else []
    number = previous.named(by)
    if counted and number is None:
        sql = edited(lambda query: query.ordered(counted[0].copy(), descending), query)
        return previous.plus(f"sorted by {by}", sql)
    sql = edited(lambda query: query.ordered(number, descending), query) if number is not None else None
    return previous.plus(f"sorted by {by}{' in descending order' if descending else ''}", sql)


def _ordered_column(adjective: str, previous: Previous) -> int | None:
    """The column that an adjective of order is about; for a mere direction what it is sorted by, or is shown first."""
    if adjective in _TIME_ADJECTIVES:
        return previous.the_only(lambda t, c: is_time(c))
    if adjective.startswith("alphabetical"):
        return previous.the_only(lambda t, c: c.type == "text")
    named = previous.named(adjective) if adjective not in ("best", "most", "least", "highest", "lowest") else None
    return named if named is not None else _quantity(previous) if adjective in ("highest", "lowest") else None


def limit(text: str, previous: Previous) -> FollowUp | None:
    """ "the top 3", "only the first 5", "show me 10" """
    match = re.fullmatch(
        rf"(?P<only>only |just )?{_ASK}(?P<just>only |just )?(?:the )?(?P<which>top |first |last |bottom |best )?"
        rf"(?P<n>\d+|{'|'.join(NUMBER_WORDS)})(?: (?:of {_THEM}|ones|results?|rows?|only))?"
        r"(?: (?:by|with the (?:highest|most)) (?P<by>[a-z ]+))?",
        text,
    )
    if match is None or not (match["which"] or match["only"] or match["just"] or text.startswith(("show", "give"))):
        return None
    size = NUMBER_WORDS.get(match["n"]) or int(match["n"])
    which = (match["which"] or "first ").strip()
    words = f"only the {which} {size}" + (f" by {match['by']}" if match["by"] else "")
    return previous.plus(words, edited(lambda query: _cut(query, which, size, match["by"]), previous.query))


def _cut(query: Query, which: str, size: int, by: str | None) -> str:
    if by:
        number = query.resolver.named(by)
        if number is None:
            raise NotEditableError("an unknown column")
        return query.ordered(number, True, size)
    if which == "first" or (which in ("top", "best") and query.ordering is not None):
        return query.first(size)
    if which in ("last", "bottom") and query.ordering is not None:
        return query.ordered(None, not query.ordering.args.get("desc"), size)
    if which in ("top", "best") and query.grouped and len(query.aggregates) == 1:
        return query.ordered(query.aggregates[0].copy(), True, size)
    raise NotEditableError("nothing says what is on top")


def superlative(text: str, previous: Previous) -> FollowUp | None:
    """ "and the cheapest?" after "which album is the most expensive?" """
    which = r"(?:which (?:ones?|of (?:them|these|those)) (?:is|are|was|were) )"
    match = re.fullmatch(rf"(?:{which}|{_ASK})(?:the )?{_ADJECTIVE}(?: ones?)?", text)
    if match is None or match["adjective"] not in _ASCENDING | _DESCENDING or not (previous.marked or "the " in text):
        return None
    query, adjective = previous.query, match["adjective"]
    descending = (adjective in _DESCENDING) != ("least expensive" in text)
    number = _ordered_column(adjective, previous)
    if number is None and query and query.ordering:
        number = query.number(query.ordering.this)
    if number is None:
        return previous.plus(f"the {adjective}")
    return previous.plus(text, edited(lambda query: query.ordered(number, descending, 1), query))


def group(text: str, previous: Previous) -> FollowUp | None:
    """ "per country", "group them by genre" """
    text = text.removesuffix(" instead")
    start = rf"(?:(?:what|how) about |show(?: me)? |group |count |break |split )?(?:{_THEM} )?(?:down |up )?"
    match = re.fullmatch(rf"{start}(?:grouped )?(?:by|per|for each|for every|in each) (?P<by>[a-z ]+)", text)
    number = previous.named(match["by"]) if match else None
    if match is None:
        return None
    sql = edited(lambda query: query.per(number), previous.query) if number is not None else None
    return previous.plus(f"for each {match['by']}", sql, " ")


def columns(text: str, previous: Previous) -> FollowUp | None:
    """ "show their names instead", "add the price", "what is its title?" """
    match = re.fullmatch(
        r"(?P<verb>also )?(?P<ask>(?:what|how) about|what(?:'s| is| was| are| were)|show(?: me)?|give(?: me)?|list|"
        r"tell me|include|add|display|with|plus|i (?:also )?(?:want|need)(?: to see)?)?\b ?(?:also )?"
        r"(?P<whose>their |its |his |her |the )?(?P<columns>[a-z, ]+?)"
        rf"(?P<mode> instead| too| as well| also)?(?: of (?P<them>{_THEM}(?: [a-z]+)?))?"
        r"(?P<late> instead| too| as well| also)?",
        text,
    )
    if match is None:
        return None
    adding = (match["ask"] or "").split(" ")[0] in ("include", "add", "with", "plus") or match["verb"]
    mode = (match["mode"] or match["late"] or "").strip()
    pronoun = (match["whose"] or "the ") != "the "
    if not (adding or mode or pronoun or match["them"]) or (previous.names_table and not match["them"]):
        return None
    also = bool(adding or mode in ("too", "as well", "also"))
    numbers = [previous.named(part) for part in re.split(r",| and ", match["columns"]) if part.strip()]
    known = [number for number in numbers if number is not None]
    wanted = f"{'also ' if also else ''}show the {match['columns']}"
    if len(known) < len(numbers) or not known:
        return previous.plus(wanted)
    return previous.plus(wanted, edited(lambda query: query.showing(known, also), previous.query))


def which_ones(text: str, previous: Previous) -> FollowUp | None:
    """ "who are they?", "which ones?", "list them" after a number"""
    pattern = rf"(?:who|what|which) (?:are|were|is|was) {_THEM}|which ones?|(?:list|show|name)(?: me)? {_THEM}"
    if not re.fullmatch(pattern, text):
        return None
    numbers = _names(previous.query) if previous.query else []
    sql = edited(lambda query: query.showing(numbers, False), previous.query) if numbers else None
    return previous.plus("which ones are they", sql)


def _names(query: Query) -> list[int]:
    """The columns that name the rows of a query's main table: a name or title, or a first and a last name."""
    table = query.schema.tables[query.main_table]
    names = [column for column in table.columns if {"name", "title"} & set(column.words.split())]
    both = [column for column in names if {"first", "last"} & set(column.words.split())]
    return [query.schema.column_number(table.name, column.name) for column in (both or names[:1])]


def listed(sql: str | None, previous: Previous) -> str | None:
    """A filtered query that shows names where the follow-up asks which ones or who, and it only had a number."""
    if sql is None or previous.query is None or not re.match(r"(?:and |but )?(?:which|who)\b", previous.asked.lower()):
        return sql
    query = Query(sql, previous.schema, previous.query.dialect)
    if query.grouped or not query.aggregates or not _names(query):
        return sql
    return query.showing(_names(query), False)


def distinct(text: str, previous: Previous) -> FollowUp | None:
    """ "without duplicates" """
    pattern = (
        r"(?:without|remove|no|drop|hide)(?: the| any| all)? (?:duplicates?|repeats|repetitions)|"
        r"(?:only|just) (?:the )?(?:unique|distinct|different)(?: ones| values)?"
    )
    if not re.fullmatch(pattern, text):
        return None
    return previous.plus("without duplicates", edited(Query.distinct, previous.query))


def pronoun(text: str, previous: Previous) -> FollowUp | None:
    """ "who wrote it?": the model is asked with what the pronoun stands for, if nothing in the question does."""
    match = re.search(r"\b(them|those|these|they|their|its|it|his|her|she|he)\b", previous.asked, re.IGNORECASE)
    if match is None or previous.query is None:
        return None
    before = link(previous.asked[: match.start()], previous.schema)
    referent = _referent(previous)
    explained = "exact" in before.tables.values() and match[0].lower() not in ("they", "he", "she")
    if explained or (match[0].lower() in ("it", "he", "she") and not _single(previous)):
        return None
    possessive = match[0].lower() in ("their", "its", "his", "her")
    words = f"{referent}'s" if possessive and not referent.endswith("s") else f"{referent}'" if possessive else referent
    return FollowUp(previous.asked[: match.start()] + words + previous.asked[match.end() :])


def _single(previous: Previous) -> str | None:
    """The one text that the answer before consisted of."""
    rows = previous.result.rows if previous.result else []
    return rows[0][0] if len(rows) == 1 and rows[0] and isinstance(rows[0][0], str) else None


def _referent(previous: Previous) -> str:
    """What a pronoun stands for: the one thing found, else the rows asked about."""
    single, query = _single(previous), previous.query
    if single is not None or query is None:
        return single or "them"
    noun = f"the {plural(previous.schema.tables[query.main_table].words)}"
    return " and ".join([noun, *filter(None, map(_in_words(previous), query.conditions()))]).replace(" and ", " ", 1)


def _in_words(previous: Previous) -> Callable[..., str]:
    signs = {"eq": "", "gt": "over ", "gte": "at least ", "lt": "under ", "lte": "at most ", "neq": "not "}

    def words(condition: exp.Expr) -> str:
        number = previous.query.number(condition.this) if previous.query else None
        values = literals_of(condition)
        if number is None or len(values) != 1 or condition.key not in signs:
            return ""
        return f"with {previous.words(number)} {signs[condition.key]}{values[0].this}"

    return words
