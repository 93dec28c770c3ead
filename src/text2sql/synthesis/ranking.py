"""Words for order, extremes and aggregates: `sorted by price`, `the cheapest album`, `average price`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from text2sql.english import article, is_plural, joined
from text2sql.synthesis.catalogue import ColumnFacts, TableFacts
from text2sql.synthesis.patterns import expand
from text2sql.synthesis.query import Field
from text2sql.synthesis.rows import Rows
from text2sql.synthesis.vocabulary import EXTREME_WORDS

_ADJECTIVES = {
    "price": ("(cheapest|least expensive)", "(most expensive|priciest)"),
    "cost": ("(cheapest|least expensive)", "(most expensive|priciest)"),
    "fee": ("(cheapest|least expensive)", "most expensive"),
    "salary": ("(lowest|worst) paid", "(highest|best) paid"),
    "capacity": ("smallest", "(largest|biggest)"),
    "population": ("least populous", "most populous"),
    "area": ("smallest", "(largest|biggest)"),
    "size": ("smallest", "(largest|biggest)"),
    "age": ("youngest", "oldest"),
    "height": ("(shortest|smallest)", "tallest"),
    "duration": ("shortest", "longest"),
    "length": ("shortest", "longest"),
    "distance": ("shortest", "longest"),
    "weight": ("lightest", "heaviest"),
    "rating": ("(worst|lowest) rated", "(best|highest|top) rated"),
    "attendance": ("least attended", "(best|most) attended"),
    "market value": ("least valuable", "most valuable"),
}
_TIME_ADJECTIVES = {
    "born": ("oldest", "youngest"),
    "released": ("(oldest|earliest)", "(newest|most recent|latest)"),
    "published": ("(oldest|earliest)", "(newest|most recent|latest)"),
    "founded": ("oldest", "(newest|youngest)"),
    "opened": ("oldest", "newest"),
    "built": ("oldest", "newest"),
}
_AGGREGATE_WORDS: dict[str, Sequence[str]] = {"avg": ("average", "mean"), "sum": ("total", "combined")}
_LEAST = {"number": ("lowest", "minimum", "smallest"), "date": ("earliest", "first"), "year": ("earliest",)}
_MOST = {"number": ("highest", "maximum", "largest"), "date": ("latest", "most recent"), "year": ("latest",)}
_NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five"}


@dataclass(frozen=True)
class Order:
    """An ORDER BY with the words for it, which begin with their own space or comma."""

    column: ColumnFacts
    descending: bool
    words: str


def draw_order(table: TableFacts, columns: Sequence[ColumnFacts], random: Random) -> Order | None:
    """An order by one of the columns asked for, or by a number or date of the table; None where there is none."""
    sortable = [c for c in table.of_kind("name", "number", "year", "date", "category") if c.distinct > 2]
    sortable = [c for c in sortable if c in columns or c.kind in ("number", "year", "date")]
    if not sortable:
        return None
    column = random.choice(sortable)
    descending = random.random() < 0.5
    if column.kind in ("name", "category"):
        words = "in reverse alphabetical order" if descending else "(in alphabetical order|alphabetically)"
        text = f"(sorted by {{c}} {words}|{words} by {{c}}|{words} of {{c}})"
    elif column.kind == "number":
        text = _direction(
            descending, "from (highest|largest) to (lowest|smallest)", "from (lowest|smallest) to highest"
        )
    else:
        text = _direction(descending, "from (latest|newest) to (earliest|oldest)", "from (earliest|oldest) to latest")
    return Order(column, descending, expand(f"(, | ){text}", random, c=column.noun))


def _direction(descending: bool, down: str, up: str) -> str:
    sort = "(sorted|ordered|ranked) by {c}"
    if descending:
        words = f"in (descending|decreasing) order|from high to low|with the highest first|{down}|descending"
    else:
        words = f"in (ascending|increasing) order|{up}|ascending"
        return f"({sort} ({words})|{sort}|in (ascending|increasing) order of {{c}})"
    return f"({sort} ({words})|in (descending|decreasing) order of {{c}})"


def rankable(table: TableFacts) -> list[ColumnFacts]:
    """Columns whose extremes can be asked for."""
    columns = table.of_kind("number", "year", "date")
    return [c for c in columns if c.distinct > 3 and not EXTREME_WORDS & set(c.noun.split())]


def extreme_words(column: ColumnFacts, descending: bool, random: Random) -> str:
    """`highest price`, `fewest pages`, `latest release date`."""
    if column.kind != "number":
        times = ["latest", "most recent"] if descending else ["earliest"]
        return f"{random.choice(times)} {column.noun}"
    if is_plural(column.noun):
        return ("most " if descending else "fewest ") + column.noun
    sizes = ["highest", "largest", "greatest"] if descending else ["lowest", "smallest"]
    return f"{random.choice(sizes)} {column.noun}"


def adjective(table: TableFacts, column: ColumnFacts, descending: bool, random: Random) -> str:
    """`cheapest`, where the word can mean this column of the table only; else empty."""
    pair = _adjectives_of(column)
    others = [_adjectives_of(c) for c in table.columns if c is not column and c.kind != "unused"]
    if pair is None or any(other and set(_words(other)) & set(_words(pair)) for other in others):
        return ""
    return expand(pair[descending], random)


def _adjectives_of(column: ColumnFacts) -> tuple[str, str] | None:
    if column.kind in ("date", "year"):
        return _TIME_ADJECTIVES.get(column.participle)
    return _ADJECTIVES.get(column.noun) or _ADJECTIVES.get(column.noun.split()[-1])


def _words(pair: tuple[str, str]) -> list[str]:
    return [word for side in pair for word in side.strip("()").split("|")]


def best(rows: Rows, column: ColumnFacts, descending: bool, random: Random, count: int = 1) -> str:
    """`cheapest album from 2010`, `3 albums with the lowest price`: the rows at one end of the order."""
    many = count > 1
    phrase = rows.noun_phrase(random, many)
    number = number_words(count, random) + " " if many else ""
    word = adjective(rows.table, column, descending, random)
    if word and random.random() < 0.5:
        return random.choice(
            (f"{number}{word} {phrase}", f"{word} {number}{phrase}") if many else (f"{word} {phrase}",)
        )
    return f"{number}{phrase} with the {extreme_words(column, descending, random)}"


def number_words(count: int, random: Random) -> str:
    """A small number in figures, now and then in letters."""
    return _NUMBERS.get(count, str(count)) if random.random() < 0.15 else str(count)


def aggregate_words(column: ColumnFacts, names: Sequence[str], random: Random) -> str:
    """`average price`, `minimum and maximum price`, `total number of pages`."""
    choices = _AGGREGATE_WORDS | {"max": _MOST[column.kind], "min": _LEAST[column.kind]}
    words = [random.choice(choices[name]) for name in names]
    noun = column.noun
    if column.kind == "number" and is_plural(noun):
        noun = f"number of {noun}"
    return f"{joined(words)} {noun}"


def aggregate_slots(column: ColumnFacts, names: Sequence[str], random: Random) -> dict[str, str]:
    """`{a}` the words, `{an_a}` with an article, `{is_a}` the verb."""
    words = aggregate_words(column, names, random)
    return {"a": words, "an_a": f"{article(words)} {words}", "is_a": "are" if len(names) > 1 else "is"}


def draw_aggregates(table: TableFacts, random: Random, most: int = 3) -> tuple[ColumnFacts, list[str]] | None:
    """A column and one to `most` aggregates of it that mean something; None where there is no such column."""
    columns = rankable(table)
    columns = [c for c in columns if c.summable] * 3 + columns
    if not columns:
        return None
    column = random.choice(columns)
    names = ["avg", "avg", "sum", "min", "max"] if column.summable else ["min", "max"]
    number = min(random.choices((1, 2, 3), (8, 2, 1))[0], most, len(set(names)))
    chosen: list[str] = []
    while len(chosen) < number:
        name = random.choice(names)
        chosen += [name] if name not in chosen else []
    return column, chosen


def aggregate_fields(column: ColumnFacts, names: Sequence[str], source: int = 0) -> list[Field]:
    """The SELECT items of some aggregates of one column."""
    return [Field(column, source, name) for name in names]
