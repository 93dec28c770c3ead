"""Other contents for a database: same schema, other rows, so that queries equal by accident stop being so.

On one small database a wrong query often gives the right answer: nothing matches, everything does, or a count agrees.
A variant keeps what its user would call true of the data (declared keys, foreign keys, columns whose values were all
different, NULL only where there was NULL) and draws the rest anew: half of the cells as they were, else other values
of the column, values that the gold queries compare it with, and near misses of those. So far as the schema does not
say it, a dependency between columns is not kept, and a prediction that leans on one counts as wrong.

Compared with distilled test suites (Zhong, Yu, Klein 2020) nothing is selected or stored: variants are made afresh
from a seed, for any database.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from text2sql.database.guard import file_state, open_read_only
from text2sql.errors import UserError
from text2sql.evaluation.fuzz_values import more_values, telling_values
from text2sql.schema import Schema, quote_identifier

Key = tuple[str, str]
"""Table and column, in lower case."""
SAMPLED_ROWS = 2000
"""Rows of a table that are looked at."""
MOST_ROWS = 80
"""Rows of a table in a variant."""
KEPT = 0.5
"""Share of cells that keep the value of the row they are modelled on."""
FEWEST_FOR_UNIQUE = 5
"""A column whose values are all different is taken for unique when it has so many."""


@dataclass
class _Table:
    """What a variant must know of a table."""

    name: str
    columns: list[str]
    rows: list[tuple[Any, ...]]
    unique: set[int] = field(default_factory=set)

    def values(self, number: int) -> list[Any]:
        """The different values of a column, NULL left out."""
        return list(dict.fromkeys(row[number] for row in self.rows if row[number] is not None))

    def key(self, number: int) -> Key:
        return self.name.lower(), self.columns[number].lower()


def fuzzed_databases(
    path: Path, schema: Schema, golds: Sequence[str], count: int, seed: int, directory: Path
) -> tuple[Path, ...]:
    """Write `count` variants of a SQLite file into a directory; the same seed gives the same contents.

    `schema` may know foreign keys that the file does not declare; `golds` are the queries whose constants are drawn.
    Raises UserError when the file cannot be read or the directory not written.
    """
    try:
        statements, tables, declared = _read(path)
        links = _links(schema, declared, tables)
        _find_unique(tables, schema)
        telling = telling_values(golds, schema)
        directory.mkdir(parents=True, exist_ok=True)
        variants = []
        for number in range(count):
            variant = directory / f"{path.stem}_{number}.sqlite"
            contents = _contents(tables, links, telling, random.Random(f"{seed}/{path.stem}/{number}"))
            _write(variant, statements, tables, contents, links)
            variants.append(variant)
        return tuple(variants)
    except (sqlite3.Error, OSError) as error:
        raise UserError(f"database {path}: no variants of it can be made ({error})") from error


def _read(path: Path) -> tuple[list[str], list[_Table], list[tuple[Key, Key]]]:
    """The statements that make the schema, the tables with some of their rows, the declared foreign keys."""
    with contextlib.closing(open_read_only(path, snapshot=file_state(path) is not None)) as connection:
        connection.text_factory = lambda data: data.decode("utf-8", "ignore")
        made = connection.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE type IN ('table', 'index', 'view') AND sql NOT NULL"
            " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND sql NOT LIKE 'create virtual%'"
            " ORDER BY type = 'table' DESC, rowid"
        ).fetchall()
        tables, declared = [], []
        for name in [name for kind, name, _ in made if kind == "table"]:
            quoted = quote_identifier(name)
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({quoted})")]
            listed = ", ".join(map(quote_identifier, columns))
            rows = connection.execute(f"SELECT {listed} FROM {quoted} LIMIT {SAMPLED_ROWS}").fetchall()
            tables.append(_Table(name, columns, rows))
            for _, _, target, source, referenced, *_ in connection.execute(f"PRAGMA foreign_key_list({quoted})"):
                if referenced is not None:
                    declared.append(((name.lower(), source.lower()), (target.lower(), referenced.lower())))
        return [sql for _, _, sql in made], tables, declared


def _links(schema: Schema, declared: list[tuple[Key, Key]], tables: list[_Table]) -> list[tuple[Key, Key]]:
    """(referencing, referenced) for each column of a foreign key, of the schema's or declared in the file."""
    known = {table.key(number) for table in tables for number in range(len(table.columns))}
    described = [
        ((key.table.lower(), source.lower()), (key.referenced_table.lower(), target.lower()))
        for key in schema.foreign_keys
        for source, target in zip(key.columns, key.referenced_columns, strict=True)
    ]
    pairs = dict.fromkeys([*described, *declared])
    return [pair for pair in pairs if pair[0] in known and pair[1] in known and pair[0] != pair[1]]


def _find_unique(tables: list[_Table], schema: Schema) -> None:
    """Mark keys of one column, and columns whose values were all different."""
    for table in tables:
        described = schema.table(table.name)
        keys = [name.lower() for name in described.primary_key] if described else []
        for number, column in enumerate(table.columns):
            different = len(table.values(number)) == len(table.rows) >= FEWEST_FOR_UNIQUE
            if different or keys == [column.lower()]:
                table.unique.add(number)


def _contents(
    tables: list[_Table], links: list[tuple[Key, Key]], telling: dict[str, list[Any]], rng: random.Random
) -> list[list[tuple[Any, ...]]]:
    """New rows for each table."""
    sizes = []
    for table in tables:
        rows = min(len(table.rows), MOST_ROWS)
        sizes.append(rng.randint(max(3, rows // 2), min(rows * 3 // 2 + 4, MOST_ROWS)))
    pools = _shared_pools(tables, links, telling, sizes, rng)
    contents = []
    for table, size in zip(tables, sizes, strict=True):
        columns = []
        models = [rng.choice(table.rows) if table.rows else None for _ in range(size)]
        for number in range(len(table.columns)):
            shared = pools.get(table.key(number))
            own = telling.get(table.columns[number].lower(), [])
            columns.append(_column(table, number, models, shared, own, rng))
        contents.append(list(zip(*columns, strict=False)))  # a key may have fewer values than there are rows
    return contents


def _column(
    table: _Table,
    number: int,
    models: Sequence[tuple[Any, ...] | None],
    shared: list[Any] | None,
    telling: list[Any],
    rng: random.Random,
) -> list[Any]:
    """The cells of one column. `shared` is the pool of a column that joins with others."""
    size = len(models)
    if number in table.unique:
        pool = shared if shared is not None else more_values(_mixed(table.values(number), telling, size, rng), size)
        return rng.sample(pool, min(size, len(pool)))
    values = shared if shared is not None else table.values(number) or more_values(telling, 6)
    values = rng.sample(values, len(values))
    cells: list[Any] = []
    for model in models:
        if model is not None and model[number] is None:
            cells.append(None)
        elif shared is None and model is not None and rng.random() < KEPT:
            cells.append(model[number])
        elif shared is None and telling and rng.random() < 0.6:
            cells.append(rng.choice(telling))
        else:
            cells.append(values[int(len(values) * rng.random() ** 2)])  # uneven, so that groups differ in size
    return cells


def _shared_pools(
    tables: list[_Table],
    links: list[tuple[Key, Key]],
    telling: dict[str, list[Any]],
    sizes: list[int],
    rng: random.Random,
) -> dict[Key, list[Any]]:
    """One pool of values for all columns that foreign keys join, so that joins find partners."""
    pools: dict[Key, list[Any]] = {}
    for group in _joined(links):
        values: dict[Any, None] = {}
        wanted, own = 1, []
        for table, size in zip(tables, sizes, strict=True):
            for number in (n for n in range(len(table.columns)) if table.key(n) in group):
                values.update(dict.fromkeys(table.values(number)))
                own += telling.get(table.columns[number].lower(), [])
                if number in table.unique:
                    wanted = max(wanted, size)
        wanted = wanted if wanted > 1 else min(len(values), MOST_ROWS) or 6
        pool = more_values(_mixed(list(values), own, wanted, rng), wanted)
        pools |= dict.fromkeys(group, pool)
    return pools


def _mixed(values: list[Any], telling: list[Any], wanted: int, rng: random.Random) -> list[Any]:
    """At most `wanted` values, up to a third of them telling ones."""
    chosen = rng.sample(telling, min(len(telling), wanted // 3 + 1))
    rest = [value for value in values if value not in chosen]
    return list(dict.fromkeys(chosen + rng.sample(rest, min(len(rest), max(wanted - len(chosen), 0)))))[:wanted]


def _joined(links: list[tuple[Key, Key]]) -> Iterator[dict[Key, None]]:
    """The groups of columns that foreign keys connect, in a fixed order."""
    groups: list[dict[Key, None]] = []
    for pair in links:
        touching = [group for group in groups if pair[0] in group or pair[1] in group]
        merged = {key: None for group in touching for key in group} | dict.fromkeys(pair)
        groups = [group for group in groups if group not in touching] + [merged]
    yield from groups


def _write(
    path: Path,
    statements: list[str],
    tables: list[_Table],
    contents: list[list[tuple[Any, ...]]],
    links: list[tuple[Key, Key]],
) -> None:
    """Make the file. Rows that a constraint refuses are left out, then those whose foreign key points nowhere."""
    path.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN")
        for statement in statements:
            connection.execute(statement)
        for table, rows in zip(tables, contents, strict=True):
            listed, places = ", ".join(map(quote_identifier, table.columns)), ", ".join("?" * len(table.columns))
            insert = f"INSERT OR IGNORE INTO {quote_identifier(table.name)} ({listed}) VALUES ({places})"
            for row in rows:
                with contextlib.suppress(sqlite3.IntegrityError):  # such as text for an integer key
                    connection.execute(insert, row)
        names = {key: quote_identifier(key[1]) for pair in links for key in pair}
        while sum(connection.execute(_orphans(pair, names)).rowcount for pair in links):
            pass
        connection.execute("COMMIT")


def _orphans(link: tuple[Key, Key], names: dict[Key, str]) -> str:
    (source, _), (target, _) = link
    column, referenced = names[link[0]], names[link[1]]
    return (
        f"DELETE FROM {quote_identifier(source)} WHERE {column} IS NOT NULL"
        f" AND NOT EXISTS (SELECT 1 FROM {quote_identifier(target)} AS referenced"
        f" WHERE referenced.{referenced} = {quote_identifier(source)}.{column})"
    )
