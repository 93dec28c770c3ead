"""Instruction tuning: examples as documents of prompt and answer.

Each epoch sees an example under another order of columns, other ids and with or without cells, all drawn from a
`Random` seeded by (seed, index, epoch): the stream can be resumed anywhere and is the same on every rank.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random

from tqdm import tqdm

from text2sql.data.contents import Contents
from text2sql.data.example import Example
from text2sql.data.packing import Document
from text2sql.data.prefetch import fetch_ahead
from text2sql.prompting.expressions import CanonicalError
from text2sql.prompting.prompt import Prepared, PromptEncoder
from text2sql.prompting.target import TargetError

IN_PROCESS = 5_000
"""So many examples are prepared before starting other processes would pay."""
SHARE = 64
"""Examples sent to a process together: mostly of one database, whose index it then builds once."""


def prepare(
    examples: Iterable[Example], encoder: PromptEncoder, contents: Contents, longest: int, progress: bool = False
) -> tuple[list[Prepared], list[tuple[Example, str]]]:
    """Read examples for training; gives also those left out, each with the reason.

    Left out are SQL outside the target language or with more columns than the prompt's form can show, and pairs of
    more than `longest` tokens. Many examples are shared among as many processes as there are cores.
    """
    examples = list(examples)
    shares = [examples[start : start + SHARE] for start in range(0, len(examples), SHARE)]
    workers = cores() if len(examples) > IN_PROCESS else 0
    prepared, left_out = [], []
    with tqdm(total=len(examples), desc="preparing", unit="example", disable=not progress) as bar:
        found = fetch_ahead(_Preparer(encoder, contents, longest), ((share,) for share in shares), workers)
        for share, results in zip(shares, found, strict=True):
            for example, result in zip(share, results, strict=True):
                if isinstance(result, str):
                    left_out.append((example, result))
                else:  # the schema is the example's own again, not another process's copy of it
                    prepared.append(replace(result, schema=example.schema))
            bar.update(len(share))
    return prepared, left_out


def cores() -> int:
    """This rank's part of the machine's cores."""
    return max(1, (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


@dataclass(frozen=True)
class _Preparer:
    """Prepares some examples; for each gives what was read, or why it is left out."""

    encoder: PromptEncoder
    contents: Contents
    longest: int

    def __call__(self, examples: Sequence[Example]) -> list[Prepared | str]:
        return [self._one(example) for example in examples]

    def _one(self, example: Example) -> Prepared | str:
        try:
            links = self.contents.links(example)
            fold = example.source == "wikisql"  # it compares values lower-cased
            item = self.encoder.prepare(example.question, example.sql, example.schema, links, fold)
            length = len(self.encoder.document(item)[0])
        except (CanonicalError, TargetError) as error:
            return str(error)
        return item if length <= self.longest else f"{length} tokens, over the context of {self.longest}"


class InstructionDocuments:
    """A `DocumentSource` over prepared examples."""

    def __init__(
        self,
        examples: Sequence[Prepared],
        encoder: PromptEncoder,
        seed: int,
        prompt_weight: float,
        training: bool = True,
    ) -> None:
        """`training=False` keeps orders and ids fixed, for a validation loss that can be compared."""
        self.examples = examples
        self.encoder = encoder
        self.seed = seed
        self.prompt_weight = prompt_weight
        self.training = training

    def __len__(self) -> int:
        return len(self.examples)

    def document(self, index: int, epoch: int) -> Document:
        """Example `index` as it looks in `epoch`."""
        random = Random(f"{self.seed}/{index}/{epoch}") if self.training else None
        ids, answer = self.encoder.document(self.examples[index], random)
        weights = [1.0 if is_answer else self.prompt_weight for is_answer in answer]
        return Document(ids, weights, prompt=answer.count(False))
