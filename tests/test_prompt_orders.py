"""Answers of several prompts of one question, the schema in another order in each, pooled into one list."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from text2sql.config import DecodingConfig
from text2sql.decoding.generator import Generator, Request
from text2sql.decoding.pooling import pooled
from text2sql.decoding.prediction import Prediction
from text2sql.errors import UserError
from text2sql.prompting.canonical import Canonicalizer
from text2sql.prompting.target import Mentions, Piece
from text2sql.schema import Schema
from tiny_checkpoint import write_tiny_checkpoint

SHOP = Schema.from_ddl("CREATE TABLE albums (title TEXT, artist TEXT, year INTEGER, price REAL)")
QUESTION = "which albums are from 1990?"


def predicted(sql: str, probability: float) -> Prediction:
    return Prediction(sql, "", math.log(probability))


def test_a_query_that_all_orders_find_outweighs_one_that_is_first_in_one() -> None:
    orders = [
        [predicted("SELECT title FROM albums", 0.6), predicted("SELECT artist FROM albums", 0.4)],
        [predicted("SELECT year FROM albums", 0.5), predicted("SELECT artist FROM albums", 0.45)],
    ]
    found = pooled(orders, Canonicalizer(SHOP))
    assert [prediction.sql.split()[1] for prediction in found] == ["artist", "title", "year"]
    assert [math.exp(prediction.log_probability) for prediction in found] == pytest.approx([0.425, 0.3, 0.25])


def test_spellings_of_one_query_count_together_and_what_is_no_query_comes_last() -> None:
    one = "SELECT title FROM albums WHERE year = 1990 AND price > 5"
    other = "SELECT Title FROM albums WHERE price > 5 AND year = 1990"
    broken = Prediction("", "nonsense", -0.1, "no query")
    found = pooled(
        [[broken, predicted(one, 0.2)], [predicted(other, 0.1), predicted("SELECT 1", 0.35)]], Canonicalizer(SHOP)
    )
    assert [prediction.sql for prediction in found] == ["SELECT 1", one, ""]
    assert math.exp(found[1].log_probability) == pytest.approx(0.15)


def test_probabilities_too_small_for_a_float_keep_their_order() -> None:
    texts = [f"SELECT {name} FROM albums" for name in ("title", "artist", "year")]
    found = pooled([[Prediction(t, "", -900.0 - n) for n, t in enumerate(texts)]], Canonicalizer(SHOP))
    assert [prediction.sql for prediction in found] == texts
    assert [prediction.log_probability for prediction in found] == [-900.0, -901.0, -902.0]


def test_the_first_order_is_the_schemas_own_and_the_others_are_drawn(tmp_path: Path) -> None:
    generator = Generator.load(write_tiny_checkpoint(tmp_path / "model"))
    request = Request(QUESTION, SHOP)
    plain, *drawn = (generator._prompt(request, number, DecodingConfig()) for number in range(5))
    assert plain.ids == generator.encoder.prompt(QUESTION, SHOP, budget=1000).ids
    assert len({tuple(prompt.ids) for prompt in [plain, *drawn]}) > 3
    assert all(sorted(prompt.order) == plain.order for prompt in drawn)
    again = generator._prompt(request, 2, DecodingConfig())
    assert again.ids == drawn[1].ids
    assert generator._prompt(request, 2, DecodingConfig(seed=1)).ids != again.ids


def test_predictions_are_the_orders_own_pooled_and_only_the_first_order_is_watched(tmp_path: Path) -> None:
    generator = Generator.load(write_tiny_checkpoint(tmp_path / "model"))
    seen: list[list[Piece]] = []

    def watch(pieces: list[Piece], mentions: Mentions) -> None:
        seen.append(pieces)

    requests = [Request(QUESTION, SHOP, on_pieces=watch), Request("how many artists?", SHOP)]
    options = DecodingConfig(num_beams=2, max_new_tokens=24)
    alone = generator.predict(requests, options)
    steps = len(seen)
    found = generator.predict(requests, DecodingConfig(num_beams=2, max_new_tokens=24, prompt_orders=3))
    assert len(seen) == 2 * steps
    for few, many in zip(alone, found, strict=True):
        probabilities = [prediction.log_probability for prediction in many if prediction.sql]
        assert probabilities == sorted(probabilities, reverse=True)
        assert len({prediction.sql for prediction in many}) == len(many) <= 6
        best = next(prediction for prediction in many if prediction.sql == few[0].sql)
        assert best.log_probability >= few[0].log_probability - math.log(3) - 1e-4


def test_orders_and_sampling_exclude_each_other(tmp_path: Path) -> None:
    generator = Generator.load(write_tiny_checkpoint(tmp_path / "model"))
    with pytest.raises(UserError, match="prompt_orders"):
        generator.predict([Request(QUESTION, SHOP)], DecodingConfig(do_sample=True, prompt_orders=2))
    with pytest.raises(UserError, match="prompt_orders is 0"):
        generator.predict([Request(QUESTION, SHOP)], DecodingConfig(prompt_orders=0))
