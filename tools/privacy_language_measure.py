"""Measure the language model on text it has not seen, beside two peers, and print the tables of its card.

    pip install py3langid lingua-language-detector      (where numpy, scipy and wordfreq are)
    python tools/privacy_language_measure.py --corpora FOLDER

Every answer comes from ``language`` and ``languages`` as a caller gets it: ``mixed`` and ``und`` are wrong answers.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from random import Random

import privacy_language as training
import privacy_language_sources as sources

from riad.privacy import language as runtime
from riad.privacy.language_words import UND, forget

Detect = Callable[[str], str]
Marked = list[tuple[str, str]]  # the spans of a line: (language, text)
PAIRS = {
    ("ary_Latn", "fr"): 30, ("fr", "en"): 10, ("es", "fr"): 10, ("ary", "fr"): 10, ("arb", "ary"): 10,
    ("ary_Latn", "en"): 8, ("tzm_Latn", "fr"): 6, ("es", "en"): 6, ("ary", "en"): 4, ("arb", "en"): 4,
    ("arb", "fr"): 4, ("ary_Latn", "es"): 4,
}  # fmt: skip
PEER_NAMES = {"fr": "fr", "en": "en", "es": "es", "ar": "arb"}
CODE = {
    "PHP": "mediawiki/usr/share/mediawiki/includes/**/*.php",
    "JavaScript": "mediawiki/usr/share/mediawiki/resources/src/**/*.js",
}


def show(title: str, head: Iterable[object], rows: Iterable[Iterable[object]]) -> None:
    head = list(head)
    print(f"\n**{title}**\n\n| {' | '.join(map(str, head))} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")


def rate(detect: Detect, lines: list[str], answer: str) -> str:
    return f"{sum(detect(line) == answer for line in lines) / len(lines):.3f}" if lines else ""


def cut(lines: list[str], length: int, random: Random) -> list[str]:
    """A stretch of ``length`` words of each line that has so many."""
    split = [line.split() for line in lines]
    long = [words for words in split if len(words) >= length]
    return [" ".join(words[(at := random.randrange(len(words) - length + 1)) : at + length]) for words in long]


def held(test: training.Lines, name: str, most: int = 400) -> list[str]:
    """Held-out lines of the training sources, of at least three words and mostly in the language's script."""
    script = "latin" if name in sources.LATIN else "arabic" if name in sources.ARABIC else "tifinagh"
    found: list[str] = []
    for source, lines in test[name].items():
        if source not in ("hand", "forms", "seed-egyptian"):
            found += [line for line in lines if len(training.words(line, script)) >= 3][:most]
    return found


def by_language(test: training.Lines, texts: sources.Texts) -> dict[str, list[str]]:
    declarations = {"fr": "fra", "en": "eng", "es": "spa", "arb": "arb", "zgh": "zgh", "tzm_Latn": "tzm"}
    rows, samples = [], {}
    for name in runtime.LANGUAGES:
        random = Random(1)  # noqa: S311
        lines, chat = held(test, name), test[name].get("hand", [])
        other = texts.declaration(declarations[name]) if name in declarations else []
        samples[name] = lines + chat * 4
        rows.append(
            [name, len(lines)]
            + [rate(runtime.language, part, name) for part in (lines, cut(lines, 5, random), cut(lines, 3, random))]
            + [len(chat), rate(runtime.language, chat, name), len(other), rate(runtime.language, other, name)]
        )
    show(
        "Accuracy by language",
        ("language", "lines", "whole line", "5 words", "3 words", "chat lines", "right", "UDHR sentences", "right"),
        rows,
    )
    return samples


def prompts() -> None:
    """The texts that the scanner of personal data is tested on: names, numbers and code inside."""
    scripts = {"ar": "arb", "tzm": "tzm_Latn"}
    counts: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for path in sorted(Path(__file__).parent.parent.glob("tests/privacy/corpus_*.txt")):
        for line in path.read_text("utf-8").splitlines():
            name, _, marked = line.partition(" | ")
            if marked and not line.startswith("#"):
                text = re.sub(r"⟦[A-Z]+ ([^⟧]+)⟧", r"\1", marked.replace("\\n", "\n"))
                name = "zgh" if max(text) >= "ⴰ" and name == "tzm" else scripts.get(name, name)
                counts[name] += 1
                wrong[name] += runtime.language(text) != name
    rows = [[name, counts[name], counts[name] - wrong[name]] for name in runtime.LANGUAGES]
    show("Prompts of the scanner's tests", ("language", "texts", "right"), rows)


def confusion(samples: dict[str, list[str]]) -> None:
    answers = (*runtime.LANGUAGES, runtime.MIXED, UND)
    rows = []
    for name, lines in samples.items():
        counts = Counter(map(runtime.language, lines))
        rows.append([name, *(counts[answer] or "" for answer in answers)])
    show("What was answered (held-out lines, and chat lines four times)", ("of", *answers), rows)


def joined(test: training.Lines, count: int) -> list[Marked]:
    """Lines of two languages, three to ten words each, joined; a third go back to the first language."""
    random = Random(3)  # noqa: S311
    pools = {name: [line for line in held(test, name) if len(line.split()) >= 3][1::2] for name in runtime.LANGUAGES}
    found = []
    for first, second in random.choices(list(PAIRS), list(PAIRS.values()), k=count):
        names = [first, second] if random.random() < 0.5 else [second, first]
        if random.random() < 0.3:
            names.append(names[0])
        spans = [(name, cut([random.choice(pools[name])], random.randint(3, 10), random)) for name in names]
        marked = [(name, text[0]) for name, text in spans if text]
        if len(marked) == len(names):
            found.append(marked)
    return found


def switching(title: str, lines: list[Marked]) -> list[object]:
    words = right = exact = mixed = 0
    for spans in lines:
        text = " ".join(part for _, part in spans)
        truth = [name for name, part in spans for _ in part.split()]
        given = [s.language for s in runtime.languages(text) for _ in text[s.start : s.end].split()]
        right += sum(map(str.__eq__, truth, given))
        words += len(truth)
        exact += [name for name, _ in groupby(truth)] == [name for name, _ in groupby(given)]
        mixed += runtime.language(text) == runtime.MIXED
    return [title, len(lines), *(f"{share:.3f}" for share in (right / words, exact / len(lines), mixed / len(lines)))]


def unknown(test: training.Lines, texts: sources.Texts, cache: Path) -> None:
    rows: list[list[object]] = []

    def add(title: str, lines: list[str]) -> None:
        counts = Counter(map(runtime.language, [line for line in lines if len(line.split()) > 3][:400]))
        total = counts.total()
        others = ", ".join(f"{name} {n}" for name, n in counts.most_common(4) if name != UND)
        rows.append([title, total, f"{counts[UND] / total:.2f}", others])

    for script, members in (("Latin", sources.FOREIGN_LATIN), ("Arabic", sources.FOREIGN_ARABIC)):
        sampled = [line for code in members for line in test[UND][f"mediawiki-{code}"]]
        add(f"{len(members)} other languages in {script} script", sampled[:: len(sampled) // 600])
    for code, name in (("pt", "Portuguese"), ("ca", "Catalan"), ("it", "Italian")):
        add(name, test[UND][f"mediawiki-{code}"])
    fresh = {"gl": "Galician", "oc": "Occitan", "ru": "Russian", "he": "Hebrew", "zh-hans": "Chinese"}
    for code, name in fresh.items():
        add(f"{name} (not trained on)", texts.mediawiki(code))
    add("Egyptian Arabic", test["arb"]["seed-egyptian"])
    for name, pattern in CODE.items():
        pieces = []
        for path in sorted((cache / "debian").glob(pattern))[::7][:150]:
            text = re.sub(r"(?s)/\*.*?\*/|//[^\n]*", "", path.read_text("utf-8", "replace"))
            code = [line for line in text.splitlines() if line.strip()]
            pieces += ["\n".join(code[at : at + 8]) for at in range(20, len(code) - 8, 80)]
        add(f"{name}, 8 lines, no comments", pieces)
    show("What it should not know", ("text", "pieces", "und", "other answers"), rows)


def peers(samples: dict[str, list[str]]) -> None:
    import py3langid
    from lingua import Language, LanguageDetectorBuilder

    py3langid.set_languages(list(PEER_NAMES))
    known = (Language.FRENCH, Language.ENGLISH, Language.SPANISH, Language.ARABIC)
    lingua = LanguageDetectorBuilder.from_languages(*known).with_preloaded_language_models().build()

    def ask_lingua(text: str) -> str:
        found = lingua.detect_language_of(text)
        return PEER_NAMES[found.iso_code_639_1.name.lower()] if found else UND

    detectors: dict[str, Detect] = {
        "riad": runtime.language,
        "py3langid": lambda text: PEER_NAMES[py3langid.classify(text)[0]],
        "lingua": ask_lingua,
    }
    random = Random(2)  # noqa: S311
    short = {name: cut(lines, 3, random) for name, lines in samples.items()}
    rows = []
    for title, detect in detectors.items():
        start = time.perf_counter()
        whole = [rate(detect, samples[name], name) for name in runtime.LANGUAGES]
        seconds = time.perf_counter() - start
        size = sum(len(line.encode()) for lines in samples.values() for line in lines)
        few = [rate(detect, short[name], name) for name in runtime.LANGUAGES]
        rows.append([title, *(f"{a} / {b}" for a, b in zip(whole, few, strict=True)), f"{size / seconds / 1e6:.2f}"])
    show("Peers, told to choose among fr en es ar: whole line / 3 words", ("", *runtime.LANGUAGES, "MB/s"), rows)


def best(call: Callable[[], object], times: int) -> float:
    found = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return min(found)


def speed(train: training.Lines, samples: dict[str, list[str]]) -> None:
    rows = []
    for name, lines in samples.items():
        shuffled = Random(4).sample(lines, len(lines))  # noqa: S311
        text = " ".join(shuffled)[:30_000]
        size, kilobyte, prompt = len(text.encode()), text[:1000], text[:100]
        seen = " ".join(line for source, lines in train[name].items() if source != "frequent" for line in lines[:1500])
        forget()
        first = best(lambda text=text: runtime.language(text), 1)
        forget()
        for at in range(0, len(seen), 60_000):
            runtime.language(seen[at : at + 60_000])
        rows.append(
            [
                name,
                f"{size / first / 1e6:.1f}",
                f"{size / best(lambda text=text: runtime.language(text), 1) / 1e6:.1f}",
                f"{size / best(lambda text=text: runtime.language(text), 20) / 1e6:.1f}",
                f"{len(kilobyte.encode()) / best(lambda text=kilobyte: runtime.language(text), 100) / 1e6:.1f}",
                f"{size / best(lambda text=text: runtime.languages(text), 20) / 1e6:.1f}",
                f"{best(lambda text=prompt: runtime.language(text), 300) * 1e6:.0f}",
            ]
        )
    head = (
        "text",
        "nothing seen yet, MB/s",
        "new text, 30 K",
        "again, 30 K",
        "again, 1 K",
        "languages, 30 K",
        "100 characters, µs",
    )
    show("Speed, one core", head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("build/language"))
    arguments = parser.parse_args()
    texts = sources.Texts(arguments.cache, arguments.corpora)
    train, test = training.split(texts)
    samples = by_language(test, texts)
    prompts()
    confusion(samples)
    rows = [switching("joined", joined(test, 2000)), switching("written by hand", sources.mixed())]
    show("Lines that mix languages", ("lines", "how many", "words right", "segments exact", "answered mixed"), rows)
    unknown(test, texts, arguments.cache)
    peers(samples)
    speed(train, samples)


if __name__ == "__main__":
    main()
