"""``riad.toml``, typed. A missing file means a working laptop: one national site with the embedded engine.

Secrets never stand in the file: a site names the environment variable or the file that holds its key.
Precedence: command line, then environment (``RIAD_PORT``, ``RIAD_DATA_DIR``, ``RIAD_CONFIG``), then the file.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

from riad.errors import BadSettings
from riad.texts import N_

Contract = Literal["none", "processor_terms", "standard_clauses", "moroccan_law"]
EMBEDDED_MODEL = "smollm2-135m"


class Joules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a token takes, in joules: one that is read, and one that is written."""

    prompt: float
    completion: float


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model as a site serves it.

    ``served_as`` is the engine's own name for it (default: the same name); ``file`` a GGUF for the embedded engine;
    ``digest`` the SHA-256 of the weights, as ``sha256:…``; ``joules_per_token`` goes before the site's.
    """

    name: str
    served_as: str = ""
    kind: Literal["chat", "embedding"] = "chat"
    context: int = 0
    file: str = ""
    digest: str = ""
    joules_per_token: float | Joules | None = None


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A place where work runs: the five facts, the contract, the engine. Countries are ISO 3166-1 alpha-2."""

    name: str
    engine: Literal["embedded", "openai"]
    models: tuple[str | Model, ...]
    country: str  # where the data is
    operator_country: str  # who operates
    parent_country: str  # who ultimately owns
    keys_country: str  # who holds the keys
    admin_country: str  # from where it is administered
    title: str = ""
    url: str = ""
    api_key_env: str = ""
    api_key_file: str = ""
    qualification: Literal[0, 1, 2] = 0
    qualification_expires: datetime.date | None = None
    retention_days: int | None = None
    trains_on_data: bool | None = None
    contract: Contract = "none"
    own_premises: bool = False
    stand_in: bool = False  # plays a provider in a demo or a test; every screen says so
    joules_per_token: float | Joules | None = None  # measured by who runs it; unknown: no estimate of energy
    cost: float = 0.0  # MAD per million tokens, for placement between equally lawful routes
    connect_timeout: float = 5.0  # seconds, as all timeouts
    first_byte_timeout: float = 120.0
    idle_timeout: float = 60.0
    max_connections: int = 4096

    def catalogue(self) -> tuple[Model, ...]:
        """This site's models, each as a ``Model``."""
        return tuple(Model(name=model) if isinstance(model, str) else model for model in self.models)

    def api_key(self) -> str | None:
        """The key this site's engine asks for, from its environment variable or its file. Raises ``BadSettings``."""
        if self.api_key_env:
            return os.environ.get(self.api_key_env)
        if self.api_key_file:
            return _read_text(Path(self.api_key_file), N_("Correct api_key_file in riad.toml.")).strip()
        return None


class Platform(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name: str = "Riad"
    home: str = "MA"  # the country whose law comes first
    packs: tuple[str, ...] = ("ma",)


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    max_body_bytes: int = 8 * 1024 * 1024
    behind_tls: bool = False  # a reverse proxy in front ends TLS: without it a public bind is refused


class Store(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    url: str = ""  # SQLAlchemy URL; empty: SQLite in the data directory. A password comes from RIAD_DATABASE_URL


class Witness(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody else's service that cosigns the ledger's checkpoints."""

    url: str  # what add-checkpoint stands under
    key: str  # name+hash+key, as `riad witness key` prints it


class Ledger(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    origin: str = "riad.local/ledger"  # the log's identity in every checkpoint: choose it once
    max_queue: int = 16384
    keys_dir: str = ""  # where record keys are kept, apart from backups; empty: keys in the data directory
    url: str = ""  # a PostgreSQL; "sqlite": a file in the data directory; empty: as the store. RIAD_LEDGER_URL wins
    witnesses: tuple[Witness, ...] = ()
    quorum: int = 0  # how many witnesses make a receipt witnessed; 0: more than half
    witness_every: float = 10.0  # seconds between two checkpoints sent to them

    @property
    def needed(self) -> int:
        """How many witnesses must cosign."""
        return self.quorum or len(self.witnesses) // 2 + 1


class Privacy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    packs: tuple[str, ...] = ()  # folders of an operator's own: names, identifiers and cues
    media_purposes: tuple[str, ...] = ()  # under which a caller may vouch for what cannot be scanned

    @property
    def folders(self) -> tuple[Path, ...]:
        """The packs' folders."""
        return tuple(Path(pack).expanduser() for pack in self.packs)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    platform: Platform = Platform()
    server: Server = Server()
    store: Store = Store()
    ledger: Ledger = Ledger()
    privacy: Privacy = Privacy()
    sites: tuple[Site, ...] = ()
    data_dir: Path = Path()

    @property
    def keys_dir(self) -> Path:
        """Where record keys are kept."""
        named = self.ledger.keys_dir
        return Path(named).expanduser().absolute() if named else self.data_dir / "keys"

    @property
    def database_url(self) -> str:
        """The store's SQLAlchemy URL."""
        return os.environ.get("RIAD_DATABASE_URL") or self.store.url or f"sqlite:///{self.data_dir / 'riad.db'}"

    @property
    def ledger_url(self) -> str:
        """The URL of the PostgreSQL that holds the ledger; empty where a file in the data directory does."""
        url = os.environ.get("RIAD_LEDGER_URL") or self.ledger.url or self.database_url
        return "" if url == "sqlite" or url.startswith("sqlite:") else url


def laptop(home: str) -> tuple[Site, ...]:
    """The site of a Riad with no configuration: this machine, in the home country, embedded engine."""
    return (
        Site(
            name="laptop",
            engine="embedded",
            models=(EMBEDDED_MODEL,),
            country=home,
            operator_country=home,
            parent_country=home,
            keys_country=home,
            admin_country=home,
            own_premises=True,
            retention_days=0,
            trains_on_data=False,
        ),
    )


def default_data_dir() -> Path:
    """``RIAD_DATA_DIR``, else the user's data directory (XDG Base Directory Specification)."""
    if value := os.environ.get("RIAD_DATA_DIR"):
        return Path(value)
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "riad"


def config_file(config: Path | None = None) -> Path | None:
    """The settings file in force: the one named, else ``RIAD_CONFIG``, else ``riad.toml`` here; None without one."""
    if config is None and (named := os.environ.get("RIAD_CONFIG")):
        config = Path(named)
    if config is None and Path("riad.toml").is_file():
        config = Path("riad.toml")
    return config.absolute() if config is not None else None


def load(
    config: Path | None = None,
    *,
    data_dir: Path | None = None,
    port: int | None = None,
    workers: int | None = None,
) -> Settings:
    """Read and check the settings.

    Raises ``BadSettings`` with the place and the remedy. Without ``config``: ``RIAD_CONFIG``, then ``riad.toml``
    here if there is one, then the laptop defaults.
    """
    config = config_file(config)
    raw = _read(config) if config is not None else {}
    try:
        settings = msgspec.convert(raw, Settings)
    except msgspec.ValidationError as error:
        raise BadSettings(
            N_("{file}: {error}."),
            remedy=N_("See docs/reference/settings.md for every setting."),
            file=config,
            error=error,
        ) from None
    _check(settings)  # as the file has it: every process reads it again, with or without the command line's values
    server = settings.server
    chosen_port = port if port is not None else _environment_port(server.port)
    server = msgspec.structs.replace(server, port=chosen_port, workers=server.workers if workers is None else workers)
    directory = (data_dir or default_data_dir()).expanduser().absolute()
    sites = settings.sites or laptop(settings.platform.home)
    settings = msgspec.structs.replace(settings, server=server, data_dir=directory, sites=sites)
    _check(settings)
    return settings


def _read(config: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_read_text(config, N_("Check --config or RIAD_CONFIG.")))
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(
            N_("{file} is not valid TOML: {error}."), remedy=N_("Mend that line."), file=config, error=error
        ) from None


def _read_text(file: Path, remedy: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.reason
        raise BadSettings(N_("Cannot read {file}: {error}."), remedy=remedy, file=file, error=reason) from None


def _environment_port(default: int) -> int:
    value = os.environ.get("RIAD_PORT")
    if value is None:
        return default
    if not value.isdigit():
        raise BadSettings(N_("RIAD_PORT is {value}, not a port number."), remedy=N_("Use 1 to 65535."), value=value)
    return int(value)


def _check(settings: Settings) -> None:
    server = settings.server
    if not 0 <= server.port <= 65535:
        raise BadSettings(N_("{port} is not a port number."), remedy=N_("Use 1 to 65535."), port=server.port)
    if not 1 <= server.workers <= 256:
        raise BadSettings(N_("{n} workers cannot be started."), remedy=N_("Use 1 to 256."), n=server.workers)
    if not _is_loopback(server.host) and not server.behind_tls:
        raise BadSettings(
            N_("Listening on {host} would send keys and prompts over the network without TLS."),
            remedy=N_("Put a TLS reverse proxy in front and set server.behind_tls = true, or listen on 127.0.0.1."),
            host=server.host,
        )
    _check_witnesses(settings.ledger)
    seen: set[str] = set()
    for site in settings.sites:
        if site.name in seen:
            raise BadSettings(N_("Two sites are named {site}."), remedy=N_("Rename one."), site=site.name)
        seen.add(site.name)
        _check_site(site)


def _check_witnesses(ledger: Ledger) -> None:
    for witness in ledger.witnesses:
        if not witness.url.startswith(("http://", "https://")) or any(c.isspace() for c in witness.url + witness.key):
            raise BadSettings(
                N_("The witness {url} has no usable url or key."),
                remedy=N_("Give its address, as https://witness.example.org, and the line `riad witness key` prints."),
                url=repr(witness.url[:200]),
            )
    if not 0 <= ledger.quorum <= len(ledger.witnesses):
        raise BadSettings(
            N_("A quorum of {quorum} cannot be reached by {n} witnesses."),
            remedy=N_("Set ledger.quorum to at most the number of [[ledger.witnesses]], or leave it out."),
            quorum=ledger.quorum,
            n=len(ledger.witnesses),
        )
    if not 0.1 <= ledger.witness_every <= 86400:
        raise BadSettings(
            N_("ledger.witness_every cannot be {seconds} seconds."),
            remedy=N_("Use 0.1 to 86400."),
            seconds=ledger.witness_every,
        )


def _check_site(site: Site) -> None:
    if not site.name or not all(c.isascii() and (c.isalnum() or c in "-_") for c in site.name):
        raise BadSettings(
            N_("A site cannot be named {site}."), remedy=N_("Use letters, digits, - and _."), site=repr(site.name)
        )
    for fact in ("country", "operator_country", "parent_country", "keys_country", "admin_country"):
        value = getattr(site, fact)
        if len(value) != 2 or not value.isascii() or not value.isupper():
            raise BadSettings(
                N_("Site {site}: {fact} is {value}, not a country code."),
                remedy=N_("Use two capital letters, as MA or FR (ISO 3166-1)."),
                site=site.name,
                fact=fact,
                value=repr(value),
            )
    if not site.models:
        raise BadSettings(N_("Site {site} serves no model."), remedy=N_("Name one in models."), site=site.name)
    _check_energy(site, site.joules_per_token)
    for model in site.catalogue():
        _check_energy(site, model.joules_per_token)
        if model.digest and not re.fullmatch("sha256:[0-9a-f]{64}", model.digest):
            raise BadSettings(
                N_("Site {site}: the digest of model {model} is not one."),
                remedy=N_("Write sha256: and 64 hexadecimal digits, as sha256sum prints them."),
                site=site.name,
                model=model.name,
            )
    if site.engine == "openai" and not site.url.startswith(("http://", "https://")):
        raise BadSettings(
            N_("Site {site} has no usable url."),
            remedy=N_("Give the engine's base URL, as http://host:8000/v1."),
            site=site.name,
        )


def _check_energy(site: Site, joules: float | Joules | None) -> None:
    values = (joules.prompt, joules.completion) if isinstance(joules, Joules) else (joules or 0.0,)
    if not all(0 <= value < 1e9 for value in values):
        raise BadSettings(
            N_("Site {site}: {value} is not an energy in joules a token."),
            remedy=N_("Give what was measured, as 1.5, or leave joules_per_token out."),
            site=site.name,
            value=", ".join(map(str, values)),
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
