"""Sentences about groups: `Rock has the most albums (12), followed by Jazz (10) and Pop (9).`"""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from text2sql.assistant.listing import SHOWN, Heading, headings, listed, row_items
from text2sql.assistant.phrases import Phrases
from text2sql.assistant.sql_meaning import NoWordsError, is_aggregated, is_time
from text2sql.database import ExecutionResult
from text2sql.english import capitalised, counted, plural


def grouped(phrases: Phrases, result: ExecutionResult) -> str:
    """A sentence about the rows of a query with GROUP BY; there is at least one. Raises NoWordsError."""
    titles = headings(phrases, result)
    if len(titles) != len(phrases.select.expressions):
        raise NoWordsError("a star beside GROUP BY")
    if phrases.select.args.get("limit") is not None:
        return _ranked_groups(phrases, titles, result)
    metrics = [i for i, e in enumerate(phrases.select.expressions) if is_aggregated(e)]
    if len(titles) == 2 and len(metrics) == 1 and not result.truncated:
        return _compared(phrases, titles, result.rows, metrics[0])
    return _listed_groups(phrases, titles, result)


def _listed_groups(phrases: Phrases, titles: list[Heading], result: ExecutionResult) -> str:
    rows, alone = result.rows, len(titles) == 1
    many = phrases.columns_of(phrases.groups()) if alone else phrases.groups()
    shown = listed(row_items(titles, rows), len(rows))
    if result.truncated:
        return f"The first {len(rows):,} {many}: {shown}."
    if len(rows) == 1:
        one = phrases.groups(many=False)
        return f"The {phrases.columns_of(one, many=False) if alone else one} is {shown}."
    if phrases.select.args.get("having") is None and not alone:
        return f"Results for {len(rows):,} {many}: {shown}."
    return f"There are {len(rows):,} {many}: {shown}."


def _ranked_groups(phrases: Phrases, titles: list[Heading], result: ExecutionResult) -> str:
    """`The neighbourhood with the most venues is Harbour.`"""
    rows = result.rows
    if not phrases.order() or result.truncated:
        raise NoWordsError("a limit without an order")
    one = phrases.select.args["limit"].expression.sql() == "1"
    what = phrases.superlative(many=not one, alone=len(titles) == 1)
    shown = listed(row_items(titles, rows, len(rows)), len(rows))
    if one or len(rows) == 1:
        return f"The {what} is {shown}."
    return f"The {len(rows):,} {what} are {shown}."


def _compared(phrases: Phrases, titles: list[Heading], rows: list[tuple[Any, ...]], metric: int) -> str:
    """Groups with one number each: who has most, who follows."""
    pairs = [(_label(phrases, titles[1 - metric], row[1 - metric]), row[metric]) for row in rows]
    item = phrases.select.expressions[metric].unalias()
    numbers = all(isinstance(value, int | float) or value is None for _, value in pairs)
    key = phrases.column_of(phrases.select.expressions[1 - metric].unalias())
    ranks = isinstance(item, exp.AggFunc) and not isinstance(item, exp.Max | exp.Min)
    if not numbers or (key is not None and is_time(key)) or not ranks:
        return _by(phrases, titles, pairs, metric)
    if len(pairs) == 1:
        return _single_group(phrases, item, titles[metric], pairs[0])
    highest = _direction(phrases, item)
    known = sorted((p for p in pairs if p[1] is not None), key=lambda p: p[1], reverse=highest)
    if not known:
        raise NoWordsError("no values")
    return _ranking(phrases, item, titles[metric], known, highest) + _unknown([p[0] for p in pairs if p[1] is None])


def _label(phrases: Phrases, title: Heading, value: Any) -> str:
    if value is None:
        return f"an unknown {phrases.group_noun()}"
    named = title.names or isinstance(value, str)
    return title.show(value) if named else f"{title.words} {title.show(value)}"


def _direction(phrases: Phrases, item: exp.Expr) -> bool:
    """Whether the highest number is to be named first: not if SQL sorts by it from the lowest."""
    for ordered in phrases.order()[:1]:
        if phrases.order_target(ordered).unalias().sql() == item.sql():
            return bool(ordered.args.get("desc"))
    return True


def _ranking(phrases: Phrases, item: exp.AggFunc, title: Heading, pairs: list[tuple[str, Any]], highest: bool) -> str:
    first = [label for label, value in pairs if value == pairs[0][1]]
    best = title.show(pairs[0][1])
    prefix = _having(phrases)
    if len(first) == len(pairs):
        return f"{prefix}{_all_equal(phrases, item, pairs, best)}."
    rest = [f"{label} ({title.show(value)})" for label, value in pairs[len(first) :]]
    tied = f"{best} each" if len(first) > 1 else best
    leaders = listed(first, len(first))
    follow = f", followed by {listed(rest, len(rest), phrases.group_noun())}"
    if isinstance(item, exp.Count):
        most = f"the {'most' if highest else 'fewest'} {_counted_rows(phrases, item)}"
        return f"{prefix}{_have(phrases, first, most, leaders)} ({tied}){follow}."
    extreme = phrases.extreme(item.this, highest)
    extreme = extreme if extreme in ("latest", "earliest") else "highest" if highest else "lowest"
    return f"{prefix}{_metric(phrases, item, prefix)} is {extreme} for {leaders} ({tied}){follow}."


def _have(phrases: Phrases, first: list[str], most: str, leaders: str) -> str:
    """`Rock has the most albums`; a value in lower case keeps its case: `The status with the most ... is completed`."""
    if first[0][:1].islower():
        noun = phrases.group_noun()
        return (
            f"The {noun} with {most} is {leaders}"
            if len(first) == 1
            else f"The {plural(noun)} with {most} are {leaders}"
        )
    return f"{leaders} {'have' if len(first) > 1 else 'has'} {most}"


def _metric(phrases: Phrases, item: exp.AggFunc, prefix: str = "") -> str:
    of = phrases.of_rows([item], all_rows=False) if phrases.group_source or phrases.qualifiers() else ""
    return f"{'the' if prefix else 'The'} {phrases.term(item)}{of}"


def _having(phrases: Phrases) -> str:
    return f"Among {phrases.groups()}: " if phrases.select.args.get("having") is not None else ""


def _all_equal(phrases: Phrases, item: exp.AggFunc, pairs: list[tuple[str, Any]], best: str) -> str:
    labels = listed([label for label, _ in pairs], len(pairs))
    number = f"{counted(len(pairs), phrases.group_noun())} ({labels})"
    if isinstance(item, exp.Count):
        return f"Each of the {number} has {best} {_counted_rows(phrases, item, pairs[0][1] == 1)}"
    return f"{_metric(phrases, item, _having(phrases))} is {best} for each of the {number}"


def _counted_rows(phrases: Phrases, item: exp.Count, one: bool = False) -> str:
    nouns = phrases.count_noun(item)
    nouns = phrases.agreeing("1", nouns) if one else nouns
    return f"{nouns} {phrases.qualifiers()}".rstrip()


def _single_group(phrases: Phrases, item: exp.AggFunc, title: Heading, pair: tuple[str, Any]) -> str:
    label, value = pair
    prefix = _having(phrases)
    if isinstance(item, exp.Count):
        return f"{prefix}{capitalised(label)} has {title.show(value)} {_counted_rows(phrases, item, value == 1)}."
    return (
        f"{prefix}{_metric(phrases, item, prefix)} is {title.show(value)} for {label}, the only {phrases.group_noun()}."
    )


def _unknown(labels: list[str]) -> str:
    return f" For {listed(labels, len(labels))} it is not known." if labels else ""


def _by(phrases: Phrases, titles: list[Heading], pairs: list[tuple[str, Any]], metric: int) -> str:
    """`Number of albums by release year: 2001 (3), 2002 (4) and 2003 (1).`"""
    item = phrases.select.expressions[metric].unalias()
    heads = titles[1 - metric]
    shown = [f"{label.removeprefix(heads.words + ' ')} ({titles[metric].show(value)})" for label, value in pairs]
    what = titles[metric].words if not isinstance(item, exp.Count) else f"number of {_counted_rows(phrases, item)}"
    return f"{_having(phrases)}The {what} by {phrases.group_noun()}: {listed(shown[: SHOWN + 1], len(pairs))}."
