"""The ledger's signing key, in files: ``ledger.key``, a secret, and ``ledger.vkey``, to hand to everybody.

Both hold one key a line: one normally, two while a change of keys overlaps (``rotation``). ``ledger.key`` is written
under the log's own origin; each shard signs with the same key under its own.
"""

from __future__ import annotations

from typing import NoReturn

from riad.errors import BadRequest, BadSettings, EvidenceBroken
from riad.ledger.files import Files, write_new
from riad.ledger.note import Signer, Verifier, check_name
from riad.texts import N_


def load(files: Files, origin: str) -> Signer | None:
    """The key of this data directory, None where there is none.

    Raises ``BadSettings`` where it is unreadable or signs for another origin, ``BadRequest`` for an origin that cannot
    be.
    """
    check_name(origin)
    if not files.key.exists():
        return None
    signer = _load(files)
    if signer.verifier.name != origin:
        raise BadSettings(
            N_("The ledger in {directory} is {name}, but the settings call it {origin}."),
            remedy=N_("Set ledger.origin back; a ledger keeps its origin for life."),
            directory=files.data_dir,
            name=signer.verifier.name,
            origin=origin,
        )
    return signer


def create(files: Files, origin: str) -> Signer:
    """A new key for a new log. Raises ``EvidenceBroken`` where this directory has had one."""
    if files.anchored() or files.vkey.exists():
        lost(files)
    signer = Signer.generate(origin)
    # A crash after this leaves a key and no ledger: the next start goes on from here.
    write_new(files.key, signer.skeys.encode() + b"\n", 0o600)
    return signer


def lost(files: Files, *, shared: bool = False) -> NoReturn:
    """Refuse: a new key would start a second log under the first one's name. Raises ``EvidenceBroken``."""
    remedy = N_("Put the key back from where you keep it; without it, start a new ledger with a new origin.")
    if shared:
        remedy = N_("Copy ledger.key from the data directory of the machine that began the ledger, then start again.")
    raise EvidenceBroken(
        N_("The ledger of {directory} is there, but its key {name} is not."),
        remedy=remedy,
        directory=files.data_dir,
        name=files.key.name,
    )


def check(files: Files, verifier: Verifier) -> None:
    """Raises ``EvidenceBroken`` where the published key is another's. During a change of keys one in common will do."""
    if not files.vkey.exists():
        return
    published = set(_published(files).decode("utf-8", "replace").split())
    if not published & set(verifier.vkeys.split("\n")):
        raise EvidenceBroken(
            N_("{public} is not the public half of {private}."),
            remedy=N_("Put back the pair that belongs to this ledger."),
            public=files.vkey.name,
            private=files.key.name,
        )


def publish(files: Files, verifier: Verifier) -> None:
    """Write the public half where it is not written yet. Raises ``OSError``."""
    text = verifier.vkeys.encode() + b"\n"
    if not files.vkey.exists() or _published(files) != text:
        write_new(files.vkey, text, 0o644)


def _published(files: Files) -> bytes:
    try:
        return files.vkey.read_bytes()
    except OSError as error:
        raise BadSettings(
            N_("{path} cannot be read: {error}."),
            remedy=N_("Take it away: it is made again from ledger.key."),
            path=files.vkey,
            error=error.strerror,
        ) from None


def _load(files: Files) -> Signer:
    try:
        return Signer.parse(files.key.read_text("ascii"))
    except (OSError, UnicodeDecodeError, BadRequest) as error:
        raise BadSettings(
            N_("The ledger's key {path} cannot be read: {error}."),
            remedy=N_("Put the key back from where you keep it."),
            path=files.key,
            error=error.strerror if isinstance(error, OSError) else N_("it is no key"),
        ) from None
