"""Masking: the same value the same placeholder, nothing lost, nothing left, in each of the ways there are."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_privacy_scan import PIECES, messy

from riad.errors import BadRequest
from riad.privacy import Finding, Masker, mask, restore, scan
from riad.privacy.mask import MODES, TOKEN
from riad.privacy.placeholders import candidates
from riad.privacy.walk import texts

KEY = b"a key for tests only"
REVERSIBLE = ("placeholders", "surrogates")
LOOK_ALIKES = [
    "PERSON_1",
    "(PERSON_1)",
    "[NOM 1]",
    "{phone_1}",
    "شخص_1",
    "[الشخص ١]",
    "Person_2",
    "\\nCIN_1",
    "Karim",
    "كريم",
]
texts_of_users = st.lists(messy | st.sampled_from(LOOK_ALIKES), max_size=4).map("".join)


def masked(text: str, masker: Masker | None = None) -> str:
    return (masker or Masker()).mask(text, scan(text))


def found_as(type_: str, value: str) -> list[Finding]:
    return [Finding(type_, 0, len(value), 1.0, "x")]


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


def test_a_placeholder_the_user_wrote_never_becomes_a_name() -> None:
    masker = Masker()
    text = "M. Ahmed Benali, que veut dire [PERSON_1], et [person 1] ?"
    out = masked(text, masker)
    assert out.startswith("M. [PERSON_1], que veut dire [PERSON_2]")
    assert restore(out, masker.mapping) == text
    assert restore("[PERSON_2]", masker.mapping) == "[PERSON_1]"


def test_a_placeholder_that_is_nobodys_is_left_and_never_given() -> None:
    masker = Masker()
    text = "x = PERSON_1  # [nom 2] et [FOO_1]"
    assert masked(text, masker) == text
    assert masker.mask("Ahmed Benali", found_as("PERSON", "Ahmed Benali")) == "[PERSON_3]"
    assert masker.mask("foo", found_as("FOO", "foo")) == "[FOO_2]"


def test_other_brackets_are_left_alone() -> None:
    for text in ("[Figure 1], [1], [x], a[i], [TODO 3]", "[" * 50, "][", "{a_1} <b2> f(x_1)"):
        assert masked(text) == text


@given(texts_of_users, st.sampled_from(REVERSIBLE))
def test_restoring_what_was_masked_gives_the_text_back(text: str, mode: str) -> None:
    masker = Masker(mode, key=KEY, exact=True)
    assert restore(masked(text, masker), masker.mapping) == text


@given(st.lists(texts_of_users, min_size=2, max_size=4), st.sampled_from(REVERSIBLE))
def test_the_texts_of_one_request_all_come_back(said: list[str], mode: str) -> None:
    masker = Masker(mode, key=KEY, exact=True)
    out = [masked(text, masker) for text in said]
    assert [restore(text, masker.mapping) for text in out] == said


spans = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 14), st.sampled_from(["PERSON", "PHONE", "ADDRESS", "DOB", "FOO-1"])),
    max_size=5,
)


@given(texts_of_users | st.text(max_size=60), spans, st.sampled_from(REVERSIBLE))
def test_whatever_others_find_comes_back(text: str, drawn: list[tuple[int, int, str]], mode: str) -> None:
    masker = Masker(mode, key=KEY, exact=True)
    findings = [Finding(type_, start, start + length, 1.0, "x") for start, length, type_ in sorted(drawn)]
    assert restore(masker.mask(text, findings), masker.mapping) == text


@given(
    st.lists(st.sampled_from(PIECES), max_size=10),
    st.sampled_from([" ", ", ", "\n", " et ", ": ", "/", "-", "،"]),
    st.sampled_from(MODES),
)
def test_nothing_is_found_in_a_masked_text(pieces: list[str], between: str, mode: str) -> None:
    masker = Masker(mode, key=KEY)
    out = masked(between.join(pieces), masker)
    left = masker.foreign(out, scan(out))
    if mode == "surrogates" and left:  # words beside a surrogate may look like part of it
        out = masker.mask(out, left, again=True)
        left = masker.foreign(out, scan(out))
    assert [(one.type, out[one.start : one.end]) for one in left] == []


def test_two_requests_share_nothing() -> None:
    for mode in REVERSIBLE:
        one, other = Masker(mode, key=KEY), Masker(mode, key=KEY)
        masked("M. Ahmed Benali", one)
        masked("M. Salma Tazi", other)
        assert {"Ahmed Benali"} == {value for value in one.mapping.values() if " " in value}
        assert {"Salma Tazi"} == {value for value in other.mapping.values() if " " in value}
        assert "Tazi" not in restore(" ".join(other.mapping), one.mapping)


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


def test_a_type_no_placeholder_can_name_is_restored_too() -> None:
    masker = Masker()
    out = "".join(masker.mask(value, found_as(type_, value)) for type_, value in (("TAX-ID", "12"), ("x", "34")))
    assert out == "[DATA_1][DATA_2]"
    assert restore(out, masker.mapping) == "1234"


VALUES = st.sampled_from(
    [
        "Ahmed Benali",
        "سميتي محمد العلوي",
        'CIN AB123456, "tel" 0612345678',
        "a@b.ma\nCordialement,\nSalma Tazi",
        "M. Ahmed\nBenali",
        "rien",
        "[PERSON_1]",
        "x\\y",
    ]
)
documents = st.recursive(
    VALUES | st.sampled_from([212612345678, -212612345678, 4111111111111111, 7, 1.5, None, True]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["nom", "full_name", "tel", "AB123456", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["name", "tel", "note"]), documents, min_size=1, max_size=3),
    st.booleans(),
    st.sampled_from(REVERSIBLE),
)
def test_masked_tool_arguments_stay_json_and_come_back(
    document: dict[str, object], ascii_only: bool, mode: str
) -> None:
    (text,) = texts({"arguments": json.dumps(document, ensure_ascii=ascii_only)})
    masker = Masker(mode, key=KEY, exact=True)
    out = masked(text, masker)
    json.loads(out)
    back = json.loads(restore(out, masker.mapping, escape_json=True))
    assert _as_strings(back) == _as_strings(document)


def _as_strings(value: object) -> object:
    """Numbers that were masked may come back as strings: the one thing that changes."""
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


def test_a_redacted_text_keeps_types_and_nothing_else() -> None:
    text = "M. Ahmed Benali et Mme Salma Tazi, CIN AB123456"
    out, mapping = mask(text, mode="redaction")
    assert out == "M. [PERSON_0] et Mme [PERSON_0], CIN [CIN_0]"
    assert mapping == {}
    assert restore(out, {"[PERSON_1]": "x"}) == out


def test_tokens_are_the_same_in_every_request_with_their_key() -> None:
    text = "M. Ahmed Benali, tel 06 12 34 56 78"
    out, mapping = mask(text, mode="tokens", key=KEY)
    assert re.fullmatch(rf"M\. {TOKEN.pattern}, tel {TOKEN.pattern}", out)
    assert mapping == {}
    assert (
        mask("0612345678 M. AHMED BENALI", mode="tokens", key=KEY).text.split(" M. ") == out[3:].split(", tel ")[::-1]
    )
    assert mask(text, mode="tokens", key=KEY[::-1]).text != out
    assert candidates(out) == []  # no placeholder, so nothing can be restored in its place


@pytest.mark.parametrize("mode", ["surrogates", "tokens"])
def test_without_a_key_that_is_a_secret_nothing_keyed_is_made(mode: str) -> None:
    for key in (b"", b"too short"):
        with pytest.raises(BadRequest, match="at least 16 bytes") as refused:
            Masker(mode, key=key)
        assert refused.value.param == "key"


def test_an_unknown_mode_is_refused_with_those_there_are() -> None:
    with pytest.raises(BadRequest, match="placeholders, surrogates, redaction, tokens"):
        Masker("pseudonyms")
    with pytest.raises(BadRequest):
        mask("x", mode="")


def test_mask_scans_unless_it_is_told_what_was_found() -> None:
    text = "M. Ahmed Benali, CIN AB123456"
    assert mask(text) == ("M. [PERSON_1], CIN [CIN_1]", {"[PERSON_1]": "Ahmed Benali", "[CIN_1]": "AB123456"})
    assert mask(text, scan(text)[:1]).text == "M. [PERSON_1], CIN AB123456"
    assert mask(text, []) == (text, {})
    for mode in REVERSIBLE:
        done = mask(text, mode=mode, key=KEY)
        assert restore(done.text, done.mapping) == text
