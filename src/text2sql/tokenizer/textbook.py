"""Byte-pair encoding as a textbook would write it: the whole algorithm, for readers and as the tests' reference.

Text is bytes, and the bytes 0..255 are the first 256 tokens. Training looks for the most frequent pair of
neighbouring tokens, makes it a new token, and repeats (Gage 1994; Sennrich et al. 2016, algorithm 1; on bytes:
Radford et al. 2019, section 2.2). Encoding replays the merges in the order in which they were learnt. Merges stay
inside the chunks of `pretokenization.split`.

Everything is counted anew for each merge, so training costs merges x text: `training.train_merges` gives the same
merges in seconds, and `Tokenizer.encode` the same ids through tiktoken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from text2sql.tokenizer.pretokenization import split

Pair = tuple[int, int]
"""Two neighbouring token ids. The n-th merge of a list of them, from 0, makes the token 256 + n."""


def train_merges(texts: Iterable[str], number: int) -> list[Pair]:
    """Learn up to `number` merges; fewer if no pair occurs twice any more. Ties go to the smaller pair of ids."""
    chunks = [list(chunk.encode()) for text in texts for chunk in split(text)]
    merges: list[Pair] = []
    while len(merges) < number:
        counts = Counter(pair for chunk in chunks for pair in pairwise(chunk))
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if best is None or counts[best] < 2:
            break
        chunks = [merge(chunk, best, 256 + len(merges)) for chunk in chunks]
        merges.append(best)
    return merges


def merge(ids: Sequence[int], pair: Pair, new_id: int) -> list[int]:
    """Replace each occurrence of `pair` by `new_id`, from left to right: (a, a) in a a a gives new a."""
    merged: list[int] = []
    position = 0
    while position < len(ids):
        if tuple(ids[position : position + 2]) == pair:
            merged.append(new_id)
            position += 2
        else:
            merged.append(ids[position])
            position += 1
    return merged


def encode(text: str, merges: Sequence[Pair]) -> list[int]:
    """The token ids of a text."""
    new_ids = {pair: 256 + rank for rank, pair in enumerate(merges)}
    return [token for chunk in split(text) for token in encode_chunk(chunk.encode(), new_ids)]


def encode_chunk(chunk: bytes, new_ids: dict[Pair, int]) -> list[int]:
    """The token ids of one chunk: merge the pair that was learnt first, until no neighbours form a known pair."""
    ids = list(chunk)
    while known := [new_ids[pair] for pair in pairwise(ids) if pair in new_ids]:
        earliest = min(known)
        pair = next(pair for pair in pairwise(ids) if new_ids.get(pair) == earliest)
        ids = merge(ids, pair, earliest)
    return ids


def spell(merges: Sequence[Pair]) -> list[bytes]:
    """The bytes of each token: the 256 single bytes, then those that the merges make."""
    tokens = [bytes([value]) for value in range(256)]
    for left, right in merges:
        tokens.append(tokens[left] + tokens[right])
    return tokens
