"""An answer in a sentence, by hand-written templates over what the SQL means and what the rows say.

Plain text without markup; it never states more than the rows do. Where a query has no template, the sentence only
tells what came back.
"""

from __future__ import annotations

import re
from typing import Any

from sqlglot import exp

from text2sql.assistant.cells import clean
from text2sql.assistant.group_sentences import grouped
from text2sql.assistant.listing import Heading, headings, listed, row_items, values
from text2sql.assistant.phrases import Phrases, set_operation
from text2sql.assistant.sql_meaning import NoWordsError, is_aggregated, is_time, parse
from text2sql.database import ExecutionResult
from text2sql.english import capitalised, counted, joined, plural, singular
from text2sql.schema import Schema

LONGEST = 900
"""Characters of a sentence."""
_ANY = re.compile(r"\s*((is|are) there (any|an?)\b|(is|are|do|does|did|has|have|was|were)\b.*\bany)\b", re.IGNORECASE)
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In, exp.Like, exp.ILike, exp.Between, exp.Is)
_PREDICATES = (*_COMPARISONS, exp.Exists, exp.Not, exp.And, exp.Or)


def sentence(question: str, sql: str, result: ExecutionResult, schema: Schema, dialect: str = "sqlite") -> str:
    """What the rows of `result` say, in one sentence of plain text; `dialect` is the one that `sql` is written in.

    Never raises for SQL that cannot be read or has no template: then it tells how many rows came back and the first.
    """
    if result.error is not None:
        return f"The query could not be run: {clean(result.error, 300).rstrip('.')}."
    try:
        text = _worded(sql, result, schema, dialect)
    except (NoWordsError, RecursionError):
        text = plain(result)
    text = capitalised(clean(re.sub(r"([.!?])\.$", r"\1", text), LONGEST))
    return _yes_or_no(question, text)


def _yes_or_no(question: str, text: str) -> str:
    """`Yes, there are 12 albums.` where the question only asks whether there are any."""
    if not _ANY.match(question):
        return text
    if text.startswith(("There are no ", "No ")):
        return "No, " + text[:1].lower() + text[1:]
    return "Yes, " + text[:1].lower() + text[1:] if text.startswith(("There are ", "There is ")) else text


def _worded(sql: str, result: ExecutionResult, schema: Schema, dialect: str) -> str:
    query = parse(sql, dialect)
    if isinstance(query, exp.SetOperation):
        return _set(query, result, schema)
    if not isinstance(query, exp.Select) or query.args.get("offset") or query.args.get("with_"):
        raise NoWordsError("no template")
    phrases = Phrases(query, schema)
    items = [e.unalias() for e in query.expressions]
    if len(items) == 1 and isinstance(items[0], _PREDICATES):
        return _truth(phrases, items[0], result)
    summed = [is_aggregated(e) for e in items]
    if all(summed) and not phrases.keys:
        return _aggregates(phrases, result)
    if any(summed) and not phrases.keys:
        raise NoWordsError("an aggregate beside a column of some row")
    if not result.rows:
        return _nothing(phrases, result)
    if phrases.keys:
        return grouped(phrases, result)
    if query.args.get("limit") is not None and phrases.order():
        return _ranked(phrases, result)
    return _rows(phrases, result)


def plain(result: ExecutionResult) -> str:
    """What came back, for a query that no template fits."""
    titles = headings(None, result)
    if not result.rows:
        return "No rows were read." if result.truncated else "The query found nothing."
    if len(result.rows) == 1 and len(titles) == 1:
        return f"The result is {titles[0].show(result.rows[0][0])}."
    if len(result.rows) == 1:
        return f"The result is {joined([t.detail(v) for t, v in zip(titles, result.rows[0], strict=True)])}."
    count = (
        f"The first {len(result.rows):,} rows are" if result.truncated else f"There are {len(result.rows):,} results:"
    )
    return f"{count} {listed(row_items(titles, result.rows), len(result.rows))}."


def _nothing(phrases: Phrases, result: ExecutionResult) -> str:
    """`No albums whose genre is Polka were found.`"""
    if result.truncated:
        raise NoWordsError("no rows were kept")
    return f"No {phrases.columns_of(phrases.groups() if phrases.keys else phrases.rows())} were found."


def _truth(phrases: Phrases, item: exp.Expr, result: ExecutionResult) -> str:
    if len(result.rows) != 1 or result.rows[0][0] not in (0, 1):
        raise NoWordsError("neither true nor false")
    holds, clause = bool(result.rows[0][0]), phrases.clause(item)
    if isinstance(item, exp.Exists):
        return f"Yes, {clause}." if holds else f"No, {clause.replace('there are', 'there are no', 1)}."
    return f"Yes, {clause}." if holds else f"No, it is not true that {clause}."


# -- aggregates ----------------------------------------------------------------------------------------------------


def _aggregates(phrases: Phrases, result: ExecutionResult) -> str:
    if len(result.rows) != 1:
        raise NoWordsError("an aggregate without its row")
    row, titles = result.rows[0], headings(phrases, result)
    if len(row) > 1:
        said = [f"the {title.words} is {title.show(v)}" for title, v in zip(titles, row, strict=True)]
        return f"{capitalised(joined(said))}, for {phrases.rows(all_rows=True)}."
    item = phrases.select.expressions[0].unalias()
    if isinstance(item, exp.Count) and isinstance(row[0], int):
        return _count(phrases, item, row[0])
    phrase = phrases.noun_phrase()
    if row[0] is None:
        return f"{capitalised(phrase)} is not known: there are no values for it."
    return f"{capitalised(phrase)} is {titles[0].show(row[0])}."


def _count(phrases: Phrases, item: exp.Count, number: int) -> str:
    """`There are 12 albums released after 2015.`"""
    inner = phrases.subject.query if phrases.subject is not None else None
    if inner is not None and not phrases.qualifiers() and len(phrases.scope.sources) == 1:
        return f"There {'is' if number == 1 else 'are'} {counted(number, 'result')} for {phrases.query(inner)}."
    nouns = phrases.count_noun(item)
    distinct = isinstance(item.this, exp.Distinct)
    rest = (
        phrases.of_rows([item], all_rows=False).replace(" of ", " among ", 1) if distinct else phrases.of_rows([item])
    )
    if distinct and nouns == f"different {phrases.counted()}":
        rest = f" {phrases.qualifiers()}".rstrip()
    if number == 0:
        return f"There are no {nouns.removeprefix('different ')}{rest}."
    if number == 1:
        return f"There is 1 {singular(nouns.removeprefix('different '))}{rest}."
    return f"There are {number:,} {nouns}{rest}."


# -- rows ----------------------------------------------------------------------------------------------------------


def _rows(phrases: Phrases, result: ExecutionResult) -> str:
    titles, rows = headings(phrases, result), result.rows
    items = phrases.select.expressions
    if len(titles) == 1 and not phrases.stands_for_row(items):
        return _one_column(phrases, titles[0], result)
    many = phrases.rows()
    shown = listed(row_items(titles, rows), len(rows))
    limit = phrases.select.args.get("limit")
    if result.truncated:
        return f"The first {len(rows):,} {many}: {shown}."
    if limit is not None and limit.expression.sql() == str(len(rows)):
        return f"{capitalised(counted(len(rows), 'result'))} for {many}: {shown}."
    if len(rows) == 1:
        return _only(phrases, titles, rows[0], phrases.rows(many=False))
    if phrases.select.args.get("distinct"):
        kind = many if len(titles) == 1 else f"results for {many}"
        return f"There are {len(rows):,} different {kind}: {shown}."
    if phrases.subject is not None and phrases.scope.finest(phrases.scope.sources) == phrases.subject:
        return f"There are {len(rows):,} {many}{_order_note(phrases)}: {shown}."
    return f"There are {counted(len(rows), 'result')} for {many}: {shown}."


def _only(phrases: Phrases, titles: list[Heading], row: tuple[Any, ...], one: str) -> str:
    """`The director with the film Água Viva is Ana Silva.`"""
    if any(title.names for title in titles) or len(titles) == 1:
        return f"The {one} is {row_items(titles, [row])[0]}."
    said = [f"the {title.words} is {title.show(v)}" for title, v in zip(titles, row, strict=True)]
    return f"For the {one}, {joined(said[:6])}."


def _order_note(phrases: Phrases) -> str:
    """`, largest capacity first`, for a list that SQL has sorted."""
    terms = phrases.order()
    column = phrases.column_of(terms[0].this) if terms else None
    if column is None or phrases.select.args.get("limit") is not None:
        return ""
    if column.type != "number" and not is_time(column):
        return f", sorted by {phrases.term(terms[0].this)}"
    return f", {phrases.extreme(terms[0].this, bool(terms[0].args.get('desc')))} {phrases.term(terms[0].this)} first"


def _one_column(phrases: Phrases, title: Heading, result: ExecutionResult) -> str:
    """`The coach of the club named FC Kestrel is Mia Koch.`, `The phones of patients ... are ...`."""
    column = [row[0] for row in result.rows]
    different = list(dict.fromkeys(column))
    first = f"first {len(column):,} rows of " if result.truncated else ""
    if len(column) == 1 and not first:
        return f"The {phrases.columns_of(phrases.rows(many=False), many=False)} is {title.show(column[0])}."
    what = phrases.columns_of(phrases.rows())
    if len(different) == 1:
        return f"The {plural(title.words)} of {first}{phrases.rows()} are all {title.show(different[0])}."
    if phrases.select.args.get("distinct") and not first:
        return f"There are {len(column):,} different {what}: {values(title, column)}."
    again = f", each named once ({len(column):,} rows)" if len(different) < len(column) else ""
    return f"The {first}{what}{_order_note(phrases)}{again}: {values(title, column)}."


def _ranked(phrases: Phrases, result: ExecutionResult) -> str:
    """`The album with the highest price is Winter Kingdom.`, `The 5 tracks with the longest durations are ...`."""
    titles, rows = headings(phrases, result), result.rows
    distinct = phrases.select.args.get("distinct") is not None
    if result.truncated or (distinct and len(rows) > 1):
        raise NoWordsError("not the first rows of a ranking")
    one = len(rows) == 1 and phrases.select.args["limit"].expression.sql() == "1"
    if one and len(titles) > 1:
        return _only(phrases, titles, rows[0], phrases.superlative(alone=False))
    target = phrases.order()[0]
    if one and phrases.select.expressions[0].unalias() == target.this:
        highest = phrases.extreme(target.this, bool(target.args.get("desc")))
        return f"The {highest} {titles[0].words} of {phrases.rows(all_rows=True)} is {titles[0].show(rows[0][0])}."
    if one:
        return f"The {phrases.superlative()} is {titles[0].show(rows[0][0])}."
    many = phrases.superlative(many=True, alone=len(titles) == 1)
    head = "The" if len(rows) == 1 else f"The {len(rows):,}"
    return f"{head} {many}: {listed(row_items(titles, rows, len(rows)), len(rows))}."


# -- set operations ------------------------------------------------------------------------------------------------


def _set(query: exp.SetOperation, result: ExecutionResult, schema: Schema) -> str:
    """`There are 3 countries of artists ... that are also countries of artists ...: ...`."""
    if query.args.get("limit") is not None or query.args.get("with_"):
        raise NoWordsError("no template")
    phrase = set_operation(query, schema)
    first = query
    while isinstance(first, exp.SetOperation):
        first = first.left.unnest()  # type: ignore[assignment]
    titles = headings(Phrases(first, schema), result) if isinstance(first, exp.Select) else headings(None, result)
    if not result.rows:
        return f"No {phrase.removeprefix('the ')} were found."
    shown = listed(row_items(titles, result.rows), len(result.rows))
    if phrase.startswith("the ") or len(result.rows) == 1 or result.truncated or isinstance(query, exp.Union):
        return f"{capitalised(phrase)}: {shown}."
    return f"There are {len(result.rows):,} {phrase}: {shown}."
