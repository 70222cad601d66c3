"""Mistral's own SDK, unchanged, against a live Riad."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from mistralai.client import Mistral

from tests.running import RunningRiad

PERSON = "smiti Fatima Zahra Benali, tel 0612345678"
MESSAGES: Any = [{"role": "user", "content": PERSON}]


@pytest.fixture
def client(riad: RunningRiad, key: str) -> Iterator[Mistral]:
    with Mistral(api_key=key, server_url=riad.url) as made:
        yield made


def test_chat_stream_and_tools(client: Mistral) -> None:
    answer = client.chat.complete(model="paris-echo", messages=MESSAGES)
    assert answer.choices[0].message.content == PERSON
    parts = [event.data.choices[0].delta.content for event in client.chat.stream(model="paris-echo", messages=MESSAGES)]
    assert "".join(part for part in parts if isinstance(part, str)) == PERSON
    called = client.chat.complete(model="paris-tools", messages=MESSAGES)
    calls = called.choices[0].message.tool_calls
    assert calls
    assert json.loads(str(calls[0].function.arguments)) == {"text": PERSON}


def test_async(riad: RunningRiad, key: str) -> None:
    async def ask() -> Any:
        async with Mistral(api_key=key, server_url=riad.url) as client:
            answer = await client.chat.complete_async(model="paris-echo", messages=MESSAGES)
            stream = await client.chat.stream_async(model="paris-echo", messages=MESSAGES)
            parts = [event.data.choices[0].delta.content async for event in stream]
            return answer.choices[0].message.content, "".join(part for part in parts if isinstance(part, str))

    assert asyncio.run(ask()) == (PERSON, PERSON)


def test_models_embeddings_errors(client: Mistral) -> None:
    models = client.models.list()
    assert models.data
    assert client.embeddings.create(model="rabat-embed", inputs=["a", "b"]).data
    with pytest.raises(Exception, match="403") as refused:
        client.chat.complete(model="virginia-echo", messages=MESSAGES)
    assert getattr(refused.value, "status_code", 403) == 403
