"""Limits that hold across workers and machines: requests per minute and tokens per day, by key.

**Requests.** A worker leases requests of the current minute from the database and spends them with no further ado.
A minute never admits more than the limit, whatever the number of workers. It may admit less: what a worker leased and
did not spend is lost to the others until the minute ends, and that is at most what it has itself admitted in this
minute, and at most a sixteenth of the limit. Limits under 32 are therefore exact.

**Tokens.** What requests used is added up here and written every quarter of a second (``FLUSH``) with the totals of
all workers read back; a key at its budget is refused. What was read back counts for one second (``KNOWN``). A budget
is overshot by what requests then in flight use, since no request is cut in the middle, and what other workers used in
that last second. A worker killed outright loses the last quarter of a second of its usage; the ledger still has it.

Days and minutes are those of the database's clock, UTC.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from riad.errors import LimitReached, RiadError, Unavailable
from riad.store import Store
from riad.tenants import leases, usage
from riad.tenants.keys import Key
from riad.tenants.usage import Today, Usage
from riad.texts import N_

FLUSH = 0.25  # seconds
KNOWN = 1.0  # seconds
_PATIENCE = 5.0  # seconds to wait for a lease
_IDLE = 300.0  # seconds after which an unused key's state may be forgotten
_MANY = 1_000  # states kept in any case
_MOST_PER_REQUEST = 10**9  # tokens: an engine that reports more is lying or broken

T = TypeVar("T")
log = logging.getLogger(__name__)


class _State:
    """What this worker knows of one key's limits. Times are of the monotonic clock."""

    __slots__ = (
        "day_ends", "exhausted", "leased", "left", "minute_ends", "refill", "seen", "start", "tokens", "tokens_until",
        "used", "waiting",
    )  # fmt: skip

    def __init__(self) -> None:
        self.start = 0  # the minute leased of, in seconds since 1970
        self.minute_ends = 0.0
        self.left = 0  # requests leased and not spent
        self.leased = 0  # in this minute, by this worker
        self.used = 0  # of the limit, by everyone, when last heard
        self.exhausted = False  # the minute has no more to lease
        self.tokens = 0  # today, by everyone, when last heard, and what was spent here since
        self.tokens_until = 0.0  # when that stops to count
        self.day_ends = 0.0
        self.seen = 0.0  # when a request last asked
        self.waiting = 0  # requests that wait for the refill
        self.refill: asyncio.Task[RiadError | None] | None = None


class Limiter:
    """Admits requests within their key's limits. Belongs to one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._states: dict[str, _State] = {}
        self._pending: dict[str, Usage] = {}
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="riad-limits")
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to write usage in the background."""
        self._task = asyncio.create_task(self._flush_regularly())

    async def close(self) -> None:
        """Write the last usage and return unspent leases. A database that is away loses both, with an error logged."""
        if self._task is not None:
            self._stop.set()
            await self._task
        now = time.monotonic()
        unspent = {
            (key_id, state.start): state.left
            for key_id, state in self._states.items()
            if state.left and now < state.minute_ends
        }
        try:
            await self.flush()
            if unspent:
                await self._in_thread(lambda: leases.give_back(self._store, unspent))
        except Exception as error:
            log.error("usage of %d keys was not written: %s", len(self._pending), type(error).__name__)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def admit(self, key: Key) -> bool:
        """Count one request if it is known to be within the limits; False means ``await acquire(key)``."""
        per_minute, per_day = key.requests_per_minute, key.tokens_per_day
        if per_minute is None and per_day is None:
            return True
        state = self._states.get(key.id)
        if state is None:
            return False
        now = state.seen = time.monotonic()
        if per_day is not None and (state.tokens >= per_day or now >= state.tokens_until):
            return False
        if per_minute is not None:
            if not state.left or now >= state.minute_ends:
                return False
            state.left -= 1
        return True

    async def acquire(self, key: Key) -> None:
        """Count one request, asking the database if needed.

        Raises ``LimitReached``: ``rate_limit_exceeded`` with the seconds to the end of the minute, or
        ``insufficient_quota`` with those to the end of the day; ``Unavailable`` when the database does not answer.
        """
        state = self._states.setdefault(key.id, _State())
        state.waiting += 1
        try:
            deadline = time.monotonic() + _PATIENCE
            while not self.admit(key):
                _refuse(key, state)
                if time.monotonic() > deadline:  # a database so slow that what it says is old when it arrives
                    raise _unavailable()
                if state.refill is None:
                    state.refill = asyncio.create_task(self._refill(key, state))
                # Shielded: a client that leaves must not take the others' lease with it.
                if (error := await asyncio.shield(state.refill)) is not None:
                    raise error
        finally:
            state.waiting -= 1

    def spent(self, key: Key, prompt_tokens: int, completion_tokens: int) -> None:
        """Account one finished request, however it ended. Counts are an engine's word: cut to what can be."""
        prompt = min(max(prompt_tokens, 0), _MOST_PER_REQUEST)
        completion = min(max(completion_tokens, 0), _MOST_PER_REQUEST)
        used = Usage(requests=1, prompt_tokens=prompt, completion_tokens=completion)
        before = self._pending.get(key.id)
        self._pending[key.id] = used if before is None else before + used
        if key.tokens_per_day is not None and (state := self._states.get(key.id)) is not None:
            state.tokens += used.tokens

    def headers(self, key: Key) -> list[tuple[bytes, bytes]]:
        """OpenAI's ``x-ratelimit-*`` headers for a key with limits; none for one without. As last heard: other
        workers' leases since then are not in it."""
        headers: list[tuple[bytes, bytes]] = []
        state, now = self._states.get(key.id), time.monotonic()
        if state is None:
            return headers
        if (limit := key.requests_per_minute) is not None:
            remaining = max(0, limit - state.used + state.left) if now < state.minute_ends else limit
            headers += _headers(b"requests", limit, remaining, state.minute_ends - now)
        if (limit := key.tokens_per_day) is not None:
            remaining = max(0, limit - state.tokens) if now < state.day_ends else limit
            headers += _headers(b"tokens", limit, remaining, state.day_ends - now)
        return headers

    async def flush(self) -> None:
        """Write what was used since the last time and read the totals of keys with a budget.

        Raises ``Unavailable``; nothing is lost then, and the next flush tries again.
        """
        began = time.monotonic()
        # A key with a budget is read again while it is in use, so that its requests find what they need to know.
        active = [k for k, state in self._states.items() if state.tokens_until and began - state.seen < KNOWN]
        if not self._pending and not active:
            return
        pending, self._pending = self._pending, {}
        try:
            today = await self._in_thread(lambda: usage.add(self._store, pending, active))
        except BaseException:
            for key_id, used in pending.items():
                self._pending[key_id] = used + self._pending.get(key_id, Usage())
            raise
        self._hear(began, today)

    def _hear(self, began: float, today: Today) -> None:
        """Today's totals, as a read that began at that moment found them."""
        for key_id, tokens in today.tokens.items():
            if (state := self._states.get(key_id)) is not None:
                state.tokens = tokens + self._pending.get(key_id, Usage()).tokens
                state.day_ends = began + today.seconds_left
                state.tokens_until = min(began + KNOWN, state.day_ends)

    async def _refill(self, key: Key, state: _State) -> RiadError | None:
        """Ask the database for what the key's requests lack. Returns its error, for each of those who wait."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(_PATIENCE):
                if key.tokens_per_day is not None and began >= state.tokens_until:
                    self._hear(began, await self._in_thread(lambda: usage.add(self._store, {}, [key.id])))
                if (limit := key.requests_per_minute) is not None and (not state.left or began >= state.minute_ends):
                    await self._lease(key.id, limit, state)
        except TimeoutError:
            return _unavailable()
        except RiadError as error:
            return error
        finally:
            state.refill = None
        return None

    async def _lease(self, key_id: str, limit: int, state: _State) -> None:
        began = time.monotonic()
        want = state.leased if began < state.minute_ends else 1
        need = state.waiting
        lease = await self._in_thread(lambda: leases.take(self._store, key_id, limit, want=want, need=need))
        if lease.start != state.start:
            state.leased = 0
        state.start, state.minute_ends = lease.start, began + lease.seconds_left
        state.left, state.used = lease.granted, lease.used
        state.leased += lease.granted
        state.exhausted = not lease.granted

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _flush_regularly(self) -> None:
        failing = False
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), FLUSH)
            try:
                await self.flush()
                failing = False
            except Exception as error:  # it is tried again: what was used stays here until it is written
                if not failing:
                    log.error("usage cannot be written: %s", type(error).__name__)
                failing = True
            self._forget()

    def _forget(self) -> None:
        long_ago = time.monotonic() - _IDLE
        if len(self._states) > _MANY:
            for key_id in [k for k, state in self._states.items() if state.seen < long_ago and not state.waiting]:
                del self._states[key_id]


def _refuse(key: Key, state: _State) -> None:
    """Raise ``LimitReached`` when what is known says no; do nothing when it does not say."""
    now = time.monotonic()
    if key.tokens_per_day is not None and now < state.tokens_until and state.tokens >= key.tokens_per_day:
        raise LimitReached(
            N_("This key has used its {limit} tokens of today."),
            remedy=N_("Come back after midnight UTC, in {time}, or ask the operator for a larger budget."),
            code="insufficient_quota",
            retry_after=_whole(state.day_ends - now),
            limit=key.tokens_per_day,
            time=_duration(state.day_ends - now),
        )
    if key.requests_per_minute is not None and now < state.minute_ends and state.exhausted and not state.left:
        raise LimitReached(
            N_("This key has used its {limit} requests of this minute."),
            remedy=N_("Come back in {time}, or ask the operator for a higher limit."),
            retry_after=_whole(state.minute_ends - now),
            limit=key.requests_per_minute,
            time=_duration(state.minute_ends - now),
        )


def _unavailable() -> Unavailable:
    return Unavailable(
        N_("Limits cannot be checked: the database does not answer."),
        remedy=N_("Try again in a moment."),
        retry_after=1.0,
    )


def _headers(what: bytes, limit: int, remaining: int, reset: float) -> list[tuple[bytes, bytes]]:
    return [
        (b"x-ratelimit-limit-" + what, b"%d" % limit),
        (b"x-ratelimit-remaining-" + what, b"%d" % remaining),
        (b"x-ratelimit-reset-" + what, _duration(reset).encode()),
    ]


def _whole(seconds: float) -> float:
    """Rounded up: who comes back then is not early."""
    return float(max(1, math.ceil(seconds)))


def _duration(seconds: float) -> str:
    """As OpenAI writes it: ``59s``, ``6m0s``, ``7h0m12s``."""
    minutes, rest = divmod(max(0, math.ceil(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{rest}s"
