"""The ledger's signing key, in files: ``ledger.key``, a secret, and ``ledger.vkey``, to hand to everybody."""

from __future__ import annotations

from riad.errors import BadRequest, BadSettings, EvidenceBroken
from riad.ledger.files import Files, write_new
from riad.ledger.note import Signer
from riad.texts import N_


def load_or_create(files: Files, origin: str) -> Signer:
    """The key of this data directory, made on first start.

    Raises ``EvidenceBroken`` where a ledger lies without its key or with another's public one, ``BadSettings`` where
    the key is unreadable or signs for another origin.
    """
    if files.key.exists():
        signer = load(files)
    elif files.database.exists() or files.anchor.exists() or files.vkey.exists():
        # A new key would start a second log under the first one's name.
        raise EvidenceBroken(
            N_("The ledger in {directory} is there, but its key {name} is not."),
            remedy=N_("Put the key back from where you keep it; without it, start a new ledger with a new origin."),
            directory=files.data_dir,
            name=files.key.name,
        )
    else:
        signer = Signer.generate(origin)
        # A crash after this leaves a key and no ledger: the next start goes on from here.
        write_new(files.key, signer.skey.encode() + b"\n", 0o600)
    verifier = signer.verifier
    if verifier.name != origin:
        raise BadSettings(
            N_("The ledger in {directory} is {name}, but the settings call it {origin}."),
            remedy=N_("Set ledger.origin back; a ledger keeps its origin for life."),
            directory=files.data_dir,
            name=verifier.name,
            origin=origin,
        )
    published = verifier.vkey + "\n"
    if not files.vkey.exists():
        write_new(files.vkey, published.encode(), 0o644)
    elif _published(files) != published.encode():
        raise EvidenceBroken(
            N_("{public} is not the public half of {private}."),
            remedy=N_("Put back the pair that belongs to this ledger."),
            public=files.vkey.name,
            private=files.key.name,
        )
    return signer


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


def load(files: Files) -> Signer:
    """The key of this data directory. Raises ``BadSettings`` where it is missing or unreadable."""
    try:
        return Signer.parse(files.key.read_text("ascii").strip())
    except (OSError, UnicodeDecodeError, BadRequest) as error:
        raise BadSettings(
            N_("The ledger's key {path} cannot be read: {error}."),
            remedy=N_("Put the key back from where you keep it."),
            path=files.key,
            error=error.strerror if isinstance(error, OSError) else N_("it is no key"),
        ) from None
