"""A country's law as a folder: manifest, schema, policies, obligations, dated lists, remedies, cases, digest."""

from __future__ import annotations

import bisect
import datetime
import hashlib
import tomllib
from pathlib import Path
from typing import Any

import cedarpy
import msgspec

from riad.errors import BadSettings, NotFound
from riad.law.rules import GRAVITY, MASKINGS, Rule
from riad.texts import N_

PACKS = Path(__file__).parent / "packs"
LANGUAGES = ("en", "fr", "ar")
DIGEST_FILE = "DIGEST"
DUE = datetime.timedelta(days=90)  # a list is announced as due this long before it is stale
_RULE_ANNOTATIONS = ("law", "article", "outcome", "mark", "reading", "source", "effective_from", "quote")
_MARKS = ("V1", "V2", "R")
_READINGS = ("text", "inference", "careful")


class Window(msgspec.Struct, frozen=True):
    """The pack as it stands during one period: no rule or list starts or ends inside it."""

    number: int
    policies: cedarpy.PolicySet
    obligations: cedarpy.PolicySet
    listed: frozenset[str]
    warnings: tuple[str, ...]


class AdequacyVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One version of a list of countries. ``review_by`` is its last day of use unless somebody checks it again."""

    id: str
    source: str
    mark: str
    effective_from: datetime.date
    review_by: datetime.date
    countries: frozenset[str]


class _Adequacy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    title: dict[str, str]
    version: tuple[AdequacyVersion, ...]


class _Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    country: str
    version: str
    schema: str
    policies: tuple[str, ...]
    obligations: str
    adequacy: str
    entities: str
    remedies: str
    cases: str
    title: dict[str, str]
    source: tuple[dict[str, str], ...]


class _Entities(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    groups: dict[str, tuple[str, ...]]


class RemedyText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A remedy of the pack: the change of facts it stands for, and its sentence in each language."""

    code: str
    change: dict[str, str | int | bool]
    en: str
    fr: str
    ar: str
    hypothetical_site: bool = False

    @property
    def text(self) -> dict[str, str]:
        return {"en": self.en, "fr": self.fr, "ar": self.ar}


class Remedies(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    remedy: tuple[RemedyText, ...]
    both: dict[str, str]
    at_site: dict[str, str]
    at_site_pseudonymised: dict[str, str]


class Pack:
    """A pack read from its folder, validated against its schema, with Cedar handles ready for every date.

    Raises ``NotFound`` for no such folder, ``BadSettings`` for anything wrong inside: nothing is decided by a pack
    that does not hold together.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.digest = digest(directory)
        self.manifest = self._toml("manifest.toml", _Manifest)
        self.id, self.country, self.title = self.manifest.id, self.manifest.country, self.manifest.title
        self.adequacy = self._toml(self.manifest.adequacy, _Adequacy)
        self.remedies = self._toml(self.manifest.remedies, Remedies)
        self.schema = self._parsed(cedarpy.Schema.from_str, self.manifest.schema)
        self.entities = self._entities()
        policies = "\n".join(self._text(name) for name in self.manifest.policies)
        self._policies = self._policy_nodes(policies, ", ".join(self.manifest.policies))
        self._obligations = self._policy_nodes(self._text(self.manifest.obligations), self.manifest.obligations)
        self.rules = {name: self._rule(node) for name, node in self._policies.static_policies.items()}
        self.duties = {name: self._duty(node) for name, node in self._obligations.static_policies.items()}
        self._check_ids()
        self._starts = self._breakpoints()
        self._windows: dict[int, Window] = {}

    # ------------------------------------------------------------------ reading

    def _wrong(self, file: str, error: object) -> BadSettings:
        return BadSettings(
            N_("Law pack {pack}: {file} is not right: {error}."),
            remedy=N_("Mend it, or install the pack again; riad law packs verify checks one."),
            pack=self.directory.name,
            file=file,
            error=error,
        )

    def _text(self, name: str) -> str:
        try:
            return (self.directory / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise self._wrong(name, error) from None

    def _toml(self, name: str, kind: type[Any]) -> Any:
        try:
            return msgspec.convert(tomllib.loads(self._text(name)), kind)
        except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
            raise self._wrong(name, error) from None

    def _parsed(self, parse: Any, name: str) -> Any:
        try:
            return parse(self._text(name))
        except ValueError as error:
            raise self._wrong(name, error) from None

    def _entities(self) -> cedarpy.Entities:
        groups = self._toml(self.manifest.entities, _Entities).groups
        parents: dict[str, list[dict[str, str]]] = {}
        for group, kinds in groups.items():
            for kind in kinds:
                parents.setdefault(kind, []).append({"type": "Group", "id": group})
        entities = [{"uid": {"type": "Tenant", "id": kind}, "attrs": {}, "parents": up} for kind, up in parents.items()]
        try:
            return cedarpy.Entities.from_json_str(msgspec.json.encode(entities).decode(), self.schema)
        except ValueError as error:
            raise self._wrong(self.manifest.entities, error) from None

    def _policy_nodes(self, text: str, name: str) -> cedarpy.pst.PolicySet:
        try:
            validation = cedarpy.validate_policies(text, self.schema)
            if not validation:
                raise ValueError("; ".join(map(str, validation.errors)))
            return cedarpy.policies_to_pst(text)
        except ValueError as error:
            raise self._wrong(name, error) from None

    def _rule(self, node: Any) -> Rule:
        notes = node.annotations
        identity = notes.get("id", node.id)
        missing = [name for name in _RULE_ANNOTATIONS if name not in notes]
        missing += [f"title_{language}" for language in LANGUAGES if not notes.get(f"title_{language}")]
        if missing or not notes.get("id"):
            raise self._wrong(identity, "missing @" + ", @".join(missing or ["id"]))
        permits = node.effect == "permit"
        if notes["outcome"] not in GRAVITY or permits != (notes["outcome"] == "allow"):
            raise self._wrong(identity, f"@outcome({notes['outcome']}) on a {node.effect}")
        if notes["mark"] not in _MARKS or notes["reading"] not in _READINGS:
            raise self._wrong(identity, f"@mark({notes['mark']}), @reading({notes['reading']})")
        masking = notes.get("masking")
        if masking is not None and (masking not in MASKINGS or not permits):
            raise self._wrong(identity, f"@masking({masking}) on a {node.effect}")
        return Rule(
            id=notes["id"],
            law=notes["law"],
            article=notes["article"],
            outcome=notes["outcome"],
            title={language: notes[f"title_{language}"] for language in LANGUAGES},
            quote=notes["quote"],
            source=notes["source"],
            mark=notes["mark"],
            reading=notes["reading"],
            masking=masking,
        )

    def _duty(self, node: Any) -> str:
        notes = node.annotations
        if not notes.get("obligation") or not notes.get("id") or "effective_from" not in notes:
            raise self._wrong(notes.get("id", node.id), "missing @id, @obligation or @effective_from")
        return str(notes["obligation"])

    def _check_ids(self) -> None:
        seen: set[str] = set()
        for rule in self.rules.values():
            if rule.id in seen:
                raise self._wrong(rule.id, "two rules have this @id")
            seen.add(rule.id)

    # ------------------------------------------------------------------ dates

    def _period(self, node: Any) -> tuple[datetime.date, datetime.date]:
        notes = node.annotations
        try:
            start = datetime.date.fromisoformat(notes["effective_from"])
            end = datetime.date.fromisoformat(notes["effective_to"]) if "effective_to" in notes else datetime.date.max
        except ValueError as error:
            raise self._wrong(notes.get("id", node.id), error) from None
        return start, end

    def _breakpoints(self) -> list[datetime.date]:
        days: set[datetime.date] = set()
        nodes = [*self._policies.static_policies.values(), *self._obligations.static_policies.values()]
        periods = [self._period(node) for node in nodes]
        for version in self.adequacy.version:
            periods.append((version.effective_from, version.review_by))
            days.add(version.review_by - DUE)
        for start, end in periods:
            days.add(start)
            if end < datetime.date.max:
                days.add(end + datetime.timedelta(days=1))
        return sorted(days)

    def at(self, day: datetime.date | None) -> Window:
        """The pack on that day. An unknown day has every rule of the last one, and no list."""
        number = bisect.bisect_right(self._starts, day) if day is not None else -1
        window = self._windows.get(number)
        if window is None:
            window = self._windows[number] = self._open(number, day)
        return window

    def _open(self, number: int, day: datetime.date | None) -> Window:
        in_force = day if day is not None else self._starts[-1]
        listed: frozenset[str] = frozenset()
        warnings: tuple[str, ...] = ()
        if day is not None:
            listed, warnings = self._listed(day)
        return Window(
            number=number,
            policies=self._handle(self._policies, in_force),
            obligations=self._handle(self._obligations, in_force),
            listed=listed,
            warnings=warnings,
        )

    def _handle(self, nodes: cedarpy.pst.PolicySet, day: datetime.date) -> cedarpy.PolicySet:
        kept = {}
        for name, node in nodes.static_policies.items():
            start, end = self._period(node)
            if start <= day <= end:
                kept[name] = node
        return cedarpy.PolicySet.from_pst(cedarpy.pst.PolicySet(templates={}, static_policies=kept, template_links=()))

    def _listed(self, day: datetime.date) -> tuple[frozenset[str], tuple[str, ...]]:
        latest = self.list_version(day)
        if latest is None:
            return frozenset(), ()
        if day > latest.review_by:
            return frozenset(), (f"list_stale:{self.adequacy.id}",)
        due = day >= latest.review_by - DUE
        return latest.countries, (f"list_due:{self.adequacy.id}",) if due else ()

    def list_version(self, day: datetime.date) -> AdequacyVersion | None:
        """The version of the adequacy list in force that day, stale or not; ``None`` before the first."""
        started = [version for version in self.adequacy.version if version.effective_from <= day]
        return max(started, key=lambda version: version.effective_from, default=None)


def digest(directory: Path) -> str:
    """``sha256:…`` over every file of the pack but its own record: each path and content, framed by its length."""
    if not (directory / "manifest.toml").is_file():
        raise NotFound(
            N_("There is no law pack {pack}."), remedy=N_("riad law packs list shows them."), pack=directory.name
        )
    total = hashlib.sha256()
    for file in sorted(path for path in directory.rglob("*") if path.is_file() and path.name != DIGEST_FILE):
        for part in (file.relative_to(directory).as_posix().encode(), file.read_bytes()):
            total.update(len(part).to_bytes(8, "big") + part)
    return f"sha256:{total.hexdigest()}"


def recorded_digest(directory: Path) -> str | None:
    """The digest the pack was published with, from its own record."""
    try:
        return (directory / DIGEST_FILE).read_text().strip()
    except OSError:
        return None


def installed() -> tuple[str, ...]:
    """The names of the packs that came with this Riad."""
    return tuple(sorted(path.name for path in PACKS.iterdir() if (path / "manifest.toml").is_file()))


def find(name: str) -> Path:
    """The folder of an installed pack. Raises ``NotFound``."""
    if name not in installed():
        raise NotFound(N_("There is no law pack {pack}."), remedy=N_("riad law packs list shows them."), pack=name)
    return PACKS / name
