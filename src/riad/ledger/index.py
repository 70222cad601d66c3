"""An index over the log's entries, to search and to count: ``ledger-index.db``, derived, to be deleted at will.

Never on the request path: the reading commands bring it up to date from the log, in batches. A row is one attempt, a
decision with its outcome; words are numbers in the table ``term``. What is shown to a person is read from the log.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from riad.errors import EvidenceBroken, LedgerUnavailable, RiadError
from riad.ledger import merkle, place
from riad.ledger.source import Source, head, nodes
from riad.texts import N_

SCHEMA = 1
BATCH = 32_768  # entries in one transaction

Progress = Callable[[int, int], None]  # entries done, entries in all

_TABLES = """
CREATE TABLE shard (shard INTEGER PRIMARY KEY, origin TEXT NOT NULL, size INTEGER NOT NULL, root TEXT NOT NULL);
CREATE TABLE term (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE rule (rules INTEGER NOT NULL, rule INTEGER NOT NULL, PRIMARY KEY (rules, rule)) WITHOUT ROWID;
CREATE TABLE attempt (
  place INTEGER PRIMARY KEY, time INTEGER NOT NULL, request INTEGER NOT NULL, tenant INTEGER, project INTEGER,
  site INTEGER, decision INTEGER, rules INTEGER, experiment INTEGER, crossing INTEGER, purpose INTEGER, model INTEGER,
  persons INTEGER, state INTEGER, bytes INTEGER NOT NULL, outcome INTEGER, status INTEGER,
  prompt_tokens INTEGER, completion_tokens INTEGER, energy INTEGER);
CREATE INDEX attempt_time ON attempt (time);
CREATE INDEX attempt_request ON attempt (request);
CREATE INDEX attempt_tenant ON attempt (tenant, time);
"""
_ROW = "INSERT OR REPLACE INTO attempt VALUES (" + ", ".join("?" * 20) + ")"  # noqa: S608  (our own words)
_CLOSE = (
    "UPDATE attempt SET outcome = ?, status = ?, prompt_tokens = ?, completion_tokens = ?, energy = ?,"
    " bytes = bytes + ? WHERE place = ? AND request = ? AND outcome IS NULL"
)


class Facts(msgspec.Struct, gc=False):
    """What the index takes from an entry of any kind; the rest is skipped."""

    kind: str
    id: str = ""
    time: int = 0
    tenant: str = ""
    project: str = ""
    site: str = ""
    outcome: str = ""
    rules: tuple[str, ...] = ()
    experiment: str = ""
    crossing: str = ""
    purpose: str = ""
    model: str = ""
    persons: str = ""
    state: str = ""
    decision: int = -1
    decision_shard: int = 0
    status: str = ""
    tokens: dict[str, int] | None = None
    energy: int | None = None


_decoder = msgspec.json.Decoder(Facts)


class Index:
    """The index of every shard of a ledger, open for reading and for bringing it up to date."""

    def __init__(self, path: Path) -> None:
        """Open it, or begin it. One of an older version, or damaged, is begun anew. Raises ``LedgerUnavailable``."""
        self._path = path
        self._terms: dict[str, int] = {}
        try:
            self.db = self._open()
        except (sqlite3.Error, OSError) as error:
            self._fail(error)

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()

    def update(self, source: Source, shard: int = 0, progress: Progress = lambda done, total: None) -> int:
        """Take in what one shard's log has gained; how many entries that was. Raises as ``source`` does."""
        tip = head(source.checkpoint(), source.vkeys())
        tree = nodes(source, tip.size)
        minimum = source.minimum()
        try:
            self._forget(shard, tip.origin, minimum, tree)
            begun = at = max(self._reached(shard), minimum)
            while at < tip.size:
                self.db.execute("BEGIN IMMEDIATE")
                at = max(self._reached(shard), minimum)  # another command may have been at it
                end = min(at + BATCH, tip.size)
                if at < end:
                    self._take(source, shard, at, end)
                    root = merkle.root(end, tree).hex()
                    state = (shard, tip.origin, end, root)
                    self.db.execute("INSERT OR REPLACE INTO shard VALUES (?, ?, ?, ?)", state)
                # A crash before this leaves the index a batch behind, which the next command takes in again.
                self.db.execute("COMMIT")
                at = end
                progress(at - begun, tip.size - begun)
        except sqlite3.Error as error:
            self._fail(error)
        finally:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
                self._terms.clear()
        return tip.size - begun

    def term(self, text: str) -> int | None:
        """The number of a word, None where no entry holds it."""
        row = self.db.execute("SELECT id FROM term WHERE text = ?", (text,)).fetchone()
        return row[0] if row else None

    def span(self) -> tuple[int, int, int]:
        """How many attempts there are, and the first and the last time, in Unix milliseconds."""
        count, first, last = self.db.execute("SELECT count(*), min(time), max(time) FROM attempt").fetchone()
        return count, first or 0, last or 0

    def _open(self) -> sqlite3.Connection:
        with _alone(self._path.parent):
            try:
                db = _connect(self._path)
                (version,) = db.execute("PRAGMA user_version").fetchone()
                if version == SCHEMA:
                    return db
                db.close()
            except sqlite3.OperationalError:
                raise  # it is in use, or the disk fails: no reason to make it anew
            except sqlite3.DatabaseError:
                pass
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            db = _connect(self._path)
            db.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {SCHEMA}; COMMIT;")
            return db

    def _reached(self, shard: int) -> int:
        row = self.db.execute("SELECT size FROM shard WHERE shard = ?", (shard,)).fetchone()
        return row[0] if row else 0

    def _forget(self, shard: int, origin: str, minimum: int, tree: merkle.Node) -> None:
        """Drop what is not of this log: an index of another one, of an old copy's other end, of pruned entries."""
        row = self.db.execute("SELECT origin, size, root FROM shard WHERE shard = ?", (shard,)).fetchone()
        first = place.pack(shard, 0)
        if row is not None:
            known, size, root = row
            try:
                same = known == origin and (size < minimum or merkle.root(size, tree).hex() == root)
            except (RiadError, IndexError):
                same = False
            if not same:
                self.db.execute("BEGIN IMMEDIATE")
                every = (first, first + (1 << place.INDEX_BITS))
                self.db.execute("DELETE FROM attempt WHERE place >= ? AND place < ?", every)
                self.db.execute("DELETE FROM shard WHERE shard = ?", (shard,))
                self.db.execute("COMMIT")
        if minimum:
            self.db.execute("DELETE FROM attempt WHERE place >= ? AND place < ?", (first, first + minimum))

    def _take(self, source: Source, shard: int, start: int, end: int) -> None:
        entries = source.entries(start, end)
        if len(entries) != end - start:
            raise EvidenceBroken(
                N_("Entries between {start} and {end} are missing."),
                remedy=N_("See all that is wrong with `riad ledger audit`."),
                start=start,
                end=end - 1,
            )
        first = place.pack(shard, start)
        rows: dict[int, list[Any]] = {}
        closing: list[tuple[Any, ...]] = []
        for at, (facts, data) in enumerate(zip(_decode(entries), entries, strict=True), first):
            if facts is None:
                continue
            if facts.kind == "decision":
                rows[at] = self._row(at, facts, len(data))
            elif facts.kind == "outcome":
                tokens = facts.tokens or {}
                counts = (tokens.get("prompt"), tokens.get("completion"), facts.energy)
                of = _decided(facts)
                row = rows.get(of)
                if row is None:
                    ended = (at, self._number(facts.status), *counts, len(data), of, _request(facts.id))
                    closing.append(ended)
                elif row[15] is None and row[2] == _request(facts.id):
                    row[14] += len(data)
                    row[15:] = (at, self._number(facts.status), *counts)
        self.db.executemany(_ROW, rows.values())
        self.db.executemany(_CLOSE, closing)

    def _row(self, at: int, facts: Facts, size: int) -> list[Any]:
        number = self._number
        words = (facts.tenant, facts.project, facts.site, facts.outcome)
        more = (facts.experiment, facts.crossing, facts.purpose, facts.model, facts.persons, facts.state)
        return [
            at,
            facts.time,
            _request(facts.id),
            *map(number, words),
            self._rules(facts.rules),
            *map(number, more),
            size,
            *(None,) * 5,
        ]

    def _number(self, text: str) -> int | None:
        """The number of a word, made now for a new one; None for no word."""
        if not text:
            return None
        known = self._terms.get(text)
        if known is None:
            if len(self._terms) > 100_000:  # names are few; whoever sends ever new ones fills no memory
                self._terms.clear()
            self.db.execute("INSERT OR IGNORE INTO term (text) VALUES (?)", (text,))
            known = self._terms[text] = self.term(text) or 0
        return known

    def _rules(self, rules: tuple[str, ...]) -> int | None:
        """A set of rules is a word itself, and the table ``rule`` tells what it holds."""
        if not rules:
            return None
        together = "\n".join(rules)
        if together in self._terms:
            return self._terms[together]
        number = self._number(together)
        held = [(number, self._number(rule)) for rule in rules]
        self.db.executemany("INSERT OR IGNORE INTO rule VALUES (?, ?)", held)
        return number

    def _fail(self, error: Exception) -> None:
        raise LedgerUnavailable(
            N_("The ledger's index {path} cannot be used: {error}."),
            remedy=N_("Make room on that disk; delete the file if it is damaged, it is made again from the log."),
            path=self._path,
            error=error,
        ) from None


def _decided(facts: Facts) -> int:
    """The place of an outcome's decision; -1 for one that cannot be."""
    try:
        return place.pack(facts.decision_shard, facts.decision)
    except ValueError:
        return -1


def request_key(request: str) -> int:
    """What a request's id is found by: 64 bits of its digest. Two requests may share one; the log tells."""
    return _request(request)


def _request(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(errors="replace"), digest_size=8).digest(), signed=True)


def _decode(entries: list[bytes]) -> Iterator[Facts | None]:
    try:
        decoded = _decoder.decode_lines(b"\n".join(entries))
        if len(decoded) == len(entries):
            yield from decoded
            return
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    for entry in entries:
        try:
            yield _decoder.decode(entry)
        except (msgspec.DecodeError, UnicodeDecodeError):
            yield None  # not of this format: it is in the log, and an audit names it


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Of several commands that open an index, one begins it and the others find it."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _connect(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    db = sqlite3.connect(path, isolation_level=None, timeout=30)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")  # what a crash of the machine takes is made again from the log
        db.execute("PRAGMA cache_size = -65536")
    except BaseException:
        db.close()
        raise
    return db
