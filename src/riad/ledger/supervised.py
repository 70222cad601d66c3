"""How a child process of the supervisor learns that the supervisor died: the pipe it holds as standard input ends."""

from __future__ import annotations

import asyncio
import os
import stat


async def supervisor_gone() -> None:
    """Returns at the end of standard input, where that is a supervisor's pipe; a terminal or a file says nothing."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def read() -> None:
        if not os.read(0, 4096):
            ended.set()

    try:
        mode = os.fstat(0).st_mode
    except OSError:  # closed
        mode = 0
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        loop.add_reader(0, read)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(0)
