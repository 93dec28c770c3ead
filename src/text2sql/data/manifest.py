"""What there is to download: every file's size, sha256 and rows, every set's addresses and licence.

The list is `manifest.json`, beside this module. A **mirror** holds the files themselves under the paths of the list.
A set may also have a public **archive**, in which the official files lie; the sets without one were put together from
several public sources, which the list names, and come from a mirror only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any

from text2sql.errors import UserError

_ALIASES = {"spider_syn": "spider_syn_train"}
"""Names under which `read_set` knows a set, where its folder is called otherwise."""


@dataclass(frozen=True)
class DataFile:
    """One file of a mirror; `path` is relative, `rows` counts lines or entries where the file has such."""

    path: str
    bytes: int
    sha256: str
    rows: int | None
    licence: str


@dataclass(frozen=True)
class Archive:
    """A public archive. `keep` are patterns of the members that are unpacked, below the archive's one folder;
    `rows` counts the lines or entries of those that hold questions."""

    url: str
    bytes: int
    sha256: str
    keep: tuple[str, ...]
    rows: dict[str, int]


@dataclass(frozen=True)
class DataSet:
    """A folder of data/raw; `sources` are (address, paths there) that its files were made from."""

    name: str
    about: str
    licence: str
    archive: Archive | None
    sources: tuple[tuple[str, str], ...]
    files: tuple[DataFile, ...]

    @property
    def bytes(self) -> int:
        """Size of the mirror's files."""
        return sum(file.bytes for file in self.files)


@cache
def data_sets() -> dict[str, DataSet]:
    """All sets by name."""
    data = json.loads(files("text2sql.data").joinpath("manifest.json").read_text(encoding="utf-8"))
    listed = [DataFile(**file) for file in data["files"]]
    return {name: _data_set(name, entry, listed) for name, entry in data["sets"].items()}


def choose(names: Sequence[str]) -> dict[str, DataSet]:
    """The named sets, or all where none is named; `pretraining/fetaqa` chooses some files of a set.

    Raises UserError for a name that chooses nothing.
    """
    chosen: dict[str, DataSet] = {}
    for name in names or list(data_sets()):
        path = _ALIASES.get(name, name).strip("/")
        whole = data_sets().get(path.split("/")[0])
        picked = tuple(file for file in whole.files if _is_under(file.path, path)) if whole else ()
        if whole is None or not picked:
            known = ", ".join([*data_sets(), "or part of one, such as pretraining/fetaqa"])
            raise UserError(f"unknown data set {name!r}; known: {known}")
        earlier = chosen[whole.name].files if whole.name in chosen else ()
        chosen[whole.name] = DataSet(**{**vars(whole), "files": tuple(dict.fromkeys(earlier + picked))})
    return chosen


def _data_set(name: str, entry: dict[str, Any], listed: list[DataFile]) -> DataSet:
    archive = entry["archive"] and Archive(**{**entry["archive"], "keep": tuple(entry["archive"]["keep"])})
    sources = tuple((source["url"], source["paths"]) for source in entry["sources"])
    own = tuple(file for file in listed if _is_under(file.path, name))
    return DataSet(name, entry["about"], entry["licence"], archive, sources, own)


def _is_under(path: str, choice: str) -> bool:
    """Whether a choice names the file, a folder it is in, or the file without its endings."""
    stem = PurePosixPath(path)
    while stem.suffix:
        stem = stem.with_suffix("")
    return path == choice or str(stem) == choice or path.startswith(f"{choice}/")
