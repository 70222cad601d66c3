"""Signed notes and checkpoints, against notes that others signed."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riad.errors import BadRequest, EvidenceBroken
from riad.ledger.note import Checkpoint, Note, Signer, Verifier

# From the documentation and tests of golang.org/x/mod/sumdb/note.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
GO_NOTE = f"{GO_TEXT}\n— PeterNeumann {GO_SIGNATURE}\n"

# A checkpoint of Go's checksum database, as sum.golang.org served it.
SUMDB_VKEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
SUMDB_NOTE = (
    "go.sum database tree\n65664258\nWVVNVD2qx+fTq31zkj6UAqxT5X6HvGphGM+o8Thnbsg=\n\n"
    "— sum.golang.org Az3grligJmgX7KGyGPKybykNTh3VgsbLvUuvOwrM5zLVlulmFp2wdvbxOw74/gcNxURShXEpb7RXcs3+BYflYN+w0gQ=\n"
)
SIGNER = Signer("test.example/ledger", bytes(range(32)))


def test_go_signs_what_we_sign() -> None:
    signer = Signer.parse(GO_SKEY)
    assert signer.verifier.vkey == GO_VKEY
    assert signer.sign(GO_TEXT) == GO_NOTE
    assert Verifier.parse(GO_VKEY).open(GO_NOTE) == GO_TEXT


def test_a_checkpoint_of_the_go_checksum_database() -> None:
    head = Checkpoint.parse(Verifier.parse(SUMDB_VKEY).open(SUMDB_NOTE))
    assert (head.origin, head.size) == ("go.sum database tree", 65664258)
    assert head.text == SUMDB_NOTE[: SUMDB_NOTE.index("\n\n") + 1]


_lines = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


@given(st.lists(_lines, min_size=1, max_size=5).filter(any), st.binary(min_size=32, max_size=32))
def test_notes_and_keys_round_trip(lines: list[str], seed: bytes) -> None:
    text = "\n".join(lines) + "\n"
    signer = Signer("example.org/log", seed)
    raw = signer.sign(text)
    assert Verifier.parse(signer.verifier.vkey).open(raw) == text
    assert Signer.parse(signer.skey).skey == signer.skey
    assert seed.hex() not in repr(signer)
    assert signer.skey not in repr(signer)


@given(st.integers(0, 2**63), st.binary(min_size=32, max_size=32))
def test_checkpoints_round_trip(size: int, root: bytes) -> None:
    head = Checkpoint("example.org/log", size, root)
    assert Checkpoint.parse(head.text) == head
    assert Checkpoint.parse(head.text + "an extension line\n") == head


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "origin\n",
        "origin\n1\n",
        "origin\n01\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "origin\n-1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "origin\n١\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "origin\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n",
        "origin\n1\nAAAA\n",
        "origin\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n",
        "\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "origin\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "origin\n" + "9" * 5000 + "\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(EvidenceBroken):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "\n\n",
        "text\n",
        "text\n\n",
        "text\n— a AAAAAAA=\n",
        "text\n\n— a AAAAAAA=",
        "text\n\n- a AAAAAAA=\n",
        "text\n\n—  AAAAAAA=\n",
        "text\n\n— a+b AAAAAAA=\n",
        "text\n\n— a AAAA\n",
        "text\n\n— a AAAAAAB=\n",
        "text\n\n— a AAAAAAA\n",
        "text\r\n\n— a AAAAAAA=\n",
        "te\x00xt\n\n— a AAAAAAA=\n",
        "text\n\n" + "— a AAAAAAA=\n" * 101,
        "x" * (1 << 20) + "\n\n— a AAAAAAA=\n",
    ],
)
def test_what_is_no_note_is_refused(raw: str) -> None:
    with pytest.raises(EvidenceBroken):
        Note.parse(raw)


@given(st.text(max_size=200))
def test_any_text_is_a_note_or_broken(raw: str) -> None:
    with contextlib.suppress(EvidenceBroken):
        Note.parse(raw)


def test_strangers_signatures_are_ignored_and_prove_nothing() -> None:
    other = Signer("test.example/ledger", bytes(32))  # the same name, another key
    raw = SIGNER.sign("text\n")
    line = other.sign("text\n").rpartition("\n\n")[2]
    assert SIGNER.verifier.open(raw + line) == "text\n"
    with pytest.raises(EvidenceBroken, match="no signature"):
        SIGNER.verifier.open(other.sign("text\n"))


def test_a_wrong_signature_by_the_known_key_rejects_the_note() -> None:
    good = SIGNER.sign("text\n")
    wrong = SIGNER.sign("other\n").rpartition("\n\n")[2]
    with pytest.raises(EvidenceBroken, match="does not fit"):
        SIGNER.verifier.open(good + wrong)
    with pytest.raises(EvidenceBroken, match="does not fit"):
        SIGNER.verifier.open(good.replace("text", "test"))


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\tb", "a\u00a0b", "a\nb", "x" * 256, "\ud800"])
def test_names_the_format_does_not_allow(name: str) -> None:
    with pytest.raises(BadRequest):
        Signer.generate(name)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+00000000+AAAA",
        GO_VKEY.replace("c74f20a3", "c74f20a4"),
        GO_VKEY.replace("c74f20a3", "C74F20A3"),
        GO_VKEY.replace("PeterNeumann", "peterNeumann"),
        GO_VKEY.replace("+AR", "+BR"),
        GO_VKEY[:-1],
        GO_VKEY + "AAAA",
        GO_SKEY,
    ],
)
def test_what_is_no_key_is_refused(vkey: str) -> None:
    with pytest.raises(BadRequest):
        Verifier.parse(vkey)


@pytest.mark.parametrize("skey", ["", GO_VKEY, GO_SKEY[:-4], GO_SKEY.replace("c74f20a3", "c74f20a4")])
def test_a_bad_private_key_is_refused_and_not_repeated(skey: str) -> None:
    with pytest.raises(BadRequest) as caught:
        Signer.parse(skey)
    assert "AYEKF" not in str(caught.value)
