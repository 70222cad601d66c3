from __future__ import annotations

import asyncio
import multiprocessing
import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from multiprocessing.queues import Queue

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from riad import store as stores
from riad.errors import LimitReached, Unavailable
from riad.store import Store
from riad.tenants import leases, usage
from riad.tenants.keys import Key, KeyStore
from riad.tenants.limits import Limiter
from riad.tenants.usage import DAY, Usage

FOREVER = 60.0


@pytest.fixture
def other_store(database_url: str) -> Iterator[Store]:
    """The same database as another worker opens it."""
    opened = stores.open(database_url)
    yield opened
    opened.close()


def key(keys: KeyStore, per_minute: int | None = None, per_day: int | None = None) -> Key:
    return keys.create(
        tenant="acme", project="p", purpose="test", requests_per_minute=per_minute, tokens_per_day=per_day
    )[1]


@asynccontextmanager
async def limiting(store: Store) -> AsyncIterator[Limiter]:
    limiter = Limiter(store)
    await limiter.start()
    try:
        yield limiter
    finally:
        await limiter.close()


async def ask(limiter: Limiter, key: Key) -> bool:
    """As a gateway asks: at once, or from the database; False when it is refused."""
    try:
        if not limiter.admit(key):
            await limiter.acquire(key)
    except LimitReached as reached:
        return not (reached.code == "rate_limit_exceeded" and 1 <= (reached.retry_after or 0) <= 60)
    return True


def admitted_in_minutes(store: Store, key: Key) -> dict[int, int]:
    with store.read() as connection:
        rows = connection.execute(text("SELECT start, used FROM windows WHERE key_id = :id"), {"id": key.id}).all()
    return {row.start: row.used for row in rows}


async def in_one_minute(store: Store, seconds: float = 10) -> None:
    """Wait until this minute has that long to go, so that what follows falls into one."""
    while True:
        with store.read() as connection:
            left = 60 - store.now(connection) % 60
        if left > seconds:
            return
        await asyncio.sleep(left)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("limit", [1, 7, 31])
def test_small_limits_are_exact_across_workers(keys: KeyStore, other_store: Store, limit: int) -> None:
    async def main() -> None:
        limited = key(keys, limit)
        async with limiting(keys.store) as one, limiting(other_store) as two:
            await in_one_minute(keys.store)
            admitted = 0
            for turn in range(limit + 5):
                admitted += await ask((one, two)[turn % 2], limited)
            assert admitted == limit
            assert not await ask(one, limited)
            assert not await ask(two, limited)

    asyncio.run(main())


@pytest.mark.timeout(200)
def test_all_at_once_on_two_workers(keys: KeyStore, other_store: Store) -> None:
    async def main() -> None:
        limited = key(keys, 100)
        async with limiting(keys.store) as one, limiting(other_store) as two:
            await in_one_minute(keys.store)
            answers = await asyncio.gather(*(ask(limiter, limited) for _ in range(100) for limiter in (one, two)))
            assert sum(answers) <= 100
            assert sum(answers) >= 100 - 100 // 16

    asyncio.run(main())


def _spend(url: str, key: Key, barrier: threading.Barrier, admitted: Queue[int]) -> None:
    async def main() -> int:
        store = stores.open(url)
        async with limiting(store) as limiter:
            await asyncio.to_thread(barrier.wait, 60)
            count = 0
            while await ask(limiter, key):
                count += 1
        store.close()
        return count

    admitted.put(asyncio.run(main()))


@pytest.mark.timeout(200)
def test_processes_never_admit_more_than_the_limit(keys: KeyStore, database_url: str) -> None:
    limited = key(keys, 400)
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(4), context.Queue()
    started = [context.Process(target=_spend, args=(database_url, limited, barrier, answers)) for _ in range(3)]
    for process in started:
        process.start()
    asyncio.run(in_one_minute(keys.store))
    barrier.wait(60)
    admitted = sum(answers.get(timeout=60) for _ in started)
    for process in started:
        process.join(60)
    answers.close()
    minutes = admitted_in_minutes(keys.store, limited)
    assert admitted <= 400 * len(minutes)
    assert all(used <= 400 for used in minutes.values())
    assert admitted == 400 * len(minutes)  # each asks until it is refused: what was leased was used


def test_a_lease_is_never_more_than_is_left(keys: KeyStore) -> None:
    limited = key(keys, 100)
    first = leases.take(keys.store, limited.id, 100, want=1000, need=1)
    assert (first.granted, first.used) == (6, 6)  # a sixteenth
    assert leases.take(keys.store, limited.id, 100, want=1000, need=500).granted == 94
    none = leases.take(keys.store, limited.id, 100, want=1000, need=1)
    if none.start == first.start:
        assert none.granted == 0
    assert 0 < first.seconds_left <= 60
    assert leases.take(keys.store, limited.id, 7, want=1, need=1).granted in {0, 1}  # a limit lowered meanwhile


def test_old_minutes_are_forgotten(keys: KeyStore) -> None:
    limited = key(keys, 100)
    with keys.store.write() as connection:
        connection.execute(text("INSERT INTO windows VALUES (:id, 60, 5)"), {"id": limited.id})
    leases.take(keys.store, limited.id, 100, want=1, need=1)
    assert 60 not in admitted_in_minutes(keys.store, limited)


@pytest.mark.timeout(200)
def test_unspent_leases_come_back_when_a_worker_stops(keys: KeyStore, other_store: Store) -> None:
    async def main() -> None:
        limited = key(keys, 1000)
        await in_one_minute(keys.store)
        async with limiting(other_store) as leaving:
            for _ in range(30):
                assert await ask(leaving, limited)
            assert sum(admitted_in_minutes(keys.store, limited).values()) > 30
        assert sum(admitted_in_minutes(keys.store, limited).values()) == 30

    asyncio.run(main())


def test_no_limits_no_database(keys: KeyStore) -> None:
    unlimited = key(keys)
    keys.store.close()

    async def main() -> None:
        limiter = Limiter(keys.store)  # not even started
        assert limiter.admit(unlimited)
        await limiter.acquire(unlimited)
        assert limiter.headers(unlimited) == []

    asyncio.run(main())


@pytest.mark.timeout(200)
def test_headers_say_what_is_left(keys: KeyStore) -> None:
    async def main() -> None:
        limited = key(keys, 10, 100_000)
        async with limiting(keys.store) as limiter:
            await in_one_minute(keys.store)
            for _ in range(3):
                assert await ask(limiter, limited)
            limiter.spent(limited, 1000, 500)
            headers = dict(limiter.headers(limited))
            assert headers[b"x-ratelimit-limit-requests"] == b"10"
            assert headers[b"x-ratelimit-remaining-requests"] == b"7"
            assert headers[b"x-ratelimit-limit-tokens"] == b"100000"
            assert headers[b"x-ratelimit-remaining-tokens"] == b"98500"
            reset = headers[b"x-ratelimit-reset-requests"]
            assert re.fullmatch(rb"1m0s|[1-5]?\ds", reset)  # 1m0s in a minute's first second

    asyncio.run(main())


def test_a_token_budget_holds_across_workers_and_restarts(keys: KeyStore, other_store: Store) -> None:
    async def main() -> None:
        budgeted = key(keys, per_day=1000)
        async with limiting(keys.store) as one:
            assert await ask(one, budgeted)
            one.spent(budgeted, 600, 300)
            assert await ask(one, budgeted)
            one.spent(budgeted, 50, 50)
            with pytest.raises(LimitReached) as reached:  # here at once
                await one.acquire(budgeted)
            assert reached.value.code == "insufficient_quota"
            assert 1 <= (reached.value.retry_after or 0) <= DAY
            await one.flush()
        async with limiting(other_store) as two:  # elsewhere and later: what is stored counts
            with pytest.raises(LimitReached):
                await two.acquire(budgeted)

    asyncio.run(main())


def test_what_another_worker_used_is_heard(keys: KeyStore, other_store: Store) -> None:
    async def main() -> None:
        budgeted = key(keys, per_day=1000)
        async with limiting(keys.store) as one, limiting(other_store) as two:
            assert await ask(one, budgeted)
            assert await ask(two, budgeted)
            two.spent(budgeted, 1000, 0)
            async with asyncio.timeout(FOREVER):
                while one.admit(budgeted):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            with pytest.raises(LimitReached, match="1000 tokens of today"):
                await one.acquire(budgeted)

    asyncio.run(main())


def test_usage_is_added_up_by_day_and_survives(keys: KeyStore, other_store: Store) -> None:
    used = key(keys)

    async def main() -> None:
        async with limiting(keys.store) as one, limiting(other_store) as two:
            for limiter in (one, two, one):
                limiter.spent(used, 10, 5)
        # closed at once: what was not written yet is written then

    asyncio.run(main())
    days = usage.by_day(keys.store, used.id)
    assert sum(days.values(), Usage()) == Usage(requests=3, prompt_tokens=30, completion_tokens=15)


def test_an_engine_cannot_poison_the_books(keys: KeyStore) -> None:
    lied_about, honest = key(keys), key(keys)

    async def main() -> None:
        async with limiting(keys.store) as limiter:
            limiter.spent(lied_about, 10**40, -5)
            limiter.spent(honest, 7, 0)

    asyncio.run(main())
    (lied,) = usage.by_day(keys.store, lied_about.id).values()
    assert (lied.prompt_tokens, lied.completion_tokens) == (10**9, 0)
    assert [day.prompt_tokens for day in usage.by_day(keys.store, honest.id).values()] == [7]


def test_a_database_that_is_away_refuses_and_loses_nothing(keys: KeyStore) -> None:
    limited, used = key(keys, 10, 1000), key(keys)

    def rename(old: str, new: str) -> None:
        with keys.store.write() as connection:
            connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))

    async def main() -> None:
        async with limiting(keys.store) as limiter:
            rename("usage", "hidden")
            limiter.spent(used, 3, 4)
            away = (Unavailable, ProgrammingError)  # PostgreSQL tells a missing table from a missing database
            with pytest.raises(away):
                await limiter.flush()
            with pytest.raises(away):
                await limiter.acquire(limited)
            limiter.spent(used, 3, 4)
            rename("hidden", "usage")
            await limiter.acquire(limited)

    asyncio.run(main())
    assert sum(usage.by_day(keys.store, used.id).values(), Usage()).tokens == 14


def test_a_client_that_leaves_takes_nothing_from_the_others(keys: KeyStore) -> None:
    async def main() -> None:
        limited = key(keys, 1000)
        async with limiting(keys.store) as limiter:
            waiting = [asyncio.create_task(limiter.acquire(limited)) for _ in range(20)]
            await asyncio.sleep(0)
            for task in waiting[::2]:
                task.cancel()
            answers = await asyncio.gather(*waiting, return_exceptions=True)
            assert [type(answer) for answer in answers[1::2]] == [type(None)] * 10

    asyncio.run(main())
