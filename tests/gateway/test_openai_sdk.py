"""OpenAI's own SDK, unchanged, against a live Riad; then LangChain and the ``llm`` command on top of it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.running import House, RunningRiad

PERSON = "smiti Fatima Zahra Benali, tel 0612345678"


@pytest.fixture
def client(riad: RunningRiad, key: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{riad.url}/v1", api_key=key, timeout=10, max_retries=0) as made:
        yield made


def test_chat(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="paris-echo", messages=[{"role": "user", "content": PERSON}], seed=1, stop=["x"], temperature=0
    )
    assert answer.choices[0].message.content == PERSON
    assert answer.usage is not None
    assert answer._request_id


def test_stream(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model="paris-echo",
        messages=[{"role": "user", "content": PERSON}],
        stream=True,
        stream_options={"include_usage": True},
    )
    events = list(stream)
    assert "".join(e.choices[0].delta.content or "" for e in events if e.choices) == PERSON
    assert events[-1].usage is not None


def test_streaming_helper_with_tools(client: OpenAI) -> None:
    with client.chat.completions.stream(model="paris-tools", messages=[{"role": "user", "content": PERSON}]) as stream:
        stream.until_done()
        final = stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert calls is not None
    assert json.loads(calls[0].function.arguments) == {"text": PERSON}


def test_headers_are_within_reach(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="rabat-echo", messages=[{"role": "user", "content": "hi"}]
    )
    assert raw.headers["x-riad-site"] == "rabat"
    assert raw.parse().choices[0].message.content == "hi"


def test_async(riad: RunningRiad, key: str) -> None:
    async def ask() -> list[str]:
        async with AsyncOpenAI(base_url=f"{riad.url}/v1", api_key=key, timeout=10) as client:

            async def one(number: int) -> str:
                text = f"{PERSON} {number}"
                stream = await client.chat.completions.create(
                    model="paris-echo", messages=[{"role": "user", "content": text}], stream=True
                )
                return "".join([e.choices[0].delta.content or "" async for e in stream if e.choices])

            return await asyncio.gather(*(one(number) for number in range(20)))

    assert asyncio.run(ask()) == [f"{PERSON} {number}" for number in range(20)]


def test_errors_are_the_sdks_own(client: OpenAI, riad: RunningRiad) -> None:
    messages = [{"role": "user", "content": PERSON}]
    with pytest.raises(openai.PermissionDeniedError) as refused:
        client.chat.completions.create(model="virginia-echo", messages=messages)  # type: ignore[arg-type]
    assert isinstance(refused.value.body, dict)
    assert refused.value.body["riad"]["articles"]
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="none", messages=messages)  # type: ignore[arg-type]
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="rabat-echo", messages=[])
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").models.list()
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(model="rabat-die", messages=messages, stream=True))  # type: ignore[call-overload]


def test_retries_reach_the_door_again(house: House, key: str) -> None:
    before = house.rabat.log()["requests"]
    with (
        OpenAI(base_url=f"{house.riad.url}/v1", api_key=key, max_retries=1) as client,
        pytest.raises(openai.InternalServerError),
    ):
        client.chat.completions.create(model="rabat-500", messages=[{"role": "user", "content": "hi"}])
    assert house.rabat.log()["requests"] == before + 2


def test_models_completions_embeddings(client: OpenAI) -> None:
    assert "paris-echo" in {model.id for model in client.models.list()}
    assert client.models.retrieve("paris-echo").id == "paris-echo"
    assert client.completions.create(model="paris-echo", prompt=PERSON).choices[0].text == PERSON
    vectors = client.embeddings.create(model="rabat-embed", input=["a", "b"], encoding_format="float")
    assert len(vectors.data) == 2


def test_langchain(riad: RunningRiad, key: str) -> None:
    # Its dependencies warn of their own deprecations at import.
    code = (
        "from langchain_openai import ChatOpenAI\n"
        f"chat = ChatOpenAI(model='paris-echo', base_url='{riad.url}/v1', api_key='{key}', max_retries=0)\n"
        f"assert chat.invoke({PERSON!r}).content == {PERSON!r}\n"
        f"assert ''.join(part.content for part in chat.stream({PERSON!r})) == {PERSON!r}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=90)


def test_llm_command(riad: RunningRiad, key: str, tmp_path: Path) -> None:
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"- model_id: riad\n  model_name: paris-echo\n  api_base: {riad.url}/v1\n  api_key_name: riad\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "llm", "-m", "riad", "--key", key, PERSON],
        env={**os.environ, "LLM_USER_PATH": str(tmp_path), "LLM_LOAD_PLUGINS": ""},
        capture_output=True, text=True, check=False, timeout=90,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == PERSON
