"""Install the system packages that some tests need: ``python3 tools/system_packages.py``. Standard library only.

Debian and its kin, where the user may: as root, or with a sudo that asks for nothing. Elsewhere it says what is
missing and ends well: the tests that need it are then skipped by name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

# What shows that a package is there, and its name.
PACKAGES = {
    "golang-go": lambda: shutil.which("go") is not None,
    "golang-golang-x-mod-dev": lambda: Path("/usr/share/gocode/src/golang.org/x/mod/sumdb").is_dir(),
}


def main() -> None:
    missing = [name for name, there in PACKAGES.items() if not there()]
    if not missing:
        return
    prefix = may_install()
    if prefix is None:
        print(f"setup: not installed, and not mine to install: {' '.join(missing)}", flush=True)
        return
    print(f"setup: installing {' '.join(missing)}", flush=True)
    began = time.monotonic()
    quiet = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120"]
    install = [*quiet, "install", "-y", "--no-install-recommends", *missing]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:  # a machine whose lists of packages are old, or were never fetched
        subprocess.run([*quiet, "update"], capture_output=True, check=False)
        done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"setup: apt-get failed: {done.stderr.strip()[-500:]}", file=sys.stderr, flush=True)
        return
    print(f"setup: done in {time.monotonic() - began:.0f} s", flush=True)


def may_install() -> list[str] | None:
    """What to put before ``apt-get``; None where this user may not install or there is none."""
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return []
    if (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    ):
        return ["sudo", "-n"]
    return None


if __name__ == "__main__":
    main()
