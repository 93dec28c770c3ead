"""Documents packed into rows of a fixed length, with an exact position to resume from.

A document is a token sequence with a loss weight per token; a source makes document number `index` of a pass
(`epoch`) over itself, always the same one. `PackedBatches` takes documents in a seeded order of each epoch and packs
whole ones into the rows of a batch. It holds no random state: what comes next follows from the seed and from how many
documents were consumed, so that number is all that a checkpoint needs. Nothing here knows of text or tokenizers.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from text2sql.data.prefetch import fetch_ahead
from text2sql.errors import UserError


class Document(NamedTuple):
    """Tokens with their loss weights: `weights[i]` is for predicting `ids[i]`; `weights[0]` is never used.

    The first `prompt` tokens are a prompt.
    """

    ids: Sequence[int] | np.ndarray
    weights: Sequence[float] | np.ndarray
    prompt: int = 0


class DocumentSource(Protocol):
    """Documents by number. `document` must be deterministic in its arguments; `epoch` counts the passes from 0."""

    def __len__(self) -> int: ...

    def document(self, index: int, epoch: int) -> Document: ...


class Mixture:
    """Several sources as one; a source of n documents with weight w gives round(n * w) of them in each epoch.

    Each source is walked endlessly in one shuffled order, an epoch taking its share of the way: with weight 0.5 the
    epochs take different halves in turn, with weight 2 every document comes twice, as of two passes of its source.
    Raises UserError for a weight that isn't positive or a source without documents.
    """

    def __init__(self, sources: Sequence[DocumentSource], weights: Sequence[float], seed: int = 0) -> None:
        self.sources = list(sources)
        for number, (source, weight) in enumerate(zip(sources, weights, strict=True)):
            if weight <= 0 or not len(source):
                raise UserError(f"part {number + 1} of the mixture has {len(source)} documents at weight {weight:g}")
        self._counts = [max(1, round(len(source) * weight)) for source, weight in zip(sources, weights, strict=True)]
        self._starts = np.cumsum([0, *self._counts])
        self._orders = [np.random.default_rng((seed, i)).permutation(len(s)) for i, s in enumerate(sources)]

    def __len__(self) -> int:
        return int(self._starts[-1])

    def document(self, index: int, epoch: int) -> Document:
        """Document `index` of the epoch: the sources' shares one after another."""
        part = int(np.searchsorted(self._starts, index, side="right")) - 1
        walked = epoch * self._counts[part] + index - int(self._starts[part])
        source_epoch, place = divmod(walked, len(self.sources[part]))
        return self.sources[part].document(int(self._orders[part][place]), source_epoch)


@dataclass
class Batch:
    """R rows of T tokens: `ids`, `targets`, `positions`, `documents` int64, `weights` float32, `prompts` bool, [R, T].

    `targets[r, t]` is the next token of the same document and `weights[r, t]` its loss weight, 0 at a document's last
    token. `positions` restart at 0, `documents` number each row's documents from 0 and `prompts` marks their prompts.
    Padding has id 0, weight 0 and document -1.
    """

    ids: Tensor
    targets: Tensor
    weights: Tensor
    positions: Tensor
    documents: Tensor
    prompts: Tensor

    def rows(self, selection: slice) -> Batch:
        """Some of the rows."""
        return Batch(*(tensor[selection] for tensor in vars(self).values()))

    def to(self, device: torch.device) -> Batch:
        """The batch on `device`."""
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in vars(self).values()))

    @property
    def tokens(self) -> int:
        """Tokens that aren't padding."""
        return int((self.documents >= 0).sum())


class PackedBatches(Iterator[Batch]):
    """Batches of `rows` rows of `context` tokens, endless or over `epochs` epochs (the last batch may be part empty).

    A batch takes consecutive documents of the epoch's order, as many as the rows hold by best fit; an epoch runs over
    into the next within a batch. Documents longer than `context` raise UserError, or lose their end
    (`too_long="truncate"`), or are left out (`"skip"`), counted in `too_long_count`. `workers` processes make the
    documents ahead of time, in the same order; then `source` must be picklable. `close` ends them.
    """

    def __init__(
        self,
        source: DocumentSource,
        rows: int,
        context: int,
        seed: int,
        shuffle: bool = True,
        too_long: Literal["error", "truncate", "skip"] = "error",
        epochs: int | None = None,
        workers: int = 0,
    ) -> None:
        if not len(source):
            raise UserError("there is nothing to train on: the data source has no documents")
        self.source, self.rows, self.context = source, rows, context
        self.seed, self.shuffle, self.too_long, self.epochs, self.workers = seed, shuffle, too_long, epochs, workers
        self.too_long_count = 0
        self._consumed = 0  # documents of all epochs, in order
        self._pending: deque[tuple[int, Document]] = deque()
        self._stream = self._documents()

    def state_dict(self) -> dict[str, int]:
        """The exact position: `cursor` documents of `epoch` were consumed of a source of `documents`."""
        epoch, cursor = divmod(self._consumed, len(self.source))
        return {"epoch": epoch, "cursor": cursor, "documents": len(self.source)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue from a position. Raises UserError when the source has another length than it had then."""
        if state["documents"] != len(self.source):
            raise UserError(
                f"the training data has {len(self.source)} documents but {state['documents']} when the checkpoint was "
                "saved; restore the data, or train into another folder"
            )
        self._consumed = state["epoch"] * len(self.source) + state["cursor"]
        self._restart()

    def rewind(self) -> None:
        """Back to the first document of the first epoch."""
        self._consumed = 0
        self._restart()

    def close(self) -> None:
        """End the worker processes; the next batch would start new ones."""
        self._restart()

    def __next__(self) -> Batch:
        lengths: list[int] = []
        room = self.rows * self.context
        while room >= 0 and self._look_ahead(len(lengths)):
            lengths.append(len(self._pending[len(lengths)][1].ids))
            room -= lengths[-1]
        if not lengths:
            raise StopIteration
        rows = longest_packing(lengths, self.rows, self.context)
        batch: list[list[Document]] = [[] for _ in range(self.rows)]
        for row in rows:
            self._consumed, document = self._pending.popleft()
            batch[row].append(document)
        return lay_out(batch, self.context)

    def _restart(self) -> None:
        """Drop what was made ahead; the stream starts again at the documents consumed."""
        self._pending.clear()
        self._stream.close()
        self._stream = self._documents()

    def _look_ahead(self, number: int) -> bool:
        """Have more than `number` documents pending, if there are so many."""
        if number == len(self._pending) and (item := next(self._stream, None)) is not None:
            self._pending.append(item)
        return number < len(self._pending)

    def _documents(self) -> Generator[tuple[int, Document], None, None]:
        """Each next document with the number consumed once it is used."""
        consumed, last_used = self._consumed, self._consumed
        keys = self._keys(consumed)
        for document in fetch_ahead(self.source.document, keys, self.workers):
            consumed += 1
            if len(document.ids) > self.context:
                self.too_long_count += 1
                if self.too_long == "skip":
                    if consumed - last_used >= len(self.source):
                        raise UserError(f"every document is longer than the context of {self.context}; raise it")
                    continue
                if self.too_long == "error":
                    raise UserError(
                        f"a training document has {len(document.ids)} tokens but the context is {self.context}; "
                        "raise `context`, or truncate or skip long documents"
                    )
                shorter = document.ids[: self.context], document.weights[: self.context]
                document = Document(*shorter, document.prompt)
            last_used = consumed
            yield consumed, document

    def _keys(self, consumed: int) -> Iterator[tuple[int, int]]:
        """(index, epoch) of every document from number `consumed` on."""
        epoch, cursor = divmod(consumed, len(self.source))
        while self.epochs is None or epoch < self.epochs:
            order = np.arange(len(self.source))
            if self.shuffle:
                order = np.random.default_rng((self.seed, epoch)).permutation(len(self.source))
            for index in order[cursor:]:
                yield int(index), epoch
            epoch, cursor = epoch + 1, 0


def longest_packing(lengths: Sequence[int], rows: int, context: int) -> list[int]:
    """The row of each of the first n documents, for a large n that fits `rows` rows of `context`; at least the first.

    Bisects on n: more documents can pack where fewer don't, but rarely, and any n is right as long as it is
    deterministic.
    """
    best, low, high = [0], 1, len(lengths)
    while low < high:
        middle = (low + high + 1) // 2
        packing = best_fit(lengths[:middle], rows, context)
        if packing is None:
            high = middle - 1
        else:
            low, best = middle, packing
    return best


def best_fit(lengths: Sequence[int], rows: int, context: int) -> list[int] | None:
    """Best-fit decreasing (Johnson 1973): the row of each length, or None where it doesn't find room for all."""
    space = [(context, row) for row in range(rows)]  # sorted
    packing = [0] * len(lengths)
    for number in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        place = bisect_left(space, (lengths[number], -1))
        if place == rows:
            return None
        left, row = space.pop(place)
        insort(space, (left - lengths[number], row))
        packing[number] = row
    return packing


def lay_out(rows: Iterable[Iterable[Document]], context: int) -> Batch:
    """The batch whose row r holds the documents `rows[r]`, which must fit, one after another."""
    rows = list(rows)
    ids, targets, positions = (np.zeros((len(rows), context), np.int64) for _ in range(3))
    weights, documents = np.zeros((len(rows), context), np.float32), np.full((len(rows), context), -1, np.int64)
    prompts = np.zeros((len(rows), context), np.bool_)
    for row, contents in enumerate(rows):
        start = 0
        for number, document in enumerate(contents):
            end = start + len(document.ids)
            ids[row, start:end] = document.ids
            targets[row, start : end - 1] = document.ids[1:]
            weights[row, start : end - 1] = document.weights[1:]
            positions[row, start:end] = np.arange(end - start)
            documents[row, start:end] = number
            prompts[row, start:end][: document.prompt] = True
            start = end
    return Batch(*map(torch.from_numpy, (ids, targets, weights, positions, documents, prompts)))
