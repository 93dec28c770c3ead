"""A server on a free port of this machine, with a model that knows the answers to a few questions."""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from functools import cache
from math import log
from pathlib import Path

import httpx
import torch
from fastapi import FastAPI

from text2sql.cli import serve
from text2sql.config import DecodingConfig, PromptingConfig
from text2sql.decoding.generator import Generator, Request
from text2sql.decoding.prediction import Prediction
from text2sql.model import GPT, GPTConfig
from text2sql.prompting.linking import Links
from text2sql.prompting.prompt import tokens_of
from text2sql.server.app import create_app
from text2sql.server.running import bind, web_server
from text2sql.server.settings import Settings
from text2sql.tokenizer import Tokenizer

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
MUSIC = EXAMPLES / "music_shop.sqlite"
CLINIC = EXAMPLES / "clinic.sqlite"
COUNT = "How many artists are there?"
JAPAN = "How many artists come from Japan?"
SLOW = "How many artists of artists of artists are there?"
SCRIPT = {
    COUNT: "SELECT count(*) FROM artists",
    JAPAN: "SELECT count(*) FROM artists WHERE country = 'Japan'",
    "List the names of all artists": "SELECT name FROM artists",
    "What is the average price of albums of each genre?": "SELECT genre, avg(price) FROM albums GROUP BY genre",
    SLOW: "SELECT count(*) FROM tracks AS a, tracks AS b, tracks AS c, tracks AS d, tracks AS e, tracks AS f",
}
"""Questions over music_shop that `ScriptedGenerator` answers."""
ENDLESS = SCRIPT[SLOW]
"""A query that no time limit of a test lets end."""


class ScriptedGenerator(Generator):
    """An untrained model whose predictions are replaced for the questions of SCRIPT. Counts its batches."""

    batches: list[int]
    delay = 0.0

    def predict(
        self, requests: Sequence[Request], options: DecodingConfig | None = None, progress: bool = False
    ) -> list[list[Prediction]]:
        """See `Generator.predict`; takes `delay` seconds more."""
        self.batches.append(len(requests))
        time.sleep(self.delay)
        unknown = [request for request in requests if request.question not in SCRIPT]
        found = iter(super().predict(unknown, options) if unknown else [])
        return [self._scripted(r) if r.question in SCRIPT else next(found) for r in requests]

    def _scripted(self, request: Request) -> list[Prediction]:
        sql = SCRIPT[request.question]
        if request.on_pieces is not None:
            links = request.links or Links()
            prepared = self.encoder.prepare(request.question, sql, request.schema, links)
            mentions = self.encoder.mentions(request.question, self.encoder.shown_cells(links))
            for end in range(1, len(prepared.pieces) + 1):
                request.on_pieces(list(prepared.pieces[:end]), mentions)
        return [Prediction(sql, sql, log(0.9)), Prediction("SELECT 1", "SELECT 1", log(0.05))]


@cache
def _parts() -> tuple[GPT, Tokenizer, PromptingConfig]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    form = PromptingConfig(max_columns=48, max_tables=12, max_words=48, max_cells=8)
    texts = [*SCRIPT, "the name of an artist and the price of an album"] * 3
    tokenizer = Tokenizer.train(texts, 256 + len(tokens_of(form)) + 40, tokens_of(form))
    model = GPT(GPTConfig(tokenizer.vocabulary_size, 1, 32, 2, 2, 64, 1024)).eval()
    return model, tokenizer, form


def scripted_generator(delay: float = 0.0) -> ScriptedGenerator:
    """A generator that takes `delay` seconds for each batch."""
    generator = ScriptedGenerator(*_parts())
    generator.batches, generator.delay = [], delay
    return generator


@contextlib.contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The address of a running server of the application, `http://127.0.0.1:port`."""
    with bind("127.0.0.1", 0) as listening:
        server = web_server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        wait_until(lambda: server.started)
        try:
            yield url
        finally:
            server.should_exit = True
            thread.join(timeout=60)
            assert not thread.is_alive(), "the server did not stop"


@contextlib.contextmanager
def served(
    settings: Settings | None = None, generator: Generator | None = None, headers: dict[str, str] | None = None
) -> Iterator[httpx.Client]:
    """A client of a running server, of music_shop where the settings do not say otherwise."""
    app = create_app(settings or Settings(databases=(str(MUSIC),)), generator or scripted_generator(), "tiny")
    with serving(app) as url, httpx.Client(base_url=url, timeout=60, headers=headers) as client:
        client.app = app  # type: ignore[attr-defined]
        yield client


@contextlib.contextmanager
def serving_process(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of `text2sql serve` of music_shop in a process of its own, and the process."""
    command = [sys.executable, __file__, "--db", str(MUSIC), "--port", "0", "--checkpoint", "tiny", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            yield next(word.rstrip("/") for word in line.split() if word.startswith("http://")), process
        finally:
            process.kill()


def wait_until(condition: object, seconds: float = 60.0) -> None:
    """Wait for a condition that another thread brings about; fails after `seconds`."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


if __name__ == "__main__":
    serve.Generator.load = lambda folder, device: scripted_generator()  # type: ignore[method-assign, assignment]
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    sys.exit(serve.run(parser.parse_args()))
