"""Each peer in an environment of its own under ``.bench/`` (ignored by git), made once and reused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.processes import Unavailable
from tools.setup import index_settings

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / ".bench"
_STAMP = ".installed"


def python_peer(name: str, *requirements: str) -> Path:
    """A virtual environment holding ``requirements``. Raises ``Unavailable`` with the installer's last words."""
    folder = BENCH / name
    wanted = "\n".join(requirements)
    if _installed(folder, wanted):
        return folder
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        raise Unavailable("uv is not installed")
    env = {**os.environ, **index_settings(Path(sys.executable))}
    _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], env)
    _run([uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), *requirements], env)
    (folder / _STAMP).write_text(wanted)
    return folder


def node_peer(name: str, package: str, version: str, overrides: dict[str, str]) -> Path:
    """A folder holding one npm package; ``overrides`` pin what it pulls in. Raises ``Unavailable``."""
    folder = BENCH / name
    manifest = json.dumps({"private": True, "dependencies": {package: version}, "overrides": overrides})
    if _installed(folder, manifest):
        return folder
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise Unavailable("node and npm are not installed")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(manifest)
    flags = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"]
    _run([npm, "install", *flags, "--prefix", str(folder)], dict(os.environ))
    (folder / _STAMP).write_text(manifest)
    return folder


def system_program(name: str) -> str:
    """A program of the system, also from the sbin folders. Raises ``Unavailable`` naming the package."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
    if found is None:
        raise Unavailable(f"{name} is not installed (the Debian package has the same name)")
    return found


def _installed(folder: Path, wanted: str) -> bool:
    stamp = folder / _STAMP
    return stamp.is_file() and stamp.read_text() == wanted


def _run(command: list[str], env: dict[str, str]) -> None:
    try:
        answer = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600, check=False)
    except subprocess.TimeoutExpired:
        raise Unavailable("its installation took more than ten minutes") from None
    if answer.returncode != 0:
        words = (answer.stderr or answer.stdout).strip().splitlines() or ["no word why"]
        raise Unavailable(f"could not be installed: {words[-1].strip()[:200]}")
