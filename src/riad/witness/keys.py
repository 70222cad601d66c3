"""A witness's keys, in files of its own directory: ``witness.key``, secrets, and ``witness.vkey``, to hand out."""

from __future__ import annotations

import os
from pathlib import Path

from riad.errors import BadRequest, BadSettings, NotFound
from riad.ledger.cosignature import ED25519, ML_DSA_44, Cosigner
from riad.ledger.files import write_new
from riad.texts import N_

KEY = "witness.key"
VKEY = "witness.vkey"


def default_directory() -> Path:
    """``RIAD_WITNESS_DIR``, else the user's data directory (XDG Base Directory Specification)."""
    if value := os.environ.get("RIAD_WITNESS_DIR"):
        return Path(value)
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "riad-witness"


def create(directory: Path, name: str, *, ml_dsa: bool = False) -> list[Cosigner]:
    """Make a witness's keys. Raises ``BadRequest`` where there are some already, ``BadSettings`` where none can be."""
    cosigners = [Cosigner.generate(name, kind) for kind in ([ED25519, ML_DSA_44] if ml_dsa else [ED25519])]
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (directory / KEY).exists():
            # A second key under the same name would cosign what the first one refused.
            raise BadRequest(
                N_("There is a witness in {directory} already."),
                remedy=N_("`riad witness key` shows its keys; give another --dir for a second witness."),
                directory=directory,
            )
        write_new(directory / KEY, "".join(cosigner.skey + "\n" for cosigner in cosigners).encode(), 0o600)
        write_new(directory / VKEY, "".join(c.verifier.vkey + "\n" for c in cosigners).encode(), 0o644)
    except OSError as error:
        raise _unusable(directory, error) from None
    return cosigners


def load(directory: Path) -> list[Cosigner]:
    """The keys of the witness in a directory. Raises ``NotFound`` without one, ``BadSettings`` for unreadable keys."""
    path = directory / KEY
    try:
        return [Cosigner.parse(line) for line in path.read_text("ascii").splitlines() if line]
    except FileNotFoundError:
        raise NotFound(
            N_("There is no witness in {directory}."),
            remedy=N_("Make one with `riad witness init --name NAME`, or give --dir."),
            directory=directory,
        ) from None
    except OSError as error:
        raise _unusable(directory, error) from None
    except (UnicodeDecodeError, BadRequest):
        raise BadSettings(
            N_("The witness's key {path} cannot be read: it is no key."),
            remedy=N_("Put the key back from where you keep it."),
            path=path,
        ) from None


def _unusable(directory: Path, error: OSError) -> BadSettings:
    return BadSettings(
        N_("The witness cannot use {directory}: {error}."),
        remedy=N_("Give it a directory it may write to, with --dir or RIAD_WITNESS_DIR."),
        directory=directory,
        error=error.strerror,
    )
