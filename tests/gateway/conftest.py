"""One Riad with two workers and three scripted engines, shared by the tests of the door."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.running import MODELS, House, RunningRiad, ScriptedEngine, site


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    engines = [ScriptedEngine() for _ in range(3)]
    config = "".join(
        [
            '[privacy]\nmedia_purposes = ["image_review"]\n',
            site("rabat", "MA", engines[0].url, [*MODELS, "embed"]),
            site("paris", "FR", engines[1].url, [*MODELS, "embed"]),
            site("virginia", "US", engines[2].url, ["echo"]),
            # A model that dies at home and lives in Paris, and one that two sites serve.
            site("casa", "MA", engines[0].url, ["500"]).replace("casa-500", "both"),
            site("lyon", "FR", engines[1].url, ["echo"]).replace("lyon-echo", "both"),
        ]
    )
    riad = RunningRiad(tmp_path_factory.mktemp("riad"), config)
    yield House(riad, *engines)
    riad.stop()
    for engine in engines:
        engine.stop()


@pytest.fixture(scope="session")
def riad(house: House) -> RunningRiad:
    return house.riad


@pytest.fixture(scope="session")
def key(riad: RunningRiad) -> str:
    return riad.key()
