"""The newest checkpoint that reached the witnesses' quorum: ``ledger.witnessed``, a note with its cosignatures.

The feeder writes it; receipts are made for it where it covers their entry. What it says is verified when it is read:
a file that cannot be used makes receipts unwitnessed, never wrong.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from riad.errors import RiadError
from riad.ledger.files import write_new
from riad.ledger.note import Checkpoint, Verifier


def read(path: Path, verifier: Verifier) -> tuple[str, Checkpoint] | None:
    """The note and its checkpoint; None where there is none that this ledger's key signed."""
    try:
        note = path.read_text("utf-8")
        return note, Checkpoint.parse(verifier.open(note))
    except (OSError, UnicodeDecodeError, RiadError):
        return None


def covering(path: Path, verifier: Verifier, index: int, size: int) -> tuple[str, Checkpoint] | None:
    """The same, if it covers entry ``index`` of a log of ``size``. A larger one is of a newer log."""
    found = read(path, verifier)
    return found if found is not None and index < found[1].size <= size else None


def write(path: Path, note: str) -> None:
    """Keep a note that reached the quorum. Raises ``OSError``."""
    write_new(path, note.encode(), 0o644)


def report(path: Path, logs: list[dict[str, object]]) -> None:
    """Write what the feeder knows of the witnesses, for ``doctor`` and ``readyz``. Raises ``OSError``."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(msgspec.json.encode({"time": int(time.time()), "logs": logs}))
    temporary.rename(path)


def reported(path: Path) -> dict[str, Any]:
    """What the feeder wrote last; empty where it wrote nothing."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError):
        return {}


def alarm(path: Path) -> str:
    """What witnesses have seen that the ledger does not hold, in words; empty where nothing is wrong."""
    return next((str(log["alarm"]) for log in reported(path).get("logs", ()) if log.get("alarm")), "")
