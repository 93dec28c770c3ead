"""The GPT against transformers' Llama, its masks, dropout and initialisation."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fused_attention import assert_equals_fused_kernel
from text2sql.model import GPT, GPTConfig, save_model
from text2sql.model.attention import BLOCK, DocumentLayout, attend
from text2sql.model.gpt import same_document

SHAPES = {
    "plain": {},
    "grouped": {"kv_heads": 2},
    "one kv head": {"kv_heads": 1},
    "untied": {"tie_embeddings": False, "kv_heads": 2},
    "other rope and norm": {"rope_theta": 500_000.0, "norm_epsilon": 1e-6},
}


def make_config(**changes: object) -> GPTConfig:
    shape: dict = {"vocabulary_size": 97, "layers": 3, "width": 64, "heads": 4, "kv_heads": 4, "mlp_width": 192}
    return GPTConfig(**{**shape, "context": 600, **changes})


def make_model(seed: int = 0, **changes: object) -> GPT:
    """A model whose weights are large enough that attention isn't near uniform, and whose norms aren't all 1."""
    torch.manual_seed(seed)
    model = GPT(make_config(**changes)).eval()
    for parameter in model.parameters():
        if parameter.dim() == 2:
            nn.init.normal_(parameter, std=0.12)
        else:
            nn.init.normal_(parameter, mean=1.0, std=0.2)
    return model


def random_ids(rows: int, tokens: int, seed: int = 0) -> Tensor:
    return torch.randint(97, (rows, tokens), generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("name", SHAPES)
@torch.no_grad()
def test_logits_equal_transformers_llama_loaded_from_our_folder(name: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    model = make_model(**SHAPES[name])
    save_model(model, tmp_path)
    llama, loading = transformers.LlamaForCausalLM.from_pretrained(
        tmp_path, output_loading_info=True, attn_implementation="eager"
    )
    assert not any(loading.values()), loading
    for tokens in (40, 300):  # Less than one block of blockwise attention, and a few with a remainder.
        ids = random_ids(2, tokens)
        expected = llama.eval()(ids).logits
        assert expected.std() > 0.3
        torch.testing.assert_close(model(ids), expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_weights_of_transformers_llama_load_without_renaming() -> None:
    transformers = pytest.importorskip("transformers")
    config = make_config(kv_heads=2, tie_embeddings=False)
    llama = transformers.LlamaForCausalLM(transformers.LlamaConfig(**config.to_hf())).eval()
    model = GPT(config).eval()
    model.load_state_dict(llama.state_dict())
    ids = random_ids(2, 60)
    torch.testing.assert_close(model(ids), llama(ids).logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize("place", [0, 5, BLOCK - 1, BLOCK, 299])
@torch.no_grad()
def test_no_token_sees_a_later_one(place: int) -> None:
    model = make_model(kv_heads=2)
    ids = random_ids(1, 300)
    changed = ids.clone()
    changed[0, place] = (ids[0, place] + 1) % 97
    difference = (model(ids) - model(changed)).abs().amax(dim=-1)[0]
    assert torch.all(difference[:place] == 0)
    assert torch.all(difference[place:] > 0)


def test_no_gradient_flows_to_later_tokens_or_other_documents() -> None:
    model = make_model()
    documents = torch.tensor([[0] * 6 + [1] * 8 + [2] * 6])
    embedded: list[Tensor] = []
    model.model.embed_tokens.register_forward_hook(lambda *args: embedded.append(args[2]) or args[2].retain_grad())
    model(random_ids(1, 20), documents=documents)[0, 10].sum().backward()
    reached = embedded[0].grad[0].abs().sum(dim=-1) > 0
    assert reached.tolist() == [6 <= place <= 10 for place in range(20)]


def packed_row(lengths: list[int], padding: int) -> tuple[Tensor, Tensor]:
    """Positions and documents [1, T] of documents of these lengths and then padding."""
    positions = [torch.arange(length) for length in [*lengths, padding]]
    documents = [torch.full((n,), number) for number, n in enumerate(lengths)] + [torch.full((padding,), -1)]
    return torch.cat(positions)[None], torch.cat(documents)[None]


@pytest.mark.parametrize("lengths", [[1, 9, 30], [100, 60, 100], [BLOCK, BLOCK + 60, 1]])
@torch.no_grad()
def test_packed_documents_get_the_logits_they_get_alone(lengths: list[int]) -> None:
    model = make_model(kv_heads=2)
    positions, documents = packed_row(lengths, padding=7)
    ids = random_ids(1, sum(lengths) + 7)
    packed = model(ids, positions, documents)
    start = 0
    for length in lengths:
        alone = model(ids[:, start : start + length])
        torch.testing.assert_close(packed[:, start : start + length], alone, atol=1e-5, rtol=0)
        start += length


@torch.no_grad()
def test_changing_one_packed_document_leaves_the_others_bit_identical() -> None:
    model = make_model()
    positions, documents = packed_row([50, 120, 60], padding=0)
    ids = random_ids(1, 230)
    changed = ids.clone()
    changed[0, 50:170] = (ids[0, 50:170] + 1) % 97
    same = (model(ids, positions, documents) == model(changed, positions, documents))[0].all(dim=-1)
    assert same.tolist() == [place < 50 or place >= 170 for place in range(230)]


def test_padding_gives_no_nan_and_changes_nothing_forward_or_backward() -> None:
    model = make_model()
    ids = random_ids(2, 140)
    documents = torch.zeros(2, 140, dtype=torch.int64)
    documents[0, 100:] = -1
    documents[1, :] = -1  # A whole row of padding.
    logits = model(ids, documents=documents)
    assert logits.isfinite().all()
    logits[0, :100].logsumexp(dim=-1).sum().backward()
    with_padding = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    model(ids[:1, :100]).logsumexp(dim=-1).sum().backward()
    for found, parameter in zip(with_padding, model.parameters(), strict=True):
        assert found.isfinite().all()
        torch.testing.assert_close(found, parameter.grad, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_positions_shift_only_by_their_differences_but_matter() -> None:
    model = make_model()
    ids = random_ids(1, 40)
    shifted = torch.arange(40)[None] + 100
    torch.testing.assert_close(model(ids, shifted), model(ids), atol=1e-4, rtol=0)
    assert (model(ids, torch.zeros_like(ids)) - model(ids)).abs().max() > 0.01


@pytest.mark.parametrize("kv_heads", [4, 2])
@pytest.mark.parametrize("masked", [False, True])
def test_blockwise_attention_equals_the_fused_kernel(kv_heads: int, masked: bool) -> None:
    torch.manual_seed(0)
    tokens = BLOCK + 40
    inputs = [torch.randn(2, heads, tokens, 16, requires_grad=True) for heads in (4, kv_heads, kv_heads)]
    visible = torch.ones(tokens, tokens, dtype=torch.bool).tril()
    if masked:
        visible[20:, :20] = False
    mask = torch.zeros(tokens, tokens).masked_fill(~visible, -math.inf)
    found = attend(*inputs, mask if masked else None)
    assert_equals_fused_kernel(found, inputs, visible)


@pytest.mark.parametrize("kv_heads", [4, 2])
def test_attention_by_document_equals_the_fused_kernel(kv_heads: int) -> None:
    """Documents of one and of several lengths, over a block's edge, in pieces, and padding."""
    torch.manual_seed(0)
    tokens = BLOCK + 100
    documents = torch.zeros(3, tokens, dtype=torch.int64)
    documents[0, BLOCK + 10 :] = 1
    documents[0, -7:] = -1
    documents[1] = torch.arange(tokens).div(30, rounding_mode="floor")
    documents[2] = torch.arange(tokens) % 2
    inputs = [torch.randn(3, heads, tokens, 16, requires_grad=True) for heads in (4, kv_heads, kv_heads)]
    found = DocumentLayout.of(documents, None, 4, torch.float32).attend(*inputs)
    assert_equals_fused_kernel(found, inputs, same_document(documents))


@torch.no_grad()
def test_head_of_hidden_is_forward() -> None:
    for tie in (True, False):
        model = make_model(tie_embeddings=tie)
        ids = random_ids(2, 10)
        hidden = model.hidden(ids)
        assert hidden.shape == (2, 10, 64)
        assert torch.equal(model.head(hidden), model(ids))


@torch.no_grad()
def test_bfloat16_autocast_stays_near_fp32_with_and_without_documents() -> None:
    model = make_model()
    ids = random_ids(2, 200)
    documents = torch.arange(200).div(70, rounding_mode="floor").expand(2, -1)
    for kwargs in ({}, {"documents": documents}):
        exact = model(ids, **kwargs)
        with torch.autocast("cpu", torch.bfloat16):
            rough = model(ids, **kwargs)
        assert rough.dtype == torch.bfloat16
        assert (rough - exact).abs().mean() < 0.02 * exact.abs().mean()


def test_dropout_acts_only_while_training() -> None:
    model = make_model(dropout=0.3)
    ids = random_ids(2, 30)
    assert torch.equal(model(ids), model(ids))
    model.train()
    assert not torch.equal(model(ids), model(ids))
    plain = make_model(dropout=0.0)
    assert torch.equal(plain.train()(ids), plain.eval()(ids))
    assert torch.equal(plain(ids), model.eval()(ids))


def test_initial_spread_is_002_and_smaller_where_the_residual_stream_is_written() -> None:
    torch.manual_seed(0)
    model = GPT(make_config(width=256, mlp_width=704, vocabulary_size=1000, layers=3))
    for name, parameter in model.named_parameters():
        if parameter.dim() == 1:
            assert torch.all(parameter == 1), name
        else:
            writes = name.endswith(("o_proj.weight", "down_proj.weight"))
            expected = 0.02 / math.sqrt(6) if writes else 0.02
            assert parameter.std().item() == pytest.approx(expected, rel=0.03), name
    with torch.no_grad():
        loss = nn.functional.cross_entropy(
            model(torch.randint(1000, (4, 64))).flatten(0, 1), torch.randint(1000, (256,))
        )
    assert loss.item() == pytest.approx(math.log(1000), abs=0.15)


def test_a_seed_gives_the_same_weights() -> None:
    first, second, other = (make_model(seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["model.embed_tokens.weight"], other["model.embed_tokens.weight"])


def test_more_tokens_than_the_context_are_refused() -> None:
    with pytest.raises(ValueError, match="601 tokens are longer than the model's context of 600"):
        make_model()(random_ids(1, 601))


def test_compiles_as_one_graph_without_recompiling_for_other_documents() -> None:
    model = make_model()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    ids = random_ids(2, 160)
    torch._dynamo.config.error_on_recompile = True
    try:
        for seed in (0, 1):
            documents = torch.randint(3, (2, 160), generator=torch.Generator().manual_seed(seed)).sort().values
            positions = torch.arange(160).expand(2, -1)
            torch.testing.assert_close(
                compiled(ids, positions, documents), model(ids, positions, documents), atol=1e-4, rtol=0
            )
    finally:
        torch._dynamo.config.error_on_recompile = False
        torch._dynamo.reset()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("kv_heads", [4, 2])  # grouped queries take another kernel than plain ones
@torch.no_grad()
def test_a_gpu_agrees_with_the_cpu(kv_heads: int) -> None:
    model = make_model(kv_heads=kv_heads)
    ids = random_ids(2, 200)
    positions, documents = packed_row([80, 100], padding=20)
    arguments = [ids, positions.expand(2, -1), documents.expand(2, -1)]
    plain, packed = model(ids), model(*arguments)
    model.cuda()
    torch.testing.assert_close(model(ids.cuda()).cpu(), plain, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(model(*[a.cuda() for a in arguments]).cpu(), packed, atol=1e-3, rtol=1e-3)
