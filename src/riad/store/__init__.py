"""The shared database: SQLite beside the platform by default, PostgreSQL to share between machines.

``store.open(url)`` gives a ``Store`` whose tables are those of this version of Riad.
"""

from riad.store.database import Store, open

__all__ = ["Store", "open"]
