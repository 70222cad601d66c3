"""What a record key takes in the key store, and what writing it before a commit costs the owner."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

from riad.ledger.record_keys import RecordKeys
from riad.ledger.wire import KEY_SIZE, TAG_SIZE

EACH = 20  # records of one person
PARTS = 10


def record_keys(directory: Path, keys: int, batch: int = 512) -> dict[str, Any]:
    """Write so many keys in the owner's batches, each with its subject's tag; how long one takes, tenth by tenth."""
    directory.mkdir(mode=0o700, parents=True)
    subjects = [os.urandom(TAG_SIZE) for _ in range(max(1, keys // EACH))]
    firsts = range(0, keys, batch)
    spent = [0.0] * PARTS
    counts = [0] * PARTS
    with RecordKeys(directory) as store:
        store.prepare(0)
        for number, first in enumerate(firsts):
            secrets = [os.urandom(KEY_SIZE) + random.choice(subjects) for _ in range(batch)]
            leaves = [os.urandom(32) for _ in range(batch)]
            began = time.perf_counter()
            store.write(first, secrets, leaves)
            part = number * PARTS // len(firsts)
            spent[part] += time.perf_counter() - began
            counts[part] += batch
    held = sum(one.stat().st_size for one in directory.iterdir())
    each = [seconds / count * 1e6 for seconds, count in zip(spent, counts, strict=True) if count]
    return {"keys": sum(counts), "bytes": held / sum(counts), "us": sum(spent) / sum(counts) * 1e6, "tenths_us": each}
