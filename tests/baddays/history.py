"""What an outsider remembers of a log: every checkpoint must extend the last one, every entry stay what it was."""

from __future__ import annotations

import random
from pathlib import Path

from riad.ledger import merkle
from riad.ledger.note import Checkpoint, Verifier
from riad.ledger.reader import Reader
from riad.ledger.verify import verify


class History:
    """One log, read again and again. ``leaves`` are the hashes of its entries, as they were first read."""

    def __init__(self, data_dir: Path, chance: random.Random) -> None:
        self.leaves: list[bytes] = []
        self._data_dir = data_dir
        self._chance = chance
        self._seen: Checkpoint | None = None

    def read(self) -> list[bytes]:
        """The entries that are new, once it is certain that the log only grew and that a receipt of it verifies."""
        with Reader(self._data_dir) as reader:
            vkey = reader.vkey()
            head = Checkpoint.parse(Verifier.parse(vkey).open(reader.checkpoint()))
            if self._seen is not None:
                proof = reader.consistency(self._seen.size, head.size)
                merkle.verify_consistency(self._seen.size, head.size, proof, self._seen.root, head.root)
            new = [reader.entry(index) for index in range(len(self.leaves), head.size)]
            if head.size:
                verify(reader.receipt(self._chance.randrange(head.size)).encode(), vkey)
        self.leaves += map(merkle.leaf_hash, new)
        self._seen = head
        return new
