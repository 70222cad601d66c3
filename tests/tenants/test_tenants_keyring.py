from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from riad.errors import Unauthenticated, Unavailable
from riad.tenants.keyring import KeyRing
from riad.tenants.keys import KeyStore

ASK = {"tenant": "acme", "project": "p", "purpose": "test"}
FOREVER = 60.0  # seconds: for what must come, on however slow a machine


@asynccontextmanager
async def watching(keys: KeyStore, **options: float) -> AsyncIterator[KeyRing]:
    ring = KeyRing(keys, **options)
    await ring.start()
    try:
        yield ring
    finally:
        await ring.close()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(FOREVER):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def elsewhere(url: str, data_dir: Path, statement: str) -> None:
    """Another process with the same database and secret, as ``riad keys`` beside a running platform."""
    program = f"""
from pathlib import Path
from riad.tenants.keys import KeyStore
keys = KeyStore.open({url!r}, Path({str(data_dir)!r}))
{statement}
keys.close()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=FOREVER)


def hide_keys(keys: KeyStore) -> Callable[[], None]:
    """Make the database unreadable for the key ring; what comes back makes it readable again."""

    def rename(old: str, new: str) -> None:
        with keys.store.write() as connection:
            connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))

    rename("changes", "hidden")
    return lambda: rename("hidden", "changes")


def test_a_key_is_resolved_once_and_then_at_hand(keys: KeyStore) -> None:
    async def main() -> None:
        token, record = keys.create(**ASK)
        async with watching(keys) as ring:
            assert ring.get(token) is None
            assert await ring.resolve(token) == record
            assert ring.get(token) == record
            assert await asyncio.gather(*(ring.resolve(token) for _ in range(50))) == [record] * 50

    asyncio.run(main())


def test_a_key_made_after_it_was_refused_works_soon(keys: KeyStore) -> None:
    async def main() -> None:
        async with watching(keys) as ring:
            other, _ = keys.create(**ASK)
            unknown = "riad_" + "A" * 43
            for _ in range(2):
                with pytest.raises(Unauthenticated, match="not known") as refused:
                    await ring.resolve(unknown)
                assert refused.value.code == "invalid_api_key"
                assert "AAAA" not in str(refused.value)
            assert (await ring.resolve(other)).tenant == "acme"

    asyncio.run(main())


def test_what_is_no_token_never_reaches_the_database(keys: KeyStore) -> None:
    wrong = [
        "",
        "x",
        "riad_",
        "riad_" + "A" * 42,
        "riad_" + "A" * 44,
        "riad_" + "A" * 42 + "é",
        "riad_" + "A" * 42 + "\n",
    ]
    wrong += ["\ud800" * 48, "sk-" + "a" * 48, "x" * 100_000]

    async def main() -> None:
        ring = KeyRing(keys, patience=FOREVER)  # not started: a read would wait
        for token in wrong:
            assert ring.get(token) is None
            with pytest.raises(Unauthenticated) as refused:
                await ring.resolve(token)
            assert refused.value.remedy

    asyncio.run(main())


def test_a_revocation_by_another_process_is_seen_by_every_ring(
    keys: KeyStore, database_url: str, data_dir: Path
) -> None:
    async def main() -> None:
        token, record = keys.create(**ASK)
        async with watching(keys) as ring, watching(KeyStore.open(database_url, data_dir)) as other:
            assert await ring.resolve(token) == await other.resolve(token) == record
            revoking = asyncio.create_task(
                asyncio.to_thread(elsewhere, database_url, data_dir, f"keys.revoke({record.id!r})")
            )
            await until(lambda: ring.get(token) is None and other.get(token) is None and revoking.done())
            for one in (ring, other):
                with pytest.raises(Unauthenticated, match="has been revoked") as refused:
                    await one.resolve(token)
                assert record.id in str(refused.value)
            other._keys.close()

    asyncio.run(main())


def test_no_revoked_key_passes_a_second_later_however_slow_everything_is(keys: KeyStore) -> None:
    """The promise does not hang on the poll: with a ring that polls once a minute it holds all the same."""

    async def main() -> None:
        token, record = keys.create(**ASK)
        async with watching(keys, poll=60.0) as ring:
            await ring.resolve(token)
            keys.revoke(record.id)
            committed = time.monotonic()
            await asyncio.sleep(committed + 1.0 - time.monotonic())
            assert ring.get(token) is None
            with pytest.raises(Unauthenticated, match="revoked"):
                await ring.resolve(token)

    asyncio.run(main())


def test_a_loop_that_was_stuck_admits_nothing_old(keys: KeyStore) -> None:
    async def main() -> None:
        token, record = keys.create(**ASK)
        async with watching(keys, staleness=0.2) as ring:
            resolving = asyncio.create_task(ring.resolve(token))
            await asyncio.sleep(0)  # the thread reads the key as valid…
            time.sleep(0.1)  # noqa: ASYNC251
            keys.revoke(record.id)  # …and it is revoked while the loop does not run
            time.sleep(0.3)  # noqa: ASYNC251
            with pytest.raises(Unauthenticated, match="revoked"):
                await resolving

    asyncio.run(main())


def test_an_expired_key(keys: KeyStore) -> None:
    async def main() -> None:
        expires = int(time.time()) + 3
        token, record = keys.create(**ASK, expires_at=expires)
        async with watching(keys) as ring:
            with contextlib.suppress(Unauthenticated):  # on a machine so slow that it expired meanwhile
                assert await ring.resolve(token) == record
            await until(lambda: time.time() >= expires)
            assert ring.get(token) is None
            with pytest.raises(Unauthenticated, match="expired on 20"):
                await ring.resolve(token)

    asyncio.run(main())


def test_a_database_that_does_not_answer_is_503_and_lets_nobody_in(keys: KeyStore) -> None:
    async def main() -> None:
        token, record = keys.create(**ASK)
        async with watching(keys, poll=0.05, staleness=0.3, patience=0.3) as ring:
            await ring.resolve(token)
            show = hide_keys(keys)
            await until(lambda: ring.get(token) is None)
            assert not ring.fresh
            for presented in (token, "riad_" + "A" * 43):
                with pytest.raises(Unavailable) as refused:
                    await ring.resolve(presented)
                assert refused.value.status == 503
                assert refused.value.retry_after
            show()
            await until(lambda: ring.fresh)
            assert await ring.resolve(token) == record

    asyncio.run(main())


def test_a_short_loss_of_the_database_only_delays(keys: KeyStore) -> None:
    async def main() -> None:
        token, record = keys.create(**ASK)
        async with watching(keys, poll=0.05, staleness=0.1, patience=FOREVER) as ring:
            await ring.resolve(token)
            show = hide_keys(keys)
            await until(lambda: not ring.fresh)
            resolving = asyncio.create_task(ring.resolve(token))
            await asyncio.sleep(0.1)
            assert not resolving.done()
            show()
            assert await resolving == record

    asyncio.run(main())


def test_guessing_is_answered_and_bounded(keys: KeyStore) -> None:
    async def main() -> None:
        token, record = keys.create(**ASK)
        async with watching(keys, patience=FOREVER) as ring:
            guesses = [ring.resolve(f"riad_{number:043d}") for number in range(3000)]
            answers = await asyncio.gather(*guesses, ring.resolve(token), return_exceptions=True)
            assert answers[-1] == record
            assert {type(answer) for answer in answers[:-1]} == {Unauthenticated}

    asyncio.run(main())


def test_closing_refuses_those_who_wait(keys: KeyStore) -> None:
    async def main() -> None:
        token, _ = keys.create(**ASK)
        ring = KeyRing(keys, staleness=0.01, patience=FOREVER)
        await ring.start()
        show = hide_keys(keys)
        resolving = asyncio.create_task(ring.resolve(token))
        await asyncio.sleep(0.05)
        await ring.close()
        with pytest.raises(Unavailable):
            await resolving
        assert ring.get(token) is None
        show()

    asyncio.run(main())


def test_starting_without_a_database_says_so(keys: KeyStore) -> None:
    async def main() -> None:
        show = hide_keys(keys)
        ring = KeyRing(keys, patience=0.2)
        with pytest.raises(Unavailable):
            await ring.start()
        show()

    asyncio.run(main())


def test_tokens_are_not_kept_in_memory(keys: KeyStore) -> None:
    async def main() -> None:
        token, _ = keys.create(**ASK)
        async with watching(keys) as ring:
            await ring.resolve(token)
            kept = repr([vars(ring)])
            assert token[5:] not in kept

    asyncio.run(main())


def test_what_a_project_chooses_elsewhere_is_known_here(keys: KeyStore, database_url: str, data_dir: Path) -> None:
    async def main() -> None:
        token, record = keys.create(**ASK)
        assert (record.masking, record.answers) == ("placeholders", "report")
        async with watching(keys) as ring:
            await ring.resolve(token)
            change = "keys.change_project('acme', 'p', masking='tokens', answers='mask')"
            changing = asyncio.create_task(asyncio.to_thread(elsewhere, database_url, data_dir, change))
            await until(lambda: ring.get(token) is None and changing.done())
            known = await ring.resolve(token)
            assert (known.masking, known.answers) == ("tokens", "mask")
            await changing

    asyncio.run(main())
