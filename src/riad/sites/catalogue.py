"""Who serves what: sites and models joined into the places a request can be sent to."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Self

import msgspec

from riad.settings import Joules, Model, Settings, Site

RUNTIME_VARIABLE = "RIAD_RUNTIME"


class Engine(msgspec.Struct, frozen=True):
    """Where an embedded engine was started, as the supervisor tells its workers: base URL, key, weights' digest."""

    url: str
    key: str
    digest: str = ""


class Berth(msgspec.Struct, frozen=True, eq=False):
    """One model at one site: where a request can be sent.

    ``name`` is ``site/model`` and unique; ``served_as`` the engine's own name for the model; ``crosses`` is true when
    the site lies outside the home country. ``digest`` is that of the model's weights, as ``sha256:…``, empty where it
    is not known; ``joules`` what a token of a prompt and one of an answer take, where the site declares it.
    """

    name: str
    served_as: str
    site: Site
    model: Model
    url: str
    key: str | None
    crosses: bool
    digest: str = ""
    joules: tuple[float, float] | None = None

    @classmethod
    def of(cls, site: Site, model: Model, home: str, engine: Engine | None = None) -> Self:
        """The berth of a model at a site, at the engine that was started for it or at the site's own."""
        return cls(
            name=f"{site.name}/{model.name}",
            served_as=model.served_as or model.name,
            site=site,
            model=model,
            url=(engine.url if engine else site.url).rstrip("/"),
            key=engine.key if engine else site.api_key(),
            crosses=site.country != home,
            digest=engine.digest if engine else model.digest,
            joules=_joules(model.joules_per_token if model.joules_per_token is not None else site.joules_per_token),
        )

    def headers(self) -> bytes:
        """The header lines that go with every request to this berth, ready to send."""
        lines = [
            "content-type: application/json",
            "user-agent: riad",
        ]
        if self.key:
            lines.append(f"authorization: Bearer {self.key}")
        return "".join(line + "\r\n" for line in lines).encode("latin-1")


def _joules(declared: float | Joules | None) -> tuple[float, float] | None:
    if isinstance(declared, Joules):
        return declared.prompt, declared.completion
    return None if declared is None else (declared, declared)


class Catalogue:
    """Every berth, by model name. Built once at start from the settings and the engines that run."""

    def __init__(self, settings: Settings, engines: dict[str, Engine]) -> None:
        self.home = settings.platform.home
        self.berths: list[Berth] = []
        for site in settings.sites:
            for model in site.catalogue():
                engine = engines.get(f"{site.name}/{model.name}")
                self.berths.append(Berth.of(site, model, self.home, engine))
        self._by_model: dict[str, list[Berth]] = {}
        for berth in self.berths:
            self._by_model.setdefault(berth.model.name, []).append(berth)

    def serving(self, model: str) -> list[Berth]:
        """The berths that serve this model; none when the name is unknown."""
        return self._by_model.get(model, [])

    def models(self) -> Iterable[tuple[str, list[Berth]]]:
        """Each model's name with the berths that serve it, in the order of the settings."""
        return self._by_model.items()


def engines_from_environment() -> dict[str, Engine]:
    """The engines the supervisor started for us: ``{"site/model": Engine}``."""
    raw = os.environ.get(RUNTIME_VARIABLE, "{}")
    return msgspec.json.decode(raw, type=dict[str, Engine])


def engines_to_environment(engines: dict[str, Engine]) -> str:
    """The text ``engines_from_environment`` reads."""
    return msgspec.json.encode(engines).decode()
