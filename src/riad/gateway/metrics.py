"""Prometheus metrics: counts and durations by site and outcome. Labels come from the settings, never from a body.

With several workers, ``prometheus_client``'s multiprocess mode adds them up: the supervisor names the directory in
``PROMETHEUS_MULTIPROC_DIR`` and empties it at start.
"""

from __future__ import annotations

import os

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from riad.sites.catalogue import Berth

_REQUESTS = Counter("riad_requests", "Requests answered.", ["endpoint", "site", "crossing", "status"])
_SECONDS = Histogram(
    "riad_request_seconds",
    "From a request's first byte to its reply's last.",
    ["endpoint"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
_TOKENS = Counter("riad_tokens", "Tokens used.", ["site", "model", "kind"])


class Metrics:
    """The meters of one worker. Label lookups are remembered: they cost more than the counting."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str, str, str], Counter] = {}
        self._seconds: dict[str, Histogram] = {}
        self._tokens: dict[str, tuple[Counter, Counter]] = {}

    def request(self, endpoint: str, site: str, crossing: str, status: str, seconds: float) -> None:
        key = (endpoint, site, crossing, status)
        counter = self._requests.get(key)
        if counter is None:
            counter = self._requests[key] = _REQUESTS.labels(*key)
        counter.inc()
        histogram = self._seconds.get(endpoint)
        if histogram is None:
            histogram = self._seconds[endpoint] = _SECONDS.labels(endpoint)
        histogram.observe(seconds)

    def tokens(self, berth: Berth, prompt: int, completion: int) -> None:
        pair = self._tokens.get(berth.name)
        if pair is None:
            labels = (berth.site.name, berth.model.name)
            pair = self._tokens[berth.name] = (_TOKENS.labels(*labels, "prompt"), _TOKENS.labels(*labels, "completion"))
        pair[0].inc(prompt)
        pair[1].inc(completion)

    def text(self) -> bytes:
        """The exposition text, of all workers together."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(REGISTRY)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
