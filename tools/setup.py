"""Set up .venv from the locks: ``python3 tools/setup.py demo|test``. Standard library only, Python 3.11+.

pip is used once, to fetch uv; uv then installs what is locked, hashes checked, in seconds. Where pip was told to look
for packages (an index of its own, a folder of wheels) uv is told the same.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCKS = {
    "demo": ["core.txt", "weights.txt"],
    "test": ["dev.txt", "weights.txt"],
}


def main() -> None:
    if sys.version_info < (3, 11):
        sys.exit(f"Riad needs Python 3.11 or newer; this is {sys.version.split()[0]}. Try: make PYTHON=python3.12 demo")
    target = sys.argv[1] if len(sys.argv) > 1 else "demo"
    locks = [ROOT / "requirements" / name for name in LOCKS[target]]
    digest = hashlib.sha256(b"".join(lock.read_bytes() for lock in [*locks, ROOT / "pyproject.toml"])).hexdigest()
    stamp = VENV / f".riad-{target}"
    if stamp.is_file() and stamp.read_text() == digest:
        return
    python = VENV / "bin" / "python"
    if not python.exists():
        print("setup: making .venv", flush=True)
        try:
            venv.create(VENV, with_pip=True)
        except subprocess.CalledProcessError:
            sys.exit("Cannot make a virtual environment. On Debian or Ubuntu: apt install python3-venv")
    uv = VENV / "bin" / "uv"
    if not uv.exists():
        print("setup: fetching uv", flush=True)
        run(python, "-m", "pip", "install", "-q", "--require-hashes", "-r", ROOT / "requirements" / "uv.txt")
    print(f"setup: installing what {target} needs ({', '.join(lock.name for lock in locks)})", flush=True)
    environment = {**os.environ, **index_settings(python), "VIRTUAL_ENV": str(VENV)}
    install = [uv, "pip", "install", "--quiet", "--no-deps", "--compile-bytecode"]
    for lock in locks:
        run(*install, "--require-hashes", "-r", lock, env=environment)
    run(*install, "--no-build-isolation", "--editable", ROOT, env=environment)
    stamp.write_text(digest)
    print("setup: done", flush=True)


def index_settings(python: Path) -> dict[str, str]:
    """pip's own package sources, in uv's words."""
    names = {"find-links": "UV_FIND_LINKS", "index-url": "UV_DEFAULT_INDEX"}
    listed = subprocess.run([python, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    found: dict[str, str] = {}
    for line in listed.stdout.splitlines():
        key, _, value = line.partition("=")
        variable = names.get(key.rpartition(".")[2])
        if variable and variable not in os.environ:
            found[variable] = ",".join(value.strip("'\"").split())
    return found


def run(*command: object, env: dict[str, str] | None = None) -> None:
    done = subprocess.run([str(part) for part in command], env=env, check=False)
    if done.returncode:
        sys.exit(f"setup: failed: {' '.join(Path(str(part)).name for part in command[:4])} …")


if __name__ == "__main__":
    main()
