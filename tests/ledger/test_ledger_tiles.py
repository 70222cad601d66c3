"""Tile addresses and bundles, as C2SP tlog-tiles writes them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riad.errors import EvidenceBroken, NotFound
from riad.ledger import tiles
from riad.ledger.tiles import Tile, TileNodes


def test_the_specifications_examples() -> None:
    assert Tile(0, 1234067).path == "tile/0/x001/x234/067"
    # "a tree of size 70,000": 273 full level 0 tiles and one of width 112, one full level 1 tile and one of width 17,
    # one level 2 tile of width 1.
    assert [tiles.width(0, number, 70_000) for number in (0, 272, 273, 274)] == [256, 256, 112, 0]
    assert [tiles.width(1, number, 70_000) for number in (0, 1, 2)] == [256, 17, 0]
    assert [tiles.width(2, number, 70_000) for number in (0, 1)] == [1, 0]
    assert (tiles.width(0, 0, 256), tiles.width(1, 0, 256)) == (256, 1)


@given(st.none() | st.integers(0, 63), st.integers(0, 10**15), st.integers(1, 256))
def test_addresses_round_trip(level: int | None, number: int, width: int) -> None:
    tile = Tile(level, number, width)
    assert Tile.parse(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "tile/0/1",
        "tile/0/0001",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/00/001",
        "tile/64/001",
        "tile/-1/001",
        "tile/0/001.p/0",
        "tile/0/001.p/256",
        "tile/0/001.p/999",
        "tile/0/001.p/01",
        "tile/0/001.p/",
        "tile/0/001/",
        "tile/0/001\n",
        "tile/0/٠٠١",
        "tile/entries/../../ledger.key",
        "tile/entry/001",
        "/tile/0/001",
    ],
)
def test_any_other_spelling_is_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        Tile.parse(path)


@given(st.text(max_size=40) | st.from_regex(r"tile/[0-9a-z]*/[x0-9/.p]*", fullmatch=True))
def test_any_text_is_an_address_or_not_found(path: str) -> None:
    with contextlib.suppress(NotFound):
        assert Tile.parse(path).path == path


@given(st.lists(st.binary(max_size=600), max_size=10))
def test_bundles_round_trip(entries: list[bytes]) -> None:
    assert tiles.unbundle(tiles.bundle(entries)) == entries


@given(st.binary(max_size=200))
def test_any_bytes_are_a_bundle_or_broken(data: bytes) -> None:
    with contextlib.suppress(EvidenceBroken):
        assert tiles.bundle(tiles.unbundle(data)) == data


def test_a_short_tile_is_named() -> None:
    nodes = TileNodes(300, lambda level, number: b"x" * 31)
    with pytest.raises(EvidenceBroken, match="tile/0/001"):
        nodes(0, 299)
