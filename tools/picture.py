"""Draw docs/demo.svg from the real program: ``riad demo`` in a terminal, what it printed, nothing else."""

from __future__ import annotations

import os
import pty
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 118


def record(command: list[str]) -> tuple[str, int]:
    """Run a command in a terminal of our own; → what it printed, its exit status."""
    printed = bytearray()
    child, terminal = pty.fork()
    if child == 0:
        environment = {**os.environ, "COLUMNS": str(WIDTH), "TERM": "xterm-256color", "RIAD_LANG": "en"}
        os.execvpe(command[0], command, environment)  # noqa: S606  (the command is ours)
    try:
        while data := os.read(terminal, 65536):
            printed += data
    except OSError:  # Linux's way of saying that the terminal's other end is closed
        pass
    return printed.decode(errors="replace").replace("\r\n", "\n"), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    printed, status = record([str(ROOT / ".venv" / "bin" / "riad"), "demo"])
    if status:
        sys.exit(f"the demo ended with {status}; no picture was drawn")
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115
    console.print(Text("$ make demo", style="bold"))
    console.print(Text.from_ansi(printed.rstrip()))
    svg = console.export_svg(title="Riad")
    # Rich's style sheet names fonts at an address elsewhere; a picture of ours asks nobody for anything.
    svg = re.sub(r"@font-face \{.*?\}\s*|<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    (ROOT / "docs" / "demo.svg").write_text(svg)
    print(f"docs/demo.svg: {len(svg) >> 10} kB")


if __name__ == "__main__":
    main()
