"""Every text of a body, and the body with other texts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riad.errors import BadRequest
from riad.privacy.walk import DEEPEST, JsonText, replace, texts

BODY: dict[str, Any] = {
    "model": "mistral-small",
    "messages": [
        {"role": "system", "content": "Tu aides."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Bonjour"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        },
        {
            "role": "assistant",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}],
        },
        {"role": "tool", "content": "ok", "tool_call_id": "c1"},
    ],
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "f",
                "parameters": {"type": "object", "properties": {"client_ahmed": {"type": "string"}}},
            },
        }
    ],
    "max_tokens": 100,
    "temperature": 0.5,
    "seed": 20240115063000,
}


def test_every_text_is_listed_in_order() -> None:
    assert texts(BODY) == [
        "Tu aides.",
        "Bonjour",
        "c1",
        "f",
        '{"x": 1}',
        "ok",
        "c1",
        "f",
        "client_ahmed",
        "20240115063000",
    ]


def test_tool_arguments_are_json() -> None:
    kinds = {text: type(text) for text in texts(BODY)}
    assert kinds['{"x": 1}'] is JsonText
    assert kinds["Bonjour"] is str
    assert type(texts({"content": "{not json}"})[0]) is str


def test_replacing_with_the_same_changes_nothing() -> None:
    assert replace(BODY, iter(texts(BODY))) == BODY


def test_replacements_land_where_the_texts_were() -> None:
    changed = replace(BODY, iter([text.upper() for text in texts(BODY)]))
    assert changed["messages"][0] == {"role": "system", "content": "TU AIDES."}
    assert changed["messages"][1]["content"][1]["image_url"]["url"] == "data:image/png;base64,AAAA"
    assert changed["tools"][0]["function"]["parameters"]["properties"] == {"CLIENT_AHMED": {"type": "string"}}
    assert changed["model"] == "mistral-small"
    assert changed["seed"] == 20240115063000
    assert BODY["messages"][0]["content"] == "Tu aides."


def test_a_long_number_that_is_masked_becomes_a_string() -> None:
    assert replace({"phone": 212612345678}, iter(["phone", "[PHONE_1]"])) == {"phone": "[PHONE_1]"}


def test_only_binary_addresses_are_not_read() -> None:
    for text in (
        "data:text/plain;base64,QWhtZWQ=",
        "data:image/png;base64,Ahmed Benali",
        "data:image/png,Ahmed",
        "https://exemple.ma/x.png",
    ):
        assert texts([text]) == [text]
    assert texts(["data:image/png;base64,QUJD", "DATA:application/pdf;base64,QUJD"]) == []


def test_a_role_or_a_type_nobody_knows_is_read() -> None:
    assert texts({"role": "Ahmed Benali", "type": "AB123456"}) == ["Ahmed Benali", "AB123456"]
    assert texts({"messages": [{"model": "AB123456"}]}) == ["AB123456"]


@pytest.mark.parametrize("bomb", ["[", "{", '{"a":'])
def test_json_bombs_in_strings_are_text(bomb: str) -> None:
    for text in (bomb * 100_000, bomb * 100_000 + "]" * 100_000):
        assert texts([text]) == [text]


def nested(depth: int) -> Any:
    value: Any = "x"
    for level in range(depth):
        value = [value] if level % 2 else {"content": value}
    return value


def test_deep_nesting_is_refused() -> None:
    assert texts(nested(DEEPEST)) == ["x"]
    with pytest.raises(BadRequest, match="64 levels"):
        texts(nested(DEEPEST + 2))
    with pytest.raises(BadRequest):
        texts(nested(100_000))


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False)
    | st.text(max_size=12)
    | st.sampled_from(["[]", '{"a": 1}', "data:image/png;base64,AA=="]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=6) | st.sampled_from(["role", "type", "model", "content", "arguments"]), inner, max_size=4
        )
    ),
    max_leaves=25,
)


@given(values)
def test_any_value_is_walked_and_rebuilt(value: Any) -> None:
    listed = texts(value)
    rest = iter(listed)
    assert replace(value, rest) == value
    assert next(rest, None) is None
