"""Beam search: the num_beams likeliest beginnings of every prompt's answer, extended together.

Beginnings compete by the sum of their log probabilities; the completions found are ranked by the mean per token
(Hugging Face's length_penalty of 1), finished ones first. The search of a prompt ends when it holds num_beams finished
completions and its best beginning has a mean below all of theirs, as in `generate` with early_stopping=False.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from text2sql.decoding.batch import (
    Completion,
    DecodingBatch,
    LogitsMask,
    OnTokens,
    PromptTokens,
    allowed_tokens,
    best_first,
)
from text2sql.decoding.ensemble import LanguageModel
from text2sql.decoding.sampling import NEVER


@dataclass
class Beginning:
    """Tokens of an answer that may go on, their summed log probability and the row that holds them."""

    ids: list[int]
    log_probability: float
    row: int


@dataclass
class Candidate:
    """One token more for a beginning: the new sum of log probabilities, the beginning and the token."""

    log_probability: float
    beginning: Beginning
    token: int


@dataclass
class BeamSearch:
    """One prompt's search: beginnings that may go on, best first, and completions found. Done when none goes on."""

    prompt: PromptTokens
    width: int
    end_id: int
    beginnings: list[Beginning]
    completions: list[Completion] = field(default_factory=list)

    def advance(self, candidates: Sequence[Candidate]) -> None:
        """Take the candidates, best first, as new beginnings and finished completions; end the search if it ends."""
        beginnings: list[Beginning] = []
        for rank, candidate in enumerate(candidates):
            ids = candidate.beginning.ids
            if candidate.token != self.end_id:
                ids = [*ids, candidate.token]
                beginnings.append(Beginning(ids, candidate.log_probability, candidate.beginning.row))
            elif rank < self.width:
                self.completions.append(Completion(ids, candidate.log_probability, finished=True))
            if len(beginnings) == self.width:
                break
        if candidates:  # Else the mask allows nothing: the old beginnings are all there is.
            self.beginnings = beginnings
        self.completions = best_first(self.completions)[: self.width]
        if not candidates or self._ended():
            unfinished = [Completion(b.ids, b.log_probability, finished=False) for b in self.beginnings]
            self.completions = (self.completions + best_first(unfinished))[: self.width]
            self.beginnings = []

    def best_ids(self) -> list[int]:
        """The tokens that look best now: those of the likeliest beginning, in the end of the best completion."""
        return (self.beginnings or self.completions)[0].ids

    def _ended(self) -> bool:
        if not self.beginnings or len(self.beginnings[0].ids) >= self.prompt.limit:
            return True
        best = self.beginnings[0].log_probability / len(self.beginnings[0].ids)
        return len(self.completions) == self.width and best <= self.completions[-1].score


def beam_search(
    model: LanguageModel,
    prompts: Sequence[PromptTokens],
    width: int,
    end_id: int,
    mask: LogitsMask | None,
    on_tokens: OnTokens | None = None,
) -> list[list[Completion]]:
    """At most `width` completions of each prompt, best first; fewer only where `mask` leaves fewer."""
    batch = DecodingBatch(model, prompts, copies=width)
    searches = [
        BeamSearch(prompt, width, end_id, [Beginning([], 0.0, number * width)]) for number, prompt in enumerate(prompts)
    ]
    in_batch = searches
    while True:
        for search, candidates in zip(in_batch, _candidates(batch, in_batch, width, mask), strict=True):
            if search.beginnings:
                search.advance(candidates)
                if on_tokens is not None:
                    on_tokens(search.prompt.index, search.best_ids())
        running = [search for search in searches if search.beginnings]
        if not running:
            return [search.completions for search in searches]
        in_batch = _extend(batch, in_batch, running, width)


def _candidates(
    batch: DecodingBatch, searches: Sequence[BeamSearch], width: int, mask: LogitsMask | None
) -> list[list[Candidate]]:
    """Each search's 2 x width best next tokens: enough for `width` beginnings even if every one may end."""
    beginnings: list[Beginning | None] = [None] * len(batch)
    contexts: list[tuple[int, list[int]] | None] = [None] * len(batch)
    sums = torch.full((len(batch), 1), NEVER)
    for search in searches:
        for beginning in search.beginnings:
            beginnings[beginning.row] = beginning
            contexts[beginning.row] = (search.prompt.index, beginning.ids)
            sums[beginning.row] = beginning.log_probability
    scores = batch.logits.log_softmax(dim=-1) + sums.to(batch.device)
    allowed = allowed_tokens(mask, contexts, scores)
    scores = scores.masked_fill(~allowed, NEVER) if allowed is not None else scores
    size = scores.shape[-1]
    best, places = scores.view(len(searches), width * size).topk(min(2 * width, width * size), dim=-1)
    found: list[list[Candidate]] = []
    for number, row_of_best in enumerate(zip(best.tolist(), places.tolist(), strict=True)):
        found.append([])
        for score, place in zip(*row_of_best, strict=True):
            beginning = beginnings[number * width + place // size]
            if beginning is not None and score > NEVER:
                found[-1].append(Candidate(score, beginning, place % size))
    return found


def _extend(
    batch: DecodingBatch, in_batch: list[BeamSearch], running: list[BeamSearch], width: int
) -> list[BeamSearch]:
    """Bring every beginning into a row of its own and append its last token; returns the searches now in the batch.

    The rows of ended searches leave when that is worth the copying, until then they run along unread.
    """
    dropping = batch.worth_dropping(len(running) * width)
    kept: list[BeamSearch] = []
    parents: list[int] = []
    tokens: list[int] = []
    for number, search in enumerate(in_batch):
        if dropping and not search.beginnings:
            continue
        spare = width - len(search.beginnings)
        first = len(parents)
        parents += [beginning.row for beginning in search.beginnings] + [number * width] * spare
        tokens += [beginning.ids[-1] for beginning in search.beginnings] + [0] * spare
        for offset, beginning in enumerate(search.beginnings):
            beginning.row = first + offset
        kept.append(search)
    if dropping:
        batch.select(parents)
    else:
        batch.reorder(parents)
    batch.step(tokens)
    return kept
