"""The logs that ``riad ledger`` reads: every shard, their index, and entries that are proved before they are shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from riad.cli.ledger_common import all_shards, find_data_dir, moment, progress
from riad.errors import NotFound
from riad.texts import N_, _

if TYPE_CHECKING:
    from riad.ledger.index import Index
    from riad.ledger.reader import Reader

Facts = dict[str, Any] | None


@contextmanager
def opened_logs(data_dir: Path | None, config: Path | None) -> Iterator[dict[int, Reader]]:
    logs = all_shards(data_dir, config)
    with ExitStack() as stack:
        for reader in logs.values():
            stack.enter_context(reader)
        yield logs


@contextmanager
def opened_index(
    logs: dict[int, Reader], data_dir: Path | None, config: Path | None, *, quiet: bool
) -> Iterator[Index]:
    """The index, once it has taken in what the log has gained."""
    from riad.ledger.files import Files
    from riad.ledger.index import Index

    for reader in logs.values():
        reader.checkpoint()  # where there is no ledger, no index is begun
    with Index(Files(find_data_dir(data_dir, config)).searched) as index:
        with progress(_("Indexing"), quiet=quiet) as bar:
            for shard, reader in logs.items():
                index.update(reader, shard, bar)
        yield index


def log_of(logs: dict[int, Reader], shard: int) -> Reader:
    if shard not in logs:
        raise NotFound(N_("There is no shard {shard} of this ledger."), remedy=N_("Use 0 or a year."), shard=shard)
    return logs[shard]


def read_proved(logs: dict[int, Reader], places: Iterable[int]) -> dict[int, Facts]:
    """The entries at those places, each proved; None for one that is not a JSON object."""
    from riad.ledger import place
    from riad.ledger.proved import proved

    by_shard: dict[int, list[int]] = {}
    for at in places:
        shard, index = place.unpack(at)
        by_shard.setdefault(shard, []).append(index)
    found = {}
    for shard, indices in by_shard.items():
        for index, data in proved(log_of(logs, shard), indices).items():
            found[place.pack(shard, index)] = facts_of(data)
    return found


def facts_of(data: bytes) -> Facts:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def nothing_matches(span: tuple[int, int, int]) -> str:
    count, first, last = span
    if not count:
        return _("The log holds no decision yet.")
    return _(
        "Nothing matches; the log has {count} attempts from {first} to {last} UTC.",
        count=count,
        first=moment(first),
        last=moment(last),
    )
