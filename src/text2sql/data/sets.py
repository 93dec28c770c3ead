"""One door to every data set: a name, or the path of a file, gives a list of examples.

    read_set("wikisql", "train", "data/raw")
    read_set("other_text2sql/atis", "all", "data/raw")
    read_set("my_questions.csv", "train", "data/raw")

`examples` and mixtures are made further up; this module only reads.
"""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path

from text2sql.data import plain, spider, wikisql
from text2sql.data.example import Example
from text2sql.data.plain import SUFFIXES, FindDatabase, read_hub, read_other, read_plain
from text2sql.errors import UserError

SET_NAMES = ("wikisql", "spider", "spider_syn", "other_text2sql")
"""The sets that have a reader; `other_text2sql/<name>` picks one of that folder."""

_log = logging.getLogger(__name__)


def read_set(name: str, split: str, directory: Path | str, skip_bad_lines: bool = False) -> list[Example]:
    """The examples of one split of a set under the data directory, or of a file, or of a Hugging Face data set.

    `name` is one of `SET_NAMES`, `other_text2sql/<name>`, the path of a file (`plain.SUFFIXES`), or `owner/name` on
    the hub. With `skip_bad_lines`, damaged lines are left out and counted in the log. Raises UserError for an
    unknown name or split, missing data, and otherwise for the first damaged line.
    """
    skipped: list[str] | None = [] if skip_bad_lines else None
    examples = _read(name, split, Path(directory), skipped)
    if skipped:
        _log.warning("%s: %d bad lines skipped; the first: %s", name, len(skipped), skipped[0])
    if not examples:
        raise UserError(f"{name}, split {split!r}: no examples found; check the file, or choose another split")
    return examples


def available_splits(name: str, directory: Path | str) -> list[str]:
    """The splits of a named set whose files are there; empty where nothing was downloaded or splits are open."""
    folder = Path(directory) / name
    if name == "wikisql":
        return wikisql.available_splits(folder)
    if name == "spider":
        return spider.available_splits(folder)
    if name == "spider_syn":
        return ["train"] if (Path(directory) / "spider_syn_train").is_dir() else []
    return [plain.ALL] if folder.is_dir() else []


def _read(name: str, split: str, directory: Path, skipped: list[str] | None) -> list[Example]:
    first, _, rest = name.partition("/")
    if name == "wikisql":
        return wikisql.read_wikisql(directory / name, split, skipped)
    if name == "spider":
        return spider.read_spider_split(directory / name, split, skipped)
    if name == "spider_syn":
        return spider.read_spider_syn(directory / "spider_syn_train", directory / "spider", split, skipped)
    if first == "other_text2sql":
        return read_other(directory / first, rest or None, split, skipped)
    if name.endswith(SUFFIXES) or Path(name).is_file():
        return read_plain(name, split, skipped, _database_finder(directory))
    if name.count("/") == 1 and all(name.split("/")):
        return read_hub(name, split, skipped)
    raise UserError(f"unknown data set {name!r}; known: {', '.join(SET_NAMES)}, a file, or owner/name on the hub")


def _database_finder(directory: Path) -> FindDatabase:
    """Finds the databases of the sets under a directory; reads each split once."""

    @cache
    def databases(name: str, split: str) -> dict[str, Example]:
        return {example.schema.name: example for example in _read(name, split, directory, None)}

    def find(name: str, split: str, database: str) -> Example:
        if name not in SET_NAMES:
            raise ValueError(f"unknown set {name!r}; known: {', '.join(SET_NAMES)}")
        found = databases(name, split).get(database)
        if found is None:
            raise ValueError(f"{name}, split {split!r}, asks about no database {database!r}")
        return found

    return find
