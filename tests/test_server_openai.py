"""The OpenAI-compatible API, used by OpenAI's own client from outside of the server's process."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import openai
import pytest

from serving import COUNT, JAPAN, MUSIC, SCRIPT, scripted_generator, served, serving_process
from text2sql.server.errors import ApiError
from text2sql.server.openai_api import Message, read_messages
from text2sql.server.settings import Settings


@pytest.fixture(scope="module")
def client() -> Iterator[openai.OpenAI]:
    with serving_process("--token", "sesame") as (url, _):
        yield openai.OpenAI(base_url=f"{url}/v1", api_key="sesame", max_retries=0, timeout=60)


def artists_from_japan() -> int:
    with sqlite3.connect(MUSIC) as connection:
        return connection.execute(SCRIPT[JAPAN]).fetchone()[0]


def test_the_model_is_listed(client: openai.OpenAI) -> None:
    models = client.models.list().data
    assert [(model.id, model.object) for model in models] == [("tiny", "model")]
    assert client.models.retrieve("tiny").owned_by == "text2sql"


def test_a_completion_has_sentence_sql_and_usage(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": JAPAN}])
    content = completion.choices[0].message.content or ""
    sentence, fence = content.split("\n\n", 1)
    assert str(artists_from_japan()) in sentence
    assert fence.lower() == f"```sql\n{SCRIPT[JAPAN]}\n```".lower()
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.prompt_tokens > 50  # the schema is read too
    tokenizer = scripted_generator().tokenizer
    assert completion.usage.completion_tokens == len(tokenizer.encode(content))
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens


def test_a_stream_adds_up_to_the_same_text(client: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": JAPAN}]}]
    whole = client.chat.completions.create(model="tiny", messages=messages)  # type: ignore[arg-type]
    stream = client.chat.completions.create(
        model="tiny", messages=messages, stream=True, stream_options={"include_usage": True}  # type: ignore[arg-type]
    )  # fmt: skip
    chunks = list(stream)
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert deltas[0].role == "assistant"
    assert len(deltas) > 4
    assert "".join(delta.content or "" for delta in deltas) == whole.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage == whole.usage
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


def test_the_database_is_chosen_by_header_or_field(client: openai.OpenAI) -> None:
    ask = {"model": "tiny", "messages": [{"role": "user", "content": COUNT}]}
    for choice in ({"extra_body": {"database": "music_shop"}}, {"extra_headers": {"X-Database": "music_shop"}}):
        assert client.chat.completions.create(**ask, **choice).choices[0].message.content  # type: ignore[call-overload]
    for choice in ({"extra_body": {"database": "x"}}, {"extra_headers": {"X-Database": "x"}}):
        with pytest.raises(openai.NotFoundError, match="no database of that id"):
            client.chat.completions.create(**ask, **choice)  # type: ignore[call-overload]


def test_errors_are_openais(client: openai.OpenAI) -> None:
    ask = client.chat.completions.create
    with pytest.raises(openai.NotFoundError, match="this server has 'tiny'") as unknown:
        ask(model="gpt-4", messages=[{"role": "user", "content": COUNT}])
    assert unknown.value.code == "not_found"
    with pytest.raises(openai.BadRequestError, match="no user message"):
        ask(model="tiny", messages=[{"role": "system", "content": "be brief"}])
    with pytest.raises(openai.BadRequestError, match="characters"):
        ask(model="tiny", messages=[{"role": "user", "content": "why " * 600}])
    with pytest.raises(openai.BadRequestError, match=r"body\.messages") as invalid:
        ask(model="tiny", messages=[])
    assert invalid.value.type == "invalid_request_error"
    with pytest.raises(openai.BadRequestError, match="n: "):
        ask(model="tiny", messages=[{"role": "user", "content": COUNT}], n=2)
    with pytest.raises(openai.AuthenticationError) as locked:
        openai.OpenAI(base_url=client.base_url, api_key="wrong", max_retries=0).models.list()
    assert locked.value.code == "invalid_api_key"


def test_a_full_queue_is_openais_error_too() -> None:
    with served(Settings(databases=(str(MUSIC),), queue_length=0)) as http:
        client = openai.OpenAI(base_url=f"{http.base_url}/v1", api_key="none", max_retries=0)
        with pytest.raises(openai.InternalServerError, match="try again") as busy:
            client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": COUNT}])
        assert busy.value.status_code == 503


def message(role: str, content: str | None) -> Message:
    return Message.model_validate({"role": role, "content": content})


def test_earlier_messages_are_the_conversation() -> None:
    chat = read_messages(
        [
            message("system", "You are helpful."),
            message("user", "How many albums are there?"),
            message("assistant", "There are 3.\n\n```sql\nSELECT count(*) FROM albums\n```"),
            message("user", "Hello?"),
            message("assistant", "That is no question."),
            message("user", "And of 2015?"),
            message("assistant", None),
        ]
    )
    assert chat.question == "And of 2015?"
    assert [(t.question, t.sql, t.sentence) for t in chat.conversation.turns] == [
        ("How many albums are there?", "SELECT count(*) FROM albums", "There are 3.")
    ]
    with pytest.raises(ApiError):
        read_messages([message("user", "  ")])
