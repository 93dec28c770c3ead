"""The prefix-LM: a prompt's tokens see each other in both directions, in packed training as in cached decoding."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fused_attention import assert_equals_fused_kernel
from text2sql.config import DecodingConfig, ModelConfig, PromptingConfig, TrainingConfig
from text2sql.data.instruction import InstructionDocuments
from text2sql.data.packing import Batch, Document, PackedBatches, lay_out
from text2sql.decoding.batch import DecodingBatch, PromptTokens
from text2sql.decoding.engine import complete
from text2sql.errors import UserError
from text2sql.model import GPT, GPTConfig, load_model, resolve, save_model
from text2sql.model.attention import BLOCK, DocumentLayout, additive_mask, attend
from text2sql.model.gpt import same_document
from text2sql.prompting.linking import Links
from text2sql.prompting.prompt import PromptEncoder, tokens_of
from text2sql.schema import Schema
from text2sql.tokenizer import Tokenizer
from text2sql.training.learner import Learner
from text2sql.training.objective import Objective, selected_positions

SHAPE = GPTConfig(
    vocabulary_size=97, layers=3, width=64, heads=4, kv_heads=2, mlp_width=192, context=600, prefix_lm=True
)
PAIRS = [(150, 20), (1, 9), (90, 30), (40, 5), (BLOCK + 40, 3)]
"""Tokens of (prompt, answer): prompts within a block of blockwise attention, over its edge, and of one token."""


def make_model(config: GPTConfig = SHAPE) -> GPT:
    """A model whose weights are large enough that attention isn't near uniform."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = GPT(config).eval()
    for parameter in model.parameters():
        if parameter.dim() == 2:
            nn.init.normal_(parameter, std=0.12)
    return model


def make_documents() -> list[Document]:
    generator = torch.Generator().manual_seed(1)
    documents = []
    for prompt, answer in PAIRS:
        ids = torch.randint(97, (prompt + answer,), generator=generator).tolist()
        documents.append(Document(ids, [0.0] * prompt + [1.0] * answer, prompt))
    return documents


def packed(documents: list[Document]) -> Batch:
    """Two rows, both with padding; the first has four documents."""
    return lay_out([documents[:4], documents[4:]], SHAPE.context)


def hidden(model: GPT, batch: Batch) -> Tensor:
    return model.hidden(batch.ids, batch.positions, batch.documents, prompts=batch.prompts)


@torch.no_grad()
def test_cached_decoding_gives_the_logits_of_the_packed_forward() -> None:
    model, documents = make_model(), make_documents()
    batch = packed(documents)
    logits = model(batch.ids, batch.positions, batch.documents, prompts=batch.prompts)
    prompts = [PromptTokens(n, d.ids[: d.prompt], len(d.ids) - d.prompt) for n, d in enumerate(documents)]
    decoding = DecodingBatch(model, prompts)
    for step in range(max(answer for _, answer in PAIRS)):
        for number, document in enumerate(documents):
            if document.prompt + step < len(document.ids):
                row, start = (0, sum(map(sum, PAIRS[:number]))) if number < 4 else (1, 0)
                expected = logits[row, start + document.prompt + step - 1]
                torch.testing.assert_close(decoding.logits[number], expected, atol=1e-5, rtol=0)
        decoding.step([d.ids[min(d.prompt + step, len(d.ids) - 1)] for d in documents])


def changed_positions(place: int) -> list[int]:
    """Positions of the first row whose output changes with the token at `place`."""
    model, batch = make_model(), packed(make_documents())
    before = hidden(model, batch)
    batch.ids[0, place] = (batch.ids[0, place] + 1) % 97
    difference = (hidden(model, batch) - before).abs().amax(dim=-1)
    assert not difference[1].any()
    return difference[0].nonzero().flatten().tolist()


@pytest.mark.parametrize("place", [0, 5, 128, 149])
@torch.no_grad()
def test_the_whole_prompt_and_the_answer_see_each_token_of_the_prompt(place: int) -> None:
    assert changed_positions(place) == list(range(170))


@pytest.mark.parametrize("place", [150, 160, 169])
@torch.no_grad()
def test_an_answers_token_is_seen_by_later_ones_of_the_answer_only(place: int) -> None:
    assert changed_positions(place) == list(range(place, 170))


@pytest.mark.parametrize(
    ("place", "seen"), [(170, (170, 180)), (185, (180, 300)), (265, (180, 300)), (310, (300, 345))]
)
@torch.no_grad()
def test_other_documents_do_not_see_it(place: int, seen: tuple[int, int]) -> None:
    assert changed_positions(place) == list(range(*seen))


@torch.no_grad()
def test_without_marked_prompts_and_without_the_switch_it_is_causal() -> None:
    """Pretraining marks none."""
    model, causal = make_model(), make_model(replace(SHAPE, prefix_lm=False))
    batch = packed([document._replace(prompt=0) for document in make_documents()])
    expected = causal.hidden(batch.ids, batch.positions, batch.documents)
    torch.testing.assert_close(hidden(model, batch), expected, atol=1e-5, rtol=0)
    assert torch.equal(model(batch.ids), causal(batch.ids))
    marked = packed(make_documents())
    assert torch.equal(hidden(causal, marked), expected)
    assert not torch.equal(hidden(model, marked), expected)


@torch.no_grad()
def test_the_engine_and_the_loss_use_it() -> None:
    model, causal = make_model(), make_model(replace(SHAPE, prefix_lm=False))
    prompts, options = [document.ids[: document.prompt] for document in make_documents()], DecodingConfig()
    beams = replace(options, num_beams=3, max_new_tokens=6)
    found = [[found[0] for found in complete(m, prompts, beams, end_id=96)] for m in (model, causal)]
    assert [c.ids for c in found[0]] != [c.ids for c in found[1]]
    for prompt, completion in zip(prompts, found[0], strict=True):
        ids = torch.tensor([[*prompt, *completion.ids]])
        marks = torch.arange(ids.shape[1])[None] < len(prompt)
        log_probabilities = model(ids, documents=torch.zeros_like(ids), prompts=marks).log_softmax(dim=-1)[0]
        written = [log_probabilities[len(prompt) - 1 + n, token] for n, token in enumerate(completion.ids)]
        total = sum(map(float, written)) + (float(log_probabilities[-1, 96]) if completion.finished else 0.0)
        assert completion.log_probability == pytest.approx(total, abs=1e-4)
    batch = packed(make_documents())
    losses = [float(Objective(m)(batch, selected_positions(batch))) for m in (model, causal)]
    logits = model(batch.ids, batch.positions, batch.documents, prompts=batch.prompts)
    by_hand = nn.functional.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), reduction="none")
    assert losses[0] == pytest.approx(float((by_hand * batch.weights.flatten()).sum()), rel=1e-5)
    assert losses[0] != pytest.approx(losses[1], rel=1e-3)


def test_blockwise_attention_equals_the_fused_kernel() -> None:
    torch.manual_seed(0)
    batch = packed(make_documents())
    visible = same_document(batch.documents, batch.prompts)
    assert visible[0, 0, 0, 149]
    inputs = [torch.randn(2, heads, SHAPE.context, 16, requires_grad=True) for heads in (4, 2, 2)]
    found = attend(*inputs, additive_mask(visible, torch.float32), causal=False)
    assert_equals_fused_kernel(found, inputs, visible)
    layout = DocumentLayout.of(batch.documents, batch.prompts, 4, torch.float32)
    assert_equals_fused_kernel(layout.attend(*inputs), inputs, visible)


def test_the_folder_says_that_it_is_no_plain_llama(tmp_path: Path) -> None:
    save_model(make_model(), tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text("utf-8"))
    assert saved["model_type"] != "llama"
    assert load_model(tmp_path).config == SHAPE
    transformers = pytest.importorskip("transformers")
    with pytest.raises(ValueError, match="llama_prefix_lm"):
        transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    assert replace(SHAPE, prefix_lm=False).to_hf()["model_type"] == "llama"
    assert resolve(ModelConfig(prefix_lm=True), 97).prefix_lm
    assert not resolve(ModelConfig(), 97).prefix_lm


def test_a_loss_on_the_prompt_is_refused() -> None:
    config = TrainingConfig(prompt_weight=0.1, device="cpu", precision="fp32")
    with pytest.raises(UserError, match="set prompt_weight to 0"):
        Learner(make_model(), config, 2, 64)
    Learner(make_model(replace(SHAPE, prefix_lm=False)), config, 2, 64)


def test_training_documents_mark_their_prompts() -> None:
    form = PromptingConfig(max_columns=8, max_tables=4, max_words=16, max_cells=2)
    tokenizer = Tokenizer.train(["how many albums are there"] * 3, 256 + len(tokens_of(form)) + 8, tokens_of(form))
    encoder, schema = PromptEncoder(tokenizer, form), Schema.from_ddl("CREATE TABLE albums (id INT, title TEXT)")
    item = encoder.prepare("how many albums", "SELECT count(*) FROM albums", schema, Links())
    source = InstructionDocuments([item] * 3, encoder, seed=0, prompt_weight=0.0)
    batch = next(PackedBatches(source, rows=2, context=128, seed=0))
    assert batch.prompts.any()
    ends = batch.ids == tokenizer.special("<|assistant|>")
    last = batch.prompts & ~batch.prompts.roll(-1, dims=1)
    assert torch.equal(last, ends)
    answers = (batch.documents >= 0) & ~batch.prompts
    assert torch.equal(batch.weights.roll(1, dims=1) > 0, answers)


def test_a_prompt_that_is_cut_off_ends_with_its_row() -> None:
    class Long:
        def __len__(self) -> int:
            return 2

        def document(self, index: int, epoch: int) -> Document:
            length = 20 if index else 6
            return Document(list(range(length)), [0.0] * length, prompt=length - 2)

    batch = next(PackedBatches(Long(), rows=2, context=16, seed=0, shuffle=False, too_long="truncate", epochs=1))
    assert sorted(batch.prompts.sum(dim=1).tolist()) == [4, 16]
