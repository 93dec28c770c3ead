"""Seeded mutations of gold queries: predictions that are right, nearly right, wrong or not SQL at all.

`mutate` draws one, by kind; the parity tests of exact match and of execution accuracy compare our verdicts on such
pairs with the official ones. Mutations work on the text, so that they also reach what no parser would accept. Many
results can be executed; none writes to a database.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from text2sql.schema import Schema

_PIECE = re.compile(r"\s+|'[^']*'|\"[^\"]*\"|[<>!]=|<>|-?\d+(?:\.\d+)?|[\w.]+|.", re.DOTALL)
_CLAUSES = ("where", "group", "having", "order", "limit", "union", "intersect", "except", ")", ";")
_AGGREGATES = ("max", "min", "count", "sum", "avg")
_SET_OPERATIONS = ("union", "intersect", "except")
_KEYWORDS = frozenset(
    {"select", "from", "by", "join", "on", "as", "and", "or", "not", "in", "like", "between", "distinct", "asc", "desc"}
    | {"is", "null", "exists", "all", *_CLAUSES, *_AGGREGATES}
)


@dataclass
class Draft:
    """A query as a list of pieces (white space is a piece), with what a mutation may draw on."""

    pieces: list[str]
    schema: Schema
    rng: random.Random
    others: Sequence[str]

    @property
    def text(self) -> str:
        """The query as it stands."""
        return "".join(self.pieces)

    def pick(self, templates: str, **names: str | float) -> str:
        """One of the templates, which a | separates, at random, with the names filled in."""
        return self.rng.choice(templates.split("|")).format(**names)

    def places(self, *words: str) -> list[int]:
        """Where these words (in lower case) stand."""
        return [i for i, piece in enumerate(self.pieces) if piece.lower() in words]

    def place(self, *words: str) -> int | None:
        """One such place at random."""
        return self.any_of(self.places(*words))

    def any_of(self, places: Sequence[int]) -> int | None:
        """One place at random, None when there is none."""
        return self.rng.choice(places) if places else None

    def splice(self, start: int, end: int, text: str) -> str:
        """The query with pieces start..end-1 exchanged for a text."""
        return "".join([*self.pieces[:start], text, *self.pieces[end:]])

    def put(self, place: int | None, text: str) -> str | None:
        """The query with one piece exchanged; None when there is no place."""
        return None if place is None else self.splice(place, place + 1, text)

    def clause_end(self, start: int, *more: str) -> int:
        """The first place behind `start` where a clause ends (or one of some more words stands)."""
        return next((i for i in self.places(*_CLAUSES, *more) if i > start), len(self.pieces))

    def clause(self, *words: str) -> tuple[int, int] | None:
        """Start and end of one clause that begins with one of these words."""
        start = self.place(*words)
        return None if start is None else (start, self.clause_end(start))

    def names(self) -> list[int]:
        """Places of tables, columns and aliases."""
        pieces = enumerate(self.pieces)
        return [i for i, p in pieces if re.fullmatch(r"[^\W\d][\w.]*", p) and p.lower() not in _KEYWORDS]

    def columns(self) -> list[int]:
        """Places of columns, qualified or bare."""
        known = {column.name.lower() for _, column in self.schema.columns}
        return [i for i in self.names() if self.pieces[i].lower().rpartition(".")[2] in known]

    def column(self) -> str:
        """A column as the query names it, or any of the schema."""
        places = self.columns()
        return self.pieces[self.rng.choice(places)] if places else self.rng.choice(self.schema.columns)[1].name

    def table(self) -> str:
        """Any table's name."""
        return self.rng.choice(self.schema.tables).name


def _identical(d: Draft) -> str:
    return d.text


def _value(d: Draft) -> str | None:
    place = d.any_of([i for i, p in enumerate(d.pieces) if p[0] in "'\"" or p.lstrip("-")[:1].isdigit()])
    if place is None:
        return None
    text = d.pieces[place]
    if text[0] in "'\"":
        return d.put(
            place,
            d.pick("'{w}x'|'{l}'|\"{w}\"|'%a%'|''|'{u}'", w=text[1:-1], l=text[1:-1].lower(), u=text[1:-1].upper()),
        )
    return d.put(place, d.pick("{n}1|{r:.1f}|0|'{n}'|-1|1e3|{n}.0", n=text, r=float(text) + 1))


def _column(d: Draft) -> str | None:
    place = d.any_of(d.columns())
    if place is None:
        return None
    prefix, dot, name = d.pieces[place].rpartition(".")
    siblings = [c.name for t in d.schema.tables if t.column(name) for c in t.columns]
    anything = [column.name for _, column in d.schema.columns]
    return d.put(place, prefix + dot + d.rng.choice(siblings if d.rng.random() < 0.7 else anything))


def _foreign_key_column(d: Draft) -> str | None:
    """A joined column named by the other side of the join: `T1.id` for `T2.singer_id`."""
    pairs = re.findall(r"(\w+\.\w+)\s*=\s*(\w+\.\w+)", d.text)
    if not pairs:
        return None
    left, right = d.rng.choice(pairs)
    place = d.place(left.lower(), right.lower())
    return None if place is None else d.put(place, right if d.pieces[place] == left else left)


def _table(d: Draft) -> str | None:
    return d.put(d.any_of([i for i in d.names() if d.schema.table(d.pieces[i])]), d.table())


def _qualify(d: Draft) -> str | None:
    """A bare column qualified by a table, or a qualified one bared."""
    place = d.any_of(d.columns())
    if place is None:
        return None
    prefix, _, name = d.pieces[place].rpartition(".")
    owners = [table.name for table in d.schema.tables if table.column(name)]
    return d.put(place, name if prefix else f"{d.rng.choice(owners)}.{name}")


def _aggregate(d: Draft) -> str | None:
    place = d.place(*_AGGREGATES)
    if place is not None and d.rng.random() < 0.7:
        return d.put(place, d.pick("max|min|count|sum|avg|COUNT|"))
    place = d.any_of(d.columns())
    return (
        None
        if place is None
        else d.put(place, d.pick("max({c})|min({c})|count({c})|sum({c})|avg({c})", c=d.pieces[place]))
    )


def _count_star(d: Draft) -> str | None:
    return d.put(d.place("*"), d.pick("{c}|1|DISTINCT {c}", c=d.column()))


def _order(d: Draft) -> str:
    """ORDER BY added, extended, turned round or dropped."""
    clause = d.clause("order")
    if clause is None:
        return d.text + d.pick(" ORDER BY {c}| ORDER BY {c} DESC| ORDER BY {c} ASC LIMIT 1", c=d.column())
    if d.rng.random() < 0.3:
        return d.splice(*clause, "")
    turned = d.put(d.place("asc", "desc"), d.pick("ASC|DESC|"))
    if turned is not None and d.rng.random() < 0.6:
        return turned
    return d.splice(clause[1], clause[1], d.pick(" ASC | DESC | , {c} | , {c} DESC | , {c} ASC ", c=d.column()))


def _limit(d: Draft) -> str:
    clause = d.clause("limit")
    return d.text + d.pick(" LIMIT 1| LIMIT 5") if clause is None else d.splice(*clause, d.pick(" LIMIT 7 |"))


def _group(d: Draft) -> str:
    """GROUP BY added, reversed, extended or dropped."""
    clause = d.clause("group")
    if clause is None:
        return d.text + d.pick(" GROUP BY {c}| GROUP BY {c} HAVING count(*) > 1", c=d.column())
    units = re.sub(r"(?i)^group\s+by", "", "".join(d.pieces[slice(*clause)])).split(",")
    changed = d.rng.choice([[], units[::-1], [*units, f" {d.column()} "], units[:1]])
    return d.splice(*clause, f"GROUP BY {','.join(changed)} " if changed else "")


def _having(d: Draft) -> str | None:
    clause = d.clause("having")
    if clause is not None:
        return d.splice(*clause, d.pick("|HAVING count(*) >= 3 |HAVING count(*) > 1 OR sum({c}) > 0 ", c=d.column()))
    clause = d.clause("group")
    return None if clause is None else d.splice(clause[1], clause[1], " HAVING count(*) > 1 ")


def _operator(d: Draft) -> str | None:
    place = d.place("=", "!=", "<", ">", "<=", ">=", "like", "in")
    return d.put(place, d.pick("=|!=|<|>|<=|>=|LIKE|<>|> =|NOT LIKE|NOT IN|IN|IS"))


def _connective(d: Draft) -> str | None:
    return d.put(d.place("and", "or"), d.pick("AND|OR"))


def _conditions(d: Draft) -> str | None:
    """A condition of WHERE dropped, or all in another order."""
    clause = d.clause("where")
    if clause is None:
        return None
    parts = re.split(r"\b(and|or)\b", "".join(d.pieces[clause[0] + 1 : clause[1]]), flags=re.IGNORECASE)
    changed = d.rng.choice([parts[2:], parts[:-2], parts[::-1]])
    return d.splice(*clause, f"WHERE {' '.join(changed)} " if changed else "")


def _add_condition(d: Draft) -> str:
    added = d.pick(
        "{c} > 0|{c} != 'x'|{c} = {d}|{c} IS NOT NULL|{c} NOT LIKE 'a%'|{c} IN ('x')|{c} = 1|{c} IN ('x', 'y')|"
        "{c} BETWEEN 1 AND 2|{c} is null|{c} in (select {d} from {t})|NOT {c} = 1|({c} = 1 OR {c} = 2)|"
        "{c} > (SELECT avg({d}) FROM {t})|{c} NOT IN (SELECT {c} FROM {t} WHERE {d} = 1)",
        **{"c": d.column(), "d": d.column(), "t": d.table()},
    )
    clause = d.clause("where", "from")
    if clause is None:
        return d.text + " WHERE " + added
    word = d.pick("AND|OR") if d.pieces[clause[0]].lower() == "where" else "WHERE"
    return d.splice(clause[1], clause[1], f" {word} {added} ")


def _distinct(d: Draft) -> str | None:
    place = d.place("distinct")
    if place is not None and d.rng.random() < 0.6:
        return d.put(place, "")
    place = d.place("select", "(")
    return None if place is None else d.put(place, f"{d.pieces[place]} DISTINCT ")


def _select_list(d: Draft) -> str | None:
    """Output columns reversed, repeated, dropped, without their comma, or all."""
    start, end = d.place("select"), d.place("from")
    if start is None or end is None or end < start:
        return None
    items = "".join(d.pieces[start + 1 : end]).split(",")
    changed = d.rng.choice([items[::-1], items + items[:1], items[1:], [" ".join(items)], [" * "], items[:-1]])
    return d.splice(start + 1, end, f" {','.join(changed)} ")


def _join(d: Draft) -> str | None:
    return d.put(d.place("join"), d.pick("LEFT JOIN|INNER JOIN|,|CROSS JOIN|join|LEFT OUTER JOIN|NATURAL JOIN"))


def _on(d: Draft) -> str | None:
    """A join condition dropped, turned round or changed."""
    start = d.place("on")
    if start is None:
        return None
    end = d.clause_end(start, "join")
    left, _, right = "".join(d.pieces[start + 1 : end]).partition("=")
    changes = "{r} = {l}|{l} = {l}|{l} = {r} + 0|{l} = {r} OR 1 = 1|{l} = {r} AND {c} > 1|{l} > {r}"
    changed = f" ON {d.pick(changes, l=left, r=right, c=d.column())} "
    return d.splice(start, end, d.rng.choice(["", changed, changed]))


def _set_operation(d: Draft) -> str | None:
    place = d.place(*_SET_OPERATIONS)
    if place is None:
        return f"{d.text} {d.pick('UNION|INTERSECT|EXCEPT|UNION ALL')} {d.rng.choice(d.others)}" if d.others else None
    left, word, right = d.splice(place, len(d.pieces), ""), d.pieces[place], d.splice(0, place + 1, "")
    other = d.pick("UNION|INTERSECT|EXCEPT|UNION ALL")
    return d.rng.choice([f"{right} {word} {left}", left, right, f"{left} {other} {right}"])


def _alias(d: Draft) -> str | None:
    """An alias added, without its AS, or renamed everywhere, perhaps to another alias or a table."""
    aliases = re.findall(r"(?i)\bas\s+(\w+)", d.text)
    if aliases and d.rng.random() < 0.3:
        return d.put(d.place("as"), "")
    if aliases:
        new = d.rng.choice([*aliases, "a", "T9", d.table()])
        return re.sub(rf"(?i)\b{d.rng.choice(aliases)}\b", new, d.text)
    place = d.any_of([i for i in d.names() if d.schema.table(d.pieces[i])])
    return None if place is None else d.put(place, d.pieces[place] + d.pick(" AS T1| t| AS x"))


def _column_alias(d: Draft) -> str | None:
    return d.put(d.place("from"), d.pick("AS n FROM|AS 'n' FROM|AS total from"))


def _resolve_aliases(d: Draft) -> str:
    """Aliases written out as tables."""
    text = d.text
    for table, alias in re.findall(r"(?i)\b(\w+)\s+as\s+(\w+)", text):
        text = re.sub(rf"(?i)\b{alias}\.", f"{table}.", text)
    return re.sub(r"(?i)\s+as\s+\w+", "", text)


def _casing(d: Draft) -> str:
    style: Callable[[str], str] = d.rng.choice([str.lower, str.upper, str.swapcase, str.title])
    keep_strings = d.rng.random() < 0.7
    return "".join(p if keep_strings and p[0] in "'\"" else style(p) for p in d.pieces)


def _spacing(d: Draft) -> str:
    tight = [(rf"\s*([{marks}])\s*", r"\1") for marks in ("=<>,()", "=,", "<>", "-+*/")]
    wide = [(r"([=<>!]=?|[,()])", r" \1 "), (r"([<>!])=", r"\1 ="), (" ", "  "), (" ", "\n "), ("^", "  ")]
    pattern, replacement = d.rng.choice(tight + wide)
    return re.sub(pattern, replacement, d.text)


def _ending(d: Draft) -> str:
    tails = ";| ;|;;| )| garbage| and| where| where 1 = 1|; SELECT 1| -- x|.|, x| limit| order by| union| OFFSET 1"
    return d.text + d.pick(tails + "| or {c} = 1", c=d.column())


def _quotes(d: Draft) -> str | None:
    """Strings in other quotes or with an apostrophe; names in quotes."""
    place = d.any_of([i for i, p in enumerate(d.pieces) if p[0] in "'\""])
    if place is not None and d.rng.random() < 0.5:
        return d.put(place, d.pick("\"{w}\"|'{w}'|'{w}''s'|'{w}|{w}|('{w}')|'''{w}'", w=d.pieces[place][1:-1]))
    place = d.any_of(d.names())
    return None if place is None else d.put(place, d.pick("\"{w}\"|`{w}`|[{w}]|'{w}'|({w})", w=d.pieces[place]))


def _other_form(d: Draft) -> str:
    """SQL around the query, most of it valid but not Spider's."""
    return d.pick(
        "SELECT * FROM ({q})|WITH x AS ({q}) SELECT * FROM x|({q})|SELECT count(*) FROM ({q})|EXPLAIN {q}|"
        "SELECT CASE WHEN 1 = 1 THEN 1 ELSE 0 END FROM {t}|SELECT * FROM ({q}) JOIN {t}|VALUES (1, 2)|"
        "SELECT * FROM {t} WHERE EXISTS ({q})|SELECT {c} FROM {t} WHERE {c} IN ({q})|{q} UNION {q}",
        **{"q": d.text, "t": d.table(), "c": d.column()},
    )


def _arithmetic(d: Draft) -> str | None:
    place = d.any_of(d.columns())
    forms = "{c} + {d}|({c} - {d})|{c}*{d}|{c} / 2|({c})|-{c}|{c} % {d}|({c} + {d}) / 2"
    return None if place is None else d.put(place, d.pick(forms, c=d.pieces[place], d=d.column()))


def _between(d: Draft) -> str:
    if d.places("between"):
        return re.sub(r"(?i)([\w.]+)\s+between\s+(\S+)\s+and\s+(\S+)", r"\1 >= \2 AND \1 <= \3", d.text)
    return re.sub(r"([\w.]+)\s*>=?\s*(\d+)", r"\1 BETWEEN \2 AND 99", d.text, count=1)


def _negate(d: Draft) -> str | None:
    place = d.place("not", "in", "like", "between", "=")
    words = {"not": "", "in": "NOT IN", "like": "NOT LIKE", "between": "NOT BETWEEN", "=": "NOT ="}
    return None if place is None else d.put(place, words[d.pieces[place].lower()])


def _scramble(d: Draft) -> str:
    """A word dropped, doubled, exchanged with another, or the text cut short."""
    words = d.text.split(" ")
    first, second = d.rng.randrange(len(words)), d.rng.randrange(len(words))
    swapped = list(words)
    swapped[first], swapped[second] = words[second], words[first]
    changed = [words[:first] + words[first + 1 :], words[: first + 1] + words[first:], swapped, words[:first]]
    return " ".join(d.rng.choice(changed))


def _other_gold(d: Draft) -> str | None:
    return d.rng.choice(d.others) if d.others else None


def _not_sql(d: Draft) -> str:
    return d.pick("|SQL placeholder|I cannot answer this.|SELECT|SELECT * FROM|\u00e9\u4e2d \U0001f600|((((|'")


_FUNCTIONS = (
    _identical, _value, _column, _foreign_key_column, _table, _qualify, _aggregate, _count_star, _order, _limit,
    _group, _having, _operator, _connective, _conditions, _add_condition, _distinct, _select_list, _join, _on,
    _set_operation, _alias, _column_alias, _resolve_aliases, _casing, _spacing, _ending, _quotes,
    _other_form, _arithmetic, _between, _negate, _scramble, _other_gold, _not_sql,
)  # fmt: skip
MUTATIONS: dict[str, Callable[[Draft], str | None]] = {f.__name__.removeprefix("_"): f for f in _FUNCTIONS}


def mutate(sql: str, schema: Schema, rng: random.Random, others: Sequence[str] = ()) -> tuple[str, str]:
    """One mutation of a query, sometimes two or three on top of each other: its kind ("column+limit") and the text.

    `others` are queries over the same database, from which set operations and exchanged queries are made. The same
    state of `rng` gives the same mutation. The text never holds a tab; it is one line unless spacing is among the
    kinds, and empty or not SQL for the kind "not_sql" only.
    """
    kinds: list[str] = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        kind, changed = "identical", None
        while changed is None:
            kind = rng.choice(list(MUTATIONS))
            changed = MUTATIONS[kind](Draft(_PIECE.findall(sql), schema, rng, others))
        kinds.append(kind)
        sql = changed.replace("\t", " ")
        if kind == "not_sql" or not sql.strip():
            break
    return "+".join(kinds), sql
