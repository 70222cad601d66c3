"""Streamed text that is masked on its way: however it is cut, the same goes out, and nothing of what a whole text
would have had masked.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riad.gateway.disclosures import LONGEST, Held, Prompted
from riad.gateway.streams import StreamAnswer
from riad.privacy import evaluate, scan
from riad.privacy.walk import JsonText

CORPUS = Path(__file__).parents[1] / "privacy" / "corpus_tune.txt"
TEXTS = [sample.text for sample in evaluate.read(CORPUS.read_bytes())]
SEPARATORS = ["\n", " ", ". ", "\n\n", ", "]


def through(text: str, size: int = 1, prompted: Prompted | None = None, *, is_json: bool = False) -> str:
    held = Held(prompted or Prompted(), Counter(), is_json=is_json)
    return "".join([*(held.feed(text[at : at + size]) for at in range(0, len(text), size)), held.flush()])


long_texts = st.lists(st.sampled_from(TEXTS), min_size=1, max_size=12)


@given(long_texts, st.sampled_from(SEPARATORS), st.integers(1, 700))
def test_it_does_not_matter_how_a_text_is_cut(parts: list[str], separator: str, size: int) -> None:
    text = separator.join(parts)
    assert through(text, size) == through(text, 1)


@given(st.text(st.sampled_from("ab .?\n؟[]_1"), max_size=3000), st.integers(1, 64))
def test_a_text_without_persons_goes_out_as_it_is(text: str, size: int) -> None:
    assert through(text, size) == text


@given(long_texts, st.sampled_from(["\n", ". "]))
def test_what_a_whole_text_would_have_masked_is_masked(parts: list[str], separator: str) -> None:
    text = separator.join(parts)
    out = through(text, 3)
    for finding in scan(text):
        value = text[finding.start : finding.end]
        assert out.count(value) < text.count(value), (finding.type, value)


def test_it_is_never_far_behind() -> None:
    held = Held(Prompted(), Counter())
    words = "word " * 400
    out = 0
    for said, character in enumerate(words, 1):
        out += len(held.feed(character))
        assert said - out <= LONGEST
    assert held.flush()
    unbroken = Held(Prompted(), Counter())
    assert len(unbroken.feed("x" * 5000)) >= 5000 - LONGEST


@pytest.mark.parametrize("value", ["Karim Tazi", "0661987654", "karim.tazi@example.ma", "AB123456"])
def test_a_value_at_the_edge_of_what_is_held_is_whole(value: str) -> None:
    """The value stands at every distance from the beginning: no cut divides it, and its cue is never forgotten."""
    cue = {"K": "Monsieur ", "0": "tel ", "k": "", "A": "CIN "}[value[0]]
    for distance in range(LONGEST - 120, LONGEST + 60, 7):
        words = ("mot " * 300)[:distance]
        for part in value.split():
            assert part not in through(f"{words} {cue}{value} " + "mot " * 40), distance


def test_json_is_held_until_it_is_whole_and_stays_json() -> None:
    text = json.dumps(
        {"nom": "Monsieur Karim Tazi", "tel": "0661987654", "n": 3, "a": 'dit "oui"\n'}, ensure_ascii=True
    )
    held = Held(Prompted(), counts := Counter(), is_json=True)
    assert not any(held.feed(character) for character in text)
    assert held.size == len(text)
    told = json.loads(held.flush())
    assert (told["n"], told["a"]) == (3, 'dit "oui"\n')
    assert not {"Karim", "0661987654"} & set(json.dumps(told).replace('"', " ").split())
    assert counts == {"PERSON": 1, "PHONE": 1}


def test_half_a_name_and_another_spelling_are_not_new() -> None:
    prompt = "Madame Fatima Zahra Benali, tel 06 12 34 56 78, CIN ab 123456"
    prompted = Prompted([(prompt, scan(prompt))])
    for text in ("Madame Benali", "tel +212612345678", "CIN AB123456", "Madame  FATIMA ZAHRA"):
        assert scan(text), text
        assert prompted.new(text, scan(text)) == [], text
    for text in ("Monsieur Benali Alami", "tel 0612345679", "CIN AB123457"):
        assert prompted.new(text, scan(text)), text


@pytest.mark.parametrize("cut", range(1, 60))
def test_json_that_was_cut_is_masked_too(cut: int) -> None:
    text = '{"cni": "AB123456", "telephone": 212661987654, "x": {"nom": "Monsieur Karim Tazi"}}'
    told = through(text[:-cut], is_json=True)
    assert "661987654" not in told or not scan(JsonText(text[:-cut]))
    assert "Karim Tazi" not in told


def test_a_bare_number_in_json_becomes_a_string() -> None:
    told = json.loads(through('{"telephone": 212661987654, "n": 3}', is_json=True))
    assert told == {"telephone": "[PHONE_0]", "n": 3}


def test_a_name_escaped_in_json_is_the_prompts() -> None:
    prompt = "السيد أحمد بنعلي، Monsieur Mériem Élamrani"
    prompted = Prompted([(prompt, scan(prompt))])
    text = JsonText(json.dumps({"a": prompt}))
    assert scan(text)
    assert prompted.new(text, scan(text)) == []
    assert through(text, prompted=prompted, is_json=True) == text


def test_a_member_that_no_api_knows_is_masked_too() -> None:
    answer = StreamAnswer({}, False, masks=True)
    pieces = ("mon numéro est le 06 61 ", "23 45 67 merci")
    events = [{"choices": [{"index": 0, "delta": {"content": "", "record_field": piece}}]} for piece in pieces]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    out = b"".join(answer.feed(b"data: " + json.dumps(one).encode() + b"\n\n") for one in events)
    out += answer.feed(b"data: [DONE]\n\n")
    assert b"[PHONE_0] merci" in out
    assert b"23 45 67" not in out
    assert answer.new == {"PHONE": 1}
