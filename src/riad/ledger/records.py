"""Checks what the entries of a range say: that they can be read, are canonical, point where they may, and in time.

Entries are decoded and encoded again by the thousand, in one call each: a Python call an entry would cost more than
the hashing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from riad.errors import EvidenceBroken, RiadError
from riad.ledger.entry import UNSET, Decision, Entry, Outcome, decode
from riad.ledger.ranges import MAX_FAULTS, Fault
from riad.ledger.source import Source
from riad.texts import N_

CHUNK = 4096  # entries decoded in one call
BACK = 1000  # milliseconds a clock may seem to go back: workers write side by side, and wait for a place in a batch

_decoder = msgspec.json.Decoder(Entry)
_encoder = msgspec.json.Encoder(order="sorted")


class Jump(NamedTuple):
    """An entry whose time lies before that of the entry ahead of it, by so many milliseconds."""

    entry: int
    milliseconds: int


class Records(NamedTuple):
    """What a range's entries say. ``first`` and ``last`` are times in Unix milliseconds, 0 where there is none.

    ``elsewhere`` counts outcomes whose decision is in an earlier shard or was pruned: it cannot be looked at here.
    """

    faults: list[Fault]
    jumps: list[Jump]
    first: int = 0
    last: int = 0
    decisions: int = 0
    outcomes: int = 0
    others: int = 0
    elsewhere: int = 0


def read_records(
    source: Source, entries: Sequence[bytes], start: int, *, skip: set[int], shard: int, minimum: int
) -> Records:
    """Check the entries from index ``start`` on, except those in ``skip``, whose fault is known, and missing ones."""
    faults: list[Fault] = []
    jumps: list[Jump] = []
    asked: dict[int, str] = {}  # index of a decision → the request's id
    pending: list[tuple[int, int, str]] = []  # outcomes whose decision is not among these entries
    decisions = outcomes = others = elsewhere = first = last = 0
    for base in range(0, len(entries), CHUNK):
        chunk = entries[base : base + CHUNK]
        for index, entry in enumerate(decode_all(chunk), start + base):
            if entry is None:
                if index not in skip and entries[index - start] and len(faults) < MAX_FAULTS:
                    faults.append(Fault(f"entry {index}", _why(entries[index - start]), {}, index))
                continue
            time = entry.time
            if time < last - BACK:
                jumps.append(Jump(index, last - time))
            first, last = first or time, time
            if type(entry) is Decision:
                decisions += 1
                asked[index] = entry.id
            elif type(entry) is Outcome:
                outcomes += 1
                of_shard, at = getattr(entry, "decision_shard", UNSET) or 0, entry.decision
                if of_shard == shard and asked.get(at) == entry.id:
                    continue
                if of_shard < shard or (of_shard == shard and at < minimum):
                    elsewhere += 1
                else:
                    pending.append((index, at, entry.id if of_shard == shard else ""))
            else:
                others += 1
    for index, at, request in pending:
        if len(faults) < MAX_FAULTS and at not in skip and not (0 <= at < index and _may_be(source, at, request)):
            fault = N_("It closes entry {decision}, which is no earlier decision of its request.")
            faults.append(Fault(f"entry {index}", fault, {"decision": at}, index))
    return Records(faults, jumps, first, last, decisions, outcomes, others, elsewhere)


def decode_all(entries: Sequence[bytes]) -> list[Entry | None]:
    """Entries decoded, None for each that is not canonical JSON of this format."""
    joined = b"\n".join(entries)
    try:
        decoded = _decoder.decode_lines(joined)
        # As many lines as entries: none holds a newline, so that equal lines are equal entries.
        if len(decoded) == len(entries) and _encoder.encode_lines(decoded) == joined + b"\n":
            return list(decoded)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    return [_decode(entry) for entry in entries]


def _decode(data: bytes) -> Entry | None:
    try:
        return decode(data)
    except EvidenceBroken:
        return None


def _why(data: bytes) -> str:
    try:
        decode(data)
    except RiadError as error:
        return error.render().replace("{", "{{").replace("}", "}}")
    return ""


def _may_be(source: Source, index: int, request: str) -> bool:
    """Whether the decision of a request is at an index. What is missing or unreadable there is its own fault."""
    for data in source.entries(index, index + 1):
        entry = _decode(data)
        return entry is None or (isinstance(entry, Decision) and entry.id == request)
    return True
