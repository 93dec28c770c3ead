"""`QuestionWriter`: a query over a schema in, the question that it answers out. Executes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from text2sql.config import DecodingConfig, PromptingConfig
from text2sql.decoding.engine import complete
from text2sql.decoding.generator import read_checkpoint
from text2sql.model import GPT
from text2sql.prompting.prompt import Prepared
from text2sql.prompting.question_encoder import QuestionEncoder
from text2sql.prompting.target import TargetError
from text2sql.tokenizer import Tokenizer


class QuestionWriter:
    """A model of direction `question` with its tokenizer and prompt form."""

    def __init__(self, model: GPT, tokenizer: Tokenizer, form: PromptingConfig) -> None:
        self.model = model
        self.encoder = QuestionEncoder(tokenizer, form)

    @classmethod
    def load(cls, directory: Path | str, device: str = "cpu") -> QuestionWriter:
        """Read a checkpoint folder. Raises UserError for one that writes SQL, and as `read_checkpoint` does."""
        return cls(*read_checkpoint(directory, device, "question"))

    def write(self, queries: Sequence[Prepared], options: DecodingConfig, progress: bool = False) -> list[str]:
        """A question for each query (`QuestionEncoder.prepare`); an empty one where its prompt does not fit."""
        context, device_type = self.model.config.context, next(self.model.parameters()).device.type
        prompts = {n: ids for n, query in enumerate(queries) if 0 < len(ids := self._prompt(query)) < context}
        with torch.autocast(device_type, torch.bfloat16, enabled=device_type == "cuda"):
            found = complete(self.model, list(prompts.values()), options, self.encoder.end_id, progress=progress)
        texts = {n: self._read(best.ids) for n, (best, *_) in zip(prompts, found, strict=True)}
        return [texts.get(n, "") for n in range(len(queries))]

    def _prompt(self, query: Prepared) -> list[int]:
        try:
            return self.encoder.query_prompt(query).ids
        except TargetError:
            return []

    def _read(self, ids: Sequence[int]) -> str:
        """The text of the ordinary tokens: a special one says nothing in a question."""
        words = [token for token in ids if self.encoder.token_name(token) is None]
        return " ".join(self.encoder.tokenizer.decode(words).split())
