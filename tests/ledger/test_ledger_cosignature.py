"""Cosignatures and add-checkpoint bodies, against a checkpoint that somebody else's witness cosigned."""

from __future__ import annotations

import base64
import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riad.errors import BadRequest, EvidenceBroken
from riad.ledger import cosignature, verify
from riad.ledger.cosignature import ED25519, ML_DSA_44, CosignatureVerifier, Cosigner
from riad.ledger.merkle import HASH_SIZE
from riad.ledger.note import Checkpoint, Note, Signer
from riad.ledger.submission import MAX_PROOF, Submission

HERE = Path(__file__).parent
# A checkpoint of a Certificate Transparency log, as a public witness (Geomys) cosigned it with both kinds of key.
CT_NOTE = (HERE / "cosigned_checkpoint.txt").read_text("utf-8")
NAVIGLI = "witness.navigli.sunlight.geomys.org+a3e00fe2+BNy/co4C1Hn1p+INwJrfUlgz7W55dSZReusH/GhUhJ/G"
NAVIGLI_ML_DSA = (HERE / "cosigner.vkey").read_text("utf-8").strip()
TEXT = Checkpoint("test.example/ledger", 3, bytes(32)).text
LOG = Signer("test.example/ledger", bytes(range(32)))
KINDS = [ED25519, ML_DSA_44] if cosignature.MLDSA44PrivateKey is not None else [ED25519]


@pytest.mark.parametrize("vkey", [NAVIGLI, NAVIGLI_ML_DSA][: len(KINDS)])
def test_a_public_witness_cosigned_this(vkey: str) -> None:
    verifier = CosignatureVerifier.parse(vkey)
    assert verifier.time(CT_NOTE) == 0x6A6FB0F3
    assert verifier.time("".join(line for line in CT_NOTE.splitlines(True) if "— witness" not in line)) is None
    with pytest.raises(EvidenceBroken):
        verifier.time(CT_NOTE.replace("185550722", "185550723"))
    # And as the standalone verifier reads it.
    key, note = verify.parse_witness_key(vkey), Note.parse(CT_NOTE)
    head = Checkpoint.parse(note.text)
    (stamped,) = [line.signature for line in note.signatures if line[:2] == (key.name, key.key_id)]
    assert verify.cosigned_at(key, note.text, head.root, stamped) == 0x6A6FB0F3
    assert verify.cosigned_at(key, note.text.replace("185550722", "185550723"), head.root, stamped) is None


@pytest.mark.parametrize("kind", KINDS)
def test_keys_and_cosignatures_round_trip(kind: int) -> None:
    cosigner = Cosigner.generate("witness.example/1", kind)
    assert Cosigner.parse(cosigner.skey).verifier.vkey == cosigner.verifier.vkey
    verifier = CosignatureVerifier.parse(cosigner.verifier.vkey + "\n")
    note = LOG.sign(TEXT)
    later, earlier = cosigner.sign(TEXT, 1_790_000_001), cosigner.sign(TEXT, 1_790_000_000)
    assert verifier.time(note) is None
    assert verifier.time(note + later) == 1_790_000_001
    assert verifier.time(note + later + earlier) == 1_790_000_000
    assert cosigner.skey not in repr(cosigner)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_its_cosignature_is_refused(kind: int) -> None:
    cosigner, other = Cosigner.generate("witness.example/1", kind), Cosigner.generate("witness.example/1", kind)
    line = cosigner.sign(TEXT, 5)
    verifier = cosigner.verifier
    forged = line[:70] + ("B" if line[70] != "B" else "C") + line[71:]
    head = "\n".join(TEXT.split("\n")[:1]) + "\n4\n" + TEXT.split("\n")[2] + "\n"
    for raw in (
        LOG.sign(TEXT) + forged,
        LOG.sign(head) + line,
        LOG.sign(TEXT) + line + forged,
        LOG.sign("no checkpoint\n") + line,
        LOG.sign(TEXT) + f"— {verifier.name} {_short(line)}\n",
    ):
        with pytest.raises(EvidenceBroken):
            verifier.time(raw)
    assert verifier.time(LOG.sign(TEXT) + other.sign(TEXT, 5)) is None
    with pytest.raises(EvidenceBroken):
        verifier.time(LOG.sign(TEXT) + _at(line, 1 << 63))


def _short(line: str) -> str:
    return base64.b64encode(base64.b64decode(line.split(" ")[2])[:-3]).decode()


def _at(line: str, time: int) -> str:
    dash, name, encoded = line.split(" ")
    data = base64.b64decode(encoded)
    return f"{dash} {name} {base64.b64encode(data[:4] + time.to_bytes(8) + data[12:]).decode()}\n"


@pytest.mark.parametrize(
    "text",
    ["", "x", "a+b+c", NAVIGLI[:-1], NAVIGLI.replace("a3e0", "a3e1"), LOG.verifier.vkey, NAVIGLI.replace("+BN", "+CN")],
)
def test_a_bad_key_is_no_key(text: str) -> None:
    with pytest.raises(BadRequest):
        CosignatureVerifier.parse(text)
    with pytest.raises(BadRequest):
        Cosigner.parse(text)
    with pytest.raises(BadRequest):
        Cosigner.parse("PRIVATE+KEY+" + text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "\n", "é" * 200, "\ud800"])
def test_a_bad_name_is_no_name(name: str) -> None:
    with pytest.raises(BadRequest):
        Cosigner.generate(name)


_hashes = st.binary(min_size=HASH_SIZE, max_size=HASH_SIZE)


@given(st.integers(0, 2**40), st.integers(0, 2**40), st.lists(_hashes, max_size=MAX_PROOF), _hashes)
def test_submissions_round_trip(old: int, more: int, proof: list[bytes], root: bytes) -> None:
    checkpoint = Checkpoint("test.example/ledger", old + more, root)
    submission = Submission(old, proof, LOG.sign(checkpoint.text), checkpoint)
    assert Submission.parse(submission.body) == submission


GOOD = Submission(3, [bytes(32)], LOG.sign(TEXT), Checkpoint.parse(TEXT)).body.decode()


@pytest.mark.parametrize(
    "body",
    [
        "",
        "old 3",
        GOOD.replace("old 3", "old 03"),
        GOOD.replace("old 3", "old 4"),
        GOOD.replace("old 3", "old -1"),
        GOOD.replace("old 3", "old ٣"),
        GOOD.replace("old 3", "new 3"),
        GOOD.replace("old 3", "old 3 "),
        GOOD.replace("old 3\n", "old 3\nAAAA\n"),
        GOOD.replace("old 3\n", "old 3\n" + ("A" * 43 + "=\n") * 63),
        GOOD.replace("\n\n", "\n", 1),
        GOOD[:-1],
        GOOD.replace("\n3\n", "\n99999999999999999999\n"),
        GOOD.replace("\n3\n", "\nx\n"),
        GOOD.replace("test.example/ledger\n", "é" * 128 + "\n"),
        GOOD + "\x00",
    ],
)
def test_a_bad_body_is_no_submission(body: str) -> None:
    assert Submission.parse(GOOD.encode()).old == 3
    with pytest.raises(BadRequest):
        Submission.parse(body.encode())


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: ("old 1\n" + text).encode(errors="replace")))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(BadRequest):
        assert Submission.parse(body).body == body
