"""Reading text, JSON and JSONL files, plain or gzipped, with errors that name the file and the line.

Every reader of this package goes through here, so that a damaged file gives the same one-line error everywhere. A
reader that may skip bad lines passes a list, `skipped`, and finds one message in it per line left out.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar, cast

from text2sql.errors import UserError

T = TypeVar("T")


def find_file(directory: Path, name: str) -> Path | None:
    """`name` or `name.gz` in `directory`; the plain file wins, as an official archive may lie over a packed copy."""
    return next((path for path in (directory / name, directory / f"{name}.gz") if path.is_file()), None)


def require_file(directory: Path, name: str, hint: str) -> Path:
    """`find_file`, or UserError with `hint` saying how to get the file."""
    path = find_file(directory, name)
    if path is None:
        raise UserError(f"{directory / name}[.gz] not found: {hint}")
    return path


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their numbers from 1, unpacked if the name ends in .gz.

    Raises UserError when the file is missing, cannot be read, or is damaged gzip.
    """
    with opened(path) as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                yield number, line


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked if the name ends in .gz; trouble while reading becomes a UserError."""
    try:
        # gzip.open and open share no type; both give a stream of bytes.
        with cast(IO[bytes], gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")) as stream:
            yield stream
    except FileNotFoundError as error:
        raise UserError(f"{path} not found") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: damaged gzip file ({error}); fetch it again") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error


def read_jsonl(
    path: Path, convert: Callable[[dict[str, Any], int], T], skipped: list[str] | None = None
) -> Iterator[T]:
    """`convert(row, line number)` of every line of a JSONL file.

    A line that is no JSON object, or that `convert` refuses with KeyError, TypeError, ValueError, IndexError or
    UserError, raises UserError naming file and line; where `skipped` is a list it is left out and noted there.
    """
    for number, line in read_lines(path):
        try:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(f"expected an object in braces, got {type(row).__name__}")
            item = convert(row, number)
        except (KeyError, TypeError, ValueError, IndexError, UserError) as error:
            note_bad(f"{path}, line {number}: {describe(error)}", skipped, error)
        else:
            yield item


def read_json(path: Path) -> Any:
    """A whole JSON file, plain or gzipped. Raises UserError naming the line where the JSON breaks."""
    with opened(path) as stream:
        content = stream.read()
    try:
        return json.loads(content)
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error})") from error


def note_bad(message: str, skipped: list[str] | None, cause: Exception) -> None:
    """Put `message` into `skipped`, or raise it as UserError with the way out where nothing may be skipped."""
    if skipped is None:
        raise UserError(
            f"{message}; repair it (only a training can skip bad lines: data.skip_bad_lines=true)"
        ) from cause
    skipped.append(message)


def describe(error: Exception) -> str:
    """One line about what was wrong with a row."""
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return f"not valid JSON ({error})"
    if isinstance(error, KeyError):
        return f"field {error} is missing"
    return str(error) or type(error).__name__
