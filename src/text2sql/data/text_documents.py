"""Tokenised text as training documents: files of token ids, long texts cut to the context, span infilling.

The ids of all texts lie in one array, so that a large corpus is mapped into memory and not read. Tokenising is the
caller's: this module is given ids and gives documents whose every token is trained on.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from text2sql.data.packing import Document
from text2sql.errors import UserError
from text2sql.files import replacing

TOKENS_FILE, OFFSETS_FILE = "tokens.npy", "offsets.npy"


def save_tokens(texts: Iterable[Sequence[int]], directory: str | Path) -> int:
    """Write token sequences as one uint16 (or uint32, if an id needs it) array and their offsets; how many tokens."""
    tokens, offsets = array("I"), array("q", [0])
    for ids in texts:
        tokens.extend(ids)
        offsets.append(len(tokens))
    flat = np.frombuffer(tokens, np.uint32) if tokens else np.zeros(0, np.uint32)
    directory = Path(directory)
    small = not len(flat) or flat.max() < 2**16
    # The offsets come last: where they are, the tokens are whole.
    for name, values in ((TOKENS_FILE, flat.astype(np.uint16) if small else flat), (OFFSETS_FILE, np.asarray(offsets))):
        with replacing(directory / name) as part, part.open("wb") as file:
            np.save(file, values)
    return len(flat)


class TextDocuments:
    """A `DocumentSource` of texts; one longer than `context` gives several documents, cut in order.

    Every text ends with `end_id`. With `infilling_ids`, those of prefix, suffix and middle, a seeded share
    `infilling_rate` of the documents of each epoch becomes `prefix P suffix S middle M end` with P, M, S their parts
    at two random cuts (Bavarian et al. 2022, section 3, "PSM"). All tokens weigh 1.
    """

    def __init__(
        self,
        tokens: np.ndarray,
        offsets: np.ndarray,
        context: int,
        end_id: int,
        infilling_rate: float = 0.0,
        infilling_ids: tuple[int, int, int] | None = None,
        seed: int = 0,
    ) -> None:
        self.tokens, self.end_id, self.seed = tokens, end_id, seed
        self.infilling_rate, self.infilling_ids = infilling_rate, infilling_ids
        # Room for the end token, and for the three that infilling adds.
        self._piece = context - 1 - (3 if infilling_ids else 0)
        if self._piece < 1:
            raise UserError(f"a context of {context} tokens is too short for text; raise it")
        starts, ends = np.asarray(offsets[:-1]), np.asarray(offsets[1:])
        pieces = -(-(ends - starts) // self._piece)  # 0 for an empty text
        first_piece = np.repeat(np.cumsum(pieces) - pieces, pieces)
        self._starts = np.repeat(starts, pieces) + (np.arange(len(first_piece)) - first_piece) * self._piece
        self._ends = np.repeat(ends, pieces)

    @classmethod
    def load(cls, directory: str | Path, context: int, end_id: int, **options: object) -> TextDocuments:
        """The texts that `save_tokens` wrote, mapped into memory; `options` are the constructor's.

        Raises UserError when a file is missing or damaged.
        """
        arrays = []
        for name in (TOKENS_FILE, OFFSETS_FILE):
            path = Path(directory) / name
            try:
                arrays.append(np.load(path, mmap_mode="r" if name == TOKENS_FILE else None, allow_pickle=False))
            except FileNotFoundError as error:
                raise UserError(f"{path} not found; tokenise the corpus again") from error
            except (ValueError, OSError, EOFError) as error:
                raise UserError(
                    f"{path}: damaged ({error}); delete {directory} and tokenise the corpus again"
                ) from error
        tokens, offsets = arrays
        if not len(offsets) or offsets[-1] != len(tokens):
            raise UserError(
                f"{directory}: {TOKENS_FILE} and {OFFSETS_FILE} don't match; delete the folder, tokenise again"
            )
        return cls(tokens, offsets, context, end_id, **options)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self._starts)

    def document(self, index: int, epoch: int) -> Document:
        """Piece `index` of the texts."""
        start, text_end = int(self._starts[index]), int(self._ends[index])
        end = min(start + self._piece, text_end)
        ids = np.asarray(self.tokens[start:end], np.int64)
        random = np.random.default_rng((self.seed, epoch, index)) if self.infilling_ids else None
        if random is not None and random.random() < self.infilling_rate:
            ids = self._infilling(ids, *sorted(random.integers(0, len(ids) + 1, 2)))
        elif end == text_end:
            ids = np.append(ids, self.end_id)
        return Document(ids, np.ones(len(ids), np.float32))

    def _infilling(self, ids: np.ndarray, first: int, second: int) -> np.ndarray:
        """The text with its part between two cuts moved to the end."""
        assert self.infilling_ids is not None
        prefix, suffix, middle = self.infilling_ids
        parts = ([prefix], ids[:first], [suffix], ids[second:], [middle], ids[first:second], [self.end_id])
        return np.concatenate([np.asarray(part, np.int64) for part in parts])
