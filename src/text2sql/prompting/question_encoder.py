"""The other direction: schema and query in, the question out (a model that writes training questions).

    <|system|> tables, columns <|assistant|> target <|user|> question <|endoftext|>

The query stands in its target form with values spelt out, and nothing in the prompt is linked: links and spans are
read off the question, which is not there when a question is to be written.
"""

from __future__ import annotations

from random import Random

from text2sql.config import PromptingConfig
from text2sql.prompting import target
from text2sql.prompting.linking import Links
from text2sql.prompting.prompt import Prepared, Prompt, PromptEncoder
from text2sql.prompting.target import Pointer
from text2sql.schema import Schema
from text2sql.tokenizer import Tokenizer


def encoder_of(tokenizer: Tokenizer, form: PromptingConfig) -> PromptEncoder:
    """The encoder of the form's direction. Raises UserError as `PromptEncoder` does."""
    return (QuestionEncoder if form.direction == "question" else PromptEncoder)(tokenizer, form)


class QuestionEncoder(PromptEncoder):
    """Prompts of queries, with questions as answers."""

    def prepare(self, question: str, sql: str, schema: Schema, links: Links, fold: bool = False) -> Prepared:
        """Read a training example, or a query to be put into words where `question` is empty.

        Raises CanonicalError when the SQL is outside the language or the schema.
        """
        pieces = tuple(target.encode(sql, self.canonicalizer(schema), self.mentions(""), fold, point=False))
        return Prepared(question, schema, Links(), pieces, pieces)

    def document(self, example: Prepared, random: Random | None = None) -> tuple[list[int], list[bool]]:
        """Tokens of a training example, and for each whether it belongs to the question."""
        prompt = self.query_prompt(example, random).ids
        answer = [*self._text(" " + example.question), self.end_id]
        return prompt + answer, [False] * len(prompt) + [True] * len(answer)

    def query_prompt(self, query: Prepared, random: Random | None = None) -> Prompt:
        """Tokens up to where the question begins. `random` draws orders and ids (training).

        Raises TargetError for a query over more columns than the form has id tokens.
        """
        schema, special = query.schema, self.tokenizer.special
        keep = frozenset(p.number for p in query.pieces if isinstance(p, Pointer) and p.kind == "c")
        columns = self._kept_columns(schema, Links(), (), keep, room=None)
        prompt = self._draw_ids(schema, self.mentions(""), columns, random)
        prompt.ids.append(special("<|system|>"))
        self._add_schema(prompt, Links(), (), columns, random)
        prompt.ids.extend([special("<|assistant|>"), *self.target_ids(query.pieces, prompt), special("<|user|>")])
        return prompt
