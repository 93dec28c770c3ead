"""Instruction documents: which tokens are learnt, how much, and what is left out."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
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


def documents(encoder: PromptEncoder, weight: float, **options: float) -> InstructionDocuments:
    example = encoder.prepare(QUESTION, SQL, SCHEMA, link(QUESTION, SCHEMA))
    return InstructionDocuments([example], encoder, seed=1, prompt_weight=weight, **options)


def test_a_share_of_the_prompt_carries_all_of_its_weight(encoder: PromptEncoder) -> None:
    whole = [documents(encoder, 0.2).document(0, epoch) for epoch in range(200)]
    part = [documents(encoder, 0.2, prompt_share=0.25).document(0, epoch) for epoch in range(200)]
    assert all(list(a.ids) == list(b.ids) for a, b in zip(whole, part, strict=True))
    prompts = [np.array(d.weights[: d.prompt]) for d in part]
    assert set(np.concatenate(prompts)) == {0.0, 0.8}
    assert np.concatenate(prompts).mean() == pytest.approx(0.2, rel=0.1)
    assert any((a[:10] != b[:10]).any() for a, b in pairwise(prompts))
    assert all(set(d.weights[d.prompt :]) == {1.0} for d in part)


def test_without_a_weight_the_prompt_is_not_learnt(encoder: PromptEncoder) -> None:
    made = documents(encoder, 0.0, prompt_share=0.5).document(0, 0)
    assert set(made.weights[: made.prompt]) == {0.0}


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
