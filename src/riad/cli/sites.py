"""``riad sites``: where work may run, and whether it answers."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import typer

from riad import settings
from riad.cli.output import JsonOption, console, document, table
from riad.cli.up import ConfigOption, DataDirOption
from riad.errors import RiadError
from riad.settings import Model, Settings, Site
from riad.texts import _, terminal_language

app = typer.Typer(help=_("Where work may run: facts, models, health."), no_args_is_help=True)


def describe(site: Site) -> dict[str, Any]:
    """A site's card, without its secrets' places."""
    card: dict[str, Any] = msgspec.to_builtins(site)
    del card["api_key_env"], card["api_key_file"]
    return {**card, "models": [model.name for model in site.catalogue()]}


@app.command("list")
def list_sites(data_dir: DataDirOption = None, config: ConfigOption = None, json: JsonOption = False) -> None:
    """List the sites with their five facts and their models."""
    chosen = settings.load(config, data_dir=data_dir)
    if json:
        document({"home": chosen.platform.home, "sites": [describe(site) for site in chosen.sites]})
        return
    columns = (_("site"), _("engine"), _("data"), _("operator"), _("owner"), _("keys"), _("administered"), _("models"))
    rows = [
        (
            site.name + (" · " + _("stand-in") if site.stand_in else ""),
            site.engine,
            site.country,
            site.operator_country,
            site.parent_country,
            site.keys_country,
            site.admin_country,
            ", ".join(model.name for model in site.catalogue()),
        )
        for site in chosen.sites
    ]
    table(columns, rows, empty=_("No site is declared."))


@app.command("check")
def check_sites(data_dir: DataDirOption = None, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Ask each site's engine what it serves; exit 1 when one does not answer or lacks a model."""
    chosen = settings.load(config, data_dir=data_dir)
    findings = asyncio.run(_check_all(chosen))
    if json:
        document({"sites": findings})
    else:
        for found in findings:
            mark = "[green]✓[/]" if found["ok"] else "[red]✗[/]"
            console.print(f"{mark} {found['site']}/{found['model']}  {found['says']}")
    if not all(found["ok"] for found in findings):
        raise typer.Exit(1)


async def _check_all(chosen: Settings) -> list[dict[str, Any]]:
    checks = [
        _check_embedded(site, model, chosen) if site.engine == "embedded" else _check_engine(site, model)
        for site in chosen.sites
        for model in site.catalogue()
    ]
    return list(await asyncio.gather(*checks))


def _found(site: Site, model: Model, *, ok: bool, says: str) -> dict[str, Any]:
    return {"site": site.name, "model": model.name, "ok": ok, "says": says}


async def _check_embedded(site: Site, model: Model, chosen: Settings) -> dict[str, Any]:
    """An embedded engine runs inside ``riad up``: what can be checked from outside is that its weights are there."""
    from riad.models.weights import find

    try:
        path = model.file or find(model.name, chosen.data_dir)
    except RiadError as error:
        return _found(site, model, ok=False, says=error.render(terminal_language()))
    return _found(site, model, ok=True, says=_("embedded; weights at {path}", path=path))


async def _check_engine(site: Site, model: Model) -> dict[str, Any]:
    from riad.sites.catalogue import Berth
    from riad.sites.client import Pool

    berth = Berth.of(site, model, home="")
    try:
        async with asyncio.timeout(15), Pool(site.url, site=site.name, connect_timeout=site.connect_timeout) as pool:
            response = await pool.request(b"GET", b"/models", berth.headers())
            raw = await response.read()
    except RiadError as error:
        return _found(site, model, ok=False, says=error.render(terminal_language()))
    except TimeoutError:
        return _found(site, model, ok=False, says=_("No answer within 15 seconds."))
    if response.status in (401, 403):
        says = _("The engine refuses our key: check api_key_env or api_key_file.")
        return _found(site, model, ok=False, says=says)
    if response.status != 200:
        return _found(site, model, ok=False, says=_("Status {status} from /models.", status=response.status))
    try:
        served = [card["id"] for card in msgspec.json.decode(raw)["data"]]
    except (msgspec.DecodeError, KeyError, TypeError):
        return _found(site, model, ok=False, says=_("Its list of models is not OpenAI's."))
    if berth.served_as not in served:
        says = _("It answers, but serves {served}, not {model}.", served=", ".join(served), model=berth.served_as)
        return _found(site, model, ok=False, says=says)
    return _found(site, model, ok=True, says=_("answers at {url}", url=site.url))
