"""A change of the log's key, in two steps with a time between them in which both keys sign.

``begin`` makes the new key and records it: from then on every checkpoint carries two signatures, and a receipt made
meanwhile verifies with either key. ``finish`` drops the old one. Both are recorded as entries of kind ``key`` whose
note, signed by both keys, lists the keys that sign from there on. They own the ledger while they work: the platform of
this directory is stopped. Whatever they were doing when they crashed, they do again when run again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from riad.errors import BadRequest, BadSettings, NotFound
from riad.ledger import keys
from riad.ledger.entry import KeyChange, encode
from riad.ledger.files import Files, write_new
from riad.ledger.log import Log
from riad.ledger.note import Note, Signer, Verifier
from riad.texts import N_

Now = Callable[[], float]


def begin(data_dir: Path, origin: str, url: str = "", *, now: Now = time.time) -> Verifier:
    """Take up a second key. → both, as they now verify the running shard.

    Raises ``BadRequest`` where a change is under way, ``NotFound`` without a ledger, and as ``Log.open``.
    """
    log = _opened(data_dir, origin, url, now)
    try:
        files, old = Files(data_dir), _key(data_dir, origin)
        if old.also:
            raise BadRequest(
                N_("A change of keys is under way: {count} keys sign."),
                remedy=N_("End it with `riad ledger rotate-key --finish`."),
                count=1 + len(old.also),
            )
        # A crash after this leaves a key that signs nothing: the next run takes it up.
        if not files.next_key.exists():
            write_new(files.next_key, Signer.generate(origin).skey.encode() + b"\n", 0o600)
        both = old.beside(Signer.parse(files.next_key.read_text("ascii")))
        # A crash after this leaves checkpoints that the old key signed too: it goes on alone, until the next run.
        log.rotate(_entry(both.under(log.origin), both.under(log.origin).verifier.vkeys, now), both)
        # A crash after this leaves the public half to be published by the next start.
        write_new(files.key, both.skeys.encode() + b"\n", 0o600)
        verifier = both.under(log.origin).verifier
        keys.publish(Files(data_dir, log.shard), verifier)
        files.next_key.unlink()
        log.settle()
    finally:
        log.close()
    return verifier


def _opened(data_dir: Path, origin: str, url: str, now: Now) -> Log:
    """The log, which must be there: ``Log.open`` would begin one."""
    if not Files(data_dir).key.exists():
        raise NotFound(
            N_("There is no ledger in {directory}."),
            remedy=N_("Start the platform once with `riad up`, or give --data-dir."),
            directory=data_dir,
        )
    return Log.open(data_dir, origin, url, now=now)


def finish(data_dir: Path, origin: str, url: str = "", *, now: Now = time.time) -> Verifier:
    """Let the old key go. → the new one, as it now verifies the running shard.

    Raises ``BadRequest`` where no change is under way, or where some machine signs with the old key alone; and as
    ``Log.open``.
    """
    log = _opened(data_dir, origin, url, now)
    try:
        files, both = Files(data_dir), _key(data_dir, origin)
        if not both.also:
            raise BadRequest(
                N_("No change of keys is under way."), remedy=N_("Begin one with `riad ledger rotate-key`.")
            )
        running = both.under(log.origin)
        if not all(running.verifier.signed(Note.parse(log.note))):
            raise BadRequest(
                N_("The newest checkpoint is not signed by both keys: a machine still has the old one alone."),
                remedy=N_("Copy ledger.key to every machine and restart them, then finish."),
            )
        new = both.also[-1]
        # A crash after this leaves both keys signing, and an entry that says so too early: the next run says it again.
        log.rotate(_entry(running, new.under(log.origin).verifier.vkeys, now))
        # The newest checkpoint carries both signatures, so that whoever has only the new key from here on accepts it.
        log.settle()
        # A crash after this leaves the public half to be published by the next start.
        write_new(files.key, new.skeys.encode() + b"\n", 0o600)
        verifier = new.under(log.origin).verifier
        keys.publish(Files(data_dir, log.shard), verifier)
    finally:
        log.close()
    return verifier


def _key(data_dir: Path, origin: str) -> Signer:
    signer = keys.load(Files(data_dir), origin)
    if signer is None:  # it was there a moment ago, when the log was opened
        raise BadSettings(N_("The ledger has no key."), remedy=N_("Put the key back from where you keep it."))
    return signer


def _entry(signer: Signer, vkeys: str, now: Now) -> bytes:
    """The entry that says which keys sign from here on. Its note's second line keeps it from being a checkpoint."""
    note = signer.sign(f"{signer.verifier.name}\nkeys\n{vkeys}\n")
    return encode(KeyChange(note=note, time=int(now() * 1000)))
