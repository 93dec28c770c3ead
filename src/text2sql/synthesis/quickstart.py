"""The embedded data set: generated questions over the example databases, split so that each test asks something else.

`test` asks new questions of the training databases, `test_templates` has SQL shapes that training never saw,
`test_databases` has databases that it never saw, `handwritten` is what people wrote beside the databases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from tqdm import tqdm

from text2sql.data.example import Example
from text2sql.data.files import read_jsonl
from text2sql.database import Database, connect
from text2sql.errors import UserError
from text2sql.schema import Schema
from text2sql.synthesis.generator import Pair, generate_pairs

COMMON_TEMPLATE = 0.005
"""A template with a larger share of all pairs is always trained: others are made of its parts."""


class Asked(NamedTuple):
    """A pair with the name of its database."""

    database: str
    pair: Pair


def examples_dataset(
    directory: Path,
    seed: int,
    pairs_per_database: int = 1800,
    held_out: Sequence[str] = ("film_festival",),
    test_size: int = 300,
    longest_question: int | None = None,
    progress: bool = False,
) -> dict[str, list[Example]]:
    """Examples over every `*.sqlite` of a folder; the databases named in `held_out` are asked in `test_databases` only.

    Splits: train, test, test_templates, test_databases, handwritten (from `questions/<database>.jsonl`). No question
    and no SQL of a test split is in train; the tests hold at most `test_size` examples each. Generated questions have
    at most `longest_question` words, all splits alike. The same for a seed.
    Raises UserError when there is no database, or none of a name in `held_out`.
    """
    paths = sorted(directory.glob("*.sqlite"))
    names = [path.stem for path in paths]
    missing = sorted(set(held_out) - set(names))
    if not paths or missing:
        raise UserError(f"{directory}: no {', '.join(missing) or 'database'}.sqlite here; run examples/build.py")
    schemas: dict[str, Schema] = {}
    asked: dict[str, list[Asked]] = {}
    for path in tqdm(paths, desc="questions from the example databases", unit="database", disable=not progress):
        with connect(str(path)) as database:
            schemas[path.stem] = database.schema
            wanted = 2 * test_size if path.stem in held_out else pairs_per_database
            asked[path.stem] = [Asked(path.stem, pair) for pair in _pairs(database, wanted, seed, longest_question)]
    splits = split_pairs(asked, held_out, seed, test_size)
    splits["handwritten"] = [entry for name in names for entry in _handwritten(directory, name)]
    return {split: _examples(entries, split, directory, schemas) for split, entries in splits.items()}


def _pairs(database: Database, count: int, seed: int, longest: int | None) -> list[Pair]:
    return generate_pairs(database, count, Random(f"{seed} {database.name}").randrange(2**32), longest=longest)


def split_pairs(
    asked: Mapping[str, Sequence[Asked]], held_out: Sequence[str], seed: int, test_size: int = 300
) -> dict[str, list[Asked]]:
    """Split the pairs of several databases into train, test, test_templates and test_databases.

    A test entry whose question or SQL (without regard to case) is in train, whatever the database, is left out.
    """
    random = Random(seed)
    known = [entry for name, entries in asked.items() if name not in held_out for entry in entries]
    rest = [entry for name in held_out for entry in asked[name]]
    rare = _rare_templates(known, test_size, random)
    test_templates = [entry for entry in known if entry.pair.sql_template in rare]
    train, test = _by_sql([entry for entry in known if entry.pair.sql_template not in rare], test_size, random)
    splits = {"train": train}
    for name, entries in (("test", test), ("test_templates", test_templates), ("test_databases", rest)):
        splits[name] = _unseen(entries, train, test_size, random)
    return splits


def _rare_templates(entries: Sequence[Asked], wanted: int, random: Random) -> set[str]:
    """Templates to hold out: drawn among those that are not common until they have `wanted` pairs."""
    counts = Counter(entry.pair.sql_template for entry in entries)
    templates = sorted(name for name, count in counts.items() if count <= COMMON_TEMPLATE * len(entries))
    random.shuffle(templates)
    chosen: set[str] = set()
    pairs = 0
    for template in templates:
        if pairs >= wanted:
            break
        chosen.add(template)
        pairs += counts[template]
    return chosen


def _by_sql(entries: Sequence[Asked], wanted: int, random: Random) -> tuple[list[Asked], list[Asked]]:
    """Hold out all questions of some queries: as many queries as tests are wanted, one question of each is kept."""
    queries = sorted({(entry.database, entry.pair.sql) for entry in entries})
    chosen = set(random.sample(queries, min(wanted, len(queries) // 4)))
    train = [entry for entry in entries if (entry.database, entry.pair.sql) not in chosen]
    test = {(entry.database, entry.pair.sql): entry for entry in entries}
    return train, [test[query] for query in sorted(chosen)]


def _unseen(entries: Sequence[Asked], train: Sequence[Asked], size: int, random: Random) -> list[Asked]:
    """At most `size` entries that share neither question nor SQL with training."""
    questions = {entry.pair.question.casefold() for entry in train}
    queries = {entry.pair.sql.casefold() for entry in train}
    new = [e for e in entries if e.pair.question.casefold() not in questions and e.pair.sql.casefold() not in queries]
    return random.sample(new, min(size, len(new)))


def _handwritten(directory: Path, name: str) -> Iterable[Asked]:
    """Questions that people wrote: JSON lines with `question` and `sql`."""
    path = directory / "questions" / f"{name}.jsonl"
    if not path.is_file():
        return []
    return read_jsonl(path, lambda row, _: Asked(name, Pair(row["question"], row["sql"], "handwritten")))


def _examples(entries: Iterable[Asked], split: str, directory: Path, schemas: Mapping[str, Schema]) -> list[Example]:
    return [
        Example(
            id=f"examples/{split}/{number}",
            question=entry.pair.question,
            sql=entry.pair.sql,
            schema=schemas[entry.database],
            database=str(directory / f"{entry.database}.sqlite"),
            source="examples",
            split=split,
        )
        for number, entry in enumerate(entries)
    ]
