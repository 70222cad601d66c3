from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from riad.tenants.keys import KeyStore


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the secret of this test's installation is; the database may be elsewhere."""
    monkeypatch.delenv("RIAD_SECRET", raising=False)
    return tmp_path / "data"


@pytest.fixture
def keys(database_url: str, data_dir: Path) -> Iterator[KeyStore]:
    opened = KeyStore.open(database_url, data_dir)
    yield opened
    opened.close()
