"""A ledger's real parts for its tests: an owner process, an audit that trusts nothing."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from riad.ledger import merkle
from riad.ledger.files import Files
from riad.ledger.note import Checkpoint, Signer, Verifier
from riad.ledger.reader import MAGIC, Reader
from riad.ledger.tiles import HEIGHT, Tile, unbundle, width

ORIGIN = "test.example/ledger"


class OwnerProcess:
    """The ledger's owner as a platform runs it; ``program`` runs it in another way."""

    def __init__(
        self,
        data_dir: Path,
        *,
        before: Callable[[], None] | None = None,
        program: Sequence[str] = ("-m", "riad.ledger.owner"),
        url: str = "",
    ) -> None:
        self.data_dir = data_dir
        self.process = subprocess.Popen(
            [sys.executable, *program, "--data-dir", str(data_dir), "--origin", ORIGIN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=before,
            env={**os.environ, "RIAD_LEDGER_URL": url},
        )
        assert self.process.stdout is not None
        self.ready = self.process.stdout.readline() == b"ready\n"

    @property
    def socket(self) -> Path:
        return Files(self.data_dir).socket

    def send(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Signal it, wait for its end; its exit status and what it said on standard error."""
        if self.process.poll() is None:
            self.send(number)
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said.decode()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another process brings about."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


def audit(data_dir: Path, url: str = "", shard: int = 0) -> list[bytes]:
    """Every entry of a log, after computing every hash of it anew and comparing with what is stored and signed."""
    with Reader(data_dir, url, shard) as reader:
        text = Verifier.parse(reader.vkey()).open(reader.checkpoint())
        head = Checkpoint.parse(text)
        entries = [
            entry
            for number in range((head.size + 255) // 256)
            for entry in unbundle(reader.tile(Tile(None, number, width(0, number, head.size)).path))
        ]
        level = 0
        hashes = [merkle.leaf_hash(entry) for entry in entries]
        assert merkle.Frontier().extend(hashes, HEIGHT)[0].root() == head.root
        while hashes:
            for number in range((len(hashes) + 255) // 256):
                part = hashes[number * 256 : number * 256 + 256]
                assert reader.tile(Tile(level, number, len(part)).path) == b"".join(part)
            for _ in range(HEIGHT):
                hashes = merkle.pair(hashes)
            level += 1
    return entries


def make_receipt(entries: Sequence[bytes], index: int, signer: Signer, extra_signature: str = "") -> str:
    """A receipt made from the definitions alone."""
    hashes = [merkle.leaf_hash(entry) for entry in entries]
    levels = [hashes]
    while len(levels[-1]) > 1:
        levels.append(merkle.pair(levels[-1]))

    def node(level: int, at: int) -> bytes:
        return levels[level][at]

    head = Checkpoint(signer.verifier.name, len(entries), merkle.root(len(entries), node))
    proof = merkle.inclusion_proof(index, len(entries), node)
    lines = [
        MAGIC,
        "extra " + base64.b64encode(entries[index]).decode(),
        f"index {index}",
        *(base64.b64encode(item).decode() for item in proof),
    ]
    return "\n".join(lines) + "\n\n" + signer.sign(head.text) + extra_signature
