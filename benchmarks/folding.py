"""Stack samples folded by room: who asked for the work, and what did it."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

# The innermost frame that matches says who asked for the work.
_ROOMS = (
    (re.compile(r"/riad/(\w+)/"), r"riad.\1"),
    (re.compile(r"/riad/(\w+)\.py"), r"riad.\1"),
    (re.compile(r"/(uvicorn|starlette|prometheus_client|sqlalchemy)/"), r"\1"),
)
LOOP = "event loop (uvloop)"
# Below the loop's own run stands whoever started it, which says nothing about a request.
_RUN = re.compile(r"^(uv_run|run_forever|run_until_complete|Runner\.run|Loop__\w+) ")
# A thread that waits for a lock uses no CPU, whatever the sampler thinks of it.
_WAITING = re.compile(r"^(PyThread_acquire_lock_timed|pthread_cond_\w*wait|lock_PyThread_acquire_lock|take_gil) ")
# The leaf says what did it.
_SOCKET = re.compile(r"^(__)?(libc_)?(send|recv|write|read|writev|readv|sendto|sendmsg|recvmsg|recvfrom|accept4?)\b")
_POLL = re.compile(r"^epoll_\w+")
_PARTS = (
    (re.compile(r"msgspec"), "msgspec"),
    (re.compile(r"httptools|llhttp"), "httptools"),
    (re.compile(r"uvloop|libuv"), "uvloop"),
    (re.compile(r"re2"), "re2"),
    (re.compile(r"ahocorasick"), "ahocorasick"),
    (re.compile(r"cedarpy"), "cedar"),
    (re.compile(r"_hashlib|libcrypto|_blake2|_sha|hmac"), "hashing"),
    (re.compile(r"_asyncio|/asyncio/"), "asyncio"),
    (re.compile(r"sqlite"), "sqlite"),
)
_PYTHON = re.compile(r"\.py(:\d+)?\)$")
_FRAME = re.compile(r"^(?P<function>.*?) \((?P<file>[^()]*?)(?::\d+)?\)$")


def room_of(frames: Iterable[str]) -> str:
    """The room whose frame is innermost; ``frames`` go from the outermost to the leaf."""
    for frame in _inside_the_loop(frames):
        for pattern, name in _ROOMS:
            if found := pattern.search(frame):
                return found.expand(name)
    return LOOP


def part_of(leaf: str) -> str:
    """What the leaf frame belongs to: the kernel, a native library, or Python."""
    found = _FRAME.match(leaf)
    function, file = (found["function"], found["file"]) if found else (leaf, "")
    if "libc" in file and _SOCKET.match(function):
        return "kernel: sockets"
    if "libc" in file and _POLL.match(function):
        return "kernel: poll"
    for pattern, name in _PARTS:
        if pattern.search(file):
            return name
    return "Python"


def fold(lines: Iterable[str]) -> dict[str, Counter[str]]:
    """py-spy's raw lines (``frame;frame;leaf count``) as samples by room and part. Raises ``ValueError``."""
    folded: dict[str, Counter[str]] = defaultdict(Counter)
    for frames, count in _samples(lines):
        folded[room_of(frames)][part_of(frames[-1])] += count
    return dict(folded)


def functions(lines: Iterable[str]) -> Counter[str]:
    """Samples by the innermost Python function, native code counted to whoever called it. Raises ``ValueError``."""
    found: Counter[str] = Counter()
    for frames, count in _samples(lines):
        found[next((_named(frame) for frame in _inside_the_loop(frames) if _PYTHON.search(frame)), LOOP)] += count
    return found


def _inside_the_loop(frames: Iterable[str]) -> Iterator[str]:
    """From the leaf outwards to what the event loop called."""
    return itertools.takewhile(lambda frame: not _RUN.match(frame), reversed(list(frames)))


def _named(frame: str) -> str:
    function, _, place = frame.partition(" (")
    return f"{'/'.join(place.rstrip(')').rpartition(':')[0].split('/')[-2:])} {function}"


def _samples(lines: Iterable[str]) -> Iterator[tuple[list[str], int]]:
    for line in lines:
        if not line.strip():
            continue
        stack, _, count = line.rstrip().rpartition(" ")
        if not stack or not count.isdigit():
            raise ValueError(f"not a line of raw samples: {line[:80]!r}")
        frames = stack.split(";")
        if not any(_WAITING.match(frame) for frame in frames[-4:]):
            yield frames, int(count)


def rows(folded: Mapping[str, Counter[str]], microseconds: float) -> list[dict[str, object]]:
    """Each room's share and microseconds of a request, the heaviest first, with what did the work there."""
    total = sum(sum(parts.values()) for parts in folded.values()) or 1
    ranked = sorted(folded.items(), key=lambda item: -sum(item[1].values()))
    return [
        {
            "room": room,
            "share": sum(parts.values()) / total,
            "microseconds": sum(parts.values()) / total * microseconds,
            "parts": {part: count / total * microseconds for part, count in parts.most_common()},
        }
        for room, parts in ranked
    ]
