"""The decoding engine: prompts as tokens in, completions as tokens out. It knows nothing of SQL or text.

Prompts are sorted by length, cut into batches and decoded with a key/value cache. Each prompt's result is its own:
neither its batch nor the order of the list's other prompts changes it (in fp32; in bf16 a near tie may fall
differently, because matrix kernels round differently for other batch sizes).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from tqdm import tqdm

from text2sql.config import DecodingConfig
from text2sql.decoding.batch import (
    Completion,
    DecodingBatch,
    LogitsMask,
    OnTokens,
    PromptTokens,
    allowed_tokens,
    best_first,
)
from text2sql.decoding.beam import beam_search
from text2sql.decoding.ensemble import LanguageModel
from text2sql.decoding.sampling import NEVER, draw, sampling_logits, uniform_draws
from text2sql.errors import UserError

__all__ = ["Completion", "LogitsMask", "OnTokens", "complete"]


def complete(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    options: DecodingConfig,
    end_id: int,
    progress: bool = False,
    logits_mask: LogitsMask | None = None,
    on_tokens: OnTokens | None = None,
) -> list[list[Completion]]:
    """Complete every prompt: best first `num_beams` or, sampled, `num_return_sequences` completions, or the greedy one.

    A completion ends with `end_id` (not part of its ids), after `max_new_tokens` (the end token counts) or where the
    model's context ends. `do_sample` with a temperature above 0 samples, seeded by `seed` and the prompt's place in
    the list; `temperature`, `top_k` and `top_p` matter only then. `logits_mask` restricts next tokens; where it
    allows none, the completion ends unfinished. `on_tokens` sees each prompt's best tokens so far, of several samples
    the first one's. Raises UserError for impossible options and for a prompt that is empty or leaves no room in the
    context.
    """
    check_options(options)
    requests = [_request(index, ids, options, model.config.context) for index, ids in enumerate(prompts)]
    requests.sort(key=lambda request: -len(request.ids))  # The longest first: what doesn't fit in memory fails at once.
    results: list[list[Completion]] = [[] for _ in requests]
    with _evaluation(model), tqdm(total=len(requests), unit="prompt", desc="decoding", disable=not progress) as bar:
        for start in range(0, len(requests), options.batch_size):
            batch = requests[start : start + options.batch_size]
            if options.num_beams > 1:
                completed = beam_search(model, batch, options.num_beams, end_id, logits_mask, on_tokens)
            else:
                completed = decode_independently(model, batch, options, end_id, logits_mask, on_tokens)
            for request, completions in zip(batch, completed, strict=True):
                results[request.index] = completions
            bar.update(len(batch))
    return results


def check_options(options: DecodingConfig) -> None:
    """Raises UserError naming the first option that makes no sense."""
    for name in ("max_new_tokens", "num_beams", "num_return_sequences", "prompt_orders", "batch_size"):
        if getattr(options, name) < 1:
            raise UserError(f"decoding.{name} is {getattr(options, name)}; it must be at least 1")
    for name in ("temperature", "top_k", "seed"):
        if not getattr(options, name) >= 0:
            raise UserError(f"decoding.{name} is {getattr(options, name)}; it must not be negative")
    if not 0.0 < options.top_p <= 1.0:
        raise UserError(f"decoding.top_p is {options.top_p}; it must be above 0 and at most 1")
    if options.num_beams > 1 and options.do_sample:
        raise UserError("decoding.num_beams above 1 and do_sample exclude each other; set num_beams to 1 to sample")
    if options.prompt_orders > 1 and options.do_sample:
        raise UserError(
            "decoding.prompt_orders above 1 and do_sample exclude each other; set prompt_orders to 1 to sample"
        )
    if options.num_return_sequences > 1 and not samples(options):
        raise UserError("decoding.num_return_sequences above 1 needs do_sample and a temperature above 0")


def samples(options: DecodingConfig) -> bool:
    """Whether tokens are drawn by chance."""
    return options.do_sample and options.temperature > 0


def _request(index: int, ids: Sequence[int], options: DecodingConfig, context: int) -> PromptTokens:
    if not ids:
        raise UserError(f"prompt {index} is empty; give at least one token")
    if len(ids) >= context:
        raise UserError(
            f"prompt {index} has {len(ids)} tokens, but the model's context of {context} must hold it and its answer; "
            "shorten the question or the schema"
        )
    return PromptTokens(index, ids, min(options.max_new_tokens, context - len(ids)))


@contextmanager
def _evaluation(model: LanguageModel) -> Iterator[None]:
    """Without dropout and gradients; the model's mode is put back even after Ctrl-C."""
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(training)


@dataclass
class Answer:
    """One prompt's tokens so far, and the random numbers that sampling will use for the next ones."""

    prompt: PromptTokens
    draws: Sequence[float]
    watched: bool = True
    ids: list[int] = field(default_factory=list)
    log_probability: float = 0.0
    finished: bool = False
    done: bool = False

    def append(self, token: int, log_probability: float, end_id: int) -> None:
        """Take the chosen token; one that the mask forbids, chosen where it allows none, ends the answer."""
        if log_probability == NEVER:
            self.done = True
            return
        self.log_probability += log_probability
        self.finished = token == end_id
        if not self.finished:
            self.ids.append(token)
        self.done = self.finished or len(self.ids) >= self.prompt.limit


def decode_independently(
    model: LanguageModel,
    prompts: Sequence[PromptTokens],
    options: DecodingConfig,
    end_id: int,
    mask: LogitsMask | None,
    on_tokens: OnTokens | None = None,
) -> list[list[Completion]]:
    """The greedy completion of each prompt, or its samples, best first: rows that don't compete while decoded."""
    copies = options.num_return_sequences
    answers = [_begin(prompt, options, sample) for prompt in prompts for sample in range(copies)]
    batch = DecodingBatch(model, prompts, copies)
    in_batch = answers
    while True:
        tokens, log_probabilities = _choose(batch, in_batch, options if samples(options) else None, mask)
        for answer, token, log_probability in zip(in_batch, tokens, log_probabilities, strict=True):
            if not answer.done:
                answer.append(token, log_probability, end_id)
                if on_tokens is not None and answer.watched:
                    on_tokens(answer.prompt.index, answer.ids)
        running = [row for row, answer in enumerate(in_batch) if not answer.done]
        if not running:
            found = [Completion(answer.ids, answer.log_probability, answer.finished) for answer in answers]
            return [best_first(found[first : first + copies]) for first in range(0, len(found), copies)]
        if batch.worth_dropping(len(running)):
            batch.select(running)
            in_batch = [in_batch[row] for row in running]
            tokens = [tokens[row] for row in running]
        batch.step(tokens)


def _begin(prompt: PromptTokens, options: DecodingConfig, sample: int) -> Answer:
    draws = uniform_draws(options.seed, prompt.index, prompt.limit, sample) if samples(options) else []
    return Answer(prompt, draws, watched=sample == 0)


def _choose(
    batch: DecodingBatch, answers: Sequence[Answer], sampling: DecodingConfig | None, mask: LogitsMask | None
) -> tuple[list[int], list[float]]:
    """Each row's next token and its log probability under the model, -inf where the mask allows no token."""
    logits = batch.logits
    contexts = [None if answer.done else (answer.prompt.index, answer.ids) for answer in answers]
    allowed = allowed_tokens(mask, contexts, logits)
    if allowed is not None:
        # A row that may go on with no token keeps its logits: the choice then ends it by being forbidden.
        logits = logits.masked_fill(~allowed & allowed.any(dim=-1, keepdim=True), NEVER)
    if sampling is None:
        tokens = logits.argmax(dim=-1)
    else:
        uniforms = [0.0 if answer.done else answer.draws[len(answer.ids)] for answer in answers]
        tokens = draw(sampling_logits(logits, sampling), torch.tensor(uniforms, device=batch.device))
    log_probabilities = batch.logits.log_softmax(dim=-1)
    if allowed is not None:
        log_probabilities = log_probabilities.masked_fill(~allowed, NEVER)
    return tokens.tolist(), log_probabilities.gather(-1, tokens[:, None])[:, 0].tolist()
