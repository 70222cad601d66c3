"""Re-reads a whole log and says what is wrong, where: ``riad ledger audit``.

Every entry against its leaf hash, every tile against the tiles below it, the root against the signed checkpoint; then
what the entries say. Ranges of 65,536 entries are independent of each other and go to as many processes as there are
cores; measured on two shared cores, docs/reference/ledger.md says how fast.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from riad.errors import RiadError
from riad.ledger import mark, merkle, place
from riad.ledger.note import Checkpoint
from riad.ledger.ranges import MAX_FAULTS, RANGE, Fault, Tree, check_tile, read_range
from riad.ledger.records import BACK, Jump, Records, read_records
from riad.ledger.source import Source, head, nodes, unverified
from riad.ledger.tiles import HEIGHT, WIDTH
from riad.texts import N_

Open = Callable[[], Source]
Progress = Callable[[int, int], None]  # entries done, entries in all

MAX_JUMPS = 100


class Job(NamedTuple):
    """What a process needs to check ranges. ``open`` is called once in each."""

    open: Open
    tree: Tree
    shard: int


class Checked(NamedTuple):
    """A range's result."""

    number: int
    faults: list[Fault]
    top: bytes | None
    records: Records


class Report(NamedTuple):
    """What an audit found. ``first`` is the first entry that was read, after ``pruned`` and ``skipped`` ones.

    ``complete`` is false where it stopped at ``MAX_FAULTS``. Counts are of the entries that were read.
    """

    head: Checkpoint
    first: int
    pruned: int
    faults: list[Fault]
    jumps: list[Jump]
    complete: bool
    read: int
    decisions: int
    outcomes: int
    others: int
    elsewhere: int

    @property
    def skipped(self) -> int:
        """Entries that an earlier audit had read."""
        return self.first - self.pruned


def audit(
    open_source: Open,
    *,
    processes: int = 1,
    shard: int = 0,
    marked: Path | None = None,
    from_start: bool = False,
    progress: Progress = lambda done, total: None,
) -> Report:
    """Audit a log. ``open_source`` must be picklable where ``processes`` is above 1.

    ``marked`` keeps how far an audit without a fault has come: the next goes on there, unless ``from_start``. Raises
    ``NotFound`` and ``LedgerUnavailable`` where nothing can be read, ``EvidenceBroken`` where there is no checkpoint.
    """
    source = open_source()
    note = source.checkpoint()
    claimed = unverified(note)
    faults: list[Fault] = []
    # (1) The checkpoint is signed by a key of this log. Where not, go on with what it says, to map the damage.
    try:
        head(note, source.vkeys())
    except RiadError as error:
        faults.append(Fault("checkpoint", error.render().replace("{", "{{").replace("}", "}}")))
    size, pruned = claimed.size, min(source.minimum(), claimed.size)
    # (2) The unfinished tiles lead to the signed root.
    sound = _root(source, size) == claimed.root
    if not sound:
        faults.append(Fault("checkpoint", N_("The unfinished tiles do not lead to its root.")))
    # (3) Every range, where the last audit ended.
    done = None if marked is None or from_start else mark.load(marked, source, claimed.origin, size)
    first = max(pruned, done.size // WIDTH * WIDTH if done else 0)
    if done and done.size == size:
        first = size
    job = Job(open_source, Tree(size, first, sound), shard)
    tops: dict[int, bytes | None] = {}
    total = _Total(faults, first)
    for result in _results(job, processes):
        total.add(result)
        tops[result.number] = result.top
        end = min((result.number + 1) * RANGE, size)
        if marked is not None and not total.faults:
            mark.save(marked, source, claimed.origin, end, size)
        progress(end - first, size - first)
        if len(total.faults) >= MAX_FAULTS:
            break
    complete = len(total.faults) < MAX_FAULTS
    # (4) The tiles above the ranges.
    if complete:
        _check_upper(source, job.tree, tops, total.faults)
    return total.report(claimed, pruned, complete)


class _Total:
    """The results of ranges, in order, as one."""

    def __init__(self, faults: list[Fault], first: int) -> None:
        self.faults = faults
        self.jumps: list[Jump] = []
        self.first = self.read = first
        self.last_time = 0
        self.counts = [0, 0, 0, 0]

    def add(self, result: Checked) -> None:
        records = result.records
        begin = self.read
        if records.first and records.first < self.last_time - BACK:
            self.jumps.append(Jump(begin, self.last_time - records.first))
        self.last_time = records.last or self.last_time
        self.jumps += records.jumps
        self.faults += result.faults
        counts = (records.decisions, records.outcomes, records.others, records.elsewhere)
        self.counts = [had + more for had, more in zip(self.counts, counts, strict=True)]
        self.read = (result.number + 1) * RANGE

    def report(self, claimed: Checkpoint, pruned: int, complete: bool) -> Report:
        read = min(self.read, claimed.size) - self.first
        return Report(
            claimed,
            self.first,
            pruned,
            sorted(self.faults[:MAX_FAULTS], key=lambda fault: -1 if fault.entry is None else fault.entry),
            self.jumps[:MAX_JUMPS],
            complete,
            read,
            *self.counts,
        )


def _root(source: Source, size: int) -> bytes | None:
    try:
        return merkle.root(size, nodes(source, size))
    except RiadError:
        return None


def _results(job: Job, processes: int) -> Iterator[Checked]:
    """Every range's result, in order."""
    tree = job.tree
    numbers = range(tree.minimum // RANGE, -(-tree.size // RANGE)) if tree.minimum < tree.size else range(0)
    if processes < 2 or len(numbers) < 2:
        with _quick():
            source = job.open()
            for number in numbers:
                yield _check(source, job, number)
        return
    # Fresh processes, not forks: a fork would share this one's database connection, which SQLite forbids.
    pool = ProcessPoolExecutor(min(processes, len(numbers)), get_context("spawn"), _begin, (job,))
    waiting: deque[Future[Checked]] = deque()
    try:
        for number in numbers:
            waiting.append(pool.submit(_work, number))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_job: Job | None = None
_source: Source | None = None


def _begin(job: Job) -> None:
    global _job, _source
    gc.disable()  # a range's objects live and die together, and none of them in a cycle
    _job, _source = job, job.open()


def _work(number: int) -> Checked:
    assert _job is not None
    assert _source is not None
    return _check(_source, _job, number)


@contextmanager
def _quick() -> Iterator[None]:
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _check(source: Source, job: Job, number: int) -> Checked:
    read = read_range(source, number, job.tree)
    known = {fault.entry for fault in read.faults if fault.entry is not None}
    pruned = source.minimum()
    records = read_records(source, read.entries, read.start, skip=known, shard=job.shard, minimum=pruned)
    return Checked(number, read.faults + records.faults, read.top, records._replace(faults=[]))


def _check_upper(source: Source, tree: Tree, tops: dict[int, bytes | None], faults: list[Fault]) -> None:
    """Compare the tiles of level 2 and above with those below, as far as those were read."""
    level = 2
    while tree.size >> HEIGHT * level:
        count = tree.size >> HEIGHT * level
        above: dict[int, bytes | None] = {}
        for number in sorted({at // WIDTH for at in tops if at < count}):
            below = [tops.get(number * WIDTH + at) for at in range(min(WIDTH, count - number * WIDTH))]
            above[number] = check_tile(source, level, number, below, tree, faults)
        tops = above
        level += 1


def shard_of(source: Source, base: str) -> int:
    """Which shard of the log ``base`` a source is, 0 for a log of another name."""
    return place.shard_of(base, unverified(source.checkpoint()).origin) or 0
