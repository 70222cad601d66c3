"""Every text of a body, and the body with other texts."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riad.errors import BadRequest
from riad.privacy.attached import readable
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
        "data:text/plain;base64,Ahmed Benali",
        "data:image/png;base64,Ahmed Benali",
        "data:image/png,Ahmed",
        "https://exemple.ma/x.png",
    ):
        assert texts([text]) == [text]
    binary = texts(["data:image/png;base64,QUJD", "DATA:application/pdf;base64,QUJD"])
    assert (binary, binary.unreadable) == ([], 2)


def encoded(text: str, kind: str = "text/plain", charset: str = "utf-8") -> str:
    return f"data:{kind};base64,{base64.b64encode(text.encode(charset)).decode()}"


@pytest.mark.parametrize(
    ("address", "clear"),
    [
        (encoded("Ahmed Benali"), "Ahmed Benali"),
        (encoded("Ahmed Benali", "TEXT/CSV"), "Ahmed Benali"),
        (encoded("Ahmed Benali", "application/json"), "Ahmed Benali"),
        (encoded("<p>Ahmed</p>", "application/xhtml+xml"), "<p>Ahmed</p>"),
        (encoded("é", "text/plain;charset=iso-8859-1", "latin-1"), "é"),
        (encoded("أحمد", "text/plain;charset=UTF-16", "utf-16"), "أحمد"),
        (encoded("Ahmed", "application/vnd.x+json;a=b;charset=utf-8"), "Ahmed"),
        ("data:;base64,QWhtZWQ", "Ahmed"),  # no type is text, and the padding may be missing
        ("data:text/plain;base64,QWht\r\nZWQ=", "Ahmed"),
    ],
)
def test_a_text_in_base64_is_read_and_encoded_again(address: str, clear: str) -> None:
    body = {"file": {"file_data": address}}
    found = texts(body)
    assert (found, found.unreadable) == ([clear], 0)
    assert replace(body, iter([clear])) == body
    changed = replace(body, iter(["[PERSON_1] أ"]))
    assert texts(changed) == ["[PERSON_1] أ"]


@pytest.mark.parametrize(
    "address",
    [
        "data:text/plain;base64,Q",
        "data:text/plain;base64,QWht%ZWQ=",
        "data:text/plain;base64,QWhtZW=Q",
        "data:text/plain;base64,/w==",  # no UTF-8
        "data:text/plain;charset=klingon;base64,QWhtZWQ=",
        "data:text/plain;charset=idna;base64,QWhtZWQ=",
    ],
)
def test_a_text_that_cannot_be_decoded_is_unreadable(address: str) -> None:
    found = texts([address])
    assert (found, found.unreadable) == ([address], 1)
    assert replace([address], iter(found)) == [address]


def test_a_text_in_base64_inside_another_text() -> None:
    inside = encoded("Ahmed Benali")
    html = f'<img src="data:image/png;base64,QUJDRA=="><a href="{inside}">x</a> fin'
    found = texts([html])
    assert found == ['<img src="data:image/png;base64,QUJDRA=="><a href="', "Ahmed Benali", '">x</a> fin']
    assert found.unreadable == 0
    assert replace([html], iter(found)) == [html]
    assert replace([html], iter([found[0], "X", found[2]])) == [html.replace(inside, encoded("X"))]


def test_a_text_in_base64_inside_json() -> None:
    arguments = json.dumps({"file": encoded("Ahmed Benali"), "n": 1.5})
    body = {"arguments": arguments}
    assert texts(body) == ["Ahmed Benali"]
    assert replace(body, iter(["Ahmed Benali"])) == body
    assert json.loads(replace(body, iter(["X"]))["arguments"]) == {"file": encoded("X"), "n": 1.5}
    image = texts({"arguments": json.dumps({"x": "data:image/png;base64,QUJD"})})
    assert image.unreadable == 1
    table = encoded(json.dumps([{"nom": "Ahmed"}]), "application/json")
    assert type(texts([table])[0]) is JsonText


def test_a_sound_or_a_file_in_bare_base64_is_unreadable() -> None:
    sound = {"input_audio": {"data": "QUJD" * 100, "format": "wav"}}
    assert (texts(sound), texts(sound).unreadable) == (["wav"], 1)
    assert replace(sound, iter(["wav"])) == sound
    assert texts({"data": "QUJD"}) == ["QUJD"]


def test_what_part_of_a_message_can_be_read() -> None:
    assert readable({"type": "file", "file": {"filename": "a.csv", "file_data": encoded("a,b", "text/csv")}})
    for part in (
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "file", "file": {"file_data": encoded("a"), "file_id": "file-1"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,QUJD"}},
        {"type": "document_url", "document_url": "https://exemple.ma/a.pdf"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
        {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}},
        {"type": "image_url"},
        {"type": "file", "file": {"file_data": "data:text/plain;base64,Q"}},
    ):
        assert not readable(part), part


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
    | st.sampled_from(["[]", '{"a": 1}', "data:image/png;base64,AA==", "data:;base64,W10=", "x data:;base64,QUJD y"])
    | st.text().map(encoded)
    | st.binary().map(lambda data: f"data:text/csv;base64,{base64.b64encode(data).decode()}"),
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
