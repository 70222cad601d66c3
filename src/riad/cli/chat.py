"""``riad chat``: talk to a running Riad, and see where each answer was made."""

from __future__ import annotations

import contextlib
import http.client
import json as stdlib_json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from riad import settings
from riad.cli.output import JsonOption, console, document
from riad.cli.up import ConfigOption, DataDirOption
from riad.errors import BadRequest, RiadError, Unavailable
from riad.texts import N_, _, terminal_language

FACTS = ("site", "crossing", "decision", "receipt")


class Answer:
    """One streamed answer: iterate over its text, then read ``facts`` and ``seconds``."""

    def __init__(self, url: str, key: str, body: dict[str, Any]) -> None:
        self.began = time.perf_counter()
        self.first = 0.0
        self.seconds = 0.0
        self._connection, path = _line(url)
        headers = {
            "authorization": f"Bearer {key}",
            "content-type": "application/json",
            "accept-language": terminal_language(),
        }
        try:
            self._connection.request("POST", path, stdlib_json.dumps({**body, "stream": True}), _checked(headers))
            self._response = self._connection.getresponse()
            self.facts = {name: self._response.headers.get(f"x-riad-{name}", "") for name in FACTS}
            if self._response.status != 200:
                raise _refusal(self._response.status, self._response.read())
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Unavailable(
                N_("Nothing answers at {url}: {reason}."),
                remedy=N_("Start it with: riad up"),
                url=url,
                reason=getattr(error, "strerror", None) or type(error).__name__,
            ) from None
        except RiadError:
            self._connection.close()
            raise

    def __iter__(self) -> Iterator[str]:
        with contextlib.closing(self._connection):
            yield from self._texts()
        self.seconds = time.perf_counter() - self.began

    def _texts(self) -> Iterator[str]:
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            for line in self._response:
                if not line.startswith(b"data:"):
                    continue
                if line[5:].strip() == b"[DONE]":
                    return
                event = stdlib_json.loads(line[5:])
                if "error" in event:
                    raise Unavailable("{text}", text=event["error"].get("message", ""))
                for choice in event.get("choices", ()):
                    if text := (choice.get("delta") or {}).get("content"):
                        self.first = self.first or time.perf_counter() - self.began
                        yield text
        raise Unavailable(N_("The answer was cut before its end."), remedy=N_("Ask again."))


def _line(url: str) -> tuple[http.client.HTTPConnection, str]:
    """A connection to that address, not opened yet, and the path of conversations there."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise BadRequest(N_("{url} is no address."), remedy=N_("Write it as http://127.0.0.1:8080."), url=url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(host, port, timeout=600), f"{parts.path.rstrip('/')}/v1/chat/completions"


def _checked(headers: dict[str, str]) -> dict[str, str]:
    if not all(value.isascii() and value.isprintable() for value in headers.values()):
        raise BadRequest(N_("The key holds a character that no key has."), remedy=N_("Copy it again, whole."))
    return headers


def _refusal(status: int, raw: bytes) -> RiadError:
    try:
        error = stdlib_json.loads(raw)["error"]
    except (ValueError, KeyError, TypeError):
        return Unavailable(N_("The server answered with status {status}."), status=status)
    kind = Unavailable if status >= 500 else BadRequest
    return kind("{text}", text=error.get("message", ""), code=error.get("code"), detail=error.get("riad"))


def local_key(data_dir: Path, database_url: str) -> str:
    """The key this terminal talks with: made once, kept in the data directory for its owner alone."""
    from riad.tenants.keys import KeyStore

    path = data_dir / "chat.key"
    if not path.exists():
        store = KeyStore.open(database_url, data_dir)
        token, _record = store.create(tenant="local", project="terminal", purpose="trying")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(token)
        store.close()
    return path.read_text().strip()


def chat(
    text: Annotated[str | None, typer.Argument(help=_("What to say; without it, a conversation."))] = None,
    model: Annotated[str | None, typer.Option("--model", help=_("The model to ask."))] = None,
    url: Annotated[str | None, typer.Option("--url", help=_("Where Riad listens."))] = None,
    key: Annotated[str | None, typer.Option("--key", envvar="RIAD_API_KEY", help=_("The key to use."))] = None,
    max_tokens: Annotated[int, typer.Option("--max-tokens", help=_("Longest answer, in tokens."))] = 400,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Say something; the answer streams, then its site, crossing, decision and receipt are shown."""
    if json and text is None:
        raise BadRequest(N_("A conversation is not one JSON document."), remedy=N_("Give what to say with --json."))
    chosen = settings.load(config, data_dir=data_dir)
    address = url or os.environ.get("RIAD_URL") or f"http://{chosen.server.host}:{chosen.server.port}"
    token = key or local_key(chosen.data_dir, chosen.database_url)
    asked = model or chosen.sites[0].catalogue()[0].name
    messages: list[dict[str, str]] = []
    for said in [text] if text is not None else _conversation():
        messages.append({"role": "user", "content": said})
        answer = Answer(address, token, {"model": asked, "messages": messages, "max_tokens": max_tokens})
        parts = []
        for part in answer:
            parts.append(part)
            if not json:
                sys.stdout.write(part)
                sys.stdout.flush()
        messages.append({"role": "assistant", "content": "".join(parts)})
        if json:
            document({"text": "".join(parts), "model": asked, "seconds": round(answer.seconds, 3), **answer.facts})
        else:
            console.print()
            console.print(where(answer), style="dim")


def where(answer: Answer) -> str:
    """One line: where the answer was made, under which decision, in what time, with which receipt."""
    return _(
        "— site {site} · crossing {crossing} · {decision} · first word {first} ms · {seconds} s · receipt {receipt}",
        first=round(answer.first * 1000),
        seconds=f"{answer.seconds:.1f}",
        **answer.facts,
    )


def _conversation() -> Iterator[str]:
    while True:
        try:
            said = console.input("[bold]> [/]") if sys.stdin.isatty() else input()
        except EOFError:
            return
        if said.strip():
            yield said
