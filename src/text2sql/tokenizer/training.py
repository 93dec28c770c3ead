"""Learning the merges fast: `textbook.train_merges` with the same result in a small share of the time.

Three observations make the difference (the first from Sennrich et al. 2016, section 3.2):

1. Chunks repeat. Each different chunk is held once, with the number of its occurrences.
2. A merge changes few chunks. An index from pair to chunks finds them, and in them only the counts of the merged
   pair and of the pairs beside it change.
3. Old counts only fall: all pairs that a merge adds hold its new token. So a heap may keep stale counts, too high
   but never too low; one that comes to the top is put back with its true count.

The result depends on neither the order of the texts nor on hashing: equal counts go to the smaller pair of ids.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise

from tqdm import tqdm

from text2sql.tokenizer.pretokenization import split
from text2sql.tokenizer.textbook import Pair


def train_merges(texts: Iterable[str], number: int, progress: bool = False) -> list[Pair]:
    """Learn up to `number` merges; fewer if no pair occurs twice any more. The n-th makes the token 256 + n."""
    chunks = count_chunks(texts, progress)
    pairs = _PairCounts(chunks)
    merges: list[Pair] = []
    with tqdm(total=number, desc="merges", unit=" merges", disable=not progress) as bar:
        while len(merges) < number and (pair := pairs.most_frequent()) is not None:
            pairs.merge(pair, 256 + len(merges))
            merges.append(pair)
            bar.update()
    return merges


def count_chunks(texts: Iterable[str], progress: bool = False) -> Counter[str]:
    """How often each chunk occurs in the texts."""
    chunks: Counter[str] = Counter()
    for text in tqdm(texts, desc="counting", unit=" texts", disable=not progress):
        chunks.update(split(text))
    return chunks


class _PairCounts:
    """The chunks as token ids, and for each pair of neighbours how often it occurs and in which chunks."""

    def __init__(self, chunks: Counter[str]) -> None:
        self.chunks = [list(chunk.encode()) for chunk in chunks]
        self.frequencies = list(chunks.values())
        self.counts: defaultdict[Pair, int] = defaultdict(int)
        self.places: defaultdict[Pair, set[int]] = defaultdict(set)
        """Chunks that hold the pair, or held it before another merge took it from them."""
        for place, (ids, frequency) in enumerate(zip(self.chunks, self.frequencies, strict=True)):
            for pair in pairwise(ids):
                self.counts[pair] += frequency
                self.places[pair].add(place)
        self.heap = [(-count, pair) for pair, count in self.counts.items()]
        heapq.heapify(self.heap)

    def most_frequent(self) -> Pair | None:
        """The pair with the highest count, the smallest of several; None if none occurs twice."""
        while self.heap:
            negative, pair = heapq.heappop(self.heap)
            count = self.counts[pair]
            if count < 2:
                continue
            if count == -negative:
                return pair
            heapq.heappush(self.heap, (-count, pair))
        return None

    def merge(self, pair: Pair, new_id: int) -> None:
        """Make `pair` the token `new_id` wherever it occurs."""
        changes: defaultdict[Pair, int] = defaultdict(int)
        for place in self.places.pop(pair):
            self._merge_chunk(place, pair, new_id, changes)
        for changed, difference in changes.items():
            self.counts[changed] += difference
            if difference > 0:
                heapq.heappush(self.heap, (-self.counts[changed], changed))

    def _merge_chunk(self, place: int, pair: Pair, new_id: int, changes: defaultdict[Pair, int]) -> None:
        """Merge in one chunk, adding to `changes` what happens to the pair itself and to the pairs beside it."""
        left, right = pair
        before, frequency = self.chunks[place], self.frequencies[place]
        after: list[int] = []
        position, last = 0, len(before) - 1
        while position <= last:
            token = before[position]
            found = token == left and position < last and before[position + 1] == right
            new = new_id if found else token
            if after and (found or after[-1] == new_id):
                changes[before[position - 1], token] -= frequency
                changes[after[-1], new] += frequency
                self.places[after[-1], new].add(place)
            if found:
                changes[pair] -= frequency
            after.append(new)
            position += 2 if found else 1
        self.chunks[place] = after
