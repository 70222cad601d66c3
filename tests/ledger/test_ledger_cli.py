"""``riad ledger``."""

from __future__ import annotations

import base64
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ledger_parts import ORIGIN
from typer.testing import CliRunner, Result

from riad.cli.ledger import app
from riad.errors import BadRequest, EvidenceBroken, NotFound
from riad.ledger import cose
from riad.ledger.files import Files
from riad.ledger.log import Log
from riad.ledger.note import Signer, Verifier
from riad.ledger.reader import Reader

ENTRY = (
    b'{"decision":0,"http":200,"id":"r-1","kind":"outcome","milliseconds":12,"site":"rabat","status":"ok",'
    b'"time":1790000000012,"tokens":{"completion":3,"prompt":5},"v":1}'
)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    log = Log.open(tmp_path / "data", ORIGIN)
    log.append([ENTRY, b"no json", b":x: [bold] \xff"])
    log.settle()
    log.close()
    return tmp_path / "data"


def invoke(*arguments: object, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def answer(*arguments: object, stdin: bytes = b"", status: int = 0) -> Any:
    result = invoke(*arguments, "--json", stdin=stdin)
    assert result.exit_code == status, result.exception
    return json.loads(result.stdout)


def receipt_of(data_dir: Path, index: int) -> bytes:
    with Reader(data_dir) as reader:
        return reader.receipt(index).encode()


def test_verify(data_dir: Path, tmp_path: Path) -> None:
    good = receipt_of(data_dir, 0)
    file = tmp_path / "a.tlog-proof"
    file.write_bytes(good)
    result = invoke("verify", file, "--data-dir", data_dir)
    assert result.exit_code == 0
    for words in ("unwitnessed", "Not proved:", "request r-1 ended: ok, HTTP 200, at the site rabat", "GOOD"):
        assert words in result.stdout
    assert answer("verify", "-", "--key", Files(data_dir).vkey, stdin=good)["ok"] is True
    vkey = Files(data_dir).vkey.read_text().strip()
    assert answer("verify", "-", "--key", vkey, stdin=good)["entry"] == json.loads(ENTRY)


def test_verify_finds_what_is_wrong(data_dir: Path) -> None:
    good = receipt_of(data_dir, 0)
    result = invoke("verify", "-", "--data-dir", data_dir, stdin=good.replace(b"index 0", b"index 1"))
    assert (result.exit_code, "BAD: step 5 failed" in result.stdout) == (1, True)
    assert answer("verify", "-", "--data-dir", data_dir, stdin=b"x", status=1)["step"] == 1
    other = Signer.generate(ORIGIN).verifier.vkey
    assert answer("verify", "-", "--key", other, stdin=good, status=1)["step"] == 3


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("verify", "none.tlog-proof"), BadRequest),
        (("verify", "-", "--key", "nonsense"), BadRequest),
        (("verify", "-", "--data-dir", "none"), NotFound),
        (("key", "--data-dir", "none"), NotFound),
        (("checkpoint", "--data-dir", "none"), NotFound),
        (("stats", "--data-dir", "none"), NotFound),
        (("show", "0", "--data-dir", "none"), NotFound),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], kind: type[Exception], tmp_path: Path) -> None:
    result = invoke(*(str(tmp_path / "none") if argument == "none" else argument for argument in arguments))
    assert isinstance(result.exception, kind)


def test_reading(data_dir: Path) -> None:
    options = ("--data-dir", data_dir)
    vkey = Files(data_dir).vkey.read_text()
    assert invoke("key", *options).stdout == vkey
    assert answer("key", *options) == {"key": vkey.strip(), "origin": ORIGIN}
    with Reader(data_dir) as reader:
        note = reader.checkpoint()
    assert invoke("checkpoint", *options).stdout == note
    assert answer("checkpoint", *options)["size"] == 3
    assert "request r-1 ended" in invoke("show", 0, *options).stdout
    assert invoke("show", 1, *options).stdout == "It is not JSON.\n"
    assert answer("show", 0, *options) == {"index": 0, "entry": json.loads(ENTRY)}
    assert invoke("show", 2, "--receipt", *options).stdout.encode() == receipt_of(data_dir, 2)
    assert answer("show", 0, "--receipt", *options)["receipt"].encode() == receipt_of(data_dir, 0)
    facts = answer("stats", *options)
    assert (facts["origin"], facts["entries"]) == (ORIGIN, 3)
    assert facts["bytes"] >= facts["bytes_per_entry"] > 0
    assert "entries" in invoke("stats", *options).stdout


def test_an_entry_outside_and_a_broken_ledger(data_dir: Path) -> None:
    assert isinstance(invoke("show", 3, "--data-dir", data_dir).exception, NotFound)
    Files(data_dir).database.write_bytes(b"no database" * 1000)
    assert isinstance(invoke("show", 0, "--data-dir", data_dir).exception, EvidenceBroken)


def test_the_commands_exit_status(data_dir: Path) -> None:
    for arguments, status in ((("checkpoint",), 0), (("show", "9"), 2), (("show", "x"), 2)):
        command = [sys.executable, "-m", "riad", "ledger", *arguments, "--data-dir", str(data_dir)]
        assert subprocess.run(command, capture_output=True, timeout=60).returncode == status


def test_cose_receipts(data_dir: Path, tmp_path: Path) -> None:
    receipt, entry = tmp_path / "a.cose", tmp_path / "a.json"
    assert invoke("show", 0, "--receipt", "--format", "cose", "--output", receipt, "--data-dir", data_dir).output == ""
    # What a shell redirects is what --output writes, to the last byte.
    assert invoke("show", 0, "--format", "cose", "--data-dir", data_dir).stdout_bytes == receipt.read_bytes()
    entry.write_bytes(invoke("show", 0, "--format", "entry", "--data-dir", data_dir).stdout_bytes)
    assert entry.read_bytes() == ENTRY
    told = answer("show", 0, "--format", "cose", "--data-dir", data_dir)
    assert base64.b64decode(told["receipt"]) == receipt.read_bytes()
    assert answer("show", 0, "--output", tmp_path / "b", "--data-dir", data_dir)["file"] == str(tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == receipt_of(data_dir, 0)

    result = invoke("verify", receipt, "--entry", entry, "--data-dir", data_dir)
    assert result.exit_code == 0
    for words in ("6. ", "COSE receipt (RFC 9942) for entry 0", "Not proved:", "request r-1 ended: ok", "GOOD"):
        assert words in result.stdout
    assert answer("verify", receipt, "--entry", entry, "--key", Files(data_dir).vkey)["size"] == 3
    entry.write_bytes(ENTRY + b"\n")
    assert answer("verify", receipt, "--entry", entry, "--data-dir", data_dir, status=1)["step"] == 4


def test_cose_receipts_wrongly_used(data_dir: Path, tmp_path: Path) -> None:
    receipt, text = tmp_path / "a.cose", tmp_path / "a.tlog-proof"
    invoke("show", 0, "--format", "cose", "--output", receipt, "--data-dir", data_dir)
    text.write_bytes(receipt_of(data_dir, 0))
    for arguments, words in (
        (("verify", receipt), "--entry"),
        (("verify", receipt, "--entry", tmp_path / "none"), "Cannot read"),
        (("verify", text, "--entry", text), "not a COSE receipt"),
        (("verify", receipt, "--entry", text, "--key", "nonsense"), "public key"),
        (("show", 0, "--format", "pdf"), "text, cose, entry"),
        (("show", 0, "--output", tmp_path / "none" / "there"), "Cannot write"),
        (("key", "--format", "jwk"), "vkey, pem, cose"),
        (("key", "--output", tmp_path), "Cannot write"),
    ):
        refused = invoke(*arguments, "--data-dir", data_dir).exception
        assert isinstance(refused, BadRequest)
        assert words in refused.render()


def test_keys_in_their_forms(data_dir: Path, tmp_path: Path) -> None:
    vkey = Files(data_dir).vkey.read_text()
    assert invoke("key", "--data-dir", data_dir).stdout == vkey
    pem = invoke("key", "--format", "pem", "--data-dir", data_dir).stdout
    assert pem == cose.pem(Verifier.parse(vkey))
    card = invoke("key", "--format", "cose", "--data-dir", data_dir).stdout_bytes
    assert card == cose.keys([Verifier.parse(vkey)])
    # On a terminal, bytes would be noise.
    ours, terminal = pty.openpty()
    command = [sys.executable, "-m", "riad", "ledger", "key", "--format", "cose", "--data-dir", str(data_dir)]
    subprocess.run(command, stdout=terminal, check=True)
    os.close(terminal)
    with os.fdopen(ours, "rb", buffering=0) as screen:
        assert base64.b64decode(screen.read(4096).strip()) == card
