"""Unix sockets at any path. The kernel takes 107 bytes; a data directory may well be deeper than that.

A longer path is reached through its directory, opened first and named by its descriptor (``/proc/self/fd``, Linux).
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from riad.errors import BadSettings
from riad.texts import N_

LIMIT = 100  # bytes; Linux takes 107, macOS 103


def listen(path: Path) -> socket.socket:
    """A listening socket that only this user can reach. The caller owns the ledger, so that a file already there is a
    dead process's. Raises ``OSError`` and ``BadSettings``."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(path) as address:
            listener.bind(address)
            os.chmod(address, 0o600)
        # Nobody can connect before this line, so that nobody could while the mode was the umask's.
        listener.listen(128)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def dial(path: Path) -> socket.socket:
    """A connected socket. Never waits: raises ``OSError`` where nobody listens or too many wait already."""
    caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        caller.setblocking(False)
        with _short(path) as address:
            caller.connect(address)
    except BaseException:
        caller.close()
        raise
    return caller


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    if len(os.fsencode(path)) <= LIMIT:
        yield str(path)
        return
    if not os.path.isdir("/proc/self/fd"):
        raise BadSettings(
            N_("The path {path} is too long for a socket on this system."),
            remedy=N_("Choose a data directory with a path of at most 80 characters."),
            path=path,
        )
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
