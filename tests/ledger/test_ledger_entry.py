"""Entries: canonical bytes, strict reading, nothing over the limit."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riad.errors import BadRequest, EvidenceBroken, TooLarge
from riad.ledger.entry import UNSET, Decision, Entry, Erasure, Outcome, SiteFacts, Tokens, decode, encode

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ascii_names = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
counts = st.integers(0, 2**53 - 1)
countries = st.sampled_from(["MA", "FR", "US", ""])
lists = st.lists(names, max_size=4).map(tuple)
unknown_or = lambda strategy: st.just(UNSET) | strategy  # noqa: E731
commitments = st.binary(min_size=32, max_size=32).map(bytes.hex)

site_facts = st.builds(
    SiteFacts,
    admin_country=countries,
    contract=unknown_or(names),
    country=countries,
    keys_country=countries,
    operator_country=countries,
    own_premises=unknown_or(st.booleans()),
    parent_country=countries,
    qualification=unknown_or(counts),
    qualification_expires=unknown_or(names),
    retention_days=unknown_or(counts),
    stand_in=unknown_or(st.booleans()),
    trains_on_data=unknown_or(st.booleans()),
)
decisions = st.builds(
    Decision,
    action=names,
    articles=lists,
    attempt=counts,
    crossing=st.sampled_from(["none", "pseudonymised", "clear"]),
    endpoint=names,
    experiment=unknown_or(names),
    findings=st.dictionaries(ascii_names, counts, max_size=5),
    id=names,
    legal_basis=names,
    masking=unknown_or(st.sampled_from(["surrogates", "placeholders", "tokens", "redaction"])),
    model=names,
    model_digest=unknown_or(commitments.map("sha256:{}".format)),
    obligations=lists,
    outcome=st.sampled_from(["allow", "deny", "file_first", "human_review"]),
    packs=st.dictionaries(ascii_names, names, max_size=3),
    persons=st.sampled_from(["none", "personal", "sensitive"]),
    project=names,
    prompt_commitment=unknown_or(commitments),
    purpose=names,
    rules=lists,
    site=names,
    site_facts=unknown_or(site_facts),
    state=st.sampled_from(["none", "restricted", "sensitive"]),
    tenant=names,
    time=counts,
)
outcomes = st.builds(
    Outcome,
    answer_commitment=unknown_or(commitments),
    answer_findings=unknown_or(st.dictionaries(ascii_names, counts, max_size=5)),
    answer_masked=unknown_or(st.booleans()),
    decision=counts,
    energy=unknown_or(counts),
    http=counts,
    id=names,
    milliseconds=counts,
    site=names,
    status=names,
    time=counts,
    tokens=unknown_or(st.builds(Tokens, completion=counts, prompt=counts)),
)
erasures = st.builds(
    Erasure,
    basis=st.sampled_from(["request", "retention", "authority", "operator"]),
    count=counts,
    id=names,
    scope=st.sampled_from(["subject", "record", "project", "tenant"]),
    time=counts,
)
SMALL = msgspec.convert(
    {
        "kind": "outcome",
        "decision": 1,
        "http": 200,
        "id": "r",
        "milliseconds": 2,
        "site": "s",
        "status": "ok",
        "time": 3,
    },
    Outcome,
)


def canonical(value: Any) -> bytes:
    """RFC 8785 for values of strings, integers below 2**53, booleans and ASCII keys, by another encoder.

    Section 3.2.3 sorts keys by UTF-16 units, for ASCII by code point; 3.2.2.2 escapes as Python's json does: the two
    quoted characters, \\b \\f \\n \\r \\t, and \\u00xx in lower case below U+0020; everything else is UTF-8.
    """
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


@given(decisions | outcomes | erasures)
def test_entries_are_canonical_and_round_trip(entry: Entry) -> None:
    data = encode(entry)
    value = json.loads(data)
    assert data == canonical(value)
    assert None not in value.values()
    assert (value["v"], value["kind"]) == (1, type(entry).__name__.lower())
    assert decode(data) == entry


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: b"null",
        lambda data: b"\xff",
        lambda data: data[:-1],
        lambda data: data + b" ",
        lambda data: data.replace(b",", b", ", 1),
        lambda data: data.replace(b'"kind":"outcome"', b'"kind":"erasure"'),
        lambda data: data.replace(b'"v":1', b'"v":2'),
        lambda data: data.replace(b'"v":1', b'"v":1,"x":1'),
        lambda data: data.replace(b'"http":200,', b""),
        lambda data: data.replace(b'"http":200', b'"http":2e2'),
        lambda data: data.replace(b'"http":200', b'"http":200.0'),
        lambda data: data.replace(b'"http":200', b'"http":-1'),
        lambda data: data.replace(b'"http":200', b'"http":null'),
        lambda data: data.replace(b'"decision":1', b'"answer_commitment":"%s","decision":1' % (b"0" * 63)),
        lambda data: data.replace(b'"decision":1', b'"answer_commitment":"%s","decision":1' % (b"A" * 64)),
        lambda data: data.replace(b'"http":200', b'"http":9007199254740992'),
        lambda data: data.replace(b'"http":200', b'"http":200,"http":200'),
        lambda data: data.replace(b'"id":"r"', b'"id":"\\u0072"'),
    ],
)
def test_what_is_not_written_so_is_refused(change: Any) -> None:
    data = encode(SMALL)
    assert decode(data) == SMALL
    with pytest.raises(EvidenceBroken):
        decode(change(data))


@given(st.binary(max_size=100))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(EvidenceBroken):
        decode(data)


def test_an_entry_that_fits_no_tile_is_refused() -> None:
    room = 65_535 - len(encode(SMALL))
    assert len(encode(msgspec.structs.replace(SMALL, status="ok" + "x" * room))) == 65_535
    with pytest.raises(TooLarge):
        encode(msgspec.structs.replace(SMALL, status="ok" + "x" * (room + 1)))


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(BadRequest, match="Unicode"):
        encode(msgspec.structs.replace(SMALL, site="\ud800"))


def test_an_entry_of_before_masking_was_recorded_still_decodes() -> None:
    old = (
        b'{"decision":0,"http":200,"id":"r-1","kind":"outcome","milliseconds":12,"site":"rabat","status":"ok",'
        b'"time":1790000000012,"tokens":{"completion":3,"prompt":5},"v":1}'
    )
    outcome = decode(old)
    assert isinstance(outcome, Outcome)
    assert (outcome.answer_findings, outcome.answer_masked) == (UNSET, UNSET)
    assert encode(outcome) == old
