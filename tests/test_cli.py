"""The command line: what it prints, exit codes, one-line errors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from text2sql.cli import VERBS, build_parser, main
from text2sql.config import load_config, save_config
from text2sql.errors import UserError
from text2sql.model import load_model
from text2sql.pipeline.run import run_experiment
from text2sql.pipeline.sources import load_examples

ROOT = Path(__file__).resolve().parents[1]
SHOP = str(ROOT / "examples" / "music_shop.sqlite")
SMALL = [
    "name=tiny",
    "tokenizer.vocabulary_size=700",
    "model.layers=1",
    "model.width=32",
    "model.heads=2",
    "pretraining.steps=2",
    "pretraining.batch_tokens=1024",
    "pretraining.micro_batch_tokens=1024",
    "finetuning.steps=3",
    "finetuning.batch_tokens=1024",
    "finetuning.micro_batch_tokens=1024",
    "finetuning.compile=off",
    "finetuning.evaluate_every=2",
    "finetuning.evaluate_batches=1",
    "finetuning.sample_every=0",
    "evaluation.limit=4",
    "decoding.max_new_tokens=8",
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a tiny quickstart was run, with what it said in `said.txt`."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "examples").symlink_to(ROOT / "examples")
    settings = [word for setting in SMALL for word in ("--set", setting)]
    command = [sys.executable, "-m", "text2sql.cli", "train", str(ROOT / "configs" / "quickstart.yaml"), *settings]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    (folder / "said.txt").write_text(run.stdout, encoding="utf-8")
    return folder


def test_a_run_leaves_a_usable_model_reports_and_a_summary(trained: Path) -> None:
    model = trained / "outputs" / "checkpoints" / "tiny"
    files = {"model.safetensors", "config.json", "tokenizer.json", "prompting.json", "generation_config.json"}
    assert files <= {path.name for path in model.iterdir()}
    assert not list(model.glob("trainer_state*"))
    report = json.loads((trained / "outputs" / "metrics" / "tiny" / "examples-test.json").read_text("utf-8"))
    assert report["count"] == len(report["examples"]) == 4
    assert set(report["metrics"]) >= {"exact_match", "execution_accuracy"}
    assert all(0 <= value <= 1 for value in report["metrics"].values() if value is not None)
    assert len(report["settings"]["checkpoint_sha256"]) == 64
    said = (trained / "said.txt").read_text("utf-8")
    assert said.count("question  ") == 3
    assert "examples test_databases" in said
    assert (trained / "logs" / "training_logs" / "tiny" / "finetuning" / "metrics.jsonl").is_file()


def test_the_same_command_does_not_train_again(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    weights = trained / "outputs" / "checkpoints" / "tiny" / "finetuning"
    before = sorted((p.name, p.stat().st_mtime_ns) for p in weights.iterdir())
    config = load_config(ROOT / "configs" / "quickstart.yaml", [*SMALL, "evaluation.limit=1"])
    outcome = run_experiment(config, lambda text: None)
    assert outcome.stages["finetuning"].step == 3
    assert before == sorted((p.name, p.stat().st_mtime_ns) for p in weights.iterdir())


def test_training_goes_on_from_a_model(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With rates of zero the weights stay those of the model that it started from."""
    model = trained / "outputs" / "checkpoints" / "tiny"
    pairs = tmp_path / "pairs.jsonl"
    pair = {"question": "How many albums?", "sql": "SELECT count(*) FROM albums", "schema": "CREATE TABLE albums (id)"}
    pairs.write_text(json.dumps(pair), encoding="utf-8")
    sets = [f"data.sets=[{{name: {pairs}}}]", f"evaluation.sets=[{{name: {pairs}}}]"]
    still = ["finetuning.learning_rate=0", "finetuning.muon_learning_rate=0", "finetuning.steps=2"]
    first = tmp_path / "first.yaml"
    save_config(load_config(ROOT / "configs" / "quickstart.yaml", SMALL), first)
    settings = [*SMALL, *sets, *still, f"start={first}", "name=further"]
    monkeypatch.chdir(trained)  # where the first is finished
    with pytest.raises(UserError, match="both `start` and pretraining"):
        run_experiment(load_config(ROOT / "configs" / "quickstart.yaml", settings), lambda text: None)
    config = load_config(ROOT / "configs" / "quickstart.yaml", [*settings, "pretraining.corpora=[]"])
    said: list[str] = []
    further = run_experiment(config, said.append).checkpoint
    assert said[0] == f"first {first}"
    assert (further / "tokenizer.json").read_bytes() == (model / "tokenizer.json").read_bytes()
    before, after = load_model(model).state_dict(), load_model(further).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    config = load_config(ROOT / "configs" / "quickstart.yaml", [*settings, "pretraining.corpora=[]", "name=deeper"])
    config.model.layers = 1 + load_model(model).config.layers
    grown = load_model(run_experiment(config, said.append).checkpoint)
    assert grown.config.layers == config.model.layers
    ids = torch.arange(20)[None]
    assert torch.equal(grown(ids), load_model(model)(ids))


def test_evaluate_predict_and_ask_use_the_default_model(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(trained)
    monkeypatch.setenv("TEXT2SQL_MODEL", "outputs/checkpoints/tiny")
    output = trained / "report.json"
    arguments = ["--split", "test", "--limit", "3", "--max-new-tokens", "8", "--output", str(output)]
    assert main(["evaluate", *arguments]) == 0
    report = json.loads(output.read_text("utf-8"))
    assert (report["dataset"], report["split"], report["count"]) == ("examples", "test", 3)
    assert len(output.with_suffix(".predictions.jsonl").read_text("utf-8").splitlines()) == 3
    assert output.with_suffix(".md").read_text("utf-8").startswith("# examples, test: 3 examples")
    questions = trained / "questions.jsonl"
    lines = [
        {"question": "how many albums", "database": SHOP},
        {"question": "names", "schema": "create table a (name text)"},
    ]
    questions.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    answers = trained / "answers.jsonl"
    assert main(["predict", "--input", str(questions), "--output", str(answers), "--max-new-tokens", "8"]) == 0
    assert [set(json.loads(line)) >= {"question", "sql"} for line in answers.read_text("utf-8").splitlines()] == [
        True,
        True,
    ]
    capsys.readouterr()
    assert main(["ask", "--db", SHOP, "how many albums?", "--max-new-tokens", "8"]) in (0, 1)
    assert capsys.readouterr().out.startswith("question  how many albums?")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "no.yaml"], "config no.yaml not found"),
        (["train", "{quickstart}", "--set", "model.depth=3"], "unknown key 'depth'"),
        (["train", "{quickstart}", "--set", "model.layers=three"], "expected int"),
        (["ask", "--db", "nowhere.sqlite", "q"], "nowhere.sqlite"),
        (["ask", "--db", SHOP, "q", "--checkpoint", "nowhere"], "nowhere"),
        (["ask", "--db", SHOP, "   ", "--checkpoint", "{model}"], "the question is empty"),
        (["ask", "--db", SHOP, "why " * 2000, "--checkpoint", "{model}"], "over the limit"),
        (["evaluate", "--checkpoint", "{model}", "--dataset", "wikisql", "--data-dir", "nothing"], "not found"),
        (["evaluate", "--checkpoint", "{model}", "--dataset", "wikisql", "--split", "nope", "--data-dir", "x"], "nope"),
        (["evaluate", "--checkpoint", "{model}", "--questions", "x.json"], "belong together"),
        (["evaluate", "--checkpoint", "{model}", "--limit", "0"], "--limit"),
        (["evaluate", "--checkpoint", "{model}", "--split", "nothing"], "nothing"),
        (
            ["predict", "--checkpoint", "{model}", "--input", "{corrupt}", "--output", "o.jsonl"],
            "corrupt.jsonl, line 2",
        ),
        (["predict", "--checkpoint", "{model}", "--input", "missing.jsonl", "--output", "o.jsonl"], "missing.jsonl"),
        (["ask", "--db", SHOP, "q", "--checkpoint", "{truncated}"], "truncated"),
        (["ask", "--db", SHOP, "q", "--checkpoint", "{mismatched}"], "tokenizer"),
        (["tokenizer", "encode", "--tokenizer", "nowhere", "x"], "nowhere"),
        (["data", "stats", "--data-dir", "nothing"], "nothing"),
        (["data", "download", "marsian"], "marsian"),
    ],
)
def test_mistakes_end_with_one_line_and_exit_code_2(
    trained: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(trained)
    monkeypatch.delenv("TEXT2SQL_DATA_MIRROR", raising=False)
    places = {"quickstart": ROOT / "configs" / "quickstart.yaml", **broken_copies(trained)}
    assert main([a.format(**places) if a.startswith("{") else a for a in arguments]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("text2sql: ")
    assert message in error


def broken_copies(trained: Path) -> dict[str, Path]:
    """A good model folder, and copies with one fault each."""
    model = trained / "outputs" / "checkpoints" / "tiny"
    copies = {name: trained / name for name in ("truncated", "mismatched")}
    for folder in copies.values():
        folder.mkdir(exist_ok=True)
        for path in model.iterdir():
            if path.is_file():
                (folder / path.name).write_bytes(path.read_bytes())
    weights = copies["truncated"] / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    tokenizer = json.loads((copies["mismatched"] / "tokenizer.json").read_text("utf-8"))
    tokenizer["added_tokens"].pop()
    (copies["mismatched"] / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    corrupt = trained / "corrupt.jsonl"
    corrupt.write_text('{"question": "a", "schema": "create table t (a int)"}\n{"question": \n', encoding="utf-8")
    return {**copies, "model": model, "corrupt": corrupt}


def test_tokenizer_verbs(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the cat and the hat and the bat " * 20, encoding="utf-8")
    assert main(["tokenizer", "train", str(text), "--vocabulary-size", "1000", "--output", str(tmp_path / "bpe")]) == 0
    capsys.readouterr()
    assert main(["tokenizer", "encode", "--tokenizer", str(tmp_path / "bpe"), "the cat"]) == 0
    ids = capsys.readouterr().out.split()
    assert 1 <= len(ids) <= 7
    assert all(part.isdigit() for part in ids)
    assert main(["tokenizer", "inspect", "--tokenizer", str(tmp_path / "bpe"), "the cat"]) == 0
    assert ids[0] in capsys.readouterr().out


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([verb, "--help"])
    assert caught.value.code == 0
    assert f"usage: text2sql {verb}" in capsys.readouterr().out


def test_an_unknown_verb_is_refused() -> None:
    with pytest.raises(SystemExit) as caught:
        build_parser(None).parse_args(["fly"])
    assert caught.value.code == 2


@pytest.mark.parametrize("script", ["train.sh", "test.sh", "evaluate.sh", "download_data.sh"])
def test_scripts_explain_themselves_without_an_environment(script: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [ROOT / "scripts" / script, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0
    assert f"usage: ./scripts/{script}" in run.stdout
    assert not list(tmp_path.iterdir())


def test_examples_that_train_are_not_those_that_test() -> None:
    config = load_config(ROOT / "configs" / "quickstart.yaml")
    training = load_examples(config.data.sets[0], config)
    for wanted in config.evaluation.sets:
        tested = load_examples(wanted, config)
        assert not {e.question.lower() for e in tested} & {e.question.lower() for e in training}
        if wanted.split == "test_databases":
            assert not {e.schema.name for e in tested} & {e.schema.name for e in training}
