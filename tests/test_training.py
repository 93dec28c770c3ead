"""One step and one run of the trainer: gradients, optimizers, schedule, averages, precision, skipped steps, the log."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from text2sql.data.packing import Batch, Document
from text2sql.errors import UserError
from text2sql.model import GPT, load_model
from text2sql.training import Callbacks, pack_training
from text2sql.training.learner import Learner
from text2sql.training.optimizer import build_optimizers, set_rates
from text2sql.training.precision import choose_device, choose_precision
from text2sql.training.schedule import rate_share
from training_script import CONTEXT, VOCABULARY, Counting, configuration, logged, small_model, trainer


def learner_and_batch(model: GPT | None = None, **changes: object) -> tuple[Learner, Batch]:
    config = configuration(**changes)
    batches = pack_training(Counting(), config)
    return Learner(model or small_model(), config, batches.rows, CONTEXT), next(batches)


# ---- gradients


def test_accumulated_gradients_are_those_of_one_big_batch() -> None:
    # Weights are uneven, so that a mean of micro-batches' means would be another number.
    big, batch = learner_and_batch(micro_batch_tokens=256)
    small, _ = learner_and_batch(micro_batch_tokens=CONTEXT)
    assert (big.micro_rows, small.micro_rows) == (8, 1)
    weight = float(batch.weights.sum())
    row_weights = batch.weights.sum(1)
    assert row_weights.max() > 1.2 * row_weights.min()
    sums = [learner.add_gradients(batch, weight) for learner in (big, small)]

    plain = small_model()
    logits = plain(batch.ids, batch.positions, batch.documents).flatten(0, 1)
    losses = F.cross_entropy(logits, batch.targets.flatten(), reduction="none") * batch.weights.flatten()
    (losses.sum() / weight).backward()

    assert sums == pytest.approx([float(losses.detach().sum())] * 2, rel=1e-6)
    for learner in (big, small):
        for (name, found), expected in zip(learner.model.named_parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(found.grad, expected.grad, rtol=1e-4, atol=1e-7, msg=name)


def test_clipping_bounds_the_gradient_that_is_reported_unclipped() -> None:
    learner, batch = learner_and_batch(gradient_clip=0.01)
    unclipped, _ = learner_and_batch(gradient_clip=0.0)
    norm = unclipped.step(batch, 0, 1.0).gradient_norm
    weight = float(batch.weights.sum())
    learner.add_gradients(batch, weight)
    assert learner._clip() == pytest.approx(norm)
    total = math.sqrt(sum(float(p.grad.square().sum()) for p in learner.model.parameters() if p.grad is not None))
    assert total == pytest.approx(0.01, rel=1e-3)


def test_a_batch_without_weights_changes_nothing_but_decay() -> None:
    learner, batch = learner_and_batch(weight_decay=0.0)
    before = [p.detach().clone() for p in learner.model.parameters()]
    batch.weights.zero_()
    result = learner.step(batch, 0, 1.0)
    assert result.loss == 0
    assert result.updated
    assert all(torch.equal(a, b) for a, b in zip(before, learner.model.parameters(), strict=True))


# ---- optimizers


def test_muon_orthogonalises_the_update_of_matrices() -> None:
    model = small_model()
    muon, adamw = build_optimizers(model, configuration(weight_decay=0.5))
    names = {id(p): name for name, p in model.named_parameters()}
    muons = {names[id(p)] for group in muon.param_groups for p in group["params"]}
    assert muons == {name for name in names.values() if name.endswith("_proj.weight")}
    assert [group["weight_decay"] for group in adamw.param_groups] == [0.0]
    matrix = model.model.layers[0].mlp.down_proj.weight
    before = matrix.detach().clone()
    torch.manual_seed(3)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    set_rates([muon, adamw], 0.5)
    muon.step()
    rate = 0.5 * 0.02
    update = before * (1 - rate * 0.5) - matrix.detach()
    singular = torch.linalg.svdvals(update / rate)
    assert float(singular.min()) > 0.5
    assert float(singular.max()) < 1.5


def test_adamw_decays_matrices_only() -> None:
    model = small_model()
    (adamw,) = build_optimizers(model, configuration(optimizer="adamw", weight_decay=0.5, learning_rate=0.1))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    adamw.step()
    for name, parameter in model.named_parameters():
        decay = 0.95 if name.endswith("_proj.weight") else 1.0
        torch.testing.assert_close(parameter.detach(), before[name] * decay)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_both_optimizers_learn(optimizer: str, tmp_path: Path) -> None:
    config = configuration(optimizer=optimizer, steps=40, learning_rate=0.01, evaluate_every=0, save_minutes=9.0)
    run = trainer(tmp_path, config, model=small_model())
    run.fit()
    losses = list(logged(tmp_path, "loss").values())
    assert losses[0] == pytest.approx(math.log(VOCABULARY), abs=0.15)
    assert sum(losses[-5:]) / 5 < losses[0] - 0.7


# ---- schedule


def test_rates_by_hand() -> None:
    wsd = configuration(steps=101, warmup_steps=10, schedule="wsd", decay_share=0.4, final_rate=0.1)
    expected = {0: 0.1, 4: 0.5, 9: 1.0, 60: 1.0, 80: 0.55, 100: 0.1}
    assert {step: rate_share(wsd, step) for step in expected} == pytest.approx(expected)
    cosine = configuration(steps=100, warmup_steps=10, schedule="cosine", final_rate=0.0)
    assert rate_share(cosine, 4) == pytest.approx(0.5)
    assert rate_share(cosine, 99) == pytest.approx(0.0)
    halfway = 0.1 + 0.9 / 3  # a third of the way from the warm-up to the end: (1 + cos 60°) / 2
    assert rate_share(cosine, round(halfway * 99)) == pytest.approx(0.75, abs=0.01)
    constant = configuration(steps=100, warmup_steps=0, schedule="constant")
    assert [rate_share(constant, step) for step in (0, 99)] == [1.0, 1.0]


def test_rates_follow_the_clock_where_time_runs_out_first() -> None:
    config = configuration(steps=1001, warmup_steps=0, schedule="wsd", decay_share=0.5, final_rate=0.0, max_minutes=10)
    assert rate_share(config, 100, minutes=7.5) == pytest.approx(0.5)
    assert rate_share(config, 100, minutes=11) == pytest.approx(0.0)
    assert rate_share(config, 750, minutes=1) == pytest.approx(0.5)


# ---- averaged weights


def test_averaged_weights_by_hand(tmp_path: Path) -> None:
    run = trainer(tmp_path, configuration(steps=3, ema=0.15, muon_learning_rate=1.0, weight_decay=0.0))
    name = "model.layers.0.mlp.up_proj.weight"
    matrix = dict(run.model.named_parameters())[name]
    average = matrix.detach().clone()
    step, weights = run.learner.step, []

    def watched(*arguments: object) -> object:
        result = step(*arguments)  # type: ignore[arg-type]
        weights.append(matrix.detach().clone())
        return result

    run.learner.step = watched  # type: ignore[method-assign, assignment]
    run.fit()
    for decay, after in zip((1 / 10, 0.15, 0.15), weights, strict=True):  # (1 + step) / (10 + step), then the limit
        average = decay * average + (1 - decay) * after
    saved = load_model(tmp_path / "step-000003").state_dict()[name]
    torch.testing.assert_close(saved, average, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(saved, weights[-1], atol=1e-5)
    torch.testing.assert_close(matrix.detach(), weights[-1], rtol=0, atol=0)  # validating put the weights back


# ---- precision


def test_devices_that_are_not_there_are_refused() -> None:
    with pytest.raises(UserError, match="not known"):
        choose_device("gpu0")
    with pytest.raises(UserError, match=f"cuda:{torch.cuda.device_count()} is not there"):
        choose_device(f"cuda:{torch.cuda.device_count()}")
    assert choose_precision("fp32", torch.device("cpu")).dtype == torch.float32
    assert choose_precision("auto", torch.device("mps")).dtype == torch.float32


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precision_gives_about_the_same_losses(precision: str) -> None:
    exact, batch = learner_and_batch()
    lower, _ = learner_and_batch(precision=precision)
    losses = [[learner.step(batch, number, 1.0).loss for number in range(4)] for learner in (exact, lower)]
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert lower.scaler.is_enabled() == (precision == "fp16")
    assert all(p.dtype == torch.float32 for p in lower.model.parameters())


def test_the_loss_scale_falls_until_fp16_holds_it() -> None:
    learner, batch = learner_and_batch(precision="fp16")
    learner.scaler.load_state_dict({**learner.scaler.state_dict(), "scale": 2.0**38})
    before = [p.detach().clone() for p in learner.model.parameters()]
    first = learner.step(batch, 0, 1.0)
    assert math.isfinite(first.loss)
    assert (first.updated, first.counts) == (False, False)
    assert all(torch.equal(a, b) for a, b in zip(before, learner.model.parameters(), strict=True))
    assert learner.scaler.get_scale() == 2.0**37
    results = [learner.step(batch, number, 1.0) for number in range(1, 40)]
    assert results[-1].updated
    assert results[-1].loss < first.loss - 0.5


# ---- steps that must be skipped


class OnePoisoned(Counting):
    """Document 7 has a weight that isn't a number."""

    def document(self, index: int, epoch: int) -> Document:
        document = super().document(index, epoch)
        return Document(document.ids, [math.nan] * len(document.ids)) if index == 7 else document


def test_a_step_that_is_not_finite_is_skipped(tmp_path: Path) -> None:
    summary = trainer(tmp_path, configuration(), source=OnePoisoned()).fit()
    assert 3 <= summary.skipped <= 5  # document 7 comes once an epoch, and an epoch has two or three steps
    assert summary.loss is not None
    assert math.isfinite(summary.loss)
    lines = [json.loads(line) for line in (tmp_path / "log" / "metrics.jsonl").read_text().splitlines()]
    assert sum(line.get("loss", 0) is None for line in lines) == summary.skipped
    assert all(bool(p.isfinite().all()) for p in load_model(tmp_path / "step-000012").parameters())


def test_a_loss_that_stays_nan_stops_the_run(tmp_path: Path) -> None:
    model = small_model()
    with torch.no_grad():
        model.model.norm.weight.fill_(math.inf)
    with pytest.raises(UserError, match="not finite for 3 steps up to step 3; lower the learning rates"):
        trainer(tmp_path, configuration(nan_limit=3), model=model).fit()


# ---- numbers that don't fit together


def test_settings_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="longer than the model's context of 16"):
        trainer(tmp_path, configuration(), model=small_model(context=16))
    for changes in ({"betas": [0.9]}, {"betas": [0.9, 1.5]}, {"learning_rate": -1.0}, {"ema": 1.0}, {"steps": 0}):
        with pytest.raises(UserError, match=next(iter(changes))):
            trainer(tmp_path, configuration(**changes))


# ---- the log


def test_the_log_tells_everything(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def sample(model: GPT, step: int) -> str:
        assert not model.training
        return f"select {step}"

    callbacks = Callbacks(sample=sample, validate=lambda model, step: {"accuracy": step / 100})
    summary = trainer(tmp_path, configuration(sample_every=5), callbacks, title="tuning").fit()
    assert list(logged(tmp_path, "loss")) == list(range(1, 13))
    for name in ("rate", "gradient_norm", "tokens_per_second", "tflops", "minutes"):
        assert all(value > 0 for value in logged(tmp_path, name).values())
    assert logged(tmp_path, "tokens")[12] == summary.tokens
    assert logged(tmp_path, "accuracy") == {4: 0.04, 8: 0.08, 12: 0.12}
    assert list(logged(tmp_path, "validation_loss")) == [4, 8, 12]
    samples = [json.loads(line) for line in (tmp_path / "log" / "samples.jsonl").read_text().splitlines()]
    assert samples == [{"step": 5, "text": "select 5"}, {"step": 10, "text": "select 10"}]
    board = EventAccumulator(str(tmp_path / "log"))
    board.Reload()
    shown = [event.value for event in board.Scalars("training/loss")]
    assert shown == pytest.approx(list(logged(tmp_path, "loss").values()), rel=1e-6)
    assert len(board.Scalars("validation/accuracy")) == 3


def test_validation_loss_is_the_weighted_mean_over_its_source(tmp_path: Path) -> None:
    config = configuration(steps=1, ema=0.0, evaluate_batches=100)
    run = trainer(tmp_path, config)
    summary = run.fit()
    model, total, weight = run.model.eval(), 0.0, 0.0
    for index in range(12):  # every document by itself
        document = Counting(12).document(index, 0)
        ids, weights = torch.tensor(document.ids), torch.tensor(document.weights)
        with torch.no_grad():
            losses = F.cross_entropy(model(ids[None])[0, :-1], ids[1:], reduction="none")
        total += float((losses * weights[1:]).sum())
        weight += float(weights[1:].sum())
    assert summary.metrics["validation_loss"] == pytest.approx(total / weight, rel=1e-5)


def test_a_compiler_that_fails_leaves_training_eager(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import torch._inductor.config as inductor

    run = trainer(tmp_path, configuration(compile="on", steps=1))
    with inductor.patch({"cpp.cxx": ("/no/such/compiler",)}):
        summary = run.fit()
    assert summary.loss == pytest.approx(math.log(VOCABULARY), abs=0.2)
    assert [record.message for record in caplog.records if "torch.compile failed" in record.message]


@pytest.mark.skipif(not shutil.which("g++"), reason="no g++, which torch.compile calls")
def test_a_cpu_learns_the_same_compiled(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = {"steps": 8, "ema": 0.0, "evaluate_every": 4}
    trainer(tmp_path / "eager", configuration(**settings), model=small_model()).fit()
    compiled = trainer(tmp_path / "compiled", configuration(compile="on", **settings), model=small_model())
    frames = torch._dynamo.utils.counters["frames"]
    before = frames["ok"]
    compiled.fit()
    assert frames["ok"] == before + 2, "one graph for each half, whatever the layer"
    assert not [record for record in caplog.records if "torch.compile failed" in record.message]
    eager, own = (logged(tmp_path / name, "loss") for name in ("eager", "compiled"))
    assert list(own.values()) == pytest.approx(list(eager.values()), rel=1e-4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_a_gpu_learns_the_same_compiled(tmp_path: Path, precision: str) -> None:
    settings = {"steps": 30, "ema": 0.0, "learning_rate": 0.01, "evaluate_every": 0}
    trainer(tmp_path / "cpu", configuration(**settings), model=small_model()).fit()
    changes = {"device": "cuda", "precision": precision, "compile": "on", **settings}
    summary = trainer(tmp_path / "gpu", configuration(**changes), model=small_model()).fit()
    assert summary.skipped <= 3
    on_cpu, on_gpu = (list(logged(tmp_path / name, "loss").values()) for name in ("cpu", "gpu"))
    assert on_gpu[-1] == pytest.approx(on_cpu[-1], rel=0.05)
