"""The latency benchmark on a model that knows nothing: what it takes apart is there and adds up."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("transformers", reason="the benchmark compares with transformers, which is not installed here")
sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))

import latency
import text2sql.decoding.generator as generator_module
from tiny_checkpoint import SHOP, write_tiny_checkpoint


def test_every_part_of_an_answer_is_timed(tmp_path: Path) -> None:
    bench = latency.Bench(write_tiny_checkpoint(tmp_path / "model"), beams=2)
    complete = generator_module.complete
    questions = [(SHOP, "How many albums are there?"), (SHOP, "Which artists come from Brazil?")]
    found = latency.measure(bench, questions, "shop")
    assert generator_module.complete is complete, "what was watched is as it was"
    assert found["questions"] == 2
    for way in ("greedy", "2 beams"):
        parts = found[way]
        assert {"total", "rest", "tokens", *bench.parts} == set(parts)
        assert all(parts[name]["p50"] > 0 for name in ("linking", "prompt", "decoding", "mask", "rest"))
        assert parts["mask"]["p50"] < parts["decoding"]["p50"] < parts["total"]["p50"]
    assert 0 < found["transformers"]["tokens"] <= 128 < found["transformers"]["prompt_tokens"]
    ratio = found["greedy"]["total"]["p50"] / found["transformers"]["total"]["p50"]
    assert found["ratio_to_transformers"]["answer_p50"] == pytest.approx(ratio, abs=0.01)
