"""The web page in a real browser: a server whose model knows some answers, and chromium."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from math import log
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason='the page needs the server\'s packages: pip install -e ".[serve]"')
playwright = pytest.importorskip("playwright.sync_api", reason="the page is tested with Playwright, not installed here")

from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect, sync_playwright  # noqa: E402

import serving  # noqa: E402
from text2sql.decoding.generator import Generator, Request  # noqa: E402
from text2sql.decoding.prediction import Prediction  # noqa: E402
from text2sql.server.app import create_app  # noqa: E402
from text2sql.server.settings import Settings  # noqa: E402

CHECKS = Path(__file__).with_name("page_checks.js").read_text().split("\n", 1)[1].strip()
CHROMIUM = Path("/usr/bin/chromium")
PATIENCE = 60_000
"""Milliseconds that a step in the browser may take on a busy machine."""
expect.set_options(timeout=PATIENCE)
COUNT = "How many artists are there?"
GENRES = "How many albums are there for each genre?"
PRICES = "Which albums are expensive?"
ALBUMS = "Show all albums"
UPLOADED = "How many boats are there?"
MUSIC, CLINIC = serving.MUSIC, serving.CLINIC
SLOW = "How many artists of artists of artists are there?"
BROKEN = "Show the colours of the albums"
READINGS = {
    COUNT: [("SELECT count(*) FROM artists", 0.9)],
    GENRES: [("SELECT genre, count(*) FROM albums GROUP BY genre", 0.9)],
    PRICES: [("SELECT title FROM albums WHERE price > 20", 0.3), ("SELECT max(price) FROM albums", 0.2)],
    ALBUMS: [("SELECT * FROM albums", 0.9)],
    UPLOADED: [("SELECT count(*) FROM boats", 0.9)],
    SLOW: [("SELECT count(*) FROM tracks AS a, tracks AS b, tracks AS c, tracks AS d, tracks AS e, tracks AS f", 0.9)],
    BROKEN: [("SELECT colour FROM albums", 0.9)],
}
"""What the model answers, with probabilities; everything but the model is the real thing."""
SENTENCE = ".turn .sentence:not([hidden])"
HOSTILE = "<img src=x onerror=\"document.title='hacked'\">"


class PageGenerator(serving.ScriptedGenerator):
    """Gives the readings above; other questions go to an untrained model."""

    def predict(self, requests: Any, options: Any = None, progress: bool = False) -> list[list[Prediction]]:
        """See `Generator.predict`."""
        unknown = [request for request in requests if request.question not in READINGS]
        found = iter(super().predict(unknown, options) if unknown else [])
        return [self._canned(r) if r.question in READINGS else next(found) for r in requests]

    def _canned(self, request: Request) -> list[Prediction]:
        return [Prediction(sql, sql, log(chance)) for sql, chance in READINGS[request.question]]


def page_generator() -> PageGenerator:
    """A generator of its own for each server."""
    parts = serving.scripted_generator()
    generator = PageGenerator(parts.model, parts.tokenizer, parts.encoder.form)
    generator.batches = []
    return generator


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


@contextlib.contextmanager
def page_server(*databases: Path, token: str | None = None, generator: Generator | None = None) -> Iterator[str]:
    """The address of a server of these databases, by default with a model that gives the readings above."""
    settings = Settings(databases=tuple(map(str, databases)), token=token, time_limit=20.0)
    with serving.serving(create_app(settings, generator or page_generator(), "scripted")) as url:
        yield f"{url}/"


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's chromium without a window; the test is skipped where it is not installed."""
    if not CHROMIUM.is_file():
        pytest.skip(f"no browser at {CHROMIUM}: apt-get install chromium")
    with sync_playwright() as engine:
        browser = engine.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--no-proxy-server"], timeout=120_000
        )
        yield browser
        browser.close()


@contextlib.contextmanager
def open_page(browser: Browser, url: str, expected: str = "Failed to load resource", **context: Any) -> Iterator[Page]:
    """A fresh page. It fails when the page reports an error (CSP violations are) that is not the `expected` one."""
    options = {"viewport": {"width": 1280, "height": 860}, "reduced_motion": "reduce", **context}
    with contextlib.closing(browser.new_context(**options)) as session:
        session.grant_permissions(["clipboard-read", "clipboard-write"])
        page = session.new_page()
        page.set_default_timeout(PATIENCE)
        problems: list[str] = []

        def listen(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning") and expected not in message.text:
                problems.append(message.text)

        page.on("console", listen)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(url)
        yield page
        assert problems == []


def ask(page: Page, question: str) -> None:
    """Ask, and wait for the end of the answer."""
    turns = page.locator(".turn").count()
    page.fill("#question", question)
    page.press("#question", "Enter")
    page.wait_for_function("n => document.querySelectorAll('.turn').length > n", arg=turns)
    settled(page)


def settled(page: Page) -> None:
    """Wait until nothing runs."""
    page.wait_for_function("() => !document.querySelector('.turn[aria-busy]')")


def run_sql(page: Page, sql: str) -> None:
    """Edit the newest answer's SQL and run it by the keyboard."""
    field = page.locator(".turn .sql-field").first
    field.fill(sql)
    field.press("Control+Enter")
    settled(page)


def column(page: Page, number: int) -> list[str]:
    """The shown cells of a column (from 1) of the newest answer."""
    return page.locator(".turn").first.locator(f"tbody td:nth-child({number})").all_inner_texts()


def refuse(page: Page, path: str, status: int, detail: str) -> None:
    """Let the server answer once with an error, as a busy or broken one would."""

    def answer(route: Route) -> None:
        route.fulfill(status=status, json={"detail": detail})

    page.route(f"**/{path}", answer, times=1)


def hostile_database(path: Path) -> Path:
    """A SQLite file whose names and cells are markup."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        name = quoted(HOSTILE)
        connection.execute(f'CREATE TABLE {name} ({name} TEXT, "</title><script>" INTEGER, empty TEXT)')
        rows = [(HOSTILE, 2, None), ("</td><script>document.title='hacked'</script>", 10, ""), ("=1+1\tx", -1, "a|b")]
        connection.executemany(f"INSERT INTO {name} VALUES (?, ?, ?)", rows)
        connection.commit()
    return path


def check(page: Page, name: str) -> Any:
    """What one of the functions of page_checks.js finds."""
    return page.evaluate(f"{CHECKS}.{name}()")
