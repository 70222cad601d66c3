"""``riad models``: what there is to run, and bringing it here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from riad import settings
from riad.cli.output import JsonOption, console, document, table
from riad.cli.up import ConfigOption, DataDirOption
from riad.texts import _

if TYPE_CHECKING:
    from riad.models.catalogue import Entry
    from riad.models.weights import Progress

app = typer.Typer(name="models", help=_("The models this machine can run."), no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help=_("The model's name."), metavar="NAME")]


@app.command("list")
def list_models(data_dir: DataDirOption = None, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show the models that are here and those that can be fetched."""
    rows = _described(settings.load(config, data_dir=data_dir).data_dir)
    if json:
        document(rows)
        return
    columns = [_("model"), _("parameters"), _("languages"), _("licence"), _("size"), _("here")]
    table(columns, (_row(model) for model in rows), empty="")
    console.print()
    console.print(_("Fetch one: riad models pull NAME. What one is: riad models show NAME."), style="dim")


@app.command()
def show(
    name: NameArgument,
    verify: Annotated[bool, typer.Option("--verify", help=_("Compute the digest of the weights here."))] = False,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show what a model is, who made it, and where its weights come from. With --verify, exit 1 if they differ."""
    from riad.models import catalogue, weights

    directory = settings.load(config, data_dir=data_dir).data_dir
    found = next((model for model in _described(directory) if model["name"] == name), None)
    if found is None:
        catalogue.entry(name)  # says what is wrong
        return
    if verify:
        with _progress(_("Checking {name}", name=name), quiet=json) as progress:
            digest = weights.digest(weights.find(name, directory), progress)
        found["verified"] = digest == found["sha256"] if "sha256" in found else None
        found["sha256"] = found.get("sha256", digest)
    if json:
        document(found)
    else:
        for key, value in found.items():
            console.print(f"[bold]{key:<14}[/] ", end="")
            console.print(_text(value), markup=False)
    if found.get("verified") is False:
        raise typer.Exit(1)


@app.command()
def pull(
    name: NameArgument,
    source: Annotated[
        Path | None, typer.Option("--from", help=_("A GGUF file to copy in under that name."), metavar="FILE")
    ] = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Bring a model's weights onto this machine and check their digest."""
    from riad.models import catalogue
    from riad.models.pull import bring
    from riad.models.pull import pull as fetch

    directory = settings.load(config, data_dir=data_dir).data_dir
    if source is not None:
        with _progress(name, quiet=json) as progress:
            path = bring(source, name, directory, progress)
    else:
        entry = catalogue.entry(name)
        if not json:
            console.print(
                _("Fetching {name} from {origin}", name=name, origin=_origin(entry)), style="dim", markup=False
            )
        with _progress(name, quiet=json) as progress:
            path = fetch(entry, directory, progress)
    if json:
        document({"name": name, "path": str(path), "size": path.stat().st_size})
        return
    console.print(f"{name}: {path}", markup=False)
    if name != settings.EMBEDDED_MODEL:
        console.print(_('To serve it, name it in riad.toml, at a site with engine = "embedded":'), style="dim")
        console.print(f'models = ["{name}"]', style="dim", markup=False)


def _described(data_dir: Path) -> list[dict[str, Any]]:
    """Every model of the catalogue, then the files of one's own: facts, and ``path`` when the weights are here."""
    import msgspec

    from riad.models import catalogue, weights

    here = weights.installed(data_dir)
    rows: list[dict[str, Any]] = []
    for entry in catalogue.entries().values():
        facts = {key: value for key, value in msgspec.to_builtins(entry).items() if value is not None}
        rows.append({**facts, "path": str(here[entry.name]) if entry.name in here else None})
    for name in here.keys() - catalogue.entries().keys():
        rows.append({"name": name, "size": here[name].stat().st_size, "path": str(here[name])})
    return rows


def _row(model: dict[str, Any]) -> tuple[str, ...]:
    languages = model.get("languages", ())
    parameters = model.get("parameters", 0)
    return (
        model["name"],
        f"{parameters / 1e9:.2g} G" if parameters >= 1e9 else f"{parameters / 1e6:.0f} M" if parameters else "",
        ", ".join(languages[:3]) + (f" +{len(languages) - 3}" if len(languages) > 3 else ""),
        model.get("licence", ""),
        f"{model['size'] / 1e6:.0f} MB",
        _("yes") if model["path"] else "",
    )


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {part}" for key, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _origin(entry: Entry) -> str:
    if entry.package is not None:
        return _("the package {name} {version}", name=entry.package.name, version=entry.package.version)
    return _("the Hugging Face repository {name}", name=entry.hub.repository if entry.hub else "")


@contextlib.contextmanager
def _progress(title: str, *, quiet: bool) -> Iterator[Progress]:
    """A progress bar in bytes."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
