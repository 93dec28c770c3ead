"""Packing: nothing lost, nothing twice, no document in another's row space, and an exact position to resume from."""

from __future__ import annotations

import random
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from text2sql.data.packing import Batch, Document, Mixture, PackedBatches, best_fit, longest_packing
from text2sql.data.text_documents import TextDocuments, save_tokens
from text2sql.errors import UserError

CONTEXT = 16


class Numbered:
    """Document i has the given length; its ids tell its number and the epoch, its weights count up."""

    def __init__(self, lengths: list[int]) -> None:
        self.lengths = lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def document(self, index: int, epoch: int) -> Document:
        length = self.lengths[index]
        return Document([1000 * (index + 1) + epoch] * (length - 1) + [7], [i / 4 for i in range(length)])


def unpack(batch: Batch) -> list[tuple[tuple[int, ...], tuple[float, ...]]]:
    """The documents of a batch, read back from its rows; checks the layout of each on the way."""
    found = []
    for row in range(len(batch.ids)):
        numbers = batch.documents[row].tolist()
        assert numbers == sorted(numbers, key=lambda n: (n < 0, n)), "documents lie one after another, padding last"
        for number in sorted({n for n in numbers if n >= 0}):
            at = batch.documents[row] == number
            ids, weights = batch.ids[row, at], batch.weights[row, at]
            assert batch.positions[row, at].tolist() == list(range(len(ids)))
            assert batch.targets[row, at][:-1].tolist() == ids[1:].tolist()
            assert weights[-1] == 0
            found.append((tuple(ids.tolist()), (0.0, *weights[:-1].tolist())))
        padding = batch.documents[row] < 0
        assert not batch.ids[row, padding].any()
        assert not batch.weights[row, padding].any()
    return found


def expected(source: Numbered, epoch: int) -> Counter[tuple[tuple[int, ...], tuple[float, ...]]]:
    documents = [source.document(i, epoch) for i in range(len(source))]
    return Counter((tuple(d.ids), (0.0, *d.weights[1:])) for d in documents)


def equal(left: Batch, right: Batch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(vars(left).values(), vars(right).values(), strict=True))


lengths_lists = st.lists(st.integers(1, CONTEXT), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(lengths_lists, st.integers(1, 5), st.integers(0, 3), st.booleans())
def test_every_document_exactly_once_per_epoch(lengths: list[int], rows: int, seed: int, shuffle: bool) -> None:
    source = Numbered(lengths)
    batches = list(PackedBatches(source, rows, CONTEXT, seed, shuffle, epochs=2))
    assert all(batch.ids.shape == (rows, CONTEXT) for batch in batches)
    documents = Counter(document for batch in batches for document in unpack(batch))
    assert documents == expected(source, 0) + expected(source, 1)


@settings(max_examples=40, deadline=None)
@given(lengths_lists, st.integers(1, 4), st.integers(0, 8))
def test_a_resumed_iterator_continues_exactly(lengths: list[int], rows: int, batches_before: int) -> None:
    original = PackedBatches(Numbered(lengths), rows, CONTEXT, seed=5)
    for _ in islice(original, batches_before):
        pass
    resumed = PackedBatches(Numbered(lengths), rows, CONTEXT, seed=5)
    next(resumed)  # what it has made ahead must be forgotten
    resumed.load_state_dict(original.state_dict())
    for left, right in islice(zip(original, resumed, strict=True), 4):
        assert equal(left, right)


def test_epochs_differ_in_order_and_seeds_too() -> None:
    source = Numbered([8] * 30)
    first, second = (list(PackedBatches(source, 15, CONTEXT, seed, epochs=2)) for seed in (1, 2))
    assert len(first) == 2
    orders = [tuple(batch.ids[:, ::8].flatten().tolist()) for batch in (*first, *second)]
    assert len({tuple(n // 1000 for n in order) for order in orders}) == 4


@settings(max_examples=100, deadline=None)
@given(lengths_lists, st.integers(1, 6))
def test_packing_fits_and_takes_much(lengths: list[int], rows: int) -> None:
    packing = longest_packing(lengths, rows, CONTEXT)
    filled = [sum(length for length, row in zip(lengths, packing, strict=False) if row == r) for r in range(rows)]
    assert packing
    assert max(filled) <= CONTEXT
    if len(packing) < len(lengths):  # the first refused doesn't fit any more
        assert best_fit(lengths[: len(packing) + 1], rows, CONTEXT) is None


def test_packing_wastes_little() -> None:
    rng = random.Random(0)
    lengths = [rng.randint(20, 200) for _ in range(2000)]
    batches = list(PackedBatches(Numbered(lengths), 32, 512, seed=0, epochs=1))[:-1]
    assert sum(batch.tokens for batch in batches) / (len(batches) * 32 * 512) > 0.95


def test_documents_longer_than_the_context() -> None:
    source = Numbered([4, CONTEXT + 1, 5])
    with pytest.raises(UserError, match=f"{CONTEXT + 1} tokens but the context is {CONTEXT}"):
        list(PackedBatches(source, 1, CONTEXT, 0, epochs=1))
    skipping = PackedBatches(source, 1, CONTEXT, 0, too_long="skip", epochs=1)
    assert sum(batch.tokens for batch in skipping) == 9
    assert skipping.too_long_count == 1
    truncating = PackedBatches(source, 3, CONTEXT, 0, too_long="truncate", epochs=1)
    assert sum(batch.tokens for batch in truncating) == 9 + CONTEXT
    with pytest.raises(UserError, match="every document is longer"):
        next(PackedBatches(Numbered([CONTEXT + 1] * 3), 1, CONTEXT, 0, too_long="skip"))


def test_a_source_that_changed_or_is_empty_is_refused() -> None:
    batches = PackedBatches(Numbered([4, 5]), 1, CONTEXT, 0)
    with pytest.raises(UserError, match="2 documents but 3 when"):
        batches.load_state_dict({"epoch": 0, "cursor": 1, "documents": 3})
    with pytest.raises(UserError, match="no documents"):
        PackedBatches(Numbered([]), 1, CONTEXT, 0)


def test_worker_processes_keep_the_order() -> None:
    source = Numbered([1 + i * 7 % CONTEXT for i in range(50)])
    alone = PackedBatches(source, 4, CONTEXT, seed=3)
    helped = PackedBatches(source, 4, CONTEXT, seed=3, workers=1)
    try:
        for left, right in islice(zip(alone, helped, strict=True), 10):
            assert equal(left, right)
        assert alone.state_dict() == helped.state_dict()
    finally:
        helped.close()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from([0.5, 1.0, 2.0])), min_size=1, max_size=4))
def test_mixture_weights(parts: list[tuple[int, float]]) -> None:
    sources = [Numbered([2 + number] * (2 * half)) for number, (half, _) in enumerate(parts)]
    mixture = Mixture(sources, [weight for _, weight in parts])
    seen = [Counter(tuple(mixture.document(i, epoch).ids) for i in range(len(mixture))) for epoch in (0, 1)]
    for number, (half, weight) in enumerate(parts):
        own = [Counter({ids: n for ids, n in epoch.items() if len(ids) == 2 + number}) for epoch in seen]
        assert [epoch.total() for epoch in own] == [int(2 * half * weight)] * 2
        passes = range(int(2 * weight))  # over two epochs, each pass of the source holds every document once
        documents = [sources[number].document(i, e) for i in range(2 * half) for e in passes]
        assert own[0] + own[1] == Counter(tuple(document.ids) for document in documents)


def test_mixture_refuses_what_it_cannot_mix() -> None:
    with pytest.raises(UserError, match="part 2 of the mixture has 0 documents"):
        Mixture([Numbered([2]), Numbered([])], [1.0, 1.0])
    with pytest.raises(UserError, match="weight 0"):
        Mixture([Numbered([2])], [0.0])


END, PREFIX, SUFFIX, MIDDLE = 90, 91, 92, 93
texts_strategy = st.lists(st.lists(st.integers(0, 80), max_size=40), min_size=1, max_size=8)


def text_documents(texts: list[list[int]], **options: object) -> TextDocuments:
    offsets = np.cumsum([0, *(len(text) for text in texts)])
    return TextDocuments(np.array([i for t in texts for i in t], np.uint16), offsets, CONTEXT, END, **options)  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(texts_strategy)
def test_texts_are_cut_without_loss(texts: list[list[int]]) -> None:
    source = text_documents(texts)
    documents = [source.document(i, 0) for i in range(len(source))]
    assert all(0 < len(document.ids) <= CONTEXT for document in documents)
    stream = [int(i) for document in documents for i in document.ids]
    assert stream == [i for text in texts if text for i in (*text, END)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 80), min_size=1, max_size=40), st.integers(0, 5))
def test_infilling_holds_the_same_text(text: list[int], epoch: int) -> None:
    source = text_documents([text], infilling_rate=1.0, infilling_ids=(PREFIX, SUFFIX, MIDDLE))
    restored: list[int] = []
    for index in range(len(source)):
        ids = [int(i) for i in source.document(index, epoch).ids]
        assert len(ids) <= CONTEXT
        assert ids[0] == PREFIX
        assert ids[-1] == END
        suffix, middle = ids.index(SUFFIX), ids.index(MIDDLE)
        restored += ids[1:suffix] + ids[middle + 1 : -1] + ids[suffix + 1 : middle]
    assert restored == text


def test_infilling_takes_its_share_anew_each_epoch() -> None:
    source = text_documents([[1, 2, 3, 4, 5]] * 400, infilling_rate=0.25, infilling_ids=(PREFIX, SUFFIX, MIDDLE))
    chosen = [{i for i in range(400) if source.document(i, epoch).ids[0] == PREFIX} for epoch in (0, 1)]
    assert all(70 < len(epoch) < 130 for epoch in chosen)
    assert chosen[0] != chosen[1]
    assert chosen[0] == {i for i in range(400) if source.document(i, 0).ids[0] == PREFIX}


@pytest.mark.parametrize(("largest", "dtype"), [(65535, np.uint16), (65536, np.uint32)])
def test_token_files(tmp_path: Path, largest: int, dtype: type) -> None:
    assert save_tokens(iter([[5, largest], [], [7]]), tmp_path) == 3
    source = TextDocuments.load(tmp_path, CONTEXT, END)
    assert source.tokens.dtype == dtype
    assert [source.document(i, 0).ids.tolist() for i in range(len(source))] == [[5, largest, END], [7, END]]  # type: ignore[union-attr]


def test_damaged_token_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not found; tokenise"):
        TextDocuments.load(tmp_path, CONTEXT, END)
    save_tokens([[1, 2, 3]], tmp_path)
    whole = (tmp_path / "tokens.npy").read_bytes()
    (tmp_path / "tokens.npy").write_bytes(whole[:-1])
    with pytest.raises(UserError, match=r"tokens\.npy: damaged"):
        TextDocuments.load(tmp_path, CONTEXT, END)
    (tmp_path / "tokens.npy").write_bytes(b"not an array")
    with pytest.raises(UserError, match=r"tokens\.npy: damaged"):
        TextDocuments.load(tmp_path, CONTEXT, END)
    save_tokens([[1, 2, 3, 4]], tmp_path / "other")
    (tmp_path / "tokens.npy").write_bytes((tmp_path / "other" / "tokens.npy").read_bytes())
    with pytest.raises(UserError, match="don't match"):
        TextDocuments.load(tmp_path, CONTEXT, END)
