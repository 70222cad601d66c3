"""COSE receipts, verified by the package scitt-cose: its own CBOR, its own COSE, its own tree."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from riad.ledger import cbor, cose
from riad.ledger.note import Signer
from tests.running import RunningRiad

Check = Callable[..., Any]


@pytest.fixture(scope="module")
def check() -> Check:
    if importlib.util.find_spec("scitt_cose") is None:
        pytest.skip("COSE receipts: the package scitt-cose is not installed")
    from scitt_cose import verify_receipt

    return lambda receipt, entry, pem: verify_receipt(receipt, leaf_entry_hex=entry.hex(), log_public_key_pem=pem)


@pytest.fixture(scope="module")
def pem(platform: RunningRiad) -> str:
    return str(platform.command("ledger", "key", "--format", "pem")["key"])


@pytest.fixture(scope="module")
def fetched(platform: RunningRiad, key: str, receipt_name: str) -> tuple[bytes, bytes]:
    """A COSE receipt and its entry, as their owner fetches them."""
    answers = [platform.get(f"/v1/receipts/{receipt_name}?format={form}", key) for form in ("cose", "entry")]
    assert [status for status, _, _ in answers] == [200, 200]
    return answers[0][2], answers[1][2]


def test_a_receipt(check: Check, pem: str, fetched: tuple[bytes, bytes], platform: RunningRiad) -> None:
    result = check(*fetched, pem)
    assert result.ok, result.errors
    checkpoint = platform.command("ledger", "checkpoint")
    assert result.issuer == checkpoint["origin"]
    assert result.subject == str(result.tree_size)
    assert result.tree_size <= checkpoint["size"]


def test_a_receipt_does_not_fit_another_entry_or_key(check: Check, pem: str, fetched: tuple[bytes, bytes]) -> None:
    receipt, entry = fetched
    assert not check(receipt, entry + b"\n", pem).ok
    assert not check(receipt, entry, cose.pem(Signer.generate("foreign.example/ledger").verifier)).ok


def test_every_changed_byte_is_noticed(check: Check, pem: str, fetched: tuple[bytes, bytes]) -> None:
    receipt, entry = fetched
    for at in range(len(receipt)):
        changed = bytearray(receipt)
        changed[at] ^= 1
        result = check(bytes(changed), entry, pem)
        # RFC 9942 leaves the tree's size beside the signature: Riad signs it, and a verifier must compare.
        assert not result.ok or result.subject != str(result.tree_size), at


def test_it_reads_our_key(tmp_path: Path, platform: RunningRiad, check: Check) -> None:
    """A COSE_Key through the other package's CBOR."""
    import cbor2

    file = tmp_path / "key"
    platform.command("ledger", "key", "--format", "cose", "--output", str(file))
    mine = cbor.decode(file.read_bytes())
    assert dict(cbor2.loads(file.read_bytes())) == mine
    assert cbor2.dumps(mine, canonical=True) == file.read_bytes()


def test_the_lines_in_the_documentation(pem: str, fetched: tuple[bytes, bytes], check: Check, tmp_path: Path) -> None:
    for name, data in (("receipt.cose", fetched[0]), ("entry.json", fetched[1]), ("key.pem", pem.encode())):
        (tmp_path / name).write_bytes(data)
    page = Path(__file__).parents[2] / "docs" / "reference" / "ledger.md"
    _, _, lines = page.read_text().partition("```python\nfrom pathlib import Path\n\nfrom scitt_cose")
    program = "from pathlib import Path\n\nfrom scitt_cose" + lines.partition("```")[0]
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "in foreign.example/ledger" in done.stdout
