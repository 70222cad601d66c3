"""The keys a gateway worker knows by heart.

**The promise**: a revoked key is refused by every worker within one second, and no request waits for the database
while it holds. One thread per worker reads the database's change counter every quarter of a second; when it moved,
everything known is forgotten. What is known counts for one second (``staleness``) after the beginning of the last
read that succeeded, by the monotonic clock: however slow the thread, the loop or the database, a key revoked more
than a second ago cannot pass.

**When the database does not answer**: nothing changes for one second. Then requests wait up to three more
(``patience``) for it to come back, which rides out the restart of a server, and are then refused with 503: never
with 401, and never let in.

Tokens are not kept: what is known is found by a keyed hash under a key that lives and dies with the process.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from riad.errors import Unauthenticated, Unavailable
from riad.tenants.keys import Key, KeyRecord, KeyStore
from riad.texts import N_

POLL = 0.25  # seconds between two reads of the change counter
STALENESS = 1.0  # seconds that what was read counts for
PATIENCE = 3.0  # seconds a request waits for a database that does not answer
_MOST_KNOWN = 20_000  # keys; about 1.6 kB each
_MOST_REFUSED = 10_000  # tokens that were wrong: remembered so that guessing costs no database read twice
_MOST_WAITING = 10_000  # requests waiting for the database
_BATCH = 400  # tokens looked up in one statement
_TOKEN = re.compile(r"riad_[A-Za-z0-9_-]{43}")

log = logging.getLogger(__name__)


class KeyRing:
    """From a token to its ``Key``: ``get`` at once when it is known, ``resolve`` otherwise.

    Belongs to one event loop: ``start`` and ``close`` on it, ``get`` and ``resolve`` from it only.
    """

    def __init__(
        self, keys: KeyStore, *, poll: float = POLL, staleness: float = STALENESS, patience: float = PATIENCE
    ) -> None:
        self._keys = keys
        self._poll = poll
        self._staleness = staleness
        self._patience = patience
        self._hash = hashlib.blake2b(key=os.urandom(32), digest_size=16)
        # Owned by the event loop.
        self._known: dict[bytes, KeyRecord] = {}
        self._refused: dict[bytes, KeyRecord | None] = {}
        self._waiting: dict[bytes, asyncio.Future[None]] = {}
        self._counter = -1
        self._fresh_until = 0.0
        # Shared with the thread, under _wake.
        self._wake = threading.Condition()
        self._wanted: dict[bytes, bytes] = {}  # our hash of a token: the digest the database knows it by
        self._stopping = False
        self._thread: threading.Thread | None = None

    async def start(self) -> None:
        """Begin to watch. Raises ``Unavailable`` when the database does not answer within ``patience``."""
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(
            target=self._watch, args=(loop.call_soon_threadsafe,), name="riad-keyring", daemon=True
        )
        self._thread.start()
        try:
            async with asyncio.timeout(self._patience):
                await self._read(b"", b"")
        except TimeoutError:
            await self.close()
            raise _unavailable() from None

    async def close(self) -> None:
        """Stop watching. Whoever still waits is refused with ``Unavailable``."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(_unavailable())
                future.exception()  # retrieved: nobody may be waiting any more
        self._waiting.clear()
        self._known.clear()
        self._fresh_until = 0.0
        if self._thread is not None:
            # A thread stuck in a database that hangs is a daemon: it ends with the process.
            await asyncio.to_thread(self._thread.join, 2.0)

    @property
    def fresh(self) -> bool:
        """Whether what is known still counts: false when the database has not answered lately."""
        return time.monotonic() < self._fresh_until

    def get(self, token: str) -> Key | None:
        """The key of that token if it is at hand; None means ``await resolve(token)``. Never blocks."""
        key = self._known.get(self._name(token))
        if key is None or time.monotonic() >= self._fresh_until:
            return None
        if key.expires_at is not None and time.time() >= key.expires_at:
            return None
        return key

    async def resolve(self, token: str) -> Key:
        """The key of that token.

        Raises ``Unauthenticated`` (``invalid_api_key``) when there is none, or it was revoked or expired, and
        ``Unavailable`` when the database does not answer.
        """
        if not _TOKEN.fullmatch(token):
            raise _malformed(token)
        name = self._name(token)
        try:
            async with asyncio.timeout(self._patience):
                while True:
                    if self.fresh:
                        if (record := self._known.get(name)) is not None and record.state(time.time()) == "active":
                            return record
                        if record is not None or name in self._refused:
                            raise _refusal(record or self._refused[name])
                    # Round again when it is done: what was read for us counts only if it is still known by then.
                    await self._read(name, self._keys.secret.digest(token))
        except TimeoutError:
            raise _unavailable() from None

    def _name(self, token: str) -> bytes:
        hashed = self._hash.copy()
        hashed.update(token.encode("utf-8", "replace"))
        return hashed.digest()

    async def _read(self, name: bytes, digest: bytes) -> None:
        """Wait until the thread has read that key; those who ask for the same one wait together."""
        future = self._waiting.get(name)
        if future is None:
            if len(self._waiting) >= _MOST_WAITING or self._stopping:
                raise _unavailable()
            future = self._waiting[name] = asyncio.get_running_loop().create_future()
            with self._wake:
                self._wanted[name] = digest
                self._wake.notify()
        await asyncio.shield(future)

    # The thread

    def _watch(self, call_soon: Callable[..., object]) -> None:
        """Read, tell the loop, wait. A single thread: what it tells arrives in the order in which it was read."""
        failing = False
        while True:
            began = time.monotonic()
            with self._wake:
                if self._stopping:
                    return
                batch = {name: self._wanted.pop(name) for name in list(self._wanted)[:_BATCH]}
            try:
                counter, found = self._keys.lookup(filter(None, batch.values()))
            except Exception as error:  # whatever it is, nothing was confirmed: the loop's knowledge runs out
                if not failing:
                    log.error("API keys cannot be read: %s", type(error).__name__)
                failing = True
                self._rest(began, batch)
                continue
            if failing:
                log.warning("API keys can be read again")
            failing = False
            records = {name: found.get(digest) for name, digest in batch.items()}
            try:
                call_soon(self._learn, began, counter, records)
            except RuntimeError:  # the loop is closed
                return
            self._rest(began, None)

    def _rest(self, began: float, failed: dict[bytes, bytes] | None) -> None:
        """Wait for the next poll or until a key is wanted; after a failure only for the poll, to try those again."""
        with self._wake:
            self._wanted |= failed or {}
            wanted = self._wanted if failed is None else ()
            self._wake.wait_for(lambda: self._stopping or wanted, began + self._poll - time.monotonic())

    def _learn(self, began: float, counter: int, records: dict[bytes, KeyRecord | None]) -> None:
        """On the loop: what the thread read in one statement that began at that moment."""
        if self._stopping:
            return
        if counter != self._counter:
            self._known.clear()
            self._refused.clear()
            self._counter = counter
        self._fresh_until = began + self._staleness
        now = time.time()
        for name, record in records.items():
            if record is not None and record.state(now) == "active":
                _remember(self._known, name, record, _MOST_KNOWN)
            elif name:
                self._known.pop(name, None)
                _remember(self._refused, name, record, _MOST_REFUSED)
            future = self._waiting.pop(name, None)
            if future is not None and not future.done():
                future.set_result(None)


def _remember(known: dict[bytes, Any], name: bytes, value: KeyRecord | None, most: int) -> None:
    known[name] = value
    if len(known) > most:
        del known[next(iter(known))]


def _malformed(token: str) -> Unauthenticated:
    if not token:
        return Unauthenticated(
            N_("No API key came with this request."), remedy=N_("Send the header Authorization: Bearer riad_….")
        )
    return Unauthenticated(
        N_("This is not an API key of Riad."),
        remedy=N_("A key is riad_ and 43 characters, in the header Authorization: Bearer riad_…."),
    )


def _refusal(record: KeyRecord | None) -> Unauthenticated:
    if record is None:
        return Unauthenticated(
            N_("This API key is not known here."),
            remedy=N_("Check that it is whole and meant for this platform, or ask its operator for one."),
        )
    if record.revoked_at is not None:
        return Unauthenticated(
            N_("The API key {id} has been revoked."), remedy=N_("Ask the operator for another."), id=record.id
        )
    return Unauthenticated(
        N_("The API key {id} expired on {date}."),
        remedy=N_("Ask the operator for another."),
        id=record.id,
        date=datetime.fromtimestamp(record.expires_at or 0, UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _unavailable() -> Unavailable:
    return Unavailable(
        N_("API keys cannot be checked: the database does not answer."),
        remedy=N_("Try again in a moment."),
        retry_after=1.0,
    )
