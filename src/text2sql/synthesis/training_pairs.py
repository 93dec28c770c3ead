"""More questions over databases that a training set already asks: generated, executed, as examples of that set."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from tqdm import tqdm

from text2sql.data.example import Example
from text2sql.database import connect
from text2sql.synthesis.generator import generate_pairs


def synthetic_examples(
    examples: Iterable[Example], pairs_per_database: int, seed: int, progress: bool = False
) -> list[Example]:
    """`pairs_per_database` generated questions for each different database of `examples`, the same for a seed.

    The schema is the set's own, so that the prompts look like its prompts. Databases without rows give nothing.
    """
    schemas = {example.database: example.schema for example in examples if example.database}
    made = []
    for path, schema in tqdm(sorted(schemas.items()), desc="synthetic pairs", unit="database", disable=not progress):
        with connect(path) as database:
            pairs = generate_pairs(database, pairs_per_database, Random(f"{seed} {schema.name}").randrange(2**32))
        made += [
            Example(
                id=f"synthetic/{schema.name}/{number}",
                question=pair.question,
                sql=pair.sql,
                schema=schema,
                database=path,
                source="synthetic",
                split="train",
            )
            for number, pair in enumerate(pairs)
        ]
    return made
