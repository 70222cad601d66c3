"""Masking and restoring: the same value the same placeholder, nothing lost, however the answer is cut."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_privacy_scan import PIECES, messy

from riad.privacy import Finding, Masker, Restorer, restore, scan
from riad.privacy.walk import texts

MAPPING = {"[PERSON_1]": "Ahmed Benali", "[PERSON_12]": "[PERSON_1]", "[CIN_1]": 'AB"12\\3', "[PHONE_2]": "سلام"}


def masked(text: str, masker: Masker | None = None) -> str:
    return (masker or Masker()).mask(text, scan(text))


def test_placeholders_are_typed_and_numbered_by_first_appearance() -> None:
    masker = Masker()
    text = "M. Ahmed Benali et Mme Salma Tazi, CIN AB123456. M. Ahmed Benali."
    assert masked(text, masker) == "M. [PERSON_1] et Mme [PERSON_2], CIN [CIN_1]. M. [PERSON_1]."
    assert masker.mapping == {"[PERSON_1]": "Ahmed Benali", "[PERSON_2]": "Salma Tazi", "[CIN_1]": "AB123456"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("06 12 34 56 78", "0612345678"),
        ("06.12.34.56.78", "06-12-34-56-78"),
        ("cin AB123456", "cin ab123456"),
        ("tel ٠٦١٢٣٤٥٦٧٨", "tel 0612345678"),
        ("M. Ahmed Benali", "M. AHMED BENALI"),
        ("A.B@C.MA", "a.b@c.ma"),
    ],
)
def test_one_value_in_two_spellings_has_one_placeholder(first: str, second: str) -> None:
    masker = Masker()
    masked(first, masker)
    masked(second, masker)
    assert len(masker.mapping) == 1
    exact = Masker(exact=True)
    masked(first, exact)
    masked(second, exact)
    assert len(exact.mapping) == 2


def test_two_requests_share_nothing() -> None:
    one, other = Masker(), Masker()
    masked("M. Ahmed Benali", one)
    assert masked("M. Salma Tazi", other) == "M. [PERSON_1]"
    assert other.mapping == {"[PERSON_1]": "Salma Tazi"}


def test_a_placeholder_the_user_wrote_never_becomes_a_name() -> None:
    masker = Masker()
    text = "M. Ahmed Benali, que veut dire [PERSON_1], et [person 2] ?"
    out = masked(text, masker)
    assert out.startswith("M. [PERSON_1], que veut dire [PERSON_2]")
    assert restore(out, masker.mapping) == text
    assert restore("[PERSON_2]", masker.mapping) == "[PERSON_1]"


def test_other_brackets_are_left_alone() -> None:
    for text in ("[Figure 1], [1], [x], a[i], [TODO 3]", "[" * 50, "]["):
        assert masked(text) == text


@given(messy)
def test_restoring_what_was_masked_gives_the_text_back(text: str) -> None:
    masker = Masker(exact=True)
    assert restore(masked(text, masker), masker.mapping) == text


@given(st.lists(st.sampled_from(PIECES), max_size=10), st.sampled_from([" ", ", ", "\n", " et ", ": ", "/", "-", "،"]))
def test_nothing_is_found_in_a_masked_text(pieces: list[str], between: str) -> None:
    out = masked(between.join(pieces))
    assert [(f.type, out[f.start : f.end]) for f in scan(out)] == []


@given(messy, st.lists(st.integers(0, 200), max_size=8), st.booleans())
def test_however_it_is_cut_a_stream_is_restored_alike(text: str, cuts: list[int], escape: bool) -> None:
    masker = Masker()
    out = masked(text, masker) + "[PERSON_1] \\[person 1\\] [CIN_99] [PER"
    mapping = {**MAPPING, **masker.mapping}
    restorer = Restorer(mapping, escape_json=escape)
    pieces = [out[a:b] for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), len(out)], strict=True)]
    assert "".join(map(restorer.feed, pieces)) + restorer.flush() == restore(out, mapping, escape_json=escape)


@given(st.text(alphabet="[]\\_ *PERSONpersonCIN129`-", max_size=60), st.integers(1, 5))
def test_near_placeholders_are_restored_alike_in_any_pieces(text: str, size: int) -> None:
    restorer = Restorer(MAPPING)
    fed = "".join(restorer.feed(text[at : at + size]) for at in range(0, len(text), size))
    assert fed + restorer.flush() == restore(text, MAPPING)


@pytest.mark.parametrize(
    "spelling",
    [
        "[PERSON_1]",
        "[person_1]",
        "[Person 1]",
        "[PERSON-1]",
        "[PERSON1]",
        "[PERSON\\_1]",
        "\\[PERSON\\_1\\]",
        "[ PERSON_1 ]",
        "[**PERSON_1**]",
        "[`PERSON_1`]",
        "[PERSON\u00a01]",
    ],
)
def test_models_spell_placeholders_their_way(spelling: str) -> None:
    assert restore(f"Bonjour {spelling}!", MAPPING) == "Bonjour Ahmed Benali!"


@pytest.mark.parametrize(
    "text", ["[PERSON_2]", "[PERSON_1", "PERSON_1", "[PERSON_01]", "[NAME_1]", "(PERSON_1)", "[PERSON_1_2]"]
)
def test_what_is_not_known_stays(text: str) -> None:
    assert restore(text, MAPPING) == text


def test_a_restored_value_is_not_read_again() -> None:
    assert restore("[PERSON_12] [PERSON_1]", MAPPING) == "[PERSON_1] Ahmed Benali"


def test_only_what_may_become_a_known_placeholder_is_held_back() -> None:
    restorer = Restorer(MAPPING)
    assert restorer.feed("Bonjour [") == "Bonjour "
    assert restorer.feed("PERSON") == ""
    assert restorer.feed("NEL] et [PHONE_1") == "[PERSONNEL] et [PHONE_1"
    assert restorer.feed(" [CIN_") == " "
    assert restorer.feed("1") == ""
    assert restorer.feed("] fin") == 'AB"12\\3 fin'
    assert restorer.feed("[PERSON_1") == ""
    assert restorer.flush() == "[PERSON_1"
    assert restorer.flush() == ""


def test_without_a_mapping_text_passes_untouched() -> None:
    restorer = Restorer({})
    text = "[PERSON_1] ["
    assert restorer.feed(text) is text
    assert restorer.flush() == ""


def test_values_are_escaped_in_tool_arguments() -> None:
    mapping = {"[PERSON_1]": 'A "B"\n\\ é', "[PERSON_2]": "\ud800"}
    restored = restore('{"a": "[PERSON_1]", "b": "[PERSON\\\\_2]"}', mapping, escape_json=True)
    assert json.loads(restored) == {"a": 'A "B"\n\\ é', "b": "\ud800"}


VALUES = st.sampled_from(
    [
        "Ahmed Benali",
        "سميتي محمد العلوي",
        'CIN AB123456, "tel" 0612345678',
        "a@b.ma\nCordialement,\nSalma Tazi",
        "rien",
        "[PERSON_1]",
        "x\\y",
    ]
)
documents = st.recursive(
    VALUES | st.sampled_from([212612345678, 4111111111111111, 7, 1.5, None, True]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["nom", "full_name", "tel", "AB123456", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["name", "tel", "note"]), documents, min_size=1, max_size=3), st.booleans())
def test_masked_tool_arguments_stay_json_and_come_back(document: dict[str, object], ascii_only: bool) -> None:
    (text,) = texts({"arguments": json.dumps(document, ensure_ascii=ascii_only)})
    masker = Masker()
    out = masked(text, masker)
    json.loads(out)
    back = json.loads(restore(out, masker.mapping, escape_json=True))
    assert _as_strings(back) == _as_strings(document)


def _as_strings(value: object) -> object:
    """Numbers that were masked come back as strings: the one thing that changes."""
    if isinstance(value, dict):
        return {key: _as_strings(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_as_strings(item) for item in value]
    return str(value) if type(value) is int else value


def test_escaped_names_in_arguments_are_one_person_with_plain_ones() -> None:
    masker = Masker()
    (text,) = texts({"arguments": '{"full_name": "\\u0041hmed Benali", "tel": 212612345678}'})
    assert masked(text, masker) == '{"full_name": "[PERSON_1]", "tel": "[PHONE_1]"}'
    assert masked("M. Ahmed Benali", masker) == "M. [PERSON_1]"


def test_a_masked_text_can_be_masked_again() -> None:
    masker = Masker()
    first = masker.mask("Ahmed Benali, CIN AB123456, Salma Tazi", scan("Ahmed Benali"))
    assert first == "[PERSON_1], CIN AB123456, Salma Tazi"
    second = masker.mask(first, scan(first), again=True)
    assert second == "[PERSON_1], CIN [CIN_1], [PERSON_2]"
    assert restore(second, masker.mapping) == "Ahmed Benali, CIN AB123456, Salma Tazi"
    assert masker.mask(second, [Finding("PERSON", 0, 12, 1.0, "x")], again=True) == second


def test_findings_made_by_others_may_overlap_or_lie_outside() -> None:
    findings = [Finding("PERSON", 0, 5, 1.0, "x"), Finding("CIN", 3, 8, 1.0, "x"), Finding("CIN", 90, 99, 1.0, "x")]
    masker = Masker()
    out = masker.mask("Ahmed Benali", findings)
    assert out.startswith("[PERSON_1] Benali")
    assert restore(out, masker.mapping) == "Ahmed Benali"
