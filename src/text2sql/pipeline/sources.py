"""Examples and text of an experiment: sets by name, with what must not be trained on kept out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from text2sql.config import Config, CorpusConfig, SetConfig
from text2sql.data.contents import Contents
from text2sql.data.corpora import read_corpus
from text2sql.data.example import Example
from text2sql.data.leakage import LeakGuard, assert_no_leakage
from text2sql.data.sets import read_set
from text2sql.data.spider import executable_only
from text2sql.data.substitution import substitute_values
from text2sql.data.wikisql import WikiSQLTables
from text2sql.errors import UserError
from text2sql.pipeline.evaluation import sample
from text2sql.synthesis.joined_questions import joined_examples
from text2sql.synthesis.quickstart import examples_dataset
from text2sql.synthesis.training_pairs import synthetic_examples
from text2sql.synthesis.wikisql_questions import wikisql_questions

EXAMPLES = Path("examples")
HELD_OUT = ("clinic", "film_festival", "university_library")
"""Example databases that are asked in `test_databases` only."""
LONGEST_QUESTION = 12
"""Words of a generated question over the example databases: what a small model learns in minutes."""
GENERATED = frozenset({"examples", "synthetic"})
"""Sources of examples whose queries were made and run here."""
SYNTHETIC = "synthetic/"
"""`synthetic/spider` is generated over the databases of `spider`, `synthetic/wikisql` over WikiSQL's tables,
`synthetic/wikisql_joined` over databases that are put together from them."""
PAIRS_PER_DATABASE = 300
"""Synthetic questions per database."""
QUESTIONS_PER_TABLE = 3
"""Synthetic questions per WikiSQL table, most of which have ten rows and few columns."""
JOINED_SCHEMAS = 1400
"""Databases of `synthetic/wikisql_joined`, of two to five WikiSQL tables each with about eight real questions."""
PAIRS_PER_JOINED_SCHEMA = 6
"""Synthetic questions beside the real ones."""
QUESTIONS = "questions"
"""The corpus of the training questions, schemas and SQL themselves."""


@cache
def _embedded(directory: Path) -> dict[str, list[Example]]:
    return examples_dataset(
        directory, seed=1, pairs_per_database=3000, held_out=HELD_OUT, longest_question=LONGEST_QUESTION
    )


@cache
def _leak_guard(directory: Path) -> LeakGuard:
    return LeakGuard.for_directory(directory)


def data_directory(config: Config) -> Path:
    """The folder of the real sets: as configured, or the mirror where nothing was downloaded yet."""
    directory, mirror = Path(config.data.directory), os.environ.get("TEXT2SQL_DATA_MIRROR", "")
    if not directory.is_dir() and Path(mirror).is_dir() and mirror:
        return Path(mirror)
    return directory


def load_examples(wanted: SetConfig, config: Config) -> list[Example]:
    """One set and split, or the part of it that its `limit` leaves, in the set's order."""
    if wanted.limit is not None and wanted.limit < 1:
        raise UserError(f"{wanted.name}: its limit is {wanted.limit}; it must be at least 1")
    return sample(_all_examples(wanted, config), wanted.limit, config.finetuning.seed)


def _all_examples(wanted: SetConfig, config: Config) -> list[Example]:
    """`examples` and `synthetic/...` are generated from databases, the others are read."""
    if wanted.name == "examples":
        splits = _embedded(EXAMPLES)
        if wanted.split not in splits:
            raise UserError(f"examples has no split {wanted.split!r}; it has {', '.join(splits)}")
        return splits[wanted.split]
    if wanted.name == f"{SYNTHETIC}wikisql_joined":
        return _joined(wanted.split, config)
    if wanted.name.startswith(SYNTHETIC):
        name = wanted.name.removeprefix(SYNTHETIC)
        count = QUESTIONS_PER_TABLE if name == "wikisql" else PAIRS_PER_DATABASE
        return generated_examples(name, wanted.split, data_directory(config), count, seed=1)
    return read_set(wanted.name, wanted.split, data_directory(config), config.data.skip_bad_lines)


@cache  # minutes of work, which several experiments of one process share
def generated_examples(name: str, split: str, directory: Path, per_database: int, seed: int) -> list[Example]:
    """Questions generated over each database, or WikiSQL table, that a set's split asks."""
    examples = read_set(name, split, directory)
    if name == "wikisql":
        tables = WikiSQLTables(directory / "wikisql", split)
        return wikisql_questions(tables, (e.schema.name for e in examples), per_database, seed)
    return synthetic_examples(examples, per_database, seed, progress=True)


def _joined(split: str, config: Config) -> list[Example]:
    """Twins of evaluation tables are left out before, or whole databases would be dropped because of them, and
    generated questions that an evaluation set happens to ask too ("How many courses are there?") after."""
    directory = data_directory(config)
    guard, tables = _leak_guard(directory), WikiSQLTables(directory / "wikisql", split)
    asked, _ = guard.without_leaks(read_set("wikisql", split, directory), keep_official=False)
    folder = Path(config.data.processed) / "wikisql_joined"
    made = joined_examples(asked, tables, folder, JOINED_SCHEMAS, PAIRS_PER_JOINED_SCHEMA, seed=1, progress=True)
    return guard.without_leaks(made, keep_official=False)[0]


def training_examples(config: Config, progress: bool = True) -> list[list[Example]]:
    """The examples of each set of the mixture whose SQL runs.

    The official training sets overlap with the evaluation splits in some places (WikiSQL has the same tables twice);
    what does is left out. Raises UserError when a set repeats what the known evaluation splits hold beyond that.
    """
    sets = []
    for wanted in config.data.sets:
        loaded = load_examples(wanted, config)
        if not GENERATED.issuperset(example.source for example in loaded):  # generated queries have been run
            loaded, _ = executable_only(loaded, progress=progress)
        sets.append([example for example in loaded if example.sql])
    real = [e for examples in sets for e in examples if e.source not in GENERATED]
    if real:
        guard = _leak_guard(data_directory(config))
        assert_no_leakage(real, guard)
        sets = [guard.without_leaks(examples, keep_official=False)[0] for examples in sets]
        if config.data.substitute_values:
            sets = _with_other_values(sets, config, guard, progress)
    return sets


def _with_other_values(
    sets: Sequence[list[Example]], config: Config, guard: LeakGuard, progress: bool
) -> list[list[Example]]:
    """The sets with changed copies at their ends; generated questions took their values from the contents already."""
    contents, share, seed = Contents(data_directory(config)), config.data.substitute_values, config.finetuning.seed
    extended = []
    for wanted, examples in zip(config.data.sets, sets, strict=True):
        if wanted.name != "examples" and not wanted.name.startswith(SYNTHETIC):
            changed, _ = executable_only(substitute_values(examples, contents, share, seed, progress))
            examples = examples + guard.without_leaks(changed, keep_official=False)[0]
        extended.append(examples)
    return extended


def corpus_texts(
    corpus: CorpusConfig, config: Config, megabytes: float, sets: Sequence[list[Example]]
) -> Iterator[str]:
    """The texts of one pretraining corpus, without rows that repeat an evaluation table or question."""
    if corpus.name == QUESTIONS:
        yield from question_texts(sets)
    else:
        directory = data_directory(config)
        yield from read_corpus(corpus.name, directory, megabytes, keep=_leak_guard(directory).row_is_clean)


def question_texts(sets: Sequence[list[Example]]) -> Iterator[str]:
    """Training questions with the names of their schema, as plain text."""
    for example in (example for examples in sets for example in examples):
        tables = (
            f"{table.words}: " + " | ".join(column.words for column in table.columns) for table in example.schema.tables
        )
        yield f"{example.question}\n" + "\n".join(tables).lower()
