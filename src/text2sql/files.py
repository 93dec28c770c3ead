"""Small files written whole or not at all, and JSON read with errors that a user can act on."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any, TypeVar

from text2sql.config import from_mapping
from text2sql.errors import UserError

T = TypeVar("T")


def write_text(path: Path, text: str) -> None:
    """Write a file through a temporary neighbour, so that nobody ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        part.unlink(missing_ok=True)


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
