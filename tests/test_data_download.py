"""Fetching: folder and http mirrors, archives, resuming, and every way that it can go wrong."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import resource
import signal
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tqdm import tqdm

from text2sql.data import download as module
from text2sql.data.download import download
from text2sql.data.manifest import Archive, DataFile, DataSet, choose, data_sets
from text2sql.errors import UserError

CONTENT = {"pets/a.jsonl": b'{"x": 1}\n' * 2000, "pets/sub folder/b#.txt": bytes(range(256)) * 9000}


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def pets(archive: Archive | None = None) -> DataSet:
    files = tuple(DataFile(path, len(data), digest(data), 2000, "CC0") for path, data in CONTENT.items())
    return DataSet("pets", "pets", "CC0", archive, (("https://example.org", "all"),), files)


@pytest.fixture
def only_pets(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The list of sets is the one thing replaced: the real one names files of megabytes."""

    def use(archive: Archive | None = None) -> None:
        monkeypatch.setattr(module, "choose", lambda names: {"pets": pets(archive)})

    monkeypatch.delenv(module.MIRROR_VARIABLE, raising=False)
    use()
    return use


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    for path, data in CONTENT.items():
        file = tmp_path / "mirror" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return tmp_path / "mirror"


@contextmanager
def served(handler: Any) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class QuietFiles(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        pass


class BreakingOff(BaseHTTPRequestHandler):
    """Sends 1,000,000 bytes at a time and hangs up; understands Range. Notes where it was asked to start."""

    content = CONTENT["pets/sub folder/b#.txt"]
    starts: list[int] = []  # noqa: RUF012 - fresh in each test

    def do_GET(self) -> None:
        data = self.content if "sub%20folder" in self.path else CONTENT["pets/a.jsonl"]
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.starts.append(start)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start : start + 1_000_000])

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def fetched_files(directory: Path) -> dict[str, bytes]:
    return {str(f.relative_to(directory)): f.read_bytes() for f in directory.rglob("*") if f.is_file()}


def test_a_folder_mirror_and_a_second_run(tmp_path: Path, mirror: Path, only_pets: Any) -> None:
    (result,) = download([], tmp_path / "raw", str(mirror))
    assert fetched_files(tmp_path / "raw") == CONTENT
    assert (result.files, result.bytes, result.rows) == (2, sum(map(len, CONTENT.values())), 4000)
    assert result.origin == str(mirror)
    (tmp_path / "raw" / "pets" / "a.jsonl").write_bytes(b"damaged")
    (mirror / "pets" / "sub folder" / "b#.txt").unlink()  # whole already, so not needed again
    download([], tmp_path / "raw", str(mirror))
    assert fetched_files(tmp_path / "raw") == CONTENT
    assert download([], tmp_path / "raw", "/gone")[0].origin == "already there"


def test_the_environment_names_the_mirror(
    tmp_path: Path, mirror: Path, only_pets: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(module.MIRROR_VARIABLE, str(mirror))
    assert download([], tmp_path / "raw")[0].origin == str(mirror)


def test_an_http_mirror(tmp_path: Path, mirror: Path, only_pets: Any) -> None:
    with served(partial(QuietFiles, directory=str(mirror))) as address:
        download([], tmp_path / "raw", f"{address}/")
    assert fetched_files(tmp_path / "raw") == CONTENT


def test_a_broken_transfer_goes_on_where_it_stopped(tmp_path: Path, only_pets: Any) -> None:
    BreakingOff.starts = []
    with served(BreakingOff) as address:
        download([], tmp_path / "raw", address)
    assert fetched_files(tmp_path / "raw") == CONTENT
    assert BreakingOff.starts == [0, 0, 1_000_000, 2_000_000]


@pytest.mark.parametrize("same_version", [True, False])
def test_an_earlier_run_is_taken_up(tmp_path: Path, only_pets: Any, same_version: bool) -> None:
    part = tmp_path / "raw" / "pets" / "sub folder" / "b#.txt.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(BreakingOff.content[:1_700_000] if same_version else b"x" * 1_700_000)
    BreakingOff.starts = []
    with served(BreakingOff) as address:
        download([], tmp_path / "raw", address)
    assert fetched_files(tmp_path / "raw") == CONTENT
    assert BreakingOff.starts == [0, 1_700_000] + ([] if same_version else [0, 1_000_000, 2_000_000])


@pytest.mark.parametrize("wrong", [b'{"x": 2}\n' * 2000, b"<html>", CONTENT["pets/a.jsonl"] + b"\n"])
@pytest.mark.parametrize("over_http", [True, False])
def test_wrong_content_leaves_nothing(
    tmp_path: Path, mirror: Path, only_pets: Any, wrong: bytes, over_http: bool
) -> None:
    (mirror / "pets" / "a.jsonl").write_bytes(wrong)
    files = partial(QuietFiles, directory=str(mirror))
    with served(files) as address, pytest.raises(UserError, match=r"a.jsonl: wrong content"):
        download([], tmp_path / "raw", address if over_http else str(mirror))
    assert not [name for name in fetched_files(tmp_path / "raw") if "a.jsonl" in name]


def test_no_mirror_no_archive(tmp_path: Path, mirror: Path, only_pets: Any) -> None:
    with pytest.raises(UserError, match=r"TEXT2SQL_DATA_MIRROR is not set, and the set has no public archive"):
        download([], tmp_path / "raw")
    (mirror / "pets" / "a.jsonl").unlink()
    with pytest.raises(UserError, match=r"a.jsonl: No such file"):
        download([], tmp_path / "raw", str(mirror))
    files = partial(QuietFiles, directory=str(mirror))
    with served(files) as address, pytest.raises(UserError, match=r"a.jsonl: File not found"):
        download([], tmp_path / "raw", address)
    with pytest.raises(UserError, match=r"refused"):
        download([], tmp_path / "raw", address)  # nobody listens there any more


def archive_of(folder: Path, kind: str, members: dict[str, bytes], rows: dict[str, int]) -> Archive:
    path = folder / f"archive.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as bundle:
            for name, data in members.items():
                bundle.writestr(name, data)
    else:
        with tarfile.open(path, "w:bz2") as bundle:
            for name, data in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                bundle.addfile(info, io.BytesIO(data))
    data = path.read_bytes()
    return Archive(str(path), len(data), digest(data), ("*.jsonl", "*.json", "database/*/*.sqlite"), rows)


MEMBERS = {
    "data/train.jsonl": b"{}\n{}\n",
    "data/dev.json": b"[1, 2, 3]",
    "data/._train.jsonl": b"of a Mac",
    "data/train.db": b"not wanted",
    "data/database/zoo/zoo.sqlite": b"SQLite",
    "data/database/../evil.sqlite": b"evil",
    "data/../../evil.jsonl": b"evil",
    "data/deep/down.jsonl": b"too deep",
}


@pytest.mark.parametrize("kind", ["zip", "tar.bz2"])
def test_archives_are_the_fallback(tmp_path: Path, only_pets: Any, kind: str) -> None:
    archive = archive_of(tmp_path, kind, MEMBERS, {"train.jsonl": 2, "dev.json": 3})
    only_pets(archive)
    (result,) = download([], tmp_path / "raw", "/gone")
    kept = {"train.jsonl", "dev.json", "database/zoo/zoo.sqlite"}
    assert set(fetched_files(tmp_path / "raw" / "pets")) == {*kept, ".archive.sha256"}
    assert (result.files, result.rows, result.origin) == (3, 5, archive.url)
    assert not list(tmp_path.rglob("*evil*"))
    Path(archive.url).unlink()
    assert download([], tmp_path / "raw")[0].origin == "already there"


def test_an_archive_must_be_the_known_one_and_hold_its_rows(tmp_path: Path, only_pets: Any) -> None:
    archive = archive_of(tmp_path, "zip", MEMBERS, {"train.jsonl": 3})
    only_pets(archive)
    with pytest.raises(UserError, match=r"train.jsonl: 2 rows, expected 3"):
        download([], tmp_path / "raw")
    assert not (tmp_path / "raw" / "pets" / ".archive.sha256").exists()
    Path(archive.url).write_bytes(Path(archive.url).read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match=r"wrong content"):
        download([], tmp_path / "other")
    assert fetched_files(tmp_path / "other") == {}


def test_a_disk_that_takes_no_more(tmp_path: Path, mirror: Path, only_pets: Any) -> None:
    """A limit on file sizes fails as a full disk does: in the middle of a write."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"b#.txt.part: cannot be written"):
            download([], tmp_path / "raw", str(mirror))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert set(fetched_files(tmp_path / "raw")) == {"pets/a.jsonl"}
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/raw: cannot be written \(Not a directory\)"):
        download([], tmp_path / "file" / "raw", str(mirror))


def test_too_little_room_is_said_before_the_transfer(tmp_path: Path, only_pets: Any) -> None:
    with pytest.raises(UserError, match=r"MB needed, .* MB free"):
        module._require_space(tmp_path, 10**18)


def test_a_bar_that_started_over_ends_at_the_total(tmp_path: Path) -> None:
    data = BreakingOff.content
    BreakingOff.starts = []
    with served(BreakingOff) as address, tqdm(total=len(data), file=io.StringIO()) as bar:
        module._fetch(f"{address}/", "sub folder/x", tmp_path / "x", len(data), digest(data), bar)
        assert bar.n == len(data)


def test_choosing_sets() -> None:
    assert list(choose([])) == ["wikisql", "spider", "spider_syn_train", "other_text2sql", "pretraining"]
    assert list(choose(["spider_syn"])) == ["spider_syn_train"]
    chosen = choose(["pretraining/fetaqa", "pretraining/tatqa", "pretraining/fetaqa"])
    assert [file.path for file in chosen["pretraining"].files] == [
        "pretraining/fetaqa.jsonl.gz",
        "pretraining/tatqa.jsonl.gz",
    ]
    assert len(choose(["spider/database"])["spider"].files) == 163
    for name in ("wiki", "pretraining/feta", "", "../spider"):
        with pytest.raises(UserError, match=r"known: wikisql, spider"):
            choose([name])


@pytest.mark.data
def test_the_shipped_list_is_that_of_the_mirror(data_mirror: Path) -> None:
    listed = {file["path"]: file for file in json.loads((data_mirror / "MANIFEST.json").read_text())["files"]}
    ours = {file.path: file for data_set in data_sets().values() for file in data_set.files}
    assert ours.keys() == listed.keys()
    for path, file in ours.items():
        theirs = listed[path]
        assert (file.bytes, file.sha256, file.rows) == (theirs["bytes"], theirs["sha256"], theirs["rows"])
        assert (data_mirror / path).stat().st_size == file.bytes
    for path in ("wikisql/dev.jsonl.gz", "pretraining/tatqa.jsonl.gz"):
        with gzip.open(data_mirror / path) as lines:
            assert sum(1 for _ in lines) == ours[path].rows


@pytest.mark.data
def test_a_real_set_from_the_mirror(tmp_path: Path, data_mirror: Path) -> None:
    (result,) = download(["wikisql"], tmp_path, str(data_mirror))
    assert (result.files, result.bytes) == (6, 8_886_312)
