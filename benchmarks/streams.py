"""Many streams open at once, every token of every stream checked: nothing lost, doubled, reordered or mixed up.

The engine stand-in writes ``s17-0 s17-1 s17-2 …`` into its 17th stream, so that a token shows whose it is and where
it belongs.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import msgspec

from benchmarks import bodies
from benchmarks.contenders import Address
from benchmarks.openloop import Exchange, Load
from benchmarks.spread import quantile

_TOKEN = re.compile(r"s(\d+)-(\d+) ")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")


class _Delta(msgspec.Struct, frozen=True):
    content: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    delta: _Delta = _Delta()


class _Chunk(msgspec.Struct, frozen=True):
    choices: tuple[_Choice, ...] = ()


_decode = msgspec.json.Decoder(_Chunk).decode


@dataclass(frozen=True)
class Held:
    """How many of the streams asked for came whole, how many were open at once at most, and why others did not."""

    asked: int
    whole: int
    open_at_once: int
    late_p99_s: float  # end of a stream after the moment its last token was due
    reasons: dict[str, int]


def text_of(body: bytes) -> str:
    """The text of an event stream's chunks. Raises ``ValueError`` when one is not a chunk or the end is missing."""
    parts: list[str] = []
    ended = False
    for event in _BLANK_LINE.split(body):
        for line in event.splitlines():
            if not line.startswith(b"data:"):
                continue
            data = line[5:].strip()
            if data == b"[DONE]":
                ended = True
                continue
            if ended:
                raise ValueError("words after the end")
            chunk = _decode(data)
            parts += [choice.delta.content for choice in chunk.choices if choice.delta.content]
    if not ended:
        raise ValueError("no [DONE]")
    return "".join(parts)


def fault(text: str, tokens: int) -> str:
    """What is wrong with a stream's text of numbered tokens; empty when it is whole."""
    found = [(match[1], int(match[2])) for match in _TOKEN.finditer(text)]
    if "".join(f"s{stream}-{number} " for stream, number in found) != text:
        return "garbled"
    if len({stream for stream, _ in found}) > 1:
        return "another stream's tokens"
    numbers = [number for _, number in found]
    if numbers == list(range(tokens)):
        return ""
    if len(set(numbers)) < len(numbers):
        return "tokens doubled"
    return "tokens reordered" if numbers != sorted(numbers) else "tokens lost"


async def hold(address: Address, count: int, *, tokens: int, interval: float, ramp: float) -> Held:
    """Open ``count`` streams within ``ramp`` seconds, each of ``tokens`` tokens ``interval`` seconds apart."""
    nominal = tokens * interval
    load = Load(address, bodies.chat(address.model, stream=True, max_tokens=tokens), streams=True, most=count)
    exchanges = await load.run(count / ramp, count, patience=nominal * 1.5 + 3.0)
    reasons: Counter[str] = Counter()
    seen: set[str] = set()
    whole = 0
    for exchange in exchanges:
        reason = _judge(exchange, tokens, seen)
        whole += not reason
        if reason:
            reasons[reason] += 1
    late = [exchange.done - exchange.intended - nominal for exchange in exchanges if exchange.answered]
    return Held(count, whole, load.peak, quantile(late, 0.99), dict(reasons))


def _judge(exchange: Exchange, tokens: int, seen: set[str]) -> str:
    if exchange.error:
        return exchange.error
    if exchange.status != 200:
        return f"status {exchange.status}"
    try:
        text = text_of(bytes(exchange.body))
    except (ValueError, msgspec.MsgspecError) as error:
        return f"not a stream: {type(error).__name__}"
    if reason := fault(text, tokens):
        return reason
    stream = text.partition("-")[0]
    if stream in seen:
        return "another stream's tokens"
    seen.add(stream)
    return ""
