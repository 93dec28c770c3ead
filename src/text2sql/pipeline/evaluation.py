"""A model on a set: predict every question, score, and note where every number came from."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path

from text2sql.config import DecodingConfig, EvaluationConfig, to_mapping
from text2sql.data.contents import Contents
from text2sql.data.example import Example
from text2sql.decoding.generator import Generator, Request
from text2sql.evaluation.provenance import provenance
from text2sql.evaluation.report import Report
from text2sql.evaluation.scoring import ScoringOptions, score
from text2sql.files import file_sha256
from text2sql.pipeline.selection import check_selection, select
from text2sql.prompting.linking import link


def evaluate(
    generator: Generator,
    examples: Sequence[Example],
    contents: Contents,
    options: DecodingConfig,
    settings: EvaluationConfig,
    checkpoints: Sequence[Path] = (),
    scoring: ScoringOptions | None = None,
) -> Report:
    """Predict and score. `settings.limit` takes a seeded sample; `settings.use_contents` shows matching cells.

    Scores as `scoring` says, else with the settings' time limit; the report names the `checkpoints`. Raises UserError
    for a choice among candidates (`selection.SWITCHES`) where there is only one.
    """
    check_selection(settings, options)
    chosen = sample(examples, settings.limit, settings.seed)
    requests = [
        Request(e.question, e.schema, contents.links(e) if settings.use_contents else link(e.question, e.schema))
        for e in chosen
    ]
    began = time.monotonic()
    candidates = generator.predict(requests, options, progress=True)
    found = select(candidates, chosen, contents, settings, generator.encoder, sampled=options.do_sample)
    seconds = time.monotonic() - began
    scoring = scoring or ScoringOptions(time_limit=settings.time_limit, progress=True)
    probabilities = [round(p.log_probability, 4) for p in found]
    report = score(chosen, [p.sql for p in found], scoring, contents.rows, log_probabilities=probabilities)
    for entry, prediction in zip(report.examples, found, strict=True):
        entry["target"] = prediction.target
        if prediction.error:
            entry["error"] = prediction.error
    report.settings = provenance(chosen)
    if checkpoints:
        hashes = [file_sha256(checkpoint / "model.safetensors") for checkpoint in checkpoints]
        report.settings["checkpoint"] = ", ".join(map(str, checkpoints))
        report.settings["checkpoint_sha256"] = ", ".join(hashes)
    report.settings |= {
        "decoding": to_mapping(options),
        "evaluation": {key: value for key, value in to_mapping(settings).items() if key != "sets"},
        "fuzz": scoring.fuzz,
        "keep_distinct": scoring.keep_distinct,
        "seconds_per_question": round(seconds / len(chosen), 4),
    }
    return report


def sample(examples: Sequence[Example], limit: int | None, seed: int) -> list[Example]:
    """At most `limit` examples in a seeded choice, kept in the set's order."""
    if limit is None or limit >= len(examples):
        return list(examples)
    return [examples[n] for n in sorted(random.Random(seed).sample(range(len(examples)), limit))]
