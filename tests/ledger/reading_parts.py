"""Logs to read: real entries, and ways to damage them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from ledger_parts import ORIGIN

from riad.ledger.entry import Decision, Outcome, Tokens, encode
from riad.ledger.files import Files
from riad.ledger.log import Log

START = 1_790_000_000_000  # 2026-09-21 14:13:20 UTC


def decision(index: int, **changes: object) -> bytes:
    """The decision at an even index: a request every two milliseconds."""
    facts = {
        "action": "infer",
        "articles": (),
        "attempt": 0,
        "crossing": "none",
        "endpoint": "chat.completions",
        "findings": {},
        "id": f"{index:032x}",
        "legal_basis": "",
        "model": "small",
        "obligations": (),
        "outcome": "allow",
        "packs": {},
        "persons": "none",
        "project": "helpdesk",
        "purpose": "support",
        "rules": ("ma-1",),
        "site": "rabat",
        "state": "none",
        "tenant": "a" * 32,
        "time": START + index,
    }
    return encode(Decision(**(facts | changes)))  # type: ignore[arg-type]


def outcome(index: int, of: int | None = None, **changes: object) -> bytes:
    """The outcome at an odd index, of the decision before it."""
    of = index - 1 if of is None else of
    facts = {
        "decision": of,
        "http": 200,
        "id": f"{of:032x}",
        "milliseconds": 5,
        "site": "rabat",
        "status": "ok",
        "time": START + index,
        "tokens": Tokens(prompt=3, completion=2),
    }
    return encode(Outcome(**(facts | changes)))  # type: ignore[arg-type]


def entries(start: int, end: int) -> Iterator[bytes]:
    for index in range(start, end):
        yield outcome(index) if index % 2 else decision(index)


def write(data_dir: Path, new: list[bytes], origin: str = ORIGIN, now: float = START / 1000) -> None:
    """Add entries to the log of a directory, in one batch, at that Unix time: in the year of the entries."""
    log = Log.open(data_dir, origin, now=lambda: now)
    log.append(new)
    log.settle()
    log.close()


def damage(data_dir: Path, *statements: str) -> None:
    """Write to the database behind the ledger's back."""
    db = sqlite3.connect(Files(data_dir).database)
    with db:
        for statement in statements:
            assert db.execute(statement).rowcount > 0, statement
    db.close()
