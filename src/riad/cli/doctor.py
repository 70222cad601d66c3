"""``riad doctor``: what is wrong with this installation, and how to mend it."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import os
import shutil
import socket
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import typer

from riad import settings
from riad.cli.output import JsonOption, console, document
from riad.cli.up import ConfigOption, DataDirOption
from riad.errors import RiadError
from riad.settings import Settings
from riad.texts import _, terminal_language

ROOM = 1 << 30  # bytes of free disk under which a warning is due


class Finding(NamedTuple):
    """One thing looked at. ``remedy`` is empty when all is well."""

    check: str
    ok: bool
    says: str
    remedy: str = ""


def _settings_of(config: Path | None, data_dir: Path | None) -> tuple[Finding, Settings | None]:
    try:
        chosen = settings.load(config, data_dir=data_dir)
    except RiadError as error:
        return Finding("settings", False, error.render(terminal_language()), _("Mend the settings file.")), None
    source = settings.config_file(config)
    return Finding("settings", True, str(source) if source else _("no riad.toml: laptop defaults")), chosen


def _python(_chosen: Settings) -> Finding:
    version = sys.version.split()[0]
    parts = ("cedarpy", "re2", "httptools", "uvloop", "xllamacpp", "ahocorasick_rs", "cryptography")
    missing = [name for name in parts if importlib.util.find_spec(name) is None]
    if missing:
        return Finding("python", False, _("missing packages: {names}", names=", ".join(missing)), "make setup-demo")
    return Finding("python", True, version)


def _data_dir(chosen: Settings) -> Finding:
    directory = chosen.data_dir
    if not directory.exists():
        return Finding("data", True, _("{directory} does not exist yet; riad up makes it", directory=directory))
    if not os.access(directory, os.W_OK):
        remedy = _("Give it to the user that runs Riad, or choose another with --data-dir.")
        return Finding("data", False, _("{directory} cannot be written", directory=directory), remedy)
    open_files = [path.name for path in (directory / "secret", directory / "ledger.key")
                  if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077]  # fmt: skip
    if open_files:
        says = _("others can read {names}", names=", ".join(open_files))
        return Finding("data", False, says, f"chmod 600 {' '.join(str(directory / name) for name in open_files)}")
    free = shutil.disk_usage(directory).free
    if free < ROOM:
        return Finding("data", False, _("{free} MB of disk left", free=free >> 20), _("Make room on that disk."))
    return Finding("data", True, str(directory))


def _weights(chosen: Settings) -> Finding:
    from riad.models.weights import find

    for site in chosen.sites:
        for model in site.catalogue():
            if site.engine != "embedded":
                continue
            try:
                path = Path(model.file) if model.file else find(model.name, chosen.data_dir)
            except RiadError as error:
                return Finding("weights", False, error.render(terminal_language()), f"riad models pull {model.name}")
            if not path.is_file():
                return Finding("weights", False, _("{path} is not there", path=path), _("Correct file in riad.toml."))
    return Finding("weights", True, _("every embedded model has its weights"))


def _store(chosen: Settings) -> Finding:
    from riad.store import database

    if chosen.database_url.startswith("sqlite:///") and not (chosen.data_dir / "riad.db").exists():
        return Finding("store", True, _("no database yet; riad up makes it"))
    try:
        database.open(chosen.database_url).close()
    except RiadError as error:
        return Finding("store", False, error.render(terminal_language()), _("See docs/reference/settings.md, store."))
    return Finding("store", True, _("the database answers and is of this version"))


def _ledger(chosen: Settings) -> Finding:
    from riad.ledger.reader import Reader
    from riad.ledger.sources import shards

    where = "PostgreSQL" if chosen.ledger_url else "SQLite"
    try:
        there = shards(chosen.data_dir, chosen.ledger_url)
        if not there:
            return Finding("ledger", True, _("no ledger yet; riad up makes it, in {where}", where=where))
        with Reader.of(chosen, there[-1]) as reader:
            size = reader.size()
            if size:
                reader.receipt(size - 1)
    except RiadError as error:
        return Finding("ledger", False, error.render(terminal_language()), _("See docs/reference/ledger.md, bad days."))
    says = _("{size} entries in {where}; the newest is proved by the checkpoint", size=size, where=where)
    return Finding("ledger", True, says)


def _witnesses(chosen: Settings) -> Finding:
    from riad.ledger import witnessed
    from riad.ledger.files import Files

    if not chosen.ledger.witnesses:
        return Finding("witnesses", True, _("none: receipts are unwitnessed"))
    files = Files(chosen.data_dir)
    if alarm := witnessed.alarm(files.witnesses):
        return Finding("witnesses", False, alarm, _("See docs/reference/witness.md, When witnesses have seen more."))
    logs = witnessed.reported(files.witnesses).get("logs", ())
    told = [each for log in logs for each in log["witnesses"]]
    if not told:
        return Finding("witnesses", True, _("nothing is known of them yet; riad up asks them"))
    away = [f"{each['witness']}: {each['accuses'] or each['failure']}" for each in told if each["failure"]]
    if len(told) - len(away) < chosen.ledger.needed:
        remedy = _("See that they run, that they were told `riad ledger key`, and that url and key are right.")
        return Finding("witnesses", False, "; ".join(away), remedy)
    size = min(log["witnessed"] for log in logs)
    says = _("{n} of {all} cosign; {size} entries are witnessed", n=len(told) - len(away), all=len(told), size=size)
    return Finding("witnesses", True, "; ".join([says, *away]))


def _running(chosen: Settings) -> Finding:
    host = chosen.server.host if chosen.server.host not in ("0.0.0.0", "::") else "localhost"  # noqa: S104  (compared)
    try:
        with contextlib.closing(http.client.HTTPConnection(host, chosen.server.port, timeout=3)) as connection:
            connection.request("GET", "/readyz")
            response = connection.getresponse()
            body = response.read(500).decode("utf-8", "replace")
    except (ConnectionRefusedError, socket.gaierror):
        return Finding("running", True, _("nothing listens on port {port}; riad up starts it", port=chosen.server.port))
    except (OSError, http.client.HTTPException):
        body, response = "", None
    if response is not None and response.status == 200 and '"status":"ready"' in body:
        return Finding("running", True, _("ready on port {port}", port=chosen.server.port))
    if response is not None and response.status == 503 and "waiting_for" in body:
        return Finding("running", False, _("up, but not ready: {body}", body=body.strip()), "riad sites check")
    says = _("something else listens on port {port}", port=chosen.server.port)
    return Finding("running", False, says, _("Stop it, or choose another port with --port."))


CHECKS: list[Callable[[Settings], Finding]] = [_python, _data_dir, _weights, _store, _ledger, _witnesses, _running]


def doctor(config: ConfigOption = None, data_dir: DataDirOption = None, json: JsonOption = False) -> None:
    """Look at every part of the installation; exit 1 when something is wrong."""
    first, chosen = _settings_of(config, data_dir)
    findings = [first]
    if chosen is not None:
        findings += [check(chosen) for check in CHECKS]
    if json:
        document({"ok": all(found.ok for found in findings), "checks": [found._asdict() for found in findings]})
    else:
        for found in findings:
            console.print(f"{'[green]✓[/]' if found.ok else '[red]✗[/]'} {found.check:<10}{found.says}")
            if found.remedy:
                console.print(f"  → {found.remedy}", style="yellow")
        wrong = sum(not found.ok for found in findings)
        console.print(_("All is well.") if not wrong else _("Things to mend: {n}.", n=wrong))
    if not all(found.ok for found in findings):
        raise typer.Exit(1)
