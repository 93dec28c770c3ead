"""Small files written whole or not at all, and JSON read with errors that a user can act on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from text2sql.config import from_mapping
from text2sql.errors import UserError

T = TypeVar("T")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A neighbour of `path` to write to: it takes the place of `path` when all went well and vanishes otherwise.

    Makes the folder. The content is on the disk before the name is, so that a power cut leaves no half file either.
    Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        yield part
        flush(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Make a file or folder survive a power cut; where folders can't be opened (Windows), they are left to the OS."""
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all. Raises UserError when the disk doesn't take it."""
    try:
        with replacing(path) as part:
            part.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from error


def write_json(path: Path, data: Any) -> None:
    """Write plain data or a dataclass as JSON."""
    plain = dataclasses.asdict(data) if dataclasses.is_dataclass(data) and not isinstance(data, type) else data
    write_text(path, json.dumps(plain, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path, kind: type[T]) -> T:
    """Read a dataclass from JSON. Raises UserError for a missing or broken file and for unknown keys."""
    if not path.is_file():
        raise UserError(f"{path} not found; give a checkpoint folder made by text2sql train")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error}); restore the file or train again") from error
    return from_mapping(kind, data, str(path))
