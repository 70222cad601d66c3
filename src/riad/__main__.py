"""``python -m riad``: the same as ``riad``."""

from riad.cli import main

main()
