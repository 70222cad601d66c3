"""The ``riad`` command: one file per command group.

Exit status, everywhere: 0 success, 1 a finding (something is wrong and was found), 2 wrong usage.
Every command takes ``--json`` and then prints exactly one JSON document.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

import typer
from typer.models import CommandInfo

from riad.cli import keys, law, ledger, models, output, privacy, sites, tenants, witness
from riad.cli.chat import chat
from riad.cli.demo import demo
from riad.cli.doctor import doctor
from riad.cli.up import up
from riad.errors import BadRequest, Refused, RiadError
from riad.texts import _


def docstrings(group: typer.Typer) -> Iterator[tuple[CommandInfo, str]]:
    """Every command below a group with its docstring, which is its help."""
    for command in group.registered_commands:
        if command.callback is not None and command.callback.__doc__:
            yield command, inspect.cleandoc(command.callback.__doc__)
    for below in group.registered_groups:
        if below.typer_instance is not None:
            yield from docstrings(below.typer_instance)


def translate_help(group: typer.Typer) -> None:
    """Give each command its help in the terminal's language."""
    for command, text in docstrings(group):
        command.help = command.help or _(text)


app = typer.Typer(
    name="riad",
    help=_("The sovereign AI platform a country, a university or a company runs itself."),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

for command in (up, demo, chat, doctor):
    app.command()(command)
for group, name in (
    (keys, "keys"),
    (tenants, "tenants"),
    (sites, "sites"),
    (law, "law"),
    (ledger, "ledger"),
    (models, "models"),
    (privacy, "privacy"),
    (witness, "witness"),
):
    app.add_typer(group.app, name=name)
translate_help(app)


def main() -> None:
    """Run the command line; every deliberate error ends as one clear line and its exit status."""
    as_json = "--json" in sys.argv
    try:
        status = app(standalone_mode=False)  # typer hands an Exit's status back instead of raising it
    except RiadError as error:
        output.fail(error, as_json=as_json)
        sys.exit(2 if isinstance(error, BadRequest | Refused) else 1)
    except typer.Abort:
        sys.exit(130)
    except typer.TyperException as error:
        output.misused(error, as_json=as_json)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)
