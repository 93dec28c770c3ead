"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from page_server import Browser, Page

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Ctrl-C reaches the tests, and the programs that they start, also where a shell started pytest in the background.

    Such a shell lets its jobs ignore SIGINT, and what is ignored is inherited.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def own_caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Value indexes and histories go to a temporary folder, also those of programs that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name)))
        yield


@pytest.fixture(scope="session")
def data_mirror() -> Path:
    """Folder of the real sets; tests that need them are skipped, with the reason, where there is none."""
    candidates = [os.environ.get("TEXT2SQL_DATA_MIRROR", ""), str(REPOSITORY.parent / "shared" / "data")]
    for candidate in candidates:
        if candidate and (Path(candidate) / "wikisql" / "dev.jsonl.gz").is_file():
            return Path(candidate)
    pytest.skip("the real WikiSQL and Spider files are not here: set TEXT2SQL_DATA_MIRROR to their folder")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium for the tests of one file."""
    from page_server import chromium  # here, because it skips the test where Playwright is not installed

    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The web page with a database's tables, from the server whose `address` is a fixture of the test's file."""
    from page_server import expect, open_page

    with open_page(browser, address) as opened:
        expect(opened.locator("#schema-tree [role=treeitem]").first).to_be_visible()
        yield opened
