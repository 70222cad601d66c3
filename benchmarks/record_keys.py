"""What a record key takes in the key store, and what writing it before a commit costs the owner."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

from riad.ledger.record_keys import RecordKeys

from riad.ledger.wire import KEY_SIZE, TAG_SIZE

EACH = 20


def record_keys(directory: Path, keys: int, batch: int = 512) -> dict[str, Any]:
    """Write so many keys in the owner's batches, each of a subject, ``EACH`` of one on average."""
    directory.mkdir(mode=0o700, parents=True)
    subjects = [os.urandom(TAG_SIZE) for _ in range(max(1, keys // EACH))]
    spent = 0.0
    with RecordKeys(directory) as store:
        store.prepare(0)
        for first in range(0, keys, batch):
            secrets = [os.urandom(KEY_SIZE) + random.choice(subjects) for _ in range(batch)]
            leaves = [os.urandom(32) for _ in range(batch)]
            began = time.perf_counter()
            store.write(first, secrets, leaves)
            spent += time.perf_counter() - began
    held = sum(one.stat().st_size for one in directory.iterdir())
    count = -(-keys // batch) * batch
    return {"keys": count, "bytes": held / count, "us": spent / count * 1e6}
