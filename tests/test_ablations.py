"""The ablation benchmark: a plan of tiny models from the checks to the table, interrupted and gone on with."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "benchmarks"))

import ablations  # noqa: E402
from ablation_table import markdown, pack, table, unpack  # noqa: E402
from text2sql.config import Config, to_mapping  # noqa: E402
from text2sql.errors import UserError  # noqa: E402
from text2sql.files import write_json  # noqa: E402

STAGE = {
    "steps": 2, "batch_tokens": 512, "micro_batch_tokens": 512, "context": 512, "warmup_steps": 1, "compile": "off",
    "precision": "fp32", "device": "cpu", "evaluate_every": 0, "evaluate_batches": 1,
}  # fmt: skip
BASE = {
    "tokenizer": {"vocabulary_size": 500},
    "model": {"layers": 1, "width": 32, "heads": 2, "context": 512},
    "prompting": {"max_columns": 8, "max_tables": 3, "max_words": 24, "max_cells": 8},
    "finetuning": STAGE,
    "decoding": {"max_new_tokens": 12},
}
ROWS = [
    {"name": "names", "lever": "target", "overrides": ["prompting.items=names"]},
    {"name": "no-mask", "lever": "decoding", "overrides": ["decoding.grammar_mask=false"]},
    {"name": "named", "lever": "models", "models": ["outputs/checkpoints/ablations/names-seed{seed}"]},
    {"name": "twice", "lever": "models", "models": 2 * ["outputs/checkpoints/ablations/base-seed{seed}"]},
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a base configuration over questions about the music shop."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TEXT2SQL_DATA_MIRROR", raising=False)
    shop = ROOT / "examples" / "music_shop.sqlite"
    with contextlib.closing(sqlite3.connect(shop)) as connection:
        ddl = ";\n".join(sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'table'"))
    lines = (ROOT / "examples" / "questions" / "music_shop.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) | {"schema": ddl, "database": str(shop), "db_id": "music_shop"} for line in lines[:8]]
    Path("pairs.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    Path("corpus.jsonl").write_text('{"text": "which albums are there"}\n' * 240, encoding="utf-8")
    sets = [{"name": str(tmp_path / "pairs.jsonl")}]
    data = {"sets": sets, "directory": str(tmp_path / "none"), "processed": str(tmp_path / "processed")}
    corpora = [{"name": str(tmp_path / "corpus.jsonl")}]
    base = {**BASE, "data": data, "evaluation": {"sets": sets, "limit": 4}}
    base["pretraining"] = {**STAGE, "corpora": corpora}
    Path("base.yaml").write_text(yaml.safe_dump(base), encoding="utf-8")
    return tmp_path


def plan_file(rows: list[dict], **settings: object) -> Path:
    path = Path("plan.yaml")
    plan = {"base": "base.yaml", "finetuning_tokens": 1024, "rows": rows, **settings}
    path.write_text(yaml.safe_dump(plan), encoding="utf-8")
    return path


def planned(rows: list[dict], **settings: object) -> list[ablations.Run]:
    return ablations.runs_of(ablations.read_plan(plan_file(rows, **settings)), Path("outputs/ablations"))


def results() -> dict[str, dict]:
    return {path.stem: json.loads(path.read_text("utf-8")) for path in Path("outputs/ablations").glob("*.json")}


def test_a_plan_runs_to_its_table_and_goes_on_after_an_interruption(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, said = planned(ROWS), []

    def interrupting(text: str) -> None:
        said.append(text)
        if said.count("instruction tuning") == 2:  # the base's is done, that of `names` begins
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ablations.carry_out_all(runs, Path("table.json"), interrupting)
    assert set(results()) == {"base-seed1"}
    before = Path("outputs/ablations/base-seed1.json").stat().st_mtime_ns

    monkeypatch.setattr(sys, "argv", ["ablations.py", "plan.yaml", "--output", "table.json"])
    assert ablations.main() == 0
    found = results()
    assert set(found) == {"base-seed1", "names-seed1", "no-mask-seed1", "named-seed1", "twice-seed1"}
    assert Path("outputs/ablations/base-seed1.json").stat().st_mtime_ns == before
    base, names, unmasked = (found[f"{name}-seed1"] for name in ("base", "names", "no-mask"))
    assert set(base["training"]) == {"pretraining", "finetuning"}
    assert (set(names["training"]), set(unmasked["training"])) == ({"finetuning"}, set())
    assert 0 < names["tokens"] <= 1024 < base["tokens"]
    assert base["checkpoints"] == unmasked["checkpoints"]
    assert set(base["checkpoints"].values()).isdisjoint(names["checkpoints"].values())
    assert names["config"]["prompting"]["items"] == "names"
    assert found["named-seed1"]["checkpoints"] == names["checkpoints"]
    [alone], [twice] = (found[name]["sets"].values() for name in ("base-seed1", "twice-seed1"))
    assert twice["metrics"] == pytest.approx(alone["metrics"], abs=1e-3), "a model agrees with itself"
    [scores] = names["sets"].values()
    assert (scores["count"], len(scores["data_sha256"])) == (4, 64)

    summary = json.loads(Path("table.json").read_text("utf-8"))
    assert [row["name"] for row in summary["rows"]] == ["base", "names", "no-mask", "named", "twice"]
    [metrics] = summary["rows"][2]["sets"].values()
    exact = next(metric for metric in metrics if metric["name"] == "exact_match")
    [of_base] = base["sets"].values()
    assert (exact["count"], exact["before"]) == (4, of_base["metrics"]["exact_match"])
    assert "| decoding | no-mask | `decoding.grammar_mask=false` | 1 |" in Path("table.md").read_text("utf-8")

    capsys.readouterr()
    assert ablations.main() == 0
    assert capsys.readouterr().out.count("\n") == 1, "nothing is left to do"


def test_what_a_row_changes_decides_what_is_trained(folder: Path) -> None:
    changes = {
        "fine-tuning": ["finetuning.optimizer=adamw", "prompting.link_marks=false", "finetuning.batch_tokens=256"],
        "decoding": ["decoding.num_beams=2", "evaluation.use_contents=false"],
        "training": ["model.layers=2", "pretraining.steps=1", "tokenizer.vocabulary_size=600", "prompting.max_words=9"],
    }
    rows = [
        {"name": f"{kind}-{number}", "overrides": [override]}
        for kind, overrides in changes.items()
        for number, override in enumerate(overrides)
    ]
    runs = planned(rows, seeds=[1, 7], minutes=0.5)
    assert [run.row.name for run in runs[:2]] == ["base", "fine-tuning-0"]
    assert all(run.kind == run.row.name.removesuffix(run.row.name[-2:]) for run in runs if run.kind != "base")
    assert [run.kind for run in runs].count("base") == 2
    half = next(run.config for run in runs if run.row.name == "fine-tuning-2" and run.seed == 7)
    assert (half.finetuning.steps, half.finetuning.max_minutes) == (4, 0.5), "the same tokens in smaller steps"
    assert (half.finetuning.seed, half.pretraining.seed, half.name) == (7, 7, "ablations/fine-tuning-2-seed7")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"name": "bad", "overrides": ["prompting.itemz=names"]}, "row 'bad': .*unknown key 'itemz'"),
        (
            {"name": "bad", "overrides": ["model.prefix_lm=true", "finetuning.prompt_weight=0.1"]},
            "row 'bad': .*set prompt_weight to 0",
        ),
        ({"name": "bad", "overrides": ["finetuning.steps=9"]}, "row 'bad' sets finetuning.steps"),
        ({"name": "bad", "overrides": ["evaluation={limit: 9}"]}, "row 'bad' changes evaluation.limit"),
        ({"name": "bad", "overrides": ["model.layers=1"]}, "row 'bad' changes nothing"),
        (
            {"name": "bad", "models": ["m"], "overrides": ["model.layers=2"]},
            "'bad' names models and changes model.layers",
        ),
        ({"name": "no-mask", "overrides": ["model.layers=2"]}, "a row's name is 'no-mask'"),
        ({"name": "../bad", "overrides": ["model.layers=2"]}, "a row's name is '../bad'"),
        ({"name": "bad", "override": []}, "unknown key 'override'"),
    ],
)
def test_a_bad_row_is_refused_before_anything_is_trained(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], row: dict, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        planned([*ROWS, row])
    monkeypatch.setattr(sys, "argv", ["ablations.py", "plan.yaml"])
    assert ablations.main() == 2
    assert capsys.readouterr().err.startswith("ablations: ")
    assert not Path("outputs").exists()


def test_a_result_of_another_configuration_is_not_taken_for_the_rows(folder: Path) -> None:
    _, names, _, named, _ = planned(ROWS)
    for run in (names, named):
        saved = {"name": run.row.name, "models": run.row.models, "sets": {}, "config": ablations.to_mapping(run.config)}
        ablations.write_json(run.path, saved)
    assert len(planned(ROWS)) == 5
    with pytest.raises(UserError, match=r"names-seed1\.json is of another configuration"):
        planned(ROWS, finetuning_tokens=4096)
    with pytest.raises(UserError, match=r"named-seed1\.json is of another configuration"):
        planned([{**ROWS[2], "models": ["elsewhere"]}])


def test_one_row_that_fails_does_not_stop_the_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = []

    def carried_out(run: ablations.Run, say: object) -> ablations.Outcome:
        if run.row.name == "names":
            raise ValueError("a bug of one lever")
        done.append(run.row.name)
        return ablations.Outcome(Path("none"), interrupted=run.row.name == "no-mask")

    monkeypatch.setattr(ablations, "carry_out", carried_out)
    monkeypatch.setattr(ablations, "note", lambda run, outcome: {"name": "base", "sets": {}, "config": {}})
    assert ablations.carry_out_all(planned(ROWS), None, lambda text: None) == 130
    assert done == ["base", "no-mask"]


def result(name: str, seed: int, verdicts: list[bool], data: str = "0") -> dict:
    """What a run leaves, as far as the table needs it."""
    packed = pack([{"exact_match": verdict} for verdict in verdicts])
    scores = {"count": len(verdicts), "metrics": {}, "data_sha256": data, "verdicts": packed}
    kept = dict.fromkeys(("checkpoints", "commit", "training", "machine"))
    row = {"name": name, "lever": "l", "overrides": [], "models": [], "kind": name, "tokens": 10**6 * seed}
    sets = {"spider dev": scores | {"seconds_per_question": seed / 100}}
    return kept | row | {"minutes": 3.0, "seed": seed, "sets": sets}


def test_the_seeds_of_a_row_are_pooled_against_the_same_seeds_of_the_base() -> None:
    better = [True] * 9 + [False]
    runs = [result("base", 1, [False] * 10), result("base", 2, [True] * 10), result("base", 3, [True] * 10)]
    summary = table([*runs, result("row", 1, better), result("row", 3, better), result("row", 4, better)])
    _, row = summary["rows"]
    assert [run["seed"] for run in row["runs"]] == [1, 3], "the base has no seed 4"
    [metric] = row["sets"]["spider dev"]
    assert (metric["count"], metric["before"], metric["after"]) == (20, 0.5, 0.9)
    assert (metric["gained"], metric["lost"]) == (9, 1)
    assert metric["p_value"] == pytest.approx(22 / 1024)
    assert (row["tokens"], row["seconds_per_question"]) == (2 * 10**6, 0.02)
    _, _, first, second = (text for text in markdown(summary).splitlines() if text.startswith("|"))
    assert first.endswith("| 66.7 |")
    assert second.endswith("| **90.0 (+40.0, p 0.021)** |")


def test_rows_that_answered_other_questions_are_not_compared() -> None:
    with pytest.raises(UserError, match="row, seed 1: other questions of spider dev"):
        table([result("base", 1, [True]), result("row", 1, [True], data="1")])


def test_verdicts_are_kept_in_little_space() -> None:
    judged = [
        {"exact_match": True, "execution_match": False, "unresolved_names": ["x"], "prediction": "SELECT 1"},
        {"exact_match": False, "unresolved_names": [], "rebuilt_database": True},
    ]
    packed = pack(judged)
    assert packed == {
        "exact_match": "10", "execution_match": "0-", "unresolved_names": "10", "rebuilt_database": "-1"
    }  # fmt: skip
    assert unpack(packed) == [
        {"exact_match": True, "execution_match": False, "unresolved_names": True},
        {"exact_match": False, "unresolved_names": False, "rebuilt_database": True},
    ]


def test_the_table_in_the_docs_is_that_of_the_runs_beside_it() -> None:
    shown = ROOT / "docs" / "results" / "ablations.json"
    summary = json.loads(shown.read_text("utf-8"))
    runs = [json.loads(path.read_text("utf-8")) for path in shown.with_suffix("").glob("*.json")]
    order = [row["name"] for row in summary["rows"]]
    assert len(runs) == len(order) > 20
    made = table(sorted(runs, key=lambda run: order.index(run["name"])))
    assert json.loads(json.dumps(made)) == summary
    assert markdown(made) == shown.with_suffix(".md").read_text("utf-8")


def test_a_check_writes_the_table_of_what_is_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan_file(ROWS)
    monkeypatch.setattr(sys, "argv", ["ablations.py", "plan.yaml", "--check", "--output", "table.json"])
    assert ablations.main() == 0
    assert "base, seed 1: base\n" in capsys.readouterr().out
    assert not Path("table.json").exists(), "the base is not done"
    base, row = planned(ROWS)[:2]
    for run, verdict in ((base, False), (row, True)):
        found = result(run.row.name, 1, [verdict] * 8) | {"kind": run.kind, "config": to_mapping(run.config)}
        write_json(run.path, found)
    assert ablations.main() == 0
    assert capsys.readouterr().out.count(", done") == 2
    assert "| names |" in Path("table.md").read_text("utf-8")


def test_the_plan_that_ships_can_be_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    runs = ablations.runs_of(ablations.read_plan(Path("benchmarks/ablations.yaml")), tmp_path)
    kinds = {run.row.name: run.kind for run in runs}
    assert kinds["base"] == "base"
    assert (kinds["no-mask"], kinds["names"], kinds["larger"]) == ("decoding", "fine-tuning", "training")
    assert all(isinstance(run.config, Config) and run.config.finetuning.steps > 700 for run in runs)
