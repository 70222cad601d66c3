"""``riad up``: the platform in the foreground."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from riad import __version__, settings
from riad.cli.output import JsonOption, console, document
from riad.texts import _

if TYPE_CHECKING:
    from riad.gateway.supervisor import Platform

ConfigOption = Annotated[Path | None, typer.Option("--config", help=_("The settings file (default: riad.toml)."))]
DataDirOption = Annotated[Path | None, typer.Option("--data-dir", help=_("Where data lives."))]


def up(
    port: Annotated[int | None, typer.Option("--port", help=_("The port to listen on (default: 8080)."))] = None,
    workers: Annotated[int | None, typer.Option("--workers", help=_("How many gateway processes."))] = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Start the platform and keep it in the foreground; Ctrl-C stops it."""
    from riad.gateway import supervisor

    chosen = settings.load(config, data_dir=data_dir, port=port, workers=workers)

    def say(step: str) -> None:
        if not json:
            console.print(_("Starting: {step}…", step=_(step)), style="dim")

    def serving(platform: Platform) -> None:
        if json:
            document({"url": platform.address, "data_dir": str(chosen.data_dir), "version": __version__})
        else:
            banner(platform, chosen)

    asyncio.run(supervisor.run(chosen, settings.config_file(config), say, serving))
    if not json:
        console.print(_("Riad has stopped. Nothing was lost."))


def banner(platform: Platform, chosen: settings.Settings) -> None:
    """Where it listens, where data lives, how to get a key."""
    console.print()
    console.print(f"  [bold green]Riad {__version__}[/]  {platform.address}")
    console.print()
    site_word, data_word, key_word = _("site"), _("data"), _("key")
    for site in chosen.sites:
        models = ", ".join(model.name for model in site.catalogue())
        standing = "  [yellow]" + _("stand-in") + "[/]" if site.stand_in else ""
        console.print(f"  {site_word}   {site.name} ({site.country}) · {models}{standing}")
    directory = "" if chosen.data_dir == settings.default_data_dir().absolute() else f" --data-dir {chosen.data_dir}"
    console.print(f"  {data_word}   {chosen.data_dir}")
    console.print(f"  {key_word}    riad keys create --tenant me --project first --purpose trying{directory}")
    console.print(f"  SDK    OPENAI_BASE_URL={platform.address}/v1")
    console.print()
    console.print(_("Ctrl-C stops it."), style="dim")
