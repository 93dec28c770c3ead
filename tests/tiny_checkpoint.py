"""A model folder with random weights, and an assistant over it that says what a test wants."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from text2sql.assistant import Assistant
from text2sql.config import DecodingConfig, PromptingConfig
from text2sql.decoding.generator import Generator, Request
from text2sql.decoding.prediction import Prediction
from text2sql.model import GPT, GPTConfig, save_model
from text2sql.prompting.prompt import tokens_of
from text2sql.tokenizer import Tokenizer

ROOT = Path(__file__).resolve().parents[1]
SHOP = str(ROOT / "examples" / "music_shop.sqlite")
FORM = PromptingConfig(max_columns=64, max_tables=8, max_words=48, max_cells=8)
TEXTS = ["how many albums are there", "which artists are from brazil", "name title country price year"] * 5

SLOW = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
TITLES = "What are the titles of the tracks?"
READINGS = {
    "How many albums are there?": [("SELECT count(*) FROM albums", -0.01)],
    TITLES: [("SELECT title FROM tracks", -1.0), ("SELECT title FROM albums", -1.1)],
    "Which albums have a colour?": [("SELECT colour FROM albums", -0.2)],
}
"""What `scripted_assistant` answers in the tests of the terminal and of MCP: (SQL, log-probability) per reading."""


def write_tiny_checkpoint(folder: Path) -> Path:
    """A loadable model of one layer that knows nothing."""
    torch.manual_seed(0)
    tokenizer = Tokenizer.train(TEXTS, 256 + len(tokens_of(FORM)) + 40, tokens_of(FORM))
    save_model(GPT(GPTConfig(tokenizer.vocabulary_size, 1, 32, 4, 2, 64, 1024)), folder)
    Generator.write_extras(folder, tokenizer, FORM)
    return folder


def scripted_assistant(folder: Path, readings: Mapping[str, list[tuple[str, float]]]) -> Assistant:
    """An assistant whose model writes, for each question, these SQLs with these log-probabilities; else none."""

    def predict(requests: list[Request], options: DecodingConfig) -> list[list[Prediction]]:
        found = [readings.get(request.question, []) for request in requests]
        return [[Prediction(sql, sql, chance) for sql, chance in row] or [NOTHING] for row in found]

    return Assistant(Generator.load(folder), predict=predict)


NOTHING = Prediction("", "", -5.0, "no query")
