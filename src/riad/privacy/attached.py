"""What stands in a text in base64: other texts, which are read, and pictures, sounds and files, which cannot be.

A ``data:`` address (RFC 2397) with ``;base64`` that is a whole string is an attachment of any type; inside a longer
text, as in HTML or Markdown, only texts are looked for: who reads that text reads a picture's letters, not the picture.
"""

from __future__ import annotations

import binascii
import codecs
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

MARK = ";base64,"
_LONGEST_HEAD = 200
_SHORTEST = 256
"""Characters from which letters and digits without a break are taken for base64 where the API wants it."""
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n"
_INSIDE = re.compile(
    r"data:[\w.+-]{0,64}(?:/[\w.+-]{1,64})?(?:;[\w.+-]{1,32}=[\w.+-]{1,32}){0,4};base64,[A-Za-z0-9+/]{4,}={0,2}"
)
_TEXTUAL = re.compile(
    r"text/.+|application/(.+\+)?(json|xml|x?html|csv|yaml|javascript|ecmascript|sql|toml)"
    r"|application/(x-ndjson|jsonl|x-yaml|x-javascript|x-sh|x-httpd-php|graphql)|image/svg\+xml|message/rfc822"
)
_CHARSETS = re.compile(
    r"utf-?8(-sig)?|utf-?16(-?[lb]e)?|us-ascii|ascii|iso-?8859-?\d{1,2}|latin-?1|windows-?125\d|cp125\d"
)
_LABELS = frozenset({"type", "detail", "format", "filename", "mime_type", "media_type", "title", "name"})


class Part(NamedTuple):
    """A part of a string.

    *plain* text; a *text* that stood in base64, here in clear; one that is said to be there but is *broken*, and is
    all the same text as it was written; or what is *unreadable*.
    """

    kind: Literal["plain", "text", "broken", "unreadable"]
    text: str
    head: str = ""
    charset: str = "utf-8"
    source: str = ""

    def written(self, text: str) -> str:
        """Another text in its place, in base64 like this one."""
        if text == self.text:
            return self.source
        head = self.head
        try:
            data = text.encode(self.charset)
        except UnicodeEncodeError:
            head = re.sub(r"(?i);charset=[^;,]*", "", head)
            head = head.removesuffix(MARK) + ";charset=utf-8" + MARK
            data = text.encode("utf-8", "surrogatepass")
        return head + binascii.b2a_base64(data, newline=False).decode()


def parts(value: str) -> Iterator[Part]:
    """A string cut at what stands in it in base64; together they are the whole string."""
    if value[:5].lower() == "data:" and (whole := _whole(value)) is not None:
        yield whole
        return
    done = 0
    for match in _INSIDE.finditer(value) if MARK in value else ():
        inside = _whole(match[0])
        if inside is None or inside.kind == "unreadable":
            continue
        if done < match.start():
            yield Part("plain", value[done : match.start()])
        yield inside
        done = match.end()
    if done < len(value) or not value:
        yield Part("plain", value[done:])


def is_base64(text: str) -> bool:
    """Whether this can only be bytes in base64."""
    return len(text) >= _SHORTEST and text.isascii() and not text.encode().translate(None, _ALPHABET)


def readable(part: Mapping[str, Any]) -> bool:
    """Whether a part of a message that is no plain text holds texts in base64 and nothing that cannot be read."""
    strings = list(_strings(part))
    return bool(strings) and all(next(parts(text)).kind == "text" and text[:5].lower() == "data:" for text in strings)


def _strings(value: Any) -> Iterator[str]:
    if type(value) is str:
        yield value
    elif isinstance(value, Mapping):
        for name, member in value.items():
            if name not in _LABELS:
                yield from _strings(member)
    elif type(value) is list:
        for item in value:
            yield from _strings(item)


def _whole(value: str) -> Part | None:
    """A ``data:`` address in base64; None where it is only a text that begins like one."""
    head, comma, body = value.partition(",")
    lowered = head[: _LONGEST_HEAD + 1].lower()
    if not comma or len(lowered) > _LONGEST_HEAD or not lowered.endswith(";base64"):
        return None
    media, *parameters = lowered[5:-7].split(";")
    is_text = not media or _TEXTUAL.fullmatch(media.strip()) is not None
    encoded = body.encode("utf-8", "replace")
    if encoded.translate(None, _ALPHABET):
        # Not base64. A text of that type is none anybody can read; anything else is what somebody wrote.
        return Part("broken", value) if is_text else None
    if not is_text:
        return Part("unreadable", value)
    charset = next(
        (word[8:].strip("\"'") for word in map(str.strip, parameters) if word.startswith("charset=")), "utf-8"
    )
    text = _decoded(encoded, charset)
    return Part("broken", value) if text is None else Part("text", text, head + comma, charset, value)


def _decoded(encoded: bytes, charset: str) -> str | None:
    if not _CHARSETS.fullmatch(charset):
        return None
    plain = encoded.translate(None, b"\r\n")
    try:
        codecs.lookup(charset)
        return binascii.a2b_base64(plain + b"=" * (-len(plain) % 4), strict_mode=True).decode(charset)
    except (ValueError, LookupError):  # binascii's and the codecs' own errors are ValueErrors
        return None
