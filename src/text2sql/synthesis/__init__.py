"""Question/SQL pairs made from databases: any user's own, and the embedded examples as a data set.

`generate_pairs` asks one database, `examples_dataset` asks all example databases and splits the answers. The grammar
lies in three layers: words (`english`, `vocabulary`), phrases (`conditions` with `wording`, `ranking`, `rows`) and
sentences (`frames`); the `shapes_*` modules bring a query and a sentence together.
"""

from text2sql.synthesis.generator import Pair, generate_pairs
from text2sql.synthesis.quickstart import examples_dataset, split_pairs

__all__ = ["Pair", "examples_dataset", "generate_pairs", "split_pairs"]
