"""Text corpora for pretraining: the sets of data/raw/pretraining, and .txt, .jsonl and .jsonl.gz files.

Gives texts one by one and never holds a corpus in memory. Nothing is tokenised or cut to a context here. A row of a
set is `text` and perhaps more (the table it was made from, its licence); `keep` sees the whole row, so that rows
which repeat an evaluation set can be left out (`LeakGuard.row_is_clean`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from text2sql.data.files import find_file, read_jsonl, read_lines
from text2sql.errors import UserError

FOLDER = "pretraining"
HINT = "run ./scripts/download_data.sh pretraining"

TEXT_LENGTH = 4000
"""Characters after which a text of a .txt file ends at the next blank line."""


def corpus_names(directory: Path | str) -> list[str]:
    """Names of the pretraining sets under a data directory."""
    return sorted(path.name.split(".", 1)[0] for path in (Path(directory) / FOLDER).glob("*.jsonl*"))


def read_corpus(
    name: str,
    directory: Path | str,
    megabytes: float = math.inf,
    skipped: list[str] | None = None,
    keep: Callable[[dict[str, Any]], bool] | None = None,
) -> Iterator[str]:
    """The texts of a pretraining set, or of a file given by its path.

    Stops before more than `megabytes` (10^6 bytes of UTF-8) were given. Raises UserError for an unknown name, a
    missing file or a damaged row (noted in `skipped` where that is a list).
    """
    return read_texts(corpus_file(name, directory), megabytes, skipped, keep)


def corpus_file(name: str, directory: Path | str) -> Path:
    """The file of a corpus. Raises UserError naming the known ones when there is none."""
    if Path(name).suffix in (".txt", ".jsonl", ".gz"):
        return Path(name)
    path = find_file(Path(directory) / FOLDER, f"{name}.jsonl")
    if path is None:
        known = ", ".join(corpus_names(directory))
        raise UserError(f"no corpus {name!r} in {Path(directory) / FOLDER}; " + (f"it has {known}" if known else HINT))
    return path


def read_texts(
    path: Path,
    megabytes: float = math.inf,
    skipped: list[str] | None = None,
    keep: Callable[[dict[str, Any]], bool] | None = None,
) -> Iterator[str]:
    """The texts of one file: see `read_corpus`."""
    left = megabytes * 1e6
    for row in read_rows(path, skipped):
        if keep is not None and not keep(row):
            continue
        left -= len(row["text"].encode("utf-8", "surrogatepass"))
        if left < 0:
            return
        yield row["text"]


def read_rows(path: Path, skipped: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a corpus file with all their keys; rows whose `text` is blank are left out."""
    if path.name.endswith((".txt", ".txt.gz")):
        yield from ({"text": text} for text in _paragraphs(path))
        return
    for row in read_jsonl(path, _with_text, skipped):
        if row["text"].strip():
            yield row


def _with_text(row: dict[str, Any], number: int) -> dict[str, Any]:
    if not isinstance(row["text"], str):
        raise ValueError(f"field 'text' is {type(row['text']).__name__}, not text")
    return row


def _paragraphs(path: Path) -> Iterator[str]:
    """Texts of whole paragraphs, of `TEXT_LENGTH` characters or a little more."""
    lines: list[str] = []
    length, last = 0, 0
    for number, line in read_lines(path):
        try:
            text = line.decode("utf-8").rstrip()
        except UnicodeDecodeError as error:
            raise UserError(f"{path}, line {number}: not UTF-8 text ({error.reason}); convert the file") from error
        blank_before = number > last + 1  # read_lines passes over blank lines
        if blank_before and length >= TEXT_LENGTH:
            yield "\n".join(lines)
            lines, length = [], 0
        elif blank_before and lines:
            lines.append("")
        lines.append(text)
        length, last = length + len(text) + 1, number
    if lines:
        yield "\n".join(lines)
