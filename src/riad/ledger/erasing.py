"""Erasure: record keys are destroyed first, then an entry says that they were.

Keys first: an entry that spoke of destroyed keys before they were would be false after a crash. What was destroyed is
counted in the key store itself, in the same transaction, until its entry is durable (``RecordKeys.pending``): after a
crash at any point, the next erasure writes what is missing. Proofs do not change: no entry does.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from riad.errors import LedgerUnavailable, NotFound
from riad.ledger.client import LedgerClient
from riad.ledger.entry import Basis, Erasure, Scope, encode
from riad.ledger.files import socket_path
from riad.ledger.log import Log
from riad.ledger.record_keys import RecordKeys, Row
from riad.texts import N_

Read = Callable[[int], bytes]  # the entry at a place; raises NotFound
PATIENCE = 30.0  # seconds to wait for the ledger's owner


class Went(NamedTuple):
    """Where the requests of some records went, as it was recorded: no erasure reaches there. None: not known."""

    site: str
    country: str
    crossing: str
    retention_days: int | None
    records: int


class Done(NamedTuple):
    """An erasure that is in the log."""

    place: int
    erasure: Erasure


def erasure(scope: Scope, basis: Basis) -> Erasure:
    """The entry of an erasure that has not begun."""
    return Erasure(basis=basis, count=0, id=secrets.token_hex(16), scope=scope, time=time.time_ns() // 1_000_000)


def of_tenant(read: Read, rows: Iterable[Row], pseudonym: str, project: str | None = None) -> Iterator[Row]:
    """Those rows whose decision is a tenant's, or of one of its projects. Reads each entry."""
    for row, entry in _decisions(read, rows):
        if entry.get("tenant") == pseudonym and project in (None, entry.get("project")):
            yield row


def of_record(read: Read, keys: RecordKeys, place: int, request_id: str) -> list[Row]:
    """The rows under the key of one record: also those of the other attempts at its request. Raises ``NotFound``."""
    if msgspec.json.decode(read(place)).get("id") != request_id:
        raise NotFound(
            N_("There is no record of that name."), remedy=N_("Give a receipt's name, as x-riad-receipt told it.")
        )
    return keys.same(place)


def went(read: Read, rows: Iterable[Row]) -> list[Went]:
    """Where the requests of these records went, but for sites that keep nothing and lie at home."""
    found: Counter[tuple[str, str, str, int | None]] = Counter()
    for _, entry in _decisions(read, rows):
        facts = entry.get("site_facts") or {}
        kept = facts.get("retention_days")
        if entry.get("outcome") == "allow" and (entry.get("crossing") != "none" or kept != 0):
            found[str(entry.get("site")), str(facts.get("country")), str(entry.get("crossing")), kept] += 1
    return [Went(*place, count) for place, count in found.most_common()]


def erase(keys: RecordKeys, rows: Iterable[Row], planned: Erasure, data_dir: Path, origin: str, url: str) -> list[Done]:
    """Destroy these keys and record it; also record what an erasure that was interrupted destroyed before.

    A crash between any two of these lines is mended by erasing anything again. Raises ``LedgerUnavailable``.
    """
    keys.destroy(rows, planned)
    keys.sweep()
    done = []
    for one in keys.pending():
        done.append(Done(record(data_dir, origin, url, one), one))
        keys.recorded(one)
    return done


def record(data_dir: Path, origin: str, url: str, one: Erasure) -> int:
    """Append the entry through the ledger's owner, or as the owner where none runs; its place.

    Raises ``LedgerUnavailable`` when neither succeeds in time.
    """
    entry, deadline = encode(one), time.monotonic() + PATIENCE
    while True:
        place = asyncio.run(_through_owner(socket_path(data_dir), entry))
        if place is not None:
            return place
        try:
            log = Log.open(data_dir, origin, url)
        except LedgerUnavailable:  # an owner starts or ends just now
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
            continue
        try:
            place = log.append([entry])
            log.settle()
            return place
        finally:
            log.close()


async def _through_owner(socket: Path, entry: bytes) -> int | None:
    client = await LedgerClient.connect(socket)
    try:
        if not client.connected:
            return None
        async with asyncio.timeout(PATIENCE):
            return await client.append(entry)
    except TimeoutError:
        raise LedgerUnavailable(
            N_("The ledger does not answer: the keys are destroyed, and the record of it is still to be written."),
            remedy=N_("Run riad ledger erase again when the platform answers."),
        ) from None
    finally:
        await client.close(0)


def _decisions(read: Read, rows: Iterable[Row]) -> Iterator[tuple[Row, dict[str, Any]]]:
    for row in rows:
        try:
            data = read(row.place)
        except NotFound:
            continue  # its commit failed, or is under way
        if row.fits(data):
            yield row, msgspec.json.decode(data)
