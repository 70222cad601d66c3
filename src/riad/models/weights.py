"""Where a model's weights are on this machine, and whether they are the right ones."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path

import msgspec

from riad.errors import BadRequest, NotFound
from riad.models.catalogue import entries
from riad.texts import N_

Progress = Callable[[int, int], None]  # bytes done, bytes in all
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_CHUNK = 1 << 20


def find(name: str, data_dir: Path) -> Path:
    """The GGUF file of a model: pulled into the data directory, or inside an installed package.

    Raises ``NotFound`` with the command that fetches it, ``BadRequest`` for what cannot be a model's name.
    """
    pulled = pulled_path(name, data_dir)
    if pulled.is_file():
        return pulled
    if (packaged := _in_package(name)) is not None:
        return packaged
    raise NotFound(
        N_("The weights of {model} are not on this machine."),
        remedy=N_("Fetch them: riad models pull {model}.")
        if name in entries()
        else N_("Bring them: riad models pull {model} --from FILE.gguf. riad models list shows what can be fetched."),
        model=name,
    )


def pulled_path(name: str, data_dir: Path) -> Path:
    """Where ``riad models pull`` keeps that model, whether it is there or not."""
    if not _NAME.fullmatch(name):
        raise BadRequest(
            N_("{model} cannot be a model's name."),
            remedy=N_("Use letters, digits, dots, - and _."),
            model=repr(name[:100]),
        )
    return data_dir / "models" / f"{name}.gguf"


def installed(data_dir: Path) -> dict[str, Path]:
    """Every model whose weights are on this machine, by name."""
    known = {name: path for name in entries() if (path := _in_package(name)) is not None}
    directory = data_dir / "models"
    if directory.is_dir():
        known |= {path.stem: path for path in sorted(directory.glob("*.gguf")) if _NAME.fullmatch(path.stem)}
    return known


def digest(path: Path, progress: Progress | None = None) -> str:
    """The file's SHA-256, in lower-case hexadecimal."""
    found, done, total = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)
    return found.hexdigest()


def remembered_digest(path: Path, memory: Path) -> str:
    """The file's digest as ``sha256:…``, computed once and kept in the file ``memory`` by size and time of change.

    Empty where the weights cannot be read: who uses them will say so. A memory that cannot be read or written only
    costs the time to compute again.
    """
    try:
        found = path.stat()
        facts = found.st_size, found.st_mtime_ns
        known: dict[str, tuple[int, int, str]] = {}
        with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
            known = msgspec.json.decode(memory.read_bytes(), type=dict[str, tuple[int, int, str]])
        if (entry := known.get(str(path))) and entry[:2] == facts:
            return entry[2]
        computed = f"sha256:{digest(path)}"
    except OSError:
        return ""
    with contextlib.suppress(OSError):
        fresh = memory.with_name(memory.name + ".new")
        fresh.write_bytes(msgspec.json.encode({**known, str(path): (*facts, computed)}))
        fresh.replace(memory)
    return computed


def _in_package(name: str) -> Path | None:
    """The weights inside an installed package. It is located, never imported: its code would want its own engine."""
    entry = entries().get(name)
    if entry is None or entry.package is None:
        return None
    module, _, file = entry.package.file.partition("/")
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / file
    return path if path.is_file() else None
