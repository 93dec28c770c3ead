"""Batching, cancelling, bounded workers and pooled connections: real threads, a real model, real databases."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving import ENDLESS, MUSIC, SCRIPT, scripted_generator, wait_until
from text2sql.config import DecodingConfig
from text2sql.database import connect
from text2sql.decoding.generator import Request
from text2sql.decoding.prediction import Prediction
from text2sql.errors import UserError
from text2sql.server.batching import BatchingPredictor, Cancelled, Job, current_job, working_on
from text2sql.server.errors import ApiError
from text2sql.server.pool import PooledDatabase
from text2sql.server.workers import Workers

SCHEMA = connect(str(MUSIC)).schema
OPTIONS = DecodingConfig(max_new_tokens=4)


def asking(predictor: BatchingPredictor, question: str, job: Job | None = None) -> str:
    with working_on(job or Job()):
        return predictor([Request(question, SCHEMA)], OPTIONS)[0][0].sql


def blocked(predict: Callable[..., list[list[Prediction]]]) -> tuple[threading.Event, Callable[..., object]]:
    """`predict`, once the event is set."""
    gate = threading.Event()

    def gated(requests: Sequence[Request], options: DecodingConfig) -> list[list[Prediction]]:
        assert gate.wait(60)
        return predict(requests, options)

    return gate, gated


def test_waiting_questions_share_a_batch_and_each_gets_its_own_answer() -> None:
    generator = scripted_generator()
    gate, gated = blocked(generator.predict)
    predictor = BatchingPredictor(gated, largest=8)
    questions = list(SCRIPT) * 3
    with ThreadPoolExecutor(len(questions)) as threads:
        answers = [threads.submit(asking, predictor, question) for question in questions]
        gate.set()
        assert [answer.result(60) for answer in answers] == [SCRIPT[question] for question in questions]
    assert sum(generator.batches) == len(questions)
    assert max(generator.batches) <= 8 < len(questions)
    assert len(generator.batches) < len(questions)
    predictor.close()


def test_a_question_that_fails_does_not_fail_its_batch() -> None:
    gate, gated = blocked(scripted_generator().predict)
    predictor = BatchingPredictor(gated, gather_seconds=0.2)
    with ThreadPoolExecutor(3) as threads:
        good, bad = next(iter(SCRIPT)), "word " * 5000
        answers = [threads.submit(asking, predictor, question) for question in (good, bad, good)]
        gate.set()
        assert answers[0].result(60) == answers[2].result(60) == SCRIPT[good]
        with pytest.raises(UserError):
            answers[1].result(60)
    predictor.close()


def test_requests_with_other_options_are_not_mixed() -> None:
    seen: list[tuple[int, int]] = []

    def predict(requests: Sequence[Request], options: DecodingConfig) -> list[list[Prediction]]:
        seen.append((options.num_beams, len(requests)))
        return [[] for _ in requests]

    predictor = BatchingPredictor(predict, gather_seconds=0.5)
    with ThreadPoolExecutor(4) as threads:
        found = [
            threads.submit(predictor, [Request("a", SCHEMA)], DecodingConfig(num_beams=beams)) for beams in (1, 2, 1, 2)
        ]
        for one in found:
            one.result(60)
    assert sorted(seen) == [(1, 2), (2, 2)]
    predictor.close()


def test_a_cancelled_question_leaves_the_queue() -> None:
    generator = scripted_generator()
    gate, gated = blocked(generator.predict)
    predictor = BatchingPredictor(gated, largest=1)
    job, question = Job(), next(iter(SCRIPT))
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(asking, predictor, question)
        wait_until(lambda: predictor._queue.empty())
        second = threads.submit(asking, predictor, question, job)
        wait_until(lambda: not predictor._queue.empty())
        job.cancel()
        with pytest.raises(Cancelled):
            second.result(60)
        gate.set()
        assert first.result(60) == SCRIPT[question]
    assert generator.batches == [1]
    predictor.close()
    with pytest.raises(Cancelled):
        asking(predictor, question)


def test_workers_refuse_what_is_over_the_limit_and_take_more_afterwards() -> None:
    workers, gate = Workers(1, 2, "test"), threading.Event()
    running = [workers.start(lambda: gate.wait(60)) for _ in range(2)]
    with pytest.raises(ApiError, match="2 requests are waiting") as refused:
        workers.start(lambda: True)
    assert (refused.value.status, refused.value.retry_after) == (503, 2)
    gate.set()
    assert all(one.future.result(60) for one in running)
    wait_until(lambda: len(workers) == 0)
    assert workers.start(lambda: "again").future.result(60) == "again"
    workers.close()
    with pytest.raises(ApiError, match="shutting down"):
        workers.start(lambda: True)


def test_closing_workers_stops_the_query_they_run() -> None:
    pool = PooledDatabase(lambda: connect(str(MUSIC)), 2)
    workers = Workers(1, 5, "test")
    finished: list[str] = []
    running = workers.start(lambda: pool.run(ENDLESS, 300.0), lambda: finished.append("running"))
    waiting = workers.start(lambda: pool.run("SELECT 1"), lambda: finished.append("waiting"))
    wait_until(lambda: bool(pool._busy))
    workers.close()
    assert running.future.result(60).error == "cancelled"
    assert waiting.future.cancelled()
    assert sorted(finished) == ["running", "waiting"]
    pool.close()


def test_a_slow_query_leaves_the_other_connections_free() -> None:
    pool = PooledDatabase(lambda: connect(str(MUSIC)), 2)
    job = Job()

    def endless() -> str | None:
        with working_on(job):
            return pool.run(ENDLESS, 300.0).error

    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(endless)
        wait_until(lambda: len(pool._busy) == 1)
        assert pool.run("SELECT count(*) FROM artists").rows[0][0] > 0
        assert not slow.done()
        assert current_job() is not job
        wait_until(lambda: job.cancel() or slow.done())  # a query that is just beginning misses one call
        assert slow.result(60) == "cancelled"
    assert pool.schema.table("artists") is not None
    pool.close()
    assert "closed" in (pool.run("SELECT 1").error or "")


def test_a_pool_that_is_full_says_so_and_keeps_its_bound() -> None:
    opened = []

    def opening() -> object:
        opened.append(connect(str(MUSIC)))
        return opened[-1]

    pool = PooledDatabase(opening, 2)  # type: ignore[arg-type]
    with ThreadPoolExecutor(2) as threads:
        slow = [threads.submit(pool.run, ENDLESS, 300.0) for _ in range(2)]
        wait_until(lambda: len(pool._busy) == 2)
        start = time.monotonic()
        assert "2 queries are running" in (pool.run("SELECT 1", 0.2).error or "")
        assert time.monotonic() - start < 30
        wait_until(lambda: pool.cancel() or all(one.done() for one in slow))
        assert [one.result(60).error for one in slow] == ["cancelled"] * 2
    assert len(opened) == 3  # two for queries, one for the schema
    pool.close()


def test_a_database_that_goes_away_gives_errors_and_works_again_when_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    path.write_bytes(MUSIC.read_bytes())
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")  # such a file is looked at before each query
    connection.close()
    pool = PooledDatabase(lambda: connect(str(path)), 2)
    assert pool.run("SELECT count(*) FROM artists").error is None
    path.rename(tmp_path / "away")
    assert "shop.sqlite" in (pool.run("SELECT count(*) FROM artists").error or "")
    assert "not found" in (pool.run("SELECT count(*) FROM artists").error or "")
    assert not pool._busy
    (tmp_path / "away").rename(path)
    assert pool.run("SELECT count(*) FROM artists").error is None
    pool.close()
