"""The head of a request to a site's engine: where it goes, and nothing smuggled into it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from riad.errors import BadRequest, BadSettings
from riad.texts import N_

Headers = bytes | Iterable[tuple[bytes, bytes]]

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_PATH = re.compile(rb"/[\x21\x22\x24-\x7e]*")  # no space, no control, no fragment
_BLANK = re.compile(r"[\x00-\x20\x7f]")  # urlsplit would drop some of them silently
_HOST = re.compile(r"[A-Za-z0-9_.\-]+")
_OURS = frozenset(
    b"host content-length transfer-encoding connection keep-alive accept-encoding expect te trailer upgrade".split()
)


class Target(NamedTuple):
    """Where a pool sends to. ``host`` for the resolver and TLS, ``authority`` for the Host header."""

    secure: bool
    host: str
    port: int
    authority: bytes
    base: bytes  # the base URL's path without a trailing slash, put before every request's path


def target(base_url: str) -> Target:
    """Take a base URL (``http`` or ``https``) apart; ``BadSettings`` when it is not one."""
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname or "", parts.port
        address = ":" in host and ipaddress.ip_address(host)
        host = host if address else host.encode("idna").decode()
        base = parts.path.rstrip("/").encode("ascii")
        good = (
            not _BLANK.search(base_url)
            and parts.scheme in ("http", "https")
            and (address or _HOST.fullmatch(host))
            and not (parts.query or parts.fragment or parts.username or parts.password)
            and (not base or _PATH.fullmatch(base))
            and port != 0
        )
    except ValueError:
        good = False
    if not good:
        raise BadSettings(
            N_("{url} is not the base URL of an engine."),
            remedy=N_("Give one like http://host:8000/v1, without a query or a password."),
            url=repr(base_url),
        )
    secure = parts.scheme == "https"
    authority = f"[{host}]" if address else host
    if port is not None:
        authority += f":{port}"
    return Target(secure, host, port or (443 if secure else 80), authority.encode(), base)


def request_head(to: Target, method: bytes, path: bytes, headers: Headers) -> bytes:
    """The request line and headers, all but the content-length and the blank line.

    ``headers`` is pairs, or a block of ``name: value`` lines each ended by CRLF. ``BadRequest`` when a part holds what
    does not belong there (CR and LF above all), or sets what this client sets itself.
    """
    pairs = _pairs(headers) if isinstance(headers, bytes) else headers
    if not _TOKEN.fullmatch(method) or method == b"CONNECT":
        raise _bad(N_("method"))
    if not _PATH.fullmatch(path):
        raise _bad(N_("path"))
    lines = [b"%b %b%b HTTP/1.1\r\nhost: %b\r\naccept-encoding: identity\r\n" % (method, to.base, path, to.authority)]
    for name, value in pairs:
        if not _TOKEN.fullmatch(name) or name.lower() in _OURS:
            raise _bad(N_("header name"))
        if not _VALUE.fullmatch(value):
            raise _bad(N_("header value"))
        lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join(lines)


def _pairs(block: bytes) -> list[tuple[bytes, bytes]]:
    if not block:
        return []
    if not block.endswith(b"\r\n"):
        raise _bad(N_("header block"))
    pairs = []
    for line in block[:-2].split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon:
            raise _bad(N_("header block"))
        pairs.append((name, value.strip(b" \t")))
    return pairs


def _bad(part: str) -> BadRequest:
    # The part's text is left out: it may be a key.
    return BadRequest(
        N_("The {part} of a request to an engine is not allowed in HTTP."),
        remedy=N_("Remove line breaks and control characters; leave framing headers to Riad."),
        part=part,
    )
