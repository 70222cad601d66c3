"""What each key used, by day (UTC), in the shared database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from sqlalchemy import Connection, select

from riad.store import Store, tables

DAY = 86_400  # seconds
_BATCH = 400


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """A key's use: of one day when stored, or what is to be added to it."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            requests=self.requests + other.requests,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
        )


class Today(msgspec.Struct, frozen=True):
    """Tokens used today by key, and how many seconds today still has by the database's clock."""

    tokens: dict[str, int]
    seconds_left: float


def add(store: Store, used: Mapping[str, Usage], also: Iterable[str] = ()) -> Today:
    """Add to today's totals, all or none, and tell today's tokens of those keys and of ``also``.

    A failure at the very end may hide that it was added: adding again then counts it twice, never loses it.
    """
    table = tables.usage
    if not used:
        with store.read() as connection:
            return _today(connection, store, sorted(set(also)))
    with store.write(durable=False) as connection:
        day = int(store.now(connection) // DAY)
        for key_id in sorted(used):  # in one order everywhere: two workers never wait for each other
            insert = store.insert(table).values(key_id=key_id, day=day, **msgspec.structs.asdict(used[key_id]))
            summed = {name: table.c[name] + insert.excluded[name] for name in Usage.__struct_fields__}
            connection.execute(insert.on_conflict_do_update(index_elements=["key_id", "day"], set_=summed))
        return _today(connection, store, sorted({*used, *also}))


def by_day(store: Store, key_id: str) -> dict[int, Usage]:
    """A key's use by day, in days since 1970."""
    table = tables.usage
    with store.read() as connection:
        rows = connection.execute(select(table).where(table.c.key_id == key_id).order_by(table.c.day))
        return {
            row.day: Usage(
                requests=row.requests, prompt_tokens=row.prompt_tokens, completion_tokens=row.completion_tokens
            )
            for row in rows
        }


def _today(connection: Connection, store: Store, ids: list[str]) -> Today:
    table, now = tables.usage, store.now(connection)
    tokens = dict.fromkeys(ids, 0)
    for first in range(0, len(ids), _BATCH):
        batch = table.c.key_id.in_(ids[first : first + _BATCH])
        for row in connection.execute(select(table).where(table.c.day == int(now // DAY), batch)):
            tokens[row.key_id] = row.prompt_tokens + row.completion_tokens
    return Today(tokens, DAY - now % DAY)
