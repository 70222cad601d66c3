"""The one process that writes the ledger: ``python -m riad.ledger.owner --data-dir DIR --origin ORIGIN``.

Every gateway worker sends its entries here over a Unix socket. What arrives while a commit runs makes up the next
batch: alone, a caller waits for one ``fsync``; under load, hundreds share it. One thread talks to clients and hashes
entries, another commits, so that reading goes on while the disk works. Record keys go to their own store first.

``RIAD_LEDGER_URL`` names the PostgreSQL that holds the ledger; without it, or as ``sqlite``, a file in DIR does.
On PostgreSQL other machines have owners too: once a second an idle one takes in what they committed.

Prints ``ready`` on standard output when it serves. Ends on SIGTERM, and when its standard input is a pipe that ends
(its supervisor died), after committing what it has taken. Exit status: 0, 1 where the ledger cannot be opened or does
not verify, 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import time
import traceback
from itertools import chain
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NamedTuple, cast

import uvloop

from riad.errors import BadRequest, LedgerUnavailable, RiadError
from riad.ledger import address, place, wire
from riad.ledger.clock import Clock
from riad.ledger.files import Files
from riad.ledger.log import Log
from riad.ledger.merkle import leaf_hash
from riad.ledger.record_keys import RecordKeys
from riad.ledger.sources import SQLITE
from riad.ledger.supervised import supervisor_gone
from riad.texts import N_, _, terminal_language

MAX_QUEUED = 64 * 1024 * 1024  # bytes taken and not yet durable; beyond, clients are told to come back
OVERHEAD = 160  # bytes of memory an entry takes beside its own
MAX_BATCH = 2048  # entries in a commit; larger ones only wait longer
SETTLE = 0.05  # seconds between two writes of the anchor while commits follow each other
FOLLOW = 1.0  # seconds after which an idle owner looks at what other machines committed
GRACE = 15.0  # seconds that clients get to leave when the supervisor is gone


class Batch(NamedTuple):
    """A client's frame on its way to the disk."""

    session: Session
    token: int
    entries: list[bytes]
    secrets: list[bytes]  # one for each entry, or none at all
    leaves: list[bytes]
    cost: int


class Session(asyncio.Protocol):
    """One client's connection. What it does wrong, or its death, ends this connection and nothing else."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._frames = wire.Frames()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._owner.sessions.add(self)
        self._owner.deserted.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        # Entries it sent are committed all the same: they were taken, and nobody can say what the client did on them.
        self._owner.sessions.discard(self)
        if not self._owner.sessions:
            self._owner.deserted.set()

    def data_received(self, data: bytes) -> None:
        try:
            for kind, payload in self._frames.feed(data):
                if kind == wire.APPEND:
                    token, entries, secrets = wire.read_append(payload)
                    self._owner.take(self, token, entries, secrets, len(payload))
                elif kind == wire.PING:
                    self.send(wire.plain(wire.PONG, wire.read_plain(payload)[0], self._owner.health()))
                else:
                    raise wire.Garbage
        except wire.Garbage:
            self.transport.abort()

    def send(self, frame: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(frame)


class Owner:
    """Takes batches from sessions, commits them in groups, answers."""

    def __init__(self, log: Log, keys: RecordKeys, clock: Clock) -> None:
        self.sessions: set[Session] = set()
        self.deserted = asyncio.Event()
        self.deserted.set()
        self._stopping = False
        self._log = log
        self._keys = keys
        self._clock = clock
        self._origin, self._vkey, self._size = log.origin, log.vkey, log.size  # as last seen, for pings
        self._failure = ""
        self._queued = 0
        self._batches: SimpleQueue[Batch | None] = SimpleQueue()
        self._settled = 0.0  # when the anchor was last written; behind while _unsettled
        self._unsettled = False
        self._loop = asyncio.get_running_loop()
        self._finished = asyncio.Event()
        # A daemon: were the loop to fail, the process must end, and ending in a commit is a crash like any other.
        self._thread = Thread(target=self._commit_all, name="commit", daemon=True)
        self._thread.start()

    def take(self, session: Session, token: int, entries: list[bytes], secrets: list[bytes], size: int) -> None:
        """Put a frame's entries in the queue, or tell the client that it is full."""
        cost = size + OVERHEAD * len(entries)
        if self._stopping or self._queued + cost > MAX_QUEUED:
            session.send(wire.plain(wire.FULL, token))
            return
        self._queued += cost
        # Hashed here, while the other thread waits for the disk.
        self._batches.put(Batch(session, token, entries, secrets, [leaf_hash(entry) for entry in entries], cost))

    def health(self) -> bytes:
        """What a ping is answered: a JSON object."""
        facts = {"origin": self._origin, "vkey": self._vkey, "size": self._size, "queued": self._queued}
        return json.dumps(facts | ({"failure": self._failure} if self._failure else {})).encode()

    async def stop(self) -> None:
        """Commit and answer all that was taken, then let the clients go."""
        self._stopping = True
        self._batches.put(None)
        await self._finished.wait()
        self._thread.join()
        for session in tuple(self.sessions):
            session.transport.close()  # after its answers are written
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.deserted.wait(), 2)
        for session in tuple(self.sessions):
            session.transport.abort()

    def _commit_all(self) -> None:
        """The committing thread: group after group until the queue's end."""
        ended = False
        while not ended:
            group, ended = self._next_group()
            if group:
                self._commit(group)
        self._settle()
        self._loop.call_soon_threadsafe(self._finished.set)

    def _next_group(self) -> tuple[list[Batch], bool]:
        """All that has come in since the last commit began, at least one batch; and whether the queue has ended."""
        group: list[Batch] = []
        batch, count = self._next_batch(), 0
        with contextlib.suppress(Empty):
            while batch is not None:
                group.append(batch)
                count += len(batch.entries)
                if count >= MAX_BATCH:
                    return group, False
                batch = self._batches.get_nowait()
            return group, True
        return group, False

    def _next_batch(self) -> Batch | None:
        """The next batch, or None at the queue's end; the anchor is brought up to date when none comes soon."""
        if self._unsettled:
            try:
                return self._batches.get(timeout=SETTLE)
            except Empty:
                self._settle()
        while self._log.shared:
            try:
                return self._batches.get(timeout=FOLLOW)
            except Empty:
                self._follow()
        return self._batches.get()

    def _follow(self) -> None:
        """Take in what other machines committed, and keep it as this machine's own last checkpoint."""
        try:
            before = self._log.note
            self._log.follow()
            if self._log.note != before:
                self._log.settle()
            self._loop.call_soon_threadsafe(self._saw, self._log.origin, self._log.vkey, self._log.size)
        except RiadError as error:
            self._loop.call_soon_threadsafe(self._refuse, [], error)

    def _saw(self, origin: str, vkey: str, size: int) -> None:
        self._origin, self._vkey, self._size = origin, vkey, size
        self._recovered()

    def _commit(self, group: list[Batch]) -> None:
        try:
            entries = list(chain.from_iterable(batch.entries for batch in group))
            leaves = list(chain.from_iterable(batch.leaves for batch in group))
            first = self._record(group, entries, leaves)
        except RiadError as error:
            self._loop.call_soon_threadsafe(self._refuse, group, error)
            return
        except Exception:
            # Not foreseen, out of memory perhaps. The log's state is that of the last commit; nobody may hang.
            traceback.print_exc()
            failure = LedgerUnavailable(N_("The ledger failed unexpectedly."), remedy=N_("Its own output says why."))
            self._loop.call_soon_threadsafe(self._refuse, group, failure)
            return
        # The writers are answered first: their entries are durable.
        self._loop.call_soon_threadsafe(self._acknowledge, group, first)
        self._loop.call_soon_threadsafe(self._saw, self._log.origin, self._log.vkey, self._log.size)
        self._unsettled = True
        if time.monotonic() - self._settled > SETTLE:
            self._settle()

    def _record(self, group: list[Batch], entries: list[bytes], leaves: list[bytes]) -> int:
        """Write the group's record keys, then its entries; the place of the first. Raises as ``Log.append``.

        Nothing is recorded where its keys cannot be written: a commitment that nobody could open is no evidence. A
        crash between the two leaves keys that open nothing.
        """
        if not any(batch.secrets for batch in group):
            return self._log.append(entries, leaves)
        secrets = list(chain.from_iterable(batch.secrets or [b""] * len(batch.entries) for batch in group))
        expected = place.pack(self._log.shard, self._log.size)
        self._keys.write(expected, secrets, leaves)
        first = self._log.append(entries, leaves)
        if first != expected:
            # The year has ended, or another machine was faster. A crash before this loses the keys of this group.
            self._keys.write(first, secrets, leaves, instead=expected)
        return first

    def _settle(self) -> None:
        """Bring the anchor up to date: ``SETTLE`` seconds after the last commit, or the last time, at the latest.

        A crash in between leaves it some commits behind the database, which a start accepts.
        """
        self._unsettled = False
        self._settled = time.monotonic()
        look(self._clock)
        try:
            self._log.settle()
        except RiadError as error:
            complain(error)

    def _acknowledge(self, group: list[Batch], first: int) -> None:
        for batch in group:
            self._queued -= batch.cost
            batch.session.send(wire.committed(batch.token, first))
            first += len(batch.entries)

    def _recovered(self) -> None:
        if self._failure:
            self._failure = ""
            print(_("riad ledger: writing again."), file=sys.stderr, flush=True)

    def _refuse(self, group: list[Batch], error: RiadError) -> None:
        reason = error.render()
        for batch in group:
            self._queued -= batch.cost
            batch.session.send(wire.plain(wire.FAILED, batch.token, reason.encode(errors="replace")))
        if self._failure != reason:
            self._failure = reason
            complain(error)


async def serve(log: Log, keys: RecordKeys, clock: Clock, path: Path) -> None:
    """Serve until told to stop; then drain."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    listener = address.listen(path)
    owner = Owner(log, keys, clock)
    server = await loop.create_unix_server(lambda: Session(owner), sock=listener)
    watch = asyncio.create_task(supervisor_gone())
    with contextlib.suppress(BrokenPipeError):
        print("ready", flush=True)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({stopping, watch}, return_when=asyncio.FIRST_COMPLETED)
    server.close()
    if not stop.is_set():
        # The workers end by themselves too: their last outcomes shall still find their place.
        left = asyncio.create_task(owner.deserted.wait())
        await asyncio.wait({left, stopping}, timeout=GRACE, return_when=asyncio.FIRST_COMPLETED)
        left.cancel()
    for task in (watch, stopping):
        task.cancel()
    await owner.stop()


def complain(error: RiadError) -> None:
    """Say what is wrong, for whoever runs this process."""
    cause = str(error.__cause__ or "").strip().partition("\n")[0]  # a database's own words: for us, for no caller
    said = error.render(terminal_language()) + (f" ({cause})" if cause else "")
    print(f"riad ledger: {said}", file=sys.stderr, flush=True)


def look(clock: Clock) -> None:
    """Say that the clock went back, once, for whoever runs this machine."""
    if seconds := clock.went_back():
        text = N_(
            "The clock of this machine went back by {seconds} s. Set it right: entries carry the time it tells. Their "
            "order is their place in the log, and stays right."
        )
        print(f"riad ledger: {_(text, seconds=round(seconds))}", file=sys.stderr, flush=True)


def main() -> int:
    """Own a ledger; the exit status."""
    parser = argparse.ArgumentParser(prog="riad.ledger.owner", description=_("The process that writes the ledger."))
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--origin", required=True)
    parser.add_argument("--keys-dir", type=Path, help=_("where record keys are kept; else in the data directory"))
    arguments = parser.parse_args()
    files = Files(arguments.data_dir.absolute())
    clock = Clock(files.anchor)
    look(clock)
    try:
        url = os.environ.get("RIAD_LEDGER_URL", "")  # never on the command line: it may hold a password
        log = Log.open(files.data_dir, arguments.origin, "" if url == SQLITE else url)
        keys = RecordKeys((arguments.keys_dir or files.data_dir / "keys").absolute())
        try:
            keys.prepare(place.pack(log.shard, log.size))
            uvloop.run(serve(log, keys, clock, files.socket))
        finally:
            files.socket.unlink(missing_ok=True)  # before another may own the ledger and listen there
            keys.close()
            log.close()
    except RiadError as error:
        complain(error)
        return 2 if isinstance(error, BadRequest) else 1
    except OSError as error:
        complain(
            LedgerUnavailable(
                N_("The ledger cannot listen at {path}: {error}."),
                remedy=N_("Give Riad a data directory it may write to."),
                path=files.socket,
                error=error.strerror,
            )
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
