"""Instruction documents: which tokens are learnt, how much, and what is left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from text2sql.config import PromptingConfig
from text2sql.data import instruction
from text2sql.data.contents import Contents
from text2sql.data.example import Example
from text2sql.data.instruction import InstructionDocuments, prepare
from text2sql.prompting.linking import link
from text2sql.prompting.prompt import PromptEncoder, tokens_of
from text2sql.schema import Column, Schema, Table
from text2sql.tokenizer import Tokenizer

SCHEMA = Schema("music", (Table("artist", (Column("id", "number"), Column("name"), Column("country")), ("id",)),))
FORM = PromptingConfig(max_columns=4, max_tables=2, max_words=24, max_cells=4)
QUESTION, SQL = "Which artists are from Peru?", "select name from artist where country = 'Peru'"


@pytest.fixture(scope="module")
def encoder() -> PromptEncoder:
    return PromptEncoder(Tokenizer.train([QUESTION] * 5, 256 + len(tokens_of(FORM)) + 10, tokens_of(FORM)), FORM)


@pytest.mark.parametrize("weight", [0.0, 0.2])
def test_the_prompt_is_learnt_by_its_weight_and_the_answer_whole(encoder: PromptEncoder, weight: float) -> None:
    example = encoder.prepare(QUESTION, SQL, SCHEMA, link(QUESTION, SCHEMA))
    documents = InstructionDocuments([example], encoder, seed=1, prompt_weight=weight)
    for epoch in range(20):
        made = documents.document(0, epoch)
        assert set(made.weights[: made.prompt]) == {weight}
        assert set(made.weights[made.prompt :]) == {1.0}


def test_other_processes_prepare_the_same(encoder: PromptEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    queries = [SQL, "select id from artist", "drop table artist"] * 60
    examples = [Example(str(n), QUESTION, sql, SCHEMA, None, "file", "train") for n, sql in enumerate(queries)]
    alone = prepare(examples, encoder, Contents("nowhere"), longest=500)
    monkeypatch.setattr(instruction, "IN_PROCESS", 0)
    shared = prepare(examples, encoder, Contents("nowhere"), longest=500)
    assert shared == alone
    assert [len(part) for part in shared] == [120, 60]
    assert all(item.schema is SCHEMA for item in shared[0])


def test_a_query_with_more_columns_than_the_prompt_shows_is_left_out(encoder: PromptEncoder) -> None:
    narrow = PromptEncoder(encoder.tokenizer, replace(FORM, max_columns=1))
    queries = (SQL, "select id from artist")
    examples = [Example(str(n), QUESTION, sql, SCHEMA, None, "file", "train") for n, sql in enumerate(queries)]
    kept, left_out = prepare(examples, narrow, Contents("nowhere"), longest=500)
    assert len(kept) == 1
    assert [(example.id, "does not show" in reason) for example, reason in left_out] == [("0", True)]
