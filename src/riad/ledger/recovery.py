"""What is verified before a stored log is continued: at every start, at the append after a failed one, and whenever
another machine has committed meanwhile.

Reads the right edge of the tree only, so that a log of any size opens in milliseconds. An entry or a tile changed
deeper inside is found when it is read (``reader``), for its proof no longer leads to the signed root.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, NoReturn

from riad.errors import EvidenceBroken, RiadError
from riad.ledger import merkle
from riad.ledger.merkle import HASH_SIZE, Frontier
from riad.ledger.note import Checkpoint, Verifier
from riad.ledger.probe import probe
from riad.ledger.storage import Storage, edge
from riad.ledger.tiles import HEIGHT, WIDTH, TileNodes
from riad.texts import N_

REMEDY = N_("Restore the ledger's newest copy; see docs/reference/ledger.md, When the ledger refuses.")

SHARED_REMEDY = N_("Copy ledger.key from the machine that began the ledger; see docs/reference/ledger.md.")

UNANCHORED = N_(
    "Put it back. Only if you know that the ledger is its newest copy: riad ledger checkpoint > ledger.checkpoint, in "
    "the data directory; see docs/reference/ledger.md, When the ledger refuses."
)


class State(NamedTuple):
    """A verified log, ready to grow. ``edges`` are the hashes in the unfinished tile of each tile level, ``last`` is
    the newest entry, empty for none."""

    note: str
    checkpoint: Checkpoint
    frontier: Frontier
    edges: tuple[bytes, ...]
    last: bytes


def verified(storage: Storage, verifier: Verifier, known: Iterable[Checkpoint], *, note: str, whole: bool) -> State:
    """The state of the log under the stored ``note``. ``known`` are checkpoints that it must extend.

    Raises ``EvidenceBroken`` naming the first thing that does not fit. ``whole`` reads the newest 256 entries, else the
    last one only: what other machines committed a moment ago is no stranger's.
    """
    # (1) The database's checkpoint is signed by this ledger's key and is of this ledger.
    name, signed = storage.name, tuple(known)
    try:
        checkpoint = Checkpoint.parse(verifier.open(note))
    except RiadError as error:
        raise EvidenceBroken(
            N_("The checkpoint in {name} is not this ledger's: {error}"),
            remedy=SHARED_REMEDY if storage.shared else REMEDY,
            name=name,
            error=error.render(),
        ) from None
    if checkpoint.origin != verifier.name:
        _broken(
            N_("{name} belongs to {origin}, not to {ours}."), name=name, origin=checkpoint.origin, ours=verifier.name
        )
    size = checkpoint.size

    # (2) It holds as many entries as the checkpoint says.
    held = storage.held()
    if held != size:
        _broken(N_("{name} holds {held} entries, its checkpoint says {size}."), name=name, held=held, size=size)

    # (3) The tiles lead to the signed root. The tiles of every edge come in one question to the database.
    sizes = [size, *(checkpoint.size for checkpoint in signed if checkpoint.size <= size)]
    tiles = storage.tiles(sorted({address for number in sizes for address in edge(number)}))
    nodes = TileNodes(size, lambda level, number: tiles.get((level, number)) or read_tile(storage, level, number))
    frontier = Frontier.read(size, nodes)
    if frontier.root() != checkpoint.root:
        _broken(N_("The tiles in {name} do not lead to the root of its checkpoint: a tile was changed."), name=name)

    # (4) The newest entries are those the tiles were made of.
    entries: list[bytes] = []
    if size:
        start = (size - 1) // WIDTH * WIDTH if whole else size - 1
        entries = storage.entries(start, size)
        leaves = [nodes(0, index) for index in range(start, size)]
        if [merkle.leaf_hash(entry) for entry in entries] != leaves:
            _broken(
                N_("Entries {start} to {last} in {name} are not those that were logged: one was changed."),
                start=start,
                last=size - 1,
                name=name,
            )
        if whole or size % WIDTH == 0:  # else the unfinished tile of the leaves has led to the root in (3)
            proof = merkle.inclusion_proof(size - 1, size, nodes)
            merkle.verify_inclusion(leaves[-1], size - 1, size, proof, checkpoint.root)

    # (5) Nothing that was signed before is missing or different.
    for before in signed:
        _extends(name, before, checkpoint, nodes)

    # (6) There is no hole behind that edge, as far as a few looks can tell.
    if whole:
        entry = lambda index: next(iter(storage.entries(index, index + 1)), None)  # noqa: E731
        probe(size, storage.minimum(), nodes, entry, REMEDY)
    return State(note, checkpoint, frontier, _edges(size, nodes), entries[-1] if entries else b"")


def refuse_unanchored(size: int, anchor: str) -> NoReturn:
    """Only a deleted file looks like this: it is made with the database, before any entry."""
    raise EvidenceBroken(
        N_("{anchor} is missing beside a ledger of {size} entries: an old backup would go unseen."),
        remedy=UNANCHORED,
        anchor=anchor,
        size=size,
    )


def refuse_old(name: str, held: int, signed: int) -> NoReturn:
    _broken(
        N_(
            "{name} ends at {held} entries, but {signed} were signed: it is an old copy, or its newest part is "
            "lost. Going on would fork the log."
        ),
        name=name,
        held=held,
        signed=signed,
    )


def read_tile(storage: Storage, level: int, number: int) -> bytes:
    """The stored hashes of one tile, empty where there is none."""
    return storage.tiles([(level, number)]).get((level, number), b"")


def _extends(name: str, before: Checkpoint, checkpoint: Checkpoint, nodes: TileNodes) -> None:
    if before.size > checkpoint.size:
        refuse_old(name, checkpoint.size, before.size)
    # A smaller one is what a crash between a commit and the anchor's write leaves: the log must extend it.
    if merkle.root(before.size, nodes) != before.root:
        _broken(
            N_("{name} and the checkpoint signed last are of two logs: they differ within the first {size} entries."),
            name=name,
            size=before.size,
        )


def _edges(size: int, nodes: TileNodes) -> tuple[bytes, ...]:
    edges, count, level = [], size, 0
    while count:
        number, rest = divmod(count, WIDTH)
        edges.append(nodes.read(level, number)[: rest * HASH_SIZE] if rest else b"")
        count >>= HEIGHT
        level += 1
    return tuple(edges)


def _broken(message: str, **values: Any) -> NoReturn:
    raise EvidenceBroken(message, remedy=REMEDY, **values)
