"""The server secret: what turns tokens into digests and organisations into pseudonyms.

A stolen database without it proves nothing and opens nothing. It is the file ``secret`` of the data directory, made
by the first process that needs it; several machines on one database share one through ``RIAD_SECRET``.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
import tempfile
from pathlib import Path

from riad.errors import BadSettings
from riad.texts import N_

_SHORTEST = 32  # characters


class Secret:
    """The server secret. Never printed: its ``repr`` does not show it."""

    __slots__ = ("_masking_key", "_subject_key", "_tenant_key", "_token_key", "_value")

    def __init__(self, value: str) -> None:
        if len(value) < _SHORTEST:
            raise BadSettings(
                N_("The server secret has fewer than {n} characters."),
                remedy=N_('Make one: python -c "import secrets; print(secrets.token_hex(32))".'),
                n=_SHORTEST,
            )
        self._value = value.encode()
        self._token_key = self.derive("token")
        self._tenant_key = self.derive("tenant")
        self._masking_key = self.derive("masking")
        self._subject_key = self.derive("subject")

    def derive(self, use: str) -> bytes:
        """32 bytes for that use, telling nothing about the secret or about other uses (HMAC-SHA256 as a PRF)."""
        return hmac.digest(self._value, b"riad/v1/" + use.encode(), "sha256")

    def digest(self, token: str) -> bytes:
        """What is stored of a token: HMAC-SHA256, 32 bytes.

        A lookup by this digest need not take constant time: without the secret nobody can choose digests.
        """
        return hmac.digest(self._token_key, token.encode(), "sha256")

    def pseudonym(self, tenant: str) -> str:
        """That tenant's name in the evidence: 32 hexadecimal digits, the same on every machine that shares us."""
        return hmac.digest(self._tenant_key, tenant.encode(), "sha256")[:16].hex()

    def masking_key(self, tenant: str, project: str) -> bytes:
        """What that project's surrogates and tokens are made with: 32 bytes. Neither name holds a NUL."""
        return hmac.digest(self._masking_key, f"{tenant}\0{project}".encode(), "sha256")

    def subject(self, tenant: str, name: str) -> bytes:
        """The tag of a person as a tenant names her: 16 bytes, by which her records' keys are found again and erased.

        A tenant's name holds no NUL.
        """
        return hmac.digest(self._subject_key, f"{tenant}\0{name}".encode(), "sha256")[:16]

    def __repr__(self) -> str:
        return "Secret(…)"


def server_secret(data_dir: Path) -> Secret:
    """The secret of ``RIAD_SECRET``, else of the file ``secret`` in that directory, made now if there is none.

    Raises ``BadSettings`` when it is too short, or in a file that others may read.
    """
    if value := os.environ.get("RIAD_SECRET"):
        return Secret(value.strip())
    path = data_dir / "secret"
    try:
        return _read(path)
    except FileNotFoundError:
        _create(path)
        return _read(path)


def _read(path: Path) -> Secret:
    try:
        with path.open() as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise BadSettings(
                    N_("Others than its owner may read {file}."), remedy=N_("Run: chmod 600 {file}"), file=path
                )
            return Secret(file.read().strip())
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(
            N_("The server secret {file} cannot be read: {reason}."),
            remedy=N_("Run as the user who owns the data directory."),
            file=path,
            reason=getattr(error, "strerror", None) or type(error).__name__,
        ) from None


def _create(path: Path) -> None:
    """Write it whole under another name, then link: of several processes one wins and the others read its secret.

    A crash before the link leaves a stray ``.secret-*`` file, which is nobody's secret and may be deleted.
    """
    handle, name = tempfile.mkstemp(prefix=".secret-", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(name, path)
        directory = os.open(path.parent, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
    except FileExistsError:
        pass  # another process was first
    finally:
        os.unlink(name)
