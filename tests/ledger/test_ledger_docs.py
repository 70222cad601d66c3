"""The ledger's reference is complete."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from riad.cli.ledger import app
from riad.ledger.entry import Decision, Erasure, KeyChange, Outcome, SiteFacts, Tokens, Turn
from riad.ledger.files import Files

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "ledger.md").read_text()


def section(title: str) -> str:
    _, _, after = PAGE.partition(title)
    assert after, title
    return re.split(r"\n#{2,3} ", after)[0]


@pytest.mark.parametrize(
    ("title", "struct"),
    [
        ("### `decision`", Decision),
        ("### `site_facts`", SiteFacts),
        ("### `outcome`", Outcome),
        ("### `erasure`", Erasure),
        ("### `shard`", Turn),
        ("### `key`", KeyChange),
    ],
)
def test_every_field_is_documented_and_no_other(title: str, struct: type[msgspec.Struct]) -> None:
    documented = set(re.findall(r"^\| `(\w+)`", section(title), re.MULTILINE))
    assert documented - {"kind"} == set(struct.__struct_fields__)


def test_tokens_commands_and_files_are_documented() -> None:
    for name in Tokens.__struct_fields__:
        assert f"`{name}`" in section("### `outcome`")
    for command in app.registered_commands:
        assert f"`riad ledger {command.name or command.callback.__name__}" in section("## Commands")  # type: ignore[union-attr]
    files = Files(Path())
    written = (files.database, files.key, files.vkey, files.anchor, files.lock, files.socket)
    for path in (*written, files.audited, files.searched):
        assert f"`{path}`" in section("## Files")
