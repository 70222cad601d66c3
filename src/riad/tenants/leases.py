"""Requests leased from the shared database: how a limit per minute holds across workers and machines.

The minute is the database's own (UTC, whole minutes), so workers need not agree on the time.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import select, update

from riad.store import Store, tables

MINUTE = 60  # seconds
SHARE = 16  # one lease takes at most this part of what a minute has left
_KEEP = 10 * MINUTE


class Lease(msgspec.Struct, frozen=True):
    """What was granted: ``granted`` requests (0: the minute is used up) of the minute beginning at ``start``."""

    granted: int
    start: int  # seconds since 1970
    seconds_left: float  # in that minute, by the database's clock
    used: int  # of the limit, by everyone, with this lease


def take(store: Store, key_id: str, limit: int, *, want: int, need: int) -> Lease:
    """Lease requests of this minute: ``want``, but at most a sixteenth of what is left, and at least ``need`` if so
    many are left.

    The row is changed by one statement that grants nothing past the limit: whoever runs it elsewhere at the same
    moment, a minute never gives more than ``limit``. A crash afterwards loses the lease: the minute gives less.
    """
    windows = tables.windows
    with store.write(durable=False) as connection:
        now = store.now(connection)
        start = int(now // MINUTE * MINUTE)
        row = (windows.c.key_id == key_id) & (windows.c.start == start)
        while True:
            used = connection.execute(select(windows.c.used).where(row)).scalar()
            if used is None:
                fresh = store.insert(windows).values(key_id=key_id, start=start, used=0)
                connection.execute(fresh.on_conflict_do_nothing())
                past = (windows.c.key_id == key_id) & (windows.c.start < start - _KEEP)
                connection.execute(windows.delete().where(past))
                used = 0
            left = max(0, limit - used)
            granted = min(left, max(need, min(want, left // SHARE)))
            if not granted:
                break
            lease = update(windows).where(row, windows.c.used + granted <= limit)
            if connection.execute(lease.values(used=windows.c.used + granted)).rowcount:
                break
            # Another worker took some between our two statements: look again.
        return Lease(granted, start, start + MINUTE - now, used + granted)


def give_back(store: Store, unspent: dict[tuple[str, int], int]) -> None:
    """Return requests that were leased and not used, by key and minute."""
    windows = tables.windows
    with store.write(durable=False) as connection:
        for (key_id, start), count in sorted(unspent.items()):
            row = (windows.c.key_id == key_id) & (windows.c.start == start)
            connection.execute(update(windows).where(row).values(used=windows.c.used - count))
