"""Whatever is sent, the answer is an OpenAI-shaped error with the right status, and the next request is served."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from tests.running import RunningRiad

CHAT = "/v1/chat/completions"


def good(**fields: Any) -> dict[str, Any]:
    return {"model": "rabat-echo", "messages": [{"role": "user", "content": "hi"}], **fields}


def check_error(raw: bytes) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(raw)["error"]
    assert error["message"]
    assert error["code"]
    assert set(error) >= {"message", "type", "param", "code"}
    return error


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'\xef\xbb\xbf{"model": "rabat-echo"}',
        b'{"model": "rabat-echo", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "rabat-echo", "messages": [{"role": "user", "content": "a\x00b"}]}',
        b'{"model": "rabat-echo", "messages": [{"role": "user", "content": NaN}]}',
        b'{"model": "rabat-echo", "messages": [{"role": "user", "content": "x"}], "seed": 1e999}',
        b"[" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        json.dumps(good(x=[[[[[[[[[[]]]]]]]]]])).replace("[" * 9, "[" * 500).replace("]" * 9, "]" * 500).encode(),
    ],
    ids=range(14),
)
def test_what_is_not_a_request(riad: RunningRiad, key: str, body: bytes) -> None:
    status, _, raw = riad.post(CHAT, key, body)
    assert status == 400
    check_error(raw)
    assert riad.chat(key, "rabat-echo", "still there?")[0] == 200


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 3}, "model"),
        ({"model": ""}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [3]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "admin", "content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": "yes"}, "stream_options"),
        ({"n": 0}, "n"),
        ({"n": 100000}, "n"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"tools": {}}, "tools"),
    ],
)
def test_wrong_types_name_the_field(riad: RunningRiad, key: str, fields: dict[str, Any], param: str) -> None:
    status, _, raw = riad.post(CHAT, key, good(**fields))
    assert status == 400
    assert check_error(raw)["param"] == param


@pytest.mark.parametrize("kind", ["image_url", "document_url", "video_url", "audio_url"])
@pytest.mark.parametrize("nested", [True, False])
def test_an_engine_is_never_told_to_fetch_an_address(riad: RunningRiad, key: str, kind: str, nested: bool) -> None:
    url = "http://169.254.169.254/latest/meta-data"
    part = {"type": kind, kind: {"url": url} if nested else url}
    status, _, raw = riad.post(CHAT, key, good(messages=[{"role": "user", "content": [part]}]))
    assert (status, check_error(raw)["code"]) == (400, "remote_content_refused")


def test_an_image_counts_as_personal(riad: RunningRiad, key: str) -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    status, _, raw = riad.post(CHAT, key, good(model="paris-echo", messages=[{"role": "user", "content": [part]}]))
    assert status == 403
    check_error(raw)


def test_keys(riad: RunningRiad) -> None:
    for token in (None, "", "nonsense", "riad_" + "A" * 43, "x" * 5000, "\t"):
        status, headers, raw = riad.post(CHAT, token, good())
        assert status == 401, token
        assert check_error(raw)["code"] == "invalid_api_key"
        assert headers["www-authenticate"] == "Bearer"


def test_unknown_model_and_wrong_kind(riad: RunningRiad, key: str) -> None:
    for path, body in (
        (CHAT, good(model="gpt-none")),
        (CHAT, good(model="rabat-embed")),
        ("/v1/embeddings", {"model": "rabat-echo", "input": "x"}),
    ):
        status, _, raw = riad.post(path, key, body)
        assert (status, check_error(raw)["code"]) == (404, "model_not_found")


def test_token_numbers_are_refused(riad: RunningRiad, key: str) -> None:
    status, _, raw = riad.post("/v1/completions", key, {"model": "rabat-echo", "prompt": [1, 2, 3]})
    assert status == 400
    status, _, raw = riad.post("/v1/embeddings", key, {"model": "rabat-embed", "input": [[1, 2]]})
    assert status == 400
    check_error(raw)


def test_size_limits(riad: RunningRiad, key: str) -> None:
    status, _, raw = riad.post(CHAT, key, good(messages=[{"role": "user", "content": "x" * 10_000_000}]))
    assert (status, check_error(raw)["code"]) == (413, "request_too_large")
    million = b'{"model":"rabat-echo","messages":[' + b"0," * 1_000_000 + b"0]}"
    assert riad.post(CHAT, key, million)[0] == 400
    many = [{"role": "user", "content": "x"}] * 20_000
    status, _, raw = riad.post(CHAT, key, good(messages=many))
    assert (status, check_error(raw)["code"]) == (400, "too_many_messages")


def test_a_large_honest_body_is_served(riad: RunningRiad, key: str) -> None:
    status, _, answer = riad.chat(key, "rabat-echo", "salam " * 200_000)
    assert status == 200
    assert len(answer["choices"][0]["message"]["content"]) == 1_200_000


def test_addresses_and_methods(riad: RunningRiad, key: str) -> None:
    status, headers, raw = riad.get(CHAT, key)
    assert (status, headers["allow"]) == (405, "POST")
    check_error(raw)
    status, headers, raw = riad.post("/v1/models", key, {})
    assert status == 405
    assert "GET" in headers["allow"]
    for path in ("/v1/none", "/v2", "/v1/chat/completions/", "/%00", "/..%2f..%2fetc/passwd"):
        status, _, raw = riad.get(path, key)
        assert status == 404, path
        check_error(raw)


def test_bad_hints(riad: RunningRiad, key: str) -> None:
    for header, value in (
        ("x-riad-require", "moon"),
        ("x-riad-data-class", "secret"),
        ("x-riad-purpose", "x" * 200),
    ):
        status, _, raw = riad.post(CHAT, key, good(), **{header: value})
        assert status == 400, header
        assert check_error(raw)["param"] == header


def test_errors_never_quote_content(riad: RunningRiad, key: str) -> None:
    secret = "BK998877"
    for body in (
        good(messages=[{"role": "user", "content": secret}], n=-1),
        good(messages=[{"role": secret, "content": secret}]),
        good(model=f"none-{secret}"),
    ):
        _, _, raw = riad.post(CHAT, key, body)
        assert secret.encode() not in raw


@pytest.mark.parametrize(
    "raw",
    [
        b"GARBAGE\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nshort",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/1.1\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
    ],
    ids=range(6),
)
def test_raw_garbage_does_not_harm_the_next_caller(riad: RunningRiad, key: str, raw: bytes) -> None:
    with socket.create_connection(("127.0.0.1", riad.port), timeout=5) as connection:
        try:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        except (ConnectionError, BrokenPipeError):
            pass
    assert riad.chat(key, "rabat-echo", "still there?")[0] == 200
