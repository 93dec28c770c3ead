"""Question/SQL pairs from any database: draw a shape, say it, run it, keep what gives an answer.

The questions are synthetic: they follow the grammar of `frames` and `wording` and know nothing of what the database
is about beyond its names, values and foreign keys. Nothing is written to the database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tqdm import tqdm

from text2sql.database import Database
from text2sql.synthesis import shapes_grouped, shapes_joined, shapes_nested, shapes_sets, shapes_single
from text2sql.synthesis.catalogue import read_catalogue
from text2sql.synthesis.frames import END, SENTENCE
from text2sql.synthesis.query import to_sql, to_template
from text2sql.synthesis.rows import Desk, Draft

SHAPES: tuple[tuple[Callable[[Desk], Draft | None], float], ...] = (
    (shapes_single.columns_of_rows, 18),
    (shapes_single.whole_rows, 3),
    (shapes_single.count_of_rows, 9),
    (shapes_single.aggregate_of_rows, 8),
    (shapes_single.different_values, 6),
    (shapes_single.superlative, 7),
    (shapes_single.top_rows, 4),
    (shapes_single.columns_of_referring_rows, 7),
    (shapes_single.count_of_referring_rows, 4),
    (shapes_single.aggregate_of_referring_rows, 3),
    (shapes_grouped.count_per_group, 5),
    (shapes_grouped.aggregate_per_group, 4),
    (shapes_grouped.groups_by_count, 3),
    (shapes_grouped.groups_by_aggregate, 3),
    (shapes_grouped.most_common, 3),
    (shapes_joined.columns_of_both, 5),
    (shapes_joined.columns_of_two_parents, 2),
    (shapes_joined.parent_of_extreme, 2),
    (shapes_joined.children_per_parent, 4),
    (shapes_joined.parent_with_most, 3),
    (shapes_joined.parents_by_count, 3),
    (shapes_joined.per_parent_group, 3),
    (shapes_joined.linked_rows, 2),
    (shapes_nested.compared_with_average, 3),
    (shapes_nested.equal_to_extreme, 2),
    (shapes_nested.compared_with_row, 2),
    (shapes_nested.parents_without_children, 3),
    (shapes_nested.parents_with_children, 3),
    (shapes_sets.set_operation, 4),
    (shapes_sets.two_table_set_operation, 1),
)
"""The shapes with their shares before drafts that fail are dropped; simple questions are asked more often."""

EMPTY_KEPT = 0.02
"""Share of the queries with an empty answer that is kept."""
QUESTIONS_PER_SQL = 12
"""At most so many questions for one query."""
TIME_LIMIT = 2.0
"""Seconds that a query may run; slower ones are dropped."""
ATTEMPTS = 30
"""Drafts per wanted pair before giving up on a database that has too little to ask about."""


@dataclass(frozen=True)
class Pair:
    """A question and the SQL that answers it.

    `template` is the masked SQL, then what the question was made from: `SELECT c FROM t WHERE c > n | list:list.3`.
    """

    question: str
    sql: str
    template: str

    @property
    def sql_template(self) -> str:
        """The masked SQL alone."""
        return self.template.partition(" | ")[0]


def generate_pairs(
    database: Database, count: int, seed: int, progress: bool = False, longest: int | None = None
) -> list[Pair]:
    """`count` pairs with different questions, the same for the same database and seed.

    With `longest`, no question has more words than that, which leaves the simpler queries of every shape.
    Every SQL has been run; an error drops it, and so does, mostly, an empty answer. A database with little in it may
    give fewer pairs, an empty one none.
    """
    desk = Desk(read_catalogue(database), Random(seed))
    functions, weights = zip(*SHAPES, strict=True)
    pairs: dict[str, Pair] = {}
    uses: Counter[str] = Counter()
    answers: dict[str, bool] = {}
    with tqdm(total=count, desc=f"questions about {database.name}", unit="pair", disable=not progress) as bar:
        for _ in range(count * ATTEMPTS):
            if len(pairs) >= count:
                break
            draft = desk.random.choices(functions, weights)[0](desk)
            if draft is None:
                continue
            pair = _pair(draft, desk.random)
            if pair.question.casefold() in pairs or uses[pair.sql] >= QUESTIONS_PER_SQL:
                continue
            if longest is not None and len(pair.question.split()) > longest:
                continue
            if pair.sql not in answers:
                answers[pair.sql] = _answers(database, pair.sql, desk.random)
            if answers[pair.sql]:
                uses[pair.sql] += 1
                pairs[pair.question.casefold()] = pair
                bar.update()
    return list(pairs.values())


def _pair(draft: Draft, random: Random) -> Pair:
    template = f"{to_template(draft.query)} | {draft.shape}.{draft.phrasing}"
    return Pair(finish(draft.question, random), to_sql(draft.query), template)


def finish(question: str, random: Random) -> str:
    """Capital letter and end mark, or neither, or all in lower case, as people type."""
    text, _, mark = question.partition(END)
    sentences = text.split(SENTENCE)
    draw = random.random()
    if draw < 0.13:
        text = "".join(sentences)
        return text.lower() if draw < 0.03 else text
    return "".join(sentence[0].upper() + sentence[1:] for sentence in sentences) + (mark if draw > 0.2 else "")


def _answers(database: Database, sql: str, random: Random) -> bool:
    """Whether a query is worth asking: no error, and some value other than NULL and zero."""
    result = database.run(sql, time_limit=TIME_LIMIT, row_limit=50)
    if result.error:
        return False
    filled = any(value not in (None, 0) for row in result.rows for value in row)
    return filled or random.random() < EMPTY_KEPT
