"""Training pairs that models make for a model; what runs and gives the right rows is kept.

*Practice*: a model answers training questions several times; an answer in other words than the gold query's whose
rows are the gold's is a further pair, and a question that is mostly answered wrongly is asked again (rejection
sampling: expert iteration, Anthony et al. 2017; STaR, Zelikman et al. 2022).

*Invention*: a model of direction `question` puts generated SQL into words; a pair is kept where another model, asked
that question, finds back to the rows of the SQL (cycle consistency: GAZP, Zhong et al. 2020).

Equal rows on one database may be chance, so a query over a database must agree on `VARIANTS` of its contents too;
WikiSQL's queries are compared without the official habits. Queries whose answer proves nothing are skipped: it is
empty, NULL or zero, or they sort and leave open which row comes first. Pairs name their set's database, so that the
reader gives them the set's own schema.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tqdm import tqdm

from text2sql.config import DecodingConfig
from text2sql.data.contents import Contents
from text2sql.data.example import Example
from text2sql.decoding.generator import Generator, Request
from text2sql.decoding.question_writer import QuestionWriter
from text2sql.errors import UserError
from text2sql.evaluation.scoring import ScoringOptions, score
from text2sql.evaluation.ties import has_ties
from text2sql.pipeline.guidance import opened, says_something
from text2sql.prompting.canonical import Canonicalizer
from text2sql.prompting.expressions import CanonicalError, to_sql
from text2sql.prompting.linking import Links

PRACTISED = {"wikisql": ("train",), "spider": ("train", "train_spider", "train_others"), "spider_syn": ("train",)}
"""Set -> the splits that are there to learn from; all others are for scoring."""
VARIANTS = 4
"""Variants of a database's contents on which a right answer must be right too."""
TIME_LIMIT = 5.0
"""Seconds that one query may run."""
CHUNK = 128
"""Questions asked together: what an interruption loses at most."""

Row = dict[str, Any]
"""One line of the output, as `plain.read_plain` reads it."""


@dataclass
class Tally:
    """What became of the questions: `skipped` have no rows, or an answer that proves nothing."""

    asked: int = 0
    skipped: int = 0
    hard: int = 0
    found: int = 0


def check_practised(name: str, split: str) -> None:
    """Raises UserError for a set without databases to practise on, and for a split that is scored."""
    if name not in PRACTISED:
        raise UserError(f"--set {name}: pairs can be made from {', '.join(PRACTISED)}, whose databases have rows")
    if split not in PRACTISED[name]:
        raise UserError(f"--split {split}: only {' and '.join(PRACTISED[name])} of {name} may be trained on")


def check_databases(examples: Sequence[Example]) -> None:
    """Raises UserError where no example has a database or rows to practise on."""
    if not any(example.database or example.logical_form for example in examples):
        raise UserError("the databases of this set are not here: run ./scripts/download_data.sh")


def practise(
    generator: Generator,
    examples: Sequence[Example],
    name: str,
    contents: Contents,
    options: DecodingConfig,
    tally: Tally,
) -> Iterator[Row]:
    """Further pairs for training questions of set `name`, each answered `num_return_sequences` times.

    A question of which fewer than half of the samples are right is *hard*: its gold pair is given. Of the right
    samples whose canonical form is not the gold query's, the commonest is given as *found*.
    """
    samples = options.num_return_sequences
    for number, chunk in enumerate(_chunks(examples, contents, tally, "practising")):
        answers = _answers(generator, chunk, contents, replace(options, seed=options.seed + number))
        right = judge([example for example in chunk for _ in range(samples)], answers, contents)
        for place, example in enumerate(chunk):
            drawn = slice(place * samples, (place + 1) * samples)
            kept = [sql for sql, is_right in zip(answers[drawn], right[drawn], strict=True) if is_right]
            for row in _practised(example, kept, samples, generator.encoder.canonicalizer(example.schema)):
                tally.hard += row["kind"] == "hard"
                tally.found += row["kind"] == "found"
                yield _row(example, name) | row


def invent(
    writer: QuestionWriter,
    checker: Generator,
    examples: Sequence[Example],
    name: str,
    contents: Contents,
    options: DecodingConfig,
    tally: Tally,
) -> Iterator[Row]:
    """New questions, written as `options` say, for the SQL of `examples` over databases of set `name`.

    A pair is kept where the checker's greedy SQL for the question gives the rows of the SQL. No question comes twice
    for one schema.
    """
    greedy = DecodingConfig(batch_size=options.batch_size)
    known: set[tuple[str, str]] = set()
    for number, chunk in enumerate(_chunks(_different(examples, writer), contents, tally, "inventing")):
        queries = [writer.encoder.prepare("", e.sql, e.schema, Links()) for e in chunk]
        questions = writer.write(queries, replace(options, seed=options.seed + number))
        asked = []
        for example, question in zip(chunk, questions, strict=True):
            key = example.schema.name, question.casefold()
            if question and key not in known:
                known.add(key)
                asked.append(replace(example, question=question))
        right = judge(asked, _answers(checker, asked, contents, greedy), contents)
        for example in (example for example, is_right in zip(asked, right, strict=True) if is_right):
            tally.found += 1
            yield _row(example, name) | {"sql": example.sql, "kind": "invented"}


def judge(examples: Sequence[Example], answers: Sequence[str], contents: Contents) -> list[bool]:
    """Whether each answer gives the rows of its example's query; the examples are of one set."""
    pairs = {(example.id, sql): example for example, sql in zip(examples, answers, strict=True) if sql}
    if not pairs:
        return [False] * len(answers)
    of_wikisql = examples[0].logical_form is not None
    options = ScoringOptions(time_limit=TIME_LIMIT, fuzz=0 if of_wikisql else VARIANTS, keep_distinct=True)
    report = score(list(pairs.values()), [sql for _, sql in pairs], options, contents.rows)
    verdict = "answer_match" if of_wikisql else "execution_match_fuzzed"
    verdicts = {pair: entry[verdict] for pair, entry in zip(pairs, report.examples, strict=True)}
    return [verdicts.get((example.id, sql), False) for example, sql in zip(examples, answers, strict=True)]


def _chunks(examples: Sequence[Example], contents: Contents, tally: Tally, title: str) -> Iterator[list[Example]]:
    """The examples whose answer proves something, some at a time, under a progress bar."""
    with tqdm(total=len(examples), desc=title, unit="question") as bar:
        for start in range(0, len(examples), CHUNK):
            chunk = examples[start : start + CHUNK]
            usable = [example for example in chunk if _has_answer(example, contents)]
            tally.asked += len(usable)
            tally.skipped += len(chunk) - len(usable)
            if usable:
                yield usable
            bar.set_postfix(kept=tally.hard + tally.found, skipped=tally.skipped)
            bar.update(len(chunk))


def _has_answer(example: Example, contents: Contents) -> bool:
    fold = example.source == "wikisql"  # its rows are compared lower-cased
    with opened(example, contents) as database:
        if database is None or has_ties(example.sql, database):
            return False
        return says_something(database.run(example.sql.lower() if fold else example.sql, TIME_LIMIT, row_limit=50).rows)


def _answers(
    generator: Generator, examples: Sequence[Example], contents: Contents, options: DecodingConfig
) -> list[str]:
    """The SQL of each example's predictions, all in one list."""
    requests = [Request(example.question, example.schema, contents.links(example)) for example in examples]
    return [prediction.sql for found in generator.predict(requests, options) for prediction in found]


def _practised(example: Example, right: Sequence[str], samples: int, canonicalizer: Canonicalizer) -> Iterator[Row]:
    count = {"right": len(right), "samples": samples}
    if 2 * len(right) < samples:
        yield {"sql": example.sql, "kind": "hard", **count}
    gold = _canonical(example.sql, canonicalizer)
    others = [(form, sql) for sql in right if (form := _canonical(sql, canonicalizer)) != gold]
    if others:
        commonest, _ = Counter(form for form, _ in others).most_common(1)[0]
        yield {"sql": dict(others)[commonest], "kind": "found", **count}


def _canonical(sql: str, canonicalizer: Canonicalizer) -> str | None:
    try:
        return to_sql(canonicalizer.encode(sql))
    except CanonicalError:
        return None


def _different(examples: Iterable[Example], writer: QuestionWriter) -> list[Example]:
    """One example for each query that the writer can read."""
    found: dict[tuple[str, str], Example] = {}
    for example in examples:
        form = _canonical(example.sql, writer.encoder.canonicalizer(example.schema))
        if form is not None:
            found.setdefault((example.schema.name, form), example)
    return list(found.values())


def _row(example: Example, name: str) -> Row:
    return {"question": example.question, "set": name, "split": "train", "db_id": example.schema.name}
