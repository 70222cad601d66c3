"""The log and its receipts, verified by ``golang.org/x/mod/sumdb`` as Debian packages it."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from foreign_parts import OLD, ORIGIN, Go

from riad.ledger.files import Files
from riad.ledger.keys import load
from riad.ledger.note import Checkpoint, Signer, Verifier
from riad.ledger.reader import Reader
from tests.running import RunningRiad


@pytest.fixture(scope="module")
def vkey(platform: RunningRiad) -> Path:
    return Files(platform.data_dir).vkey


@pytest.fixture(scope="module")
def receipt(platform: RunningRiad, key: str, receipt_name: str) -> str:
    status, _, data = platform.get(f"/v1/receipts/{receipt_name}", key)
    assert status == 200
    return data.decode()


def test_a_receipt(go: Go, vkey: Path, receipt: str, tmp_path: Path) -> None:
    file = tmp_path / "receipt"
    file.write_text(receipt)
    done = go("receipt", vkey, file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("GOOD: entry ")
    assert '"kind":"decision"' in done.stdout


@pytest.mark.parametrize("changed", ["entry", "index", "proof", "size", "root", "signature", "origin"])
def test_a_changed_receipt(go: Go, vkey: Path, receipt: str, changed: str, tmp_path: Path) -> None:
    lines = receipt.split("\n")
    blank = lines.index("")
    at = {"entry": 1, "index": 2, "proof": 3, "origin": blank + 1, "size": blank + 2, "root": blank + 3}
    number = at.get(changed, len(lines) - 2)
    # A digit and a letter in the middle of a line stay what the format wants: only the proof can notice.
    line = lines[number]
    middle = len(line) - 1 if changed in ("index", "size") else len(line) // 2
    lines[number] = line[:middle] + ("1" if line[middle] != "1" else "2") + line[middle + 1 :]
    file = tmp_path / "receipt"
    file.write_text("\n".join(lines))
    done = go("receipt", vkey, file)
    assert (done.returncode, done.stdout[:4]) == (1, "BAD:"), done.stdout


def test_a_receipt_under_another_key(go: Go, vkey: Path, receipt: str, tmp_path: Path) -> None:
    file, other = tmp_path / "receipt", tmp_path / "vkey"
    file.write_text(receipt)
    other.write_text(Signer.generate(Verifier.parse(vkey.read_text()).name).verifier.vkey)
    assert go("receipt", other, file).returncode == 1


def test_a_witness_it_does_not_know_does_not_disturb_it(go: Go, vkey: Path, receipt: str, tmp_path: Path) -> None:
    file = tmp_path / "receipt"
    cosignature = base64.b64encode(b"\x01\x02\x03\x04" + bytes(72)).decode()
    file.write_text(f"{receipt}— witness.example {cosignature}\n")
    assert go("receipt", vkey, file).returncode == 0


def test_the_log_over_http(
    go: Go, vkey: Path, platform: RunningRiad, receipt_name: str, old_checkpoints: list[Path]
) -> None:
    done = go("log", vkey, f"{platform.url}/ledger/", *old_checkpoints)
    assert done.returncode == 0, done.stdout + done.stderr
    for size in OLD:
        assert f"extends that of {size}\n" in done.stdout


@pytest.fixture
def mirror(platform: RunningRiad) -> Iterator[Callable[[str], str]]:
    """Serves the log with one bit changed at a path; → its address."""
    servers: list[ThreadingHTTPServer] = []

    def start(changed: str) -> str:
        reader = Reader(platform.data_dir)
        checkpoint = reader.checkpoint().encode()

        class Lying(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.removeprefix("/")
                data = bytearray(checkpoint if path == "checkpoint" else reader.tile(path))
                if path == changed:
                    data[len(data) // 2] ^= 1
                self.send_response(200)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Lying))
        threading.Thread(target=servers[-1].serve_forever).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("changed", "good"), [("none", True), ("checkpoint", False), ("tile/0/000", False), ("tile/entries/001", False)]
)
def test_a_changed_log(
    go: Go, vkey: Path, mirror: Callable[[str], str], receipt_name: str, changed: str, good: bool
) -> None:
    done = go("log", vkey, mirror(changed))
    assert (done.returncode == 0) is good, done.stdout + done.stderr


def test_wrong_usage(go: Go, vkey: Path, tmp_path: Path) -> None:
    assert go().returncode == go("receipt", vkey).returncode == 2
    for nonsense in (b"", b"nonsense", b"c2sp.org/tlog-proof@v1\n\n", bytes(1000)):
        (tmp_path / "receipt").write_bytes(nonsense)
        assert go("receipt", vkey, tmp_path / "receipt").returncode == 1
    assert go("receipt", tmp_path / "receipt", tmp_path / "receipt").returncode == 1
    assert go("log", vkey, "http://127.0.0.1:1/").returncode == 1


def test_a_forked_log(go: Go, vkey: Path, platform: RunningRiad, receipt_name: str, tmp_path: Path) -> None:
    fork = tmp_path / "checkpoint"
    signer = load(Files(platform.data_dir), ORIGIN)
    assert signer is not None
    fork.write_text(signer.sign(Checkpoint(signer.verifier.name, OLD[0], bytes(32)).text))
    done = go("log", vkey, f"{platform.url}/ledger/", fork)
    assert done.returncode == 1
    assert "does not extend" in done.stdout
