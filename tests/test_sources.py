"""The sets of a configuration: a limit takes a seeded part of one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from text2sql.config import Config, SetConfig
from text2sql.errors import UserError
from text2sql.pipeline.sources import load_examples


def test_a_limit_takes_a_seeded_part_in_the_sets_order(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    rows = [{"question": f"q{n}", "sql": "SELECT a FROM t", "schema": "CREATE TABLE t (a INT)"} for n in range(50)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")

    def asked(limit: int | None, seed: int = 1) -> list[int]:
        config = Config()
        config.finetuning.seed = seed
        found = load_examples(SetConfig(str(path), "train", limit=limit), config)
        return [int(example.question[1:]) for example in found]

    assert asked(None) == asked(50) == asked(99) == list(range(50))
    assert asked(12) == sorted(set(asked(12)))
    assert len(asked(12)) == 12
    assert asked(12) == asked(12) != asked(12, seed=2)
    with pytest.raises(UserError, match="its limit is 0; it must be at least 1"):
        asked(0)
