"""The standalone verifier: good receipts are good, everything else is not, and it needs nothing of ours."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_parts import ORIGIN, make_receipt

from riad.ledger import verify as verifier
from riad.ledger.entry import Decision, Outcome, SiteFacts, Tokens, encode
from riad.ledger.log import Log
from riad.ledger.note import Signer
from riad.ledger.reader import Reader
from riad.ledger.verify import BadKey, BadReceipt, verify

SIGNER = Signer(ORIGIN, bytes(range(32)))
VKEY = SIGNER.verifier.vkey
FACTS = SiteFacts(
    country="FR", operator_country="FR", parent_country="US", keys_country="FR", admin_country="FR", stand_in=True
)
DECISION = Decision(
    action="infer",
    articles=("09-08 art. 43",),
    attempt=0,
    crossing="pseudonymised",
    endpoint="chat.completions",
    findings={"PERSON": 2, "CIN": 1},
    id="r-1",
    legal_basis="contract",
    model="mistral \x1b[2J\u202e",
    obligations=("no_training",),
    outcome="allow",
    packs={"ma": "sha256:00"},
    persons="personal",
    project="support",
    purpose="customer_support",
    rules=("ma.transfer",),
    site="paris",
    site_facts=FACTS,
    state="none",
    tenant="t-1",
    time=1_790_000_000_000,
)
OUTCOME = Outcome(
    decision=0,
    http=200,
    id="r-1",
    milliseconds=12,
    site="paris",
    status="ok",
    time=1_790_000_000_012,
    tokens=Tokens(completion=3, prompt=5),
)
ENTRIES = [encode(DECISION), encode(OUTCOME), *(b'{"n":%d}' % number for number in range(11))]
RECEIPT = make_receipt(ENTRIES, 0, SIGNER).encode()


def run(*arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The verifier as a stranger runs it: isolated from this repository and its environment."""
    command = [sys.executable, "-I", verifier.__file__, *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, cwd="/", timeout=60)


def test_every_index_of_many_sizes() -> None:
    for size in [*range(1, 34), 255, 256, 257, 600]:
        entries = [b"%d" % number for number in range(size)]
        for index in range(0, size, 1 if size < 34 else 51):
            report = verify(make_receipt(entries, index, SIGNER).encode(), VKEY)
            assert (report.entry, report.index, report.size, report.strangers) == (entries[index], index, size, 0)


def test_receipts_of_a_real_log(log: Log, tmp_path: Path) -> None:
    entries = [b"entry %d" % number for number in range(300)]
    for start in range(0, 300, 50):
        log.append(entries[start : start + 50])
    reader = Reader(tmp_path / "data")
    for index in range(300):
        report = verify(reader.receipt(index).encode(), log.vkey)
        assert (report.entry, report.origin, report.size) == (entries[index], ORIGIN, 300)
    reader.close()


def rejected(receipt: bytes) -> bool:
    try:
        verify(receipt, VKEY)
    except BadReceipt:
        return True
    return False


def test_every_changed_byte_is_rejected() -> None:
    assert not rejected(RECEIPT)
    for at, byte in enumerate(RECEIPT):
        for other in {byte ^ 1 << bit for bit in range(8)} | set(b"\n\r =+/A0\0"):
            if other != byte:
                assert rejected(RECEIPT[:at] + bytes([other]) + RECEIPT[at + 1 :]), (at, byte, other)


def test_every_lost_doubled_or_added_byte_is_rejected() -> None:
    for at, byte in enumerate(RECEIPT):
        assert rejected(RECEIPT[:at] + RECEIPT[at + 1 :]), at
        assert rejected(RECEIPT[:at]), at
        for added in {byte, *b"\n =A0\0"}:
            assert rejected(RECEIPT[:at] + bytes([added]) + RECEIPT[at:]), (at, added)
    assert rejected(RECEIPT + b"\n")
    assert rejected(RECEIPT + b"x")
    assert rejected(RECEIPT + RECEIPT)
    assert rejected(RECEIPT.replace(b"\n", b"\r\n"))


@given(st.data())
def test_any_two_places_swapped_or_cut_are_rejected(data: st.DataObject) -> None:
    lines = RECEIPT.decode().split("\n")
    one, two = sorted(data.draw(st.tuples(st.integers(0, len(lines) - 1), st.integers(0, len(lines) - 1))))
    swapped = [*lines]
    swapped[one], swapped[two] = swapped[two], swapped[one]
    if swapped != lines:
        assert rejected("\n".join(swapped).encode())
    assert rejected("\n".join(lines[:one] + lines[two + 1 :]).encode())


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: RECEIPT[:24] + text.encode(errors="replace")))
def test_anything_else_is_rejected(receipt: bytes) -> None:
    assert rejected(receipt)


def test_the_step_that_failed_is_named() -> None:
    text = RECEIPT.decode()
    other = Signer.generate(ORIGIN)
    elsewhere = Signer("other.example/ledger", bytes(range(32)))
    huge = base64.b64encode(b"x" * 70_000).decode()
    cases = [
        (1, "", VKEY),
        (1, text.replace("index 0", "index 00"), VKEY),
        (1, text.replace("index 0", "index 9223372036854775808"), VKEY),
        (1, text.replace("\nextra ", f"\nextra {huge}\nextra "), VKEY),
        (1, "\n".join(line for line in text.split("\n") if not line.startswith("extra")), VKEY),
        (3, text, other.verifier.vkey),
        (3, make_receipt(ENTRIES, 0, other), VKEY),
        (3, text.replace("\n13\n", "\n14\n"), VKEY),
        (3, RECEIPT.decode().split("\n\n")[0] + "\n\n" + SIGNER.sign("no checkpoint\n"), VKEY),
        (5, text.replace("index 0", "index 1"), VKEY),
        (5, text.replace("index 0", "index 13"), VKEY),
        (3, make_receipt(ENTRIES, 0, elsewhere), VKEY),
    ]
    for step, receipt, vkey in cases:
        with pytest.raises(BadReceipt) as caught:
            verify(receipt.encode(), vkey)
        assert caught.value.step == step, receipt
    # A note of another log, signed with this log's key under this log's name: the origin gives it away.
    borrowed = text.split("\n\n")[0] + "\n\n" + SIGNER.sign(text.split("\n\n")[1].replace(ORIGIN, "other") + "\n")
    with pytest.raises(BadReceipt) as caught:
        verify(borrowed.encode(), VKEY)
    assert caught.value.step == 4


def test_a_replayed_or_transplanted_entry_is_rejected() -> None:
    """The proof and checkpoint of one entry do not carry another, not even of the same log."""
    first, second = (make_receipt(ENTRIES, index, SIGNER).split("\n") for index in (0, 1))
    assert rejected("\n".join([first[0], second[1], *first[2:]]).encode())
    older = make_receipt(ENTRIES[:8], 0, SIGNER).split("\n\n")
    assert rejected((make_receipt(ENTRIES, 0, SIGNER).split("\n\n")[0] + "\n\n" + "\n\n".join(older[1:])).encode())


def test_other_signatures_are_counted_and_prove_nothing() -> None:
    witness = Signer("witness.example", bytes(32))
    line = witness.sign("anything\n").rpartition("\n\n")[2]
    report = verify(make_receipt(ENTRIES, 0, SIGNER, line).encode(), VKEY)
    assert report.strangers == 1
    assert "unwitnessed: 1 other" in "\n".join(verifier.describe(report))


@pytest.mark.parametrize(
    "vkey", ["", "name", VKEY[:-1], VKEY + "A", VKEY.replace("test", "best"), SIGNER.skey, "é+0+A"]
)
def test_a_bad_key_is_no_key(vkey: str) -> None:
    with pytest.raises(BadKey):
        verify(RECEIPT, vkey)


def test_as_a_stranger_runs_it(tmp_path: Path) -> None:
    receipt, key = tmp_path / "one.tlog-proof", tmp_path / "ledger.vkey"
    receipt.write_bytes(RECEIPT)
    key.write_text(VKEY + "\n")
    done = run(receipt, "--key", key)
    said = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    for sentence in ("1. ", "6. ", "unwitnessed", "Not proved:", "The prompt and the answer", "GOOD"):
        assert sentence in said
    for fact in (
        "2026-09-21 14:13:20 UTC",
        "request r-1",
        "customer_support",
        "CIN 1",
        "paris",
        "US",
        "is a stand-in",
        "pseudonymised",
    ):
        assert fact in said
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert run("-", "--key", VKEY, stdin=RECEIPT).returncode == 0


def test_as_a_program_runs_it() -> None:
    done = run("-", "--key", VKEY, "--json", stdin=make_receipt(ENTRIES, 1, SIGNER).encode())
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["ok"], answer["witnessed"], answer["index"], answer["size"]) == (
        0,
        True,
        False,
        1,
        13,
    )
    assert answer["entry"] == json.loads(ENTRIES[1])
    assert [step["step"] for step in answer["steps"]] == [1, 2, 3, 4, 5, 6]
    done = run("-", "--key", VKEY, "--json", stdin=RECEIPT.replace(b"index 0", b"index 1"))
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["ok"], answer["step"]) == (1, False, 5)


def test_its_exit_status(tmp_path: Path) -> None:
    assert run("-", "--key", VKEY, stdin=RECEIPT[:-1]).returncode == 1
    for arguments in (
        (),
        ("-",),
        (tmp_path / "none", "--key", VKEY),
        ("-", "--key", "nonsense"),
        ("-", "--key", "x" * 9999),
    ):
        done = run(*arguments, stdin=RECEIPT)
        assert done.returncode == 2
        assert b"Traceback" not in done.stderr


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner), max_leaves=5))
def test_any_value_in_an_entry_has_words(value: object) -> None:
    for entry in (
        {"v": 1, "kind": "decision", "time": value, "findings": value, "site": value},
        {"v": 1, "kind": "outcome", "time": value, "tokens": value},
        {"v": value, "kind": value},
    ):
        assert all(sentence.isprintable() for sentence in verifier.words(entry))


@pytest.mark.parametrize("entry", [b"\xff", b"null", b"[1]", b"[" * 60_000, b"not json"])
def test_an_entry_that_is_no_object_verifies_and_says_so(entry: bytes) -> None:
    report = verify(make_receipt([entry], 0, SIGNER).encode(), VKEY)
    assert report.facts() is None
    assert "It is not JSON." in "\n".join(verifier.describe(report))
    assert verifier.document(report)["entry"] is None
