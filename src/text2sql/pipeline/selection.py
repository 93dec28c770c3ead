"""One query of several candidates, beams or samples: semantic guard, then execution guidance, then vote.

Each is a switch of `EvaluationConfig`, and narrows the candidates down; where one would leave none, it leaves all.
None looks at the gold query.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

from tqdm import tqdm

from text2sql.config import DecodingConfig, EvaluationConfig
from text2sql.data.contents import Contents
from text2sql.data.example import Example
from text2sql.decoding.prediction import Prediction
from text2sql.decoding.semantic_guard import objection
from text2sql.errors import UserError
from text2sql.pipeline.guidance import Run, guided, opened, runner
from text2sql.pipeline.voting import vote
from text2sql.prompting.canonical import Canonicalizer
from text2sql.prompting.prompt import PromptEncoder

SWITCHES = ("semantic_guard", "execution_guidance", "vote")


def check_selection(settings: EvaluationConfig, options: DecodingConfig) -> None:
    """Raises UserError for a switch that has nothing to choose from."""
    several = max(options.num_beams, options.num_return_sequences, options.prompt_orders) > 1
    for name in SWITCHES:
        if getattr(settings, name) and not several:
            raise UserError(
                f"evaluation.{name} chooses among several queries: set decoding.num_beams (--num-beams) or "
                "decoding.prompt_orders (--prompt-orders) to 2 or more, or sample with do_sample and "
                "num_return_sequences"
            )


def select(
    found: Sequence[Sequence[Prediction]],
    examples: Sequence[Example],
    contents: Contents,
    settings: EvaluationConfig,
    encoder: PromptEncoder,
    sampled: bool = False,
) -> list[Prediction]:
    """One prediction per example of its candidates, which come best first; without a switch the first."""
    if not any(getattr(settings, name) for name in SWITCHES):
        return [best for best, *_ in found]
    reads_rows = settings.execution_guidance or settings.vote
    chosen = []
    for candidates, example in tqdm(list(zip(found, examples, strict=True)), desc="choosing", unit="question"):
        with opened(example, contents) if reads_rows else nullcontext() as database:
            run = runner(database, fold=example.source == "wikisql") if database is not None else None
            chosen.append(choose(candidates, settings, encoder.canonicalizer(example.schema), run, sampled))
    return chosen


def choose(
    candidates: Sequence[Prediction],
    settings: EvaluationConfig,
    canonicalizer: Canonicalizer,
    run: Run | None,
    sampled: bool = False,
) -> Prediction:
    """The candidate that the settings' switches leave first; `run` is None where there are no rows."""
    left = list(candidates)
    if settings.semantic_guard:
        left = [candidate for candidate in left if objection(candidate.sql, canonicalizer) is None] or left
    if settings.execution_guidance and run is not None:
        left = guided(left, run)
    return vote(left, run, canonicalizer, sampled) if settings.vote else left[0]
