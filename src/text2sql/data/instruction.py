"""Instruction tuning: examples as documents of prompt and answer.

Each epoch sees an example under another order of columns, other ids and with or without cells, all drawn from a
`Random` seeded by (seed, index, epoch): the stream can be resumed anywhere and is the same on every rank.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

from tqdm import tqdm

from text2sql.data.contents import Contents
from text2sql.data.example import Example
from text2sql.data.packing import Document
from text2sql.prompting.expressions import CanonicalError
from text2sql.prompting.prompt import Prepared, PromptEncoder
from text2sql.prompting.target import TargetError


def prepare(
    examples: Iterable[Example], encoder: PromptEncoder, contents: Contents, longest: int, progress: bool = False
) -> tuple[list[Prepared], list[tuple[Example, str]]]:
    """Read examples for training; gives also those left out, each with the reason.

    Left out are SQL outside the target language or with more columns than the prompt's form can show, and pairs of
    more than `longest` tokens.
    """
    prepared, left_out = [], []
    for example in tqdm(list(examples), desc="preparing", unit="example", disable=not progress):
        try:
            links = contents.links(example)
            fold = example.source == "wikisql"  # it compares values lower-cased
            item = encoder.prepare(example.question, example.sql, example.schema, links, fold)
            length = len(encoder.document(item)[0])
        except (CanonicalError, TargetError) as error:
            left_out.append((example, str(error)))
            continue
        if length > longest:
            left_out.append((example, f"{length} tokens, over the context of {longest}"))
        else:
            prepared.append(item)
    return prepared, left_out


class InstructionDocuments:
    """A `DocumentSource` over prepared examples."""

    def __init__(
        self,
        examples: Sequence[Prepared],
        encoder: PromptEncoder,
        seed: int,
        prompt_weight: float,
        training: bool = True,
        prompt_share: float = 1.0,
    ) -> None:
        """`training=False` keeps orders and ids fixed, for a validation loss that can be compared.

        With a `prompt_share` below 1 that share of the prompt's tokens, drawn at random, carries all of its weight.
        """
        self.examples = examples
        self.encoder = encoder
        self.seed = seed
        self.prompt_weight = prompt_weight
        self.training = training
        self.prompt_share = prompt_share

    def __len__(self) -> int:
        return len(self.examples)

    def document(self, index: int, epoch: int) -> Document:
        """Example `index` as it looks in `epoch`."""
        random = Random(f"{self.seed}/{index}/{epoch}") if self.training else None
        ids, answer = self.encoder.document(self.examples[index], random)
        weight = self.prompt_weight / self.prompt_share
        weights = [1.0 if is_answer else weight for is_answer in answer]
        if random is not None and weight and self.prompt_share < 1:
            pairs = zip(weights, answer, strict=True)
            weights = [w if is_answer or random.random() < self.prompt_share else 0.0 for w, is_answer in pairs]
        return Document(ids, weights, prompt=answer.count(False))
