"""Keep the French and Arabic catalogues in step with the source. ``--check`` changes nothing and exits 1 on a gap.

A gap is a sentence without a translation, one whose ``{placeholders}`` differ, one no longer used, or a compiled
catalogue older than its text.
"""

from __future__ import annotations

import datetime
import io
import re
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from riad.cli import app, docstrings

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "riad"
LOCALE = SOURCE / "locale"
KEYWORDS: dict[str, None] = {"_": None, "N_": None}
EPOCH = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
PLACEHOLDER = re.compile(r"\{(\w+)\}")


def template() -> Catalog:
    catalog = Catalog(project="riad", charset="utf-8")
    found = extract_from_dir(SOURCE, method_map=[("**.py", "python")], keywords=KEYWORDS)
    for filename, _line, message, _comments, _context in sorted(found, key=lambda item: (item[0], item[1])):
        catalog.add(message, locations=[(filename, 0)])
    for _command, help_text in docstrings(app):
        catalog.add(help_text, locations=[("cli", 0)])
    return catalog


def path(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / "riad.po"


def compiled(catalog: Catalog) -> bytes:
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def load(language: str) -> Catalog:
    if not path(language).exists():
        return Catalog(locale=language, charset="utf-8", project="Riad", version="0", fuzzy=False)
    with path(language).open("rb") as file:
        return read_po(file, locale=language)


def gaps(language: str, wanted: Catalog) -> list[str]:
    have = load(language)
    problems = []
    for message in wanted:
        if not message.id:
            continue
        translated = have.get(message.id)
        if translated is None or not translated.string or translated.fuzzy:
            problems.append(f"{language}: not translated: {message.id}")
        elif set(PLACEHOLDER.findall(str(message.id))) != set(PLACEHOLDER.findall(str(translated.string))):
            problems.append(f"{language}: placeholders differ: {message.id}")
    problems += [f"{language}: no longer used: {m.id}" for m in have if m.id and wanted.get(m.id) is None]
    mo = path(language).with_suffix(".mo")
    if not problems and (not mo.exists() or mo.read_bytes() != compiled(have)):
        problems.append(f"{language}: the compiled catalogue is old; run: make messages")
    return problems


def update(language: str, wanted: Catalog) -> None:
    have = load(language)
    have.update(wanted, no_fuzzy_matching=True)
    have.obsolete.clear()
    have.header_comment = "# Riad: sentences for people. Refreshed by: make messages"
    have.creation_date = have.revision_date = EPOCH  # a date would change the file without changing a word
    have.msgid_bugs_address = have.last_translator = have.language_team = "Riad"
    path(language).parent.mkdir(parents=True, exist_ok=True)
    for message in have:
        message.locations = []  # line numbers would change with every edit
    with path(language).open("wb") as file:
        write_po(file, have, sort_output=True, omit_header=False, width=110)
    path(language).with_suffix(".mo").write_bytes(compiled(load(language)))


def main() -> None:
    wanted = template()
    problems: list[str] = []
    for language in ("fr", "ar"):
        if "--check" not in sys.argv:
            update(language, wanted)
        problems += gaps(language, wanted)
    for problem in problems:
        print(problem)
    print(f"messages: {len(wanted)} sentences, {len(problems)} gaps")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
