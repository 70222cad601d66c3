"""Riad measured beside its peers: same machine, same run, same engine stand-in, same body.

``python -m benchmarks`` runs all of it; ``python -m benchmarks.door`` the gateway alone. Results go to
``benchmarks/results/*.json`` and into the tables of ``docs/benchmarks.md``.
"""
