"""The ledger's owner under a clock that a file sets: ``python clockwork.py FILE``, then the owner's own options.

The file holds how many seconds the clock is off. A real clock cannot be set by a test, nor on a shared machine.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from riad.ledger.owner import main

real = time.time
shift = Path(sys.argv.pop(1))

if __name__ == "__main__":
    time.time = lambda: real() + float(shift.read_text())
    sys.exit(main())
