"""Places: one number, one name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riad.errors import BadRequest
from riad.ledger import place

shards = st.just(0) | st.integers(1970, 9999)
indices = st.integers(0, 2**48 - 1)


@given(shards, indices)
def test_a_place_is_told_and_read_back(shard: int, index: int) -> None:
    packed = place.pack(shard, index)
    assert packed < 2**63
    assert place.unpack(packed) == (shard, index)
    assert place.parse(place.name(packed)) == packed


def test_places_of_the_first_shard_are_its_indices() -> None:
    assert place.pack(0, 41) == 41
    assert place.name(41) == "41"
    assert place.name(place.pack(2027, 41)) == "2027.41"
    # The places of a batch follow each other.
    assert place.pack(2027, 40) + 1 == place.pack(2027, 41)


@pytest.mark.parametrize(
    "text",
    ["", "x", "-1", "041", "2027.", ".41", "2027.041", "0.41", "0000.1", "1969.1", "10000.1", "2027.1.1", " 41",
     "41\n", "٤١", str(2**48), f"2027.{2**48}", "9" * 400],
)  # fmt: skip
def test_no_other_spelling_is_a_place(text: str) -> None:
    with pytest.raises(BadRequest):
        place.parse(text)


@pytest.mark.parametrize(("shard", "index"), [(-1, 0), (1, 0), (1969, 0), (10_000, 0), (0, -1), (2027, 2**48)])
def test_what_is_no_place_is_not_packed(shard: int, index: int) -> None:
    with pytest.raises(ValueError, match="a shard is 0 or a year"):
        place.pack(shard, index)


def test_origins() -> None:
    assert place.origin("a.example/l", 0) == "a.example/l"
    assert place.shard_of("a.example/l", place.origin("a.example/l", 2027)) == 2027
    assert place.shard_of("a.example/l", "a.example/l") == 0
    for foreign in ("b.example/l/2027", "a.example/l/27", "a.example/l/1200", "a.example/l/2027/2028", ""):
        assert place.shard_of("a.example/l", foreign) is None
