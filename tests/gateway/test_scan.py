"""``POST /api/privacy/scan`` through the real door."""

from __future__ import annotations

import json
from typing import Any

import pytest

from riad.privacy import scan
from tests.running import RunningRiad

PATH = "/api/privacy/scan"
TEXT = "Je m'appelle Ahmed Benali, CIN AB123456, diabétique. 😀 tel 0612345678"


def test_a_text_is_scanned(riad: RunningRiad, key: str) -> None:
    status, headers, raw = riad.post(PATH, key, {"text": TEXT})
    assert status == 200, raw
    (result,) = json.loads(raw)["results"]
    assert (result["class"], result["lang"]) == ("sensitive", "fr")
    assert result["categories"] == ["health", "national_id"]
    found = {TEXT[span["start"] : span["end"]]: span for span in result["spans"]}
    assert found.keys() == {"Ahmed Benali", "AB123456", "0612345678"}
    assert found["Ahmed Benali"]["type"] == "PERSON"
    assert all(span.keys() == {"start", "end", "type", "score", "why", "class"} for span in result["spans"])
    assert len(headers["x-request-id"]) == 32
    assert headers["content-type"] == "application/json"
    assert "Ahmed" not in raw.decode()


def test_several_texts_are_scanned_each_by_itself(riad: RunningRiad, key: str) -> None:
    texts = ["", TEXT, "rien", TEXT]
    status, _, raw = riad.post(PATH, key, {"texts": texts})
    assert status == 200
    results = json.loads(raw)["results"]
    assert [len(result["spans"]) for result in results] == [len(scan(text)) for text in texts]
    assert results[1] == results[3]


def test_a_large_text_is_scanned_too(riad: RunningRiad, key: str) -> None:
    text = ("Une phrase ordinaire, sans personne. " * 20_000) + TEXT
    status, _, raw = riad.post(PATH, key, {"text": text})
    assert status == 200
    (result,) = json.loads(raw)["results"]
    assert next(text[span["start"] : span["end"]] for span in result["spans"]) == "Ahmed Benali"


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"{", "invalid_json", None),
        (b"[]", "invalid_request", None),
        (b'{"text": "\\ud800"}', "invalid_json", None),
        ({}, "invalid_type", "text"),
        ({"text": None}, "invalid_type", "text"),
        ({"text": "a", "texts": ["b"]}, "invalid_type", "text"),
        ({"text": 3}, "invalid_type", "text"),
        ({"texts": []}, "invalid_type", "texts"),
        ({"texts": "a"}, "invalid_type", "texts"),
        ({"texts": ["a", 1]}, "invalid_type", "texts"),
        ({"texts": ["a"] * 10_001}, "too_many_texts", "texts"),
    ],
    ids=str,
)
def test_what_cannot_be_scanned_is_refused(riad: RunningRiad, key: str, body: Any, code: str, param: str) -> None:
    status, headers, raw = riad.post(PATH, key, body)
    error = json.loads(raw)["error"]
    assert (status, error["code"], error["param"]) == (400, code, param)
    assert headers["x-request-id"]


def test_a_key_is_needed_and_the_method_is_post(riad: RunningRiad, key: str) -> None:
    assert riad.post(PATH, None, {"text": "a"})[0] == 401
    assert riad.post(PATH, "riad_" + "A" * 43, {"text": "a"})[0] == 401
    status, headers, _ = riad.get(PATH, key)
    assert (status, headers["allow"]) == (405, "POST")


def test_a_body_too_large_is_refused(riad: RunningRiad, key: str) -> None:
    status, _, raw = riad.post(PATH, key, {"text": "a" * (8 * 1024 * 1024)})
    assert (status, json.loads(raw)["error"]["code"]) == (413, "request_too_large")


def test_it_counts_against_the_keys_limit(riad: RunningRiad) -> None:
    limited = riad.key("--requests-per-minute", "1")
    answers = [riad.post(PATH, limited, {"text": "a"}) for _ in range(3)]
    assert 429 in [status for status, _, _ in answers]
    _, headers, _ = next(answer for answer in answers if answer[0] == 200)
    assert headers["x-ratelimit-limit-requests"] == "1"


def test_nothing_of_it_is_recorded(riad: RunningRiad, key: str) -> None:
    before = len(riad.entries())
    riad.post(PATH, key, {"text": TEXT})
    assert len(riad.entries()) == before
