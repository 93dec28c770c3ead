"""Fetch the data sets into data/raw: `text2sql data download [set...]`.

A mirror (`TEXT2SQL_DATA_MIRROR`, a folder or an http address with the files of `manifest.json`) is tried first, then
the set's public archive. Every byte is checked against a known sha256 before it gets its final name, so data/raw
never holds half a file; an interrupted transfer is taken up where it stopped, and what is there already is kept.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.parse import quote

from tqdm import tqdm

from text2sql.data.files import read_json, read_lines
from text2sql.data.manifest import Archive, DataFile, DataSet, choose
from text2sql.errors import UserError
from text2sql.files import file_sha256, replacing

MIRROR_VARIABLE = "TEXT2SQL_DATA_MIRROR"

_CHUNK = 1 << 20
_ATTEMPTS = 3
_TIMEOUT = 30.0
"""Seconds without a byte after which an attempt ends."""
_RECEIPT = ".archive.sha256"
"""Written into a set's folder when its archive was unpacked whole."""


@dataclass(frozen=True)
class Fetched:
    """A set that is there now. `origin` says where it came from, or that it was there already."""

    name: str
    files: int
    bytes: int
    rows: int
    origin: str


class _UnavailableError(Exception):
    """A place does not have the file, or cannot be reached."""


def download(
    names: Sequence[str], directory: Path | str, mirror: str | None = None, progress: bool = False
) -> list[Fetched]:
    """Fetch the named sets (all where none is named) into `directory`; see `manifest.choose` for names.

    `mirror` stands in for the environment's. Raises UserError for an unknown name, wrong content, a full or
    read-only disk, and, after everything else was fetched, for sets that no place has.
    """
    directory = Path(directory)
    mirror = mirror if mirror is not None else os.environ.get(MIRROR_VARIABLE) or None
    fetched, failed = [], []
    for data_set in choose(names).values():
        try:
            fetched.append(_fetch_set(data_set, directory, mirror, progress))
        except _UnavailableError as error:
            failed.append(f"{data_set.name} ({error})")
    if failed:
        raise UserError(
            f"could not fetch {'; '.join(failed)}; set {MIRROR_VARIABLE} to a folder or http address that has the files"
        )
    return fetched


def _fetch_set(data_set: DataSet, directory: Path, mirror: str | None, progress: bool) -> Fetched:
    missing = [file for file in data_set.files if not _is_complete(directory / file.path, file)]
    rows = sum(file.rows or 0 for file in data_set.files)
    if not missing:
        return Fetched(data_set.name, len(data_set.files), data_set.bytes, rows, "already there")
    archive = data_set.archive
    if archive is not None and _has_archive(directory / data_set.name, archive):
        return _unpacked(data_set.name, directory / data_set.name, archive, "already there")
    reason = f"{MIRROR_VARIABLE} is not set"
    if mirror is not None:
        try:
            _fetch_files(missing, directory, mirror, data_set.name, progress)
            return Fetched(data_set.name, len(data_set.files), data_set.bytes, rows, mirror)
        except _UnavailableError as error:
            reason = f"the mirror: {error}"
    if archive is None:
        raise _UnavailableError(
            f"{reason}, and the set has no public archive: it was put together from {len(data_set.sources)} sources, "
            "see manifest.json"
        )
    try:
        return _fetch_archive(data_set.name, directory / data_set.name, archive, progress)
    except _UnavailableError as error:
        raise _UnavailableError(f"{reason}; the public archive: {error}") from error


def _fetch_files(files: list[DataFile], directory: Path, mirror: str, name: str, progress: bool) -> None:
    total = sum(file.bytes for file in files)
    _require_space(directory, total)
    with tqdm(total=total, desc=name, unit="B", unit_scale=True, disable=not progress) as bar:
        for file in files:
            _fetch(f"{mirror.rstrip('/')}/", file.path, directory / file.path, file.bytes, file.sha256, bar)


def _fetch_archive(name: str, folder: Path, archive: Archive, progress: bool) -> Fetched:
    _require_space(folder.parent, archive.bytes)
    packed = folder / ".archive"
    with tqdm(total=archive.bytes, desc=name, unit="B", unit_scale=True, disable=not progress) as bar:
        _fetch("", archive.url, packed, archive.bytes, archive.sha256, bar)
    try:
        with _disk_errors(folder):
            for path, stream in tqdm(_members(packed, archive), desc=f"{name}: unpacking", disable=not progress):
                target = folder / path
                with replacing(target) as part, part.open("wb") as out:
                    shutil.copyfileobj(stream, out, _CHUNK)
            result = _unpacked(name, folder, archive, archive.url)
            (folder / _RECEIPT).write_text(archive.sha256)
    finally:
        packed.unlink(missing_ok=True)
    return result


def _fetch(base: str, path: str, target: Path, size: int, sha256: str, bar: tqdm) -> None:
    """Bring one file to `target`, checked. Raises _UnavailableError, or UserError for wrong content."""
    address = base + quote(path) if base.startswith(("http://", "https://")) else base + path
    part = target.with_name(f"{target.name}.part")
    with _disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    taken_up = part.exists()
    _transfer_patiently(address, part, size, bar)
    if taken_up and file_sha256(part) != sha256:  # what lay there may have been of another version
        part.unlink()
        _transfer_patiently(address, part, size, bar)
    with _disk_errors(target):
        found = file_sha256(part)
        if found != sha256:
            length = part.stat().st_size
            part.unlink()
            raise UserError(
                f"{address}: wrong content (sha256 {found[:12]}..., {length} bytes; expected {sha256[:12]}..., "
                f"{size} bytes); nothing was kept, try another mirror"
            )
        os.replace(part, target)


def _transfer_patiently(address: str, part: Path, size: int, bar: tqdm) -> None:
    """`_transfer`, tried again as long as each attempt brings something."""
    shown = bar.n
    for attempt in range(1, _ATTEMPTS + 1):
        before = part.stat().st_size if part.exists() else 0
        try:
            bar.update(shown - bar.n)
            return _transfer(address, part, size, bar)
        except _UnavailableError:
            progressed = part.exists() and part.stat().st_size > before
            if attempt == _ATTEMPTS or not progressed:
                raise


def _transfer(address: str, part: Path, size: int, bar: tqdm) -> None:
    """Bytes from a folder or the net to `part`, after those it has. One too many is enough to show wrong content."""
    start = part.stat().st_size if part.exists() else 0
    if start >= size:
        start = 0
    with _source(address, start) as (stream, offset):
        with _disk_errors(part):
            out = part.open("r+b" if offset else "wb")
        bar.update(offset)
        with out:
            out.seek(offset)
            left = size + 1 - offset
            while left > 0 and (chunk := _read(stream, min(_CHUNK, left), address)):
                with _disk_errors(part):
                    out.write(chunk)
                    out.flush()
                bar.update(len(chunk))
                left -= len(chunk)
        # A source that sent all it has is short because it is wrong; the caller's checksum says so.
        if left > 1 and getattr(stream, "length", None):
            raise _UnavailableError(f"{address}: the transfer broke off {left - 1} bytes before the end")


@contextmanager
def _source(address: str, start: int) -> Iterator[tuple[IO[bytes], int]]:
    """An open source and the place where it starts: `start`, or 0 where it cannot start in the middle."""
    if not address.startswith(("http://", "https://")):
        try:
            stream = open(address, "rb")  # noqa: SIM115 - closed below
        except OSError as error:
            raise _UnavailableError(f"{address}: {error.strerror or error}") from error
        with stream:
            yield stream, 0
        return
    headers = {"User-Agent": "text2sql"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        response = urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=_TIMEOUT)
    except (OSError, HTTPException, ValueError) as error:  # URLError is an OSError
        raise _UnavailableError(f"{address}: {getattr(error, 'reason', None) or error}") from error
    with response:
        yield response, start if response.status == 206 else 0


def _read(stream: IO[bytes], most: int, address: str) -> bytes:
    try:
        return stream.read(most)
    except (OSError, HTTPException) as error:
        raise _UnavailableError(f"{address}: {error}") from error


def _members(packed: Path, archive: Archive) -> Iterator[tuple[str, IO[bytes]]]:
    """(path below the archive's one folder, content) of the members to keep."""
    if zipfile.is_zipfile(packed):
        with zipfile.ZipFile(packed) as bundle:
            for name in bundle.namelist():
                if path := _kept(name, archive.keep):
                    with bundle.open(name) as stream:
                        yield path, stream
        return
    with tarfile.open(packed) as bundle:
        for member in bundle:
            if (path := _kept(member.name, archive.keep)) and (content := bundle.extractfile(member)):
                yield path, content


def _kept(name: str, patterns: Iterable[str]) -> str | None:
    """The path without the archive's own folder, if it fits a pattern part by part; never one that climbs out."""
    parts = [part for part in name.split("/") if part != "."][1:]
    for pattern in (text.split("/") for text in patterns):
        if len(parts) == len(pattern) and ".." not in parts and all(map(fnmatchcase, parts, pattern)):
            return None if parts[-1].startswith("._") else "/".join(parts)
    return None


def _unpacked(name: str, folder: Path, archive: Archive, origin: str) -> Fetched:
    """What an archive gave. Raises UserError when a file is missing or has not the rows that it should have."""
    for path, rows in archive.rows.items():
        file = folder / path
        found = len(read_json(file)) if file.suffix == ".json" else sum(1 for _ in read_lines(file))
        if found != rows:
            raise UserError(f"{file}: {found} rows, expected {rows}; delete {folder} and download again")
    files = [file for file in folder.rglob("*") if file.is_file() and not file.name.startswith(".archive")]
    return Fetched(name, len(files), sum(f.stat().st_size for f in files), sum(archive.rows.values()), origin)


def _has_archive(folder: Path, archive: Archive) -> bool:
    receipt = folder / _RECEIPT
    return receipt.is_file() and receipt.read_text() == archive.sha256


def _is_complete(path: Path, file: DataFile) -> bool:
    return path.is_file() and path.stat().st_size == file.bytes and file_sha256(path) == file.sha256


def _require_space(directory: Path, size: int) -> None:
    """Raises UserError where the disk has less than `size` bytes, or no folder can be made."""
    with _disk_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(directory).free
    if free < size:
        raise UserError(f"{directory}: {size / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free; make room and try again")


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Trouble with our own disk becomes a UserError; a half-written file gives its room back."""
    try:
        yield
    except OSError as error:
        if path.suffix == ".part":
            path.unlink(missing_ok=True)
        raise UserError(
            f"{path}: cannot be written ({error.strerror or error}); free space, check permissions"
        ) from error
