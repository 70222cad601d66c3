"""The reading side of the ledger: opening, proofs, receipts and their verification as it grows; the same of a peer.

The trees hold entries of a few bytes, for a proof does not depend on what the entries say; receipts and their
verification are measured with entries as the gateway writes them, in a log of their own.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks import ledger_entries
from benchmarks.ledger_writing import ORIGIN
from benchmarks.processes import Unavailable
from benchmarks.pymerkle_peer import TITLE, Pymerkle
from benchmarks.spread import Spread, quantile, spread
from riad.ledger import cose, merkle
from riad.ledger.files import Files
from riad.ledger.log import Log
from riad.ledger.merkle import leaf_hash
from riad.ledger.note import Checkpoint, Verifier
from riad.ledger.reader import Reader
from riad.ledger.verify import verify

PROOFS = 400
BATCH = 8192  # entries in a commit while a tree grows
REQUESTS = 150_000  # in the log whose entries are as the gateway writes them
PEER_GROWS = 120.0  # seconds it may take to reach a size
PEER_PROVES = 10.0  # seconds for its proofs of one kind; the first comes however long it takes


def sizes(largest: int) -> list[int]:
    """The sizes at which proofs are timed: 10^4, 10^6, 10^7, and the largest asked for."""
    return sorted({size for size in (10_000, 1_000_000, 10_000_000) if size < largest} | {largest})


def proofs(directory: Path, largest: int) -> dict[str, Any]:
    """Proof times in trees that grow to ``largest`` entries: ours, and the peer's as far as it comes."""
    found: dict[str, Any] = {}
    folder = directory / "tree"
    with ExitStack() as stack:
        missing, peer = "", None
        try:
            peer = stack.enter_context(Pymerkle(directory / "peer-tree.db"))
        except Unavailable as reason:
            missing = str(reason)
        for size in sizes(largest):
            grow(folder, size)
            found[str(size)] = {"riad": _ours(folder)}
            if peer is not None and not missing:
                found[str(size)]["peer"], missing = _theirs(peer, size)
    held = Files(folder).database.stat().st_size
    shutil.rmtree(folder)
    entry_bytes = len(next(iter(_small(0, 1))))
    return {"sizes": found, "peer": TITLE, "missing": missing, "bytes_a_small_entry": held / largest - entry_bytes}


def grow(folder: Path, size: int) -> None:
    """Append small entries until the log holds ``size``."""
    log = Log.open(folder, ORIGIN)
    try:
        while (held := log.size) < size:
            log.append(list(_small(held, min(size, held + BATCH))))
            log.settle()
    finally:
        log.close()


def _small(start: int, end: int) -> Iterator[bytes]:
    return (b'{"n":%d}' % number for number in range(start, end))


def _ours(folder: Path) -> dict[str, Any]:
    began = time.perf_counter()
    log = Log.open(folder, ORIGIN)
    opened = time.perf_counter() - began
    log.close()
    with Reader(folder) as reader:
        size = reader.size()
        return {
            "open_ms": opened * 1e3,
            "inclusion": timed(lambda place: reader.inclusion(place, size), size),
            "consistency": timed(lambda place: reader.consistency(place, size), size),
            "receipt": timed(reader.receipt, size),
        }


def _theirs(peer: Pymerkle, size: int) -> tuple[dict[str, Any], str]:
    """Its proofs at a size, and why there will be none at the next."""
    try:
        reached = peer.grow(size, PEER_GROWS)
        if reached < size:
            return {"reason": (why := f"it held {reached:,} entries after {PEER_GROWS:.0f} s")}, why
        return {what: peer.prove(what, PROOFS, PEER_PROVES) for what in ("inclusion", "consistency")}, ""
    except Unavailable as reason:
        return {"reason": str(reason)}, str(reason)


def timed(work: Callable[[int], object], size: int, times: int = PROOFS) -> dict[str, float]:
    """Milliseconds of calls at places all over the log."""
    waits = []
    for number in range(times):
        place = 1 + number * 2_654_435_761 % (size - 1)
        began = time.perf_counter()
        work(place)
        waits.append((time.perf_counter() - began) * 1e3)
    return {"p50_ms": quantile(waits, 0.5), "p99_ms": quantile(waits, 0.99)}


def each(work: Callable[[], object], times: int) -> Spread | None:
    """Microseconds a call takes, in five rounds."""
    results = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(times):
            work()
        results.append((time.perf_counter() - began) / times * 1e6)
    return spread(results)


def verification(folder: Path, peer_file: Path) -> dict[str, Any]:
    """Verifying what a stranger holds: a whole receipt, and the parts of it that have a counterpart elsewhere."""
    with Reader(folder) as reader:
        size = reader.size()
        place, vkey = size // 3, reader.vkey()
        receipt, other, entry = reader.receipt(place).encode(), reader.cose_receipt(place), reader.entry(place)
        leaf, proof = leaf_hash(entry), reader.inclusion(place, size)
        root = Checkpoint.parse(reader.checkpoint().rpartition("\n\n")[0] + "\n").root
    key, verifiers = Ed25519PrivateKey.generate(), [Verifier.parse(vkey)]
    signature, public = key.sign(receipt[-200:]), key.public_key()
    found: dict[str, Any] = {
        "entries": size,
        "receipt_bytes": len(receipt),
        "receipt_us": each(lambda: verify(receipt, vkey), 300),
        "cose_bytes": len(other),
        "cose_us": each(lambda: cose.verify(other, entry, verifiers), 300),
        "ed25519_us": each(lambda: public.verify(signature, receipt[-200:]), 300),
        "inclusion_us": each(lambda: merkle.verify_inclusion(leaf, place, size, proof, root), 1000),
    }
    try:
        with Pymerkle(peer_file) as peer:
            peer.grow(size, PEER_GROWS)
            found["peer"] = {"title": TITLE, "inclusion_us": spread(peer.verify_us(300) for _ in range(5))}
    except Unavailable as reason:
        found["peer"] = {"title": TITLE, "reason": str(reason)}
    return found


def real_log(folder: Path, requests: int) -> dict[str, Any]:
    """Write a log of entries as the gateway writes them, and weigh it."""
    decisions = ledger_entries.entries.encode(ledger_entries.decision())
    outcomes = ledger_entries.entries.encode(ledger_entries.outcome(0, "0" * 32, requests))
    log, held, bytes_in = Log.open(folder, ORIGIN), 0, 0
    for batch in ledger_entries.traffic(requests, 512):
        log.append(batch)
        log.settle()
        held, bytes_in = held + len(batch), bytes_in + sum(map(len, batch))
    log.close()
    on_disk = Files(folder).database.stat().st_size
    return {
        "entries": held,
        "decision_bytes": len(decisions),
        "outcome_bytes": len(outcomes),
        "mean_bytes": bytes_in / held,
        "disk_bytes": on_disk / held,
        "overhead_bytes": (on_disk - bytes_in) / held,
    }
