"""Train ``src/riad/privacy/models/names.bin``: how much a word looks like a name. docs/models/names.md is its card.

    uv pip install numpy arabic-name-romanizer Faker names wordfreq
    python tools/names_model.py --seed SEED_FOLDER --doda sentences.csv   # half a minute

Names: our own lists, Wikidata's (CC0, through ``arabic-name-romanizer``), Faker's (MIT) and
the 1990 US census's (public domain, through ``names``), as they are and as people
type them in chats. Ordinary words: ``wordfreq`` (CC-BY-SA 4.0), the Open Language Data seed (CC-BY-SA 4.0) and DODa
(MIT). One word in ten is never trained on, and what the model makes of those is printed.
"""

from __future__ import annotations

import argparse
import csv
import random
import re
import sqlite3
import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import sha256
from importlib import import_module
from importlib.resources import as_file, files
from pathlib import Path
from zlib import crc32

import numpy as np
from wordfreq import get_frequency_dict

from riad.privacy.fold import fold_word
from riad.privacy.likeness import MAGIC, SLOTS, TIFINAGH, WEIGHTS, pieces

PACKS = Path(__file__).parent.parent / "src/riad/privacy/packs"
LOCALES = (
    "fr_FR fr_DZ en_US en_GB en_NG en_KE es_ES it_IT pt_PT de_DE nl_NL yo_NG ig_NG ha_NG tw_GH zu_ZA sw "
    "ar_AA ar_DZ ar_SA ar_PS"
)
WORDS = {"fr": 60_000, "en": 40_000, "es": 30_000, "ar": 90_000, "it": 8_000, "pt": 8_000, "nl": 6_000}
"""How many of each language's most frequent words are ordinary words."""
EPOCHS, BATCH, RATE, DECAY = 12, 512, 0.08, 2e-6
_LATIN = re.compile(r"[a-z0-9][a-z0-9'-]{2,}")
_ARABIC = re.compile(r"[\u0600-\u06ff]{3,}")
_CHAT = (
    ("ou", "o"), ("ou", "u"), ("ou", "w"), ("ch", "sh"), ("dj", "j"), ("ae", "a"), ("ea", "a"), ("aa", "a"),
    ("ss", "s"), ("k", "q"), ("h", "7"), ("kh", "5"), ("q", "9"), ("ph", "f"), ("ei", "i"), ("ai", "ay"),
    ("ie", "i"), ("ee", "i"), ("ben", "bn"), ("el", "l"), ("th", "t"), ("y", "i"), ("i", "y"), ("e", ""), ("a", "3a"),
    ("gh", "r"), ("c", "s"), ("ine", "in"), ("al", "l"), ("er", "r"), ("z", "s"),
)  # fmt: skip


def listed() -> Counter[str]:
    """The names of the packs, folded, with their weight; those marked as everyday words are left out."""
    found: Counter[str] = Counter()
    common = {fold_word(w.rstrip("?")) for path in PACKS.glob("*/common.txt") for w in _lines(path)}
    for pattern in ("given.txt", "surnames.txt", "given_derived.txt", "surnames_derived.txt"):
        for path in PACKS.glob(f"*/{pattern}"):
            for word in _lines(path):
                if not (word.endswith("?") and "derived" not in pattern) and fold_word(word.rstrip("?")) not in common:
                    found[fold_word(word.rstrip("?"))] = 3
    return found


def _lines(path: Path) -> Iterator[str]:
    for line in path.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            yield from line.split()


def wikidata() -> Counter[str]:
    found: Counter[str] = Counter()
    with as_file(files("arabic_name_romanizer") / "resources" / "names.sqlite3") as path:
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        for latin, arabic, country in database.execute(
            "SELECT latin, arabic_key, country FROM units WHERE source = 'wikidata' AND role != 'unknown'"
        ):
            weight = 3 if country in ("MA", "DZ", "TN", "MR") else 1
            for name in (latin, arabic):
                for word in re.split(r"[\s'’`ʿʾ-]+", name):
                    if len(word) > 2:
                        found[fold_word(word)] = max(found[fold_word(word)], weight)
    return found


def census() -> Counter[str]:
    """Names of the United States census of 1990, in the public domain: the surnames borne by most, all given names."""
    found: Counter[str] = Counter()
    for name, most in (("last", 12_000), ("female", 4_300), ("male", 1_300)):
        part = "all" if name == "last" else name
        text = (files("names") / f"dist.{part}.{'last' if name == 'last' else 'first'}").read_text("utf-8")
        found.update({line.split()[0].lower(): 1 for line in text.splitlines()[:most]})
    return Counter({word: 1 for word in found if len(word) > 2})


def faker() -> Counter[str]:
    found: Counter[str] = Counter()
    for locale in LOCALES.split():
        provider = import_module(f"faker.providers.person.{locale}").Provider
        for attribute in dir(provider):
            if attribute.startswith(("first_name", "last_name")):
                value = getattr(provider, attribute)
                for name in value if isinstance(value, (list, tuple, dict)) else ():
                    for word in re.split(r"[\s'-]+", name):
                        if len(word) > 2:
                            found[fold_word(word)] = 1
    return found


def ordinary(seed: Path, doda: Path) -> tuple[Counter[str], set[str], set[str]]:
    """Ordinary words with a weight by frequency, those of chats, and those English writes with a capital only."""
    found: Counter[str] = Counter()
    for language, most in WORDS.items():
        ranked = sorted(get_frequency_dict(language, "best").items(), key=lambda item: -item[1])[:most]
        for rank, (word, _) in enumerate(ranked):
            weight = 12 if rank < 3000 else 4 if rank < 20_000 else 1
            found[fold_word(word)] = max(found[fold_word(word)], weight)
    capital: Counter[str] = Counter()
    small: Counter[str] = Counter()
    for line in (seed / "eng_Latn.txt").read_text("utf-8").splitlines():
        for word in re.findall(r"(?<=[a-z,] )[A-Za-z'-]+", line):
            (capital if word[0].isupper() else small)[word.lower()] += 1
    everyday: Counter[str] = Counter()
    texts = [(seed / name).read_text("utf-8") for name in ("ary_Arab.txt", "arz_Arab.txt", "zgh_Tfng.txt")]
    with doda.open(encoding="utf-8") as file:
        darija = "\n".join(row["darija"] or "" for row in csv.DictReader(file))
    chatted = Counter(re.findall(r"\b[a-z0-9]+\b", darija))
    everyday.update({w: n for w, n in chatted.items() if n > 4 and n > 4 * darija.count(w.capitalize())})
    texts.append(darija.lower())
    for text in texts:
        counted = Counter(re.findall(r"\w+", text))
        for word, count in counted.items():
            folded = fold_word(word).translate(TIFINAGH)
            if count > 1 or not "\u0600" <= folded[0] <= "\u06ff":
                found[folded] = max(found[folded], 8 if count > 5 else 2)
    for word in everyday:
        found[word] = 12
    return found, set(everyday), {word for word, count in capital.items() if count > 3 * small[word]}


def typed(names: Iterable[str], chance: random.Random) -> Iterator[str]:
    """Latin names as people type them in chats."""
    for name in names:
        for _ in range(2):
            changed = name
            for old, new in chance.sample(_CHAT, 8):
                if old in changed and chance.random() < 0.5:
                    changed = changed.replace(old, new, 1)
            if chance.random() < 0.12:
                changed = chance.choice(("el", "l", "ben", "bn", "ou", "bou", "ait", "err", "ess", "ett")) + changed
            if changed != name and len(changed) > 3:
                yield changed


def rows(words: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The features of many words: their slots one after another, and where each word's begin."""
    found = [[crc32(piece) & (SLOTS - 1) for piece in pieces(word)] for word in words]
    starts = np.cumsum([0, *map(len, found)])
    return np.concatenate([np.array(slots, np.int64) for slots in found]), starts


def train(words: list[str], labels: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and bias: logistic regression by Adagrad over shuffled batches."""
    slots, starts = rows(words)
    table, bias = np.zeros(SLOTS), 0.0
    squares, bias_squares = np.full(SLOTS, 1e-3), 1e-3
    order = np.arange(len(words))
    generator = np.random.default_rng(7)
    for _ in range(EPOCHS):
        generator.shuffle(order)
        for at in range(0, len(order), BATCH):
            batch = order[at : at + BATCH]
            lengths = starts[batch + 1] - starts[batch]
            which = np.repeat(np.arange(len(batch)), lengths)
            taken = slots[np.concatenate([np.arange(starts[b], starts[b + 1]) for b in batch])]
            logit = np.bincount(which, table[taken], len(batch)) + bias
            error = (1 / (1 + np.exp(-logit)) - labels[batch]) * weights[batch]
            gradient = np.bincount(taken, error[which], SLOTS) / BATCH + DECAY * table
            squares += gradient**2
            table -= RATE * gradient / np.sqrt(squares)
            slope = error.sum() / BATCH
            bias_squares += slope**2
            bias -= RATE * slope / np.sqrt(bias_squares)
    return table, bias


def score(words: list[str], table: np.ndarray, bias: float) -> np.ndarray:
    slots, starts = rows(words)
    which = np.repeat(np.arange(len(words)), np.diff(starts))
    return np.bincount(which, table[slots], len(words)) + bias


def measure(name: str, positive: np.ndarray, negative: np.ndarray) -> None:
    ranks = np.concatenate([positive, negative]).argsort().argsort() + 1
    area = (ranks[: len(positive)].sum() - len(positive) * (len(positive) + 1) / 2) / (len(positive) * len(negative))
    at = "; ".join(
        f"above {t} {np.mean(positive > t):.3f} of names, {np.mean(negative > t):.3f} of words" for t in (0, 1, 2)
    )
    print(f"{name}: {len(positive)} names, {len(negative)} words not trained on; area {area:.4f}; {at}")


def script(latin: bool, names: Counter[str], words: Counter[str], name: str) -> tuple[np.ndarray, float, float]:
    """One table of one-byte weights with its scale and bias, measured."""
    shape = _LATIN if latin else _ARABIC
    chance = random.Random(7)  # noqa: S311 – a choice of words, no secret
    yes = sorted(w for w in names if shape.fullmatch(w))
    no = sorted(w for w in words if shape.fullmatch(w) and w not in names)
    held_yes, held_no = (set(chance.sample(some, len(some) // 10)) for some in (yes, no))
    kept = [w for w in yes if w not in held_yes]
    extra = [w for w in typed(kept, chance) if w not in words and w not in names] if latin else []
    kept_no = [w for w in no if w not in held_no]
    every = [*kept, *extra, *kept_no]
    labels = np.array([1.0] * (len(kept) + len(extra)) + [0.0] * len(kept_no))
    weights = np.array([*(names[w] for w in kept), *([0.7] * len(extra)), *(words[w] for w in kept_no)], float)
    weights[labels == 1] *= weights[labels == 0].sum() / weights[labels == 1].sum()
    weights /= weights.mean()
    table, bias = train(every, labels, weights)
    scale = float(np.quantile(np.abs(table), 0.9995)) / 127
    small = np.clip(np.rint(table / scale), -127, 127).astype(np.int8)
    measure(name, score(sorted(held_yes), small * scale, bias), score(sorted(held_no), small * scale, bias))
    return small, scale, bias


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=Path, required=True, help="the Open Language Data seed's folder")
    parser.add_argument("--doda", type=Path, required=True, help="DODa's sentences.csv")
    options = parser.parse_args()
    names = faker() | census() | wikidata() | listed()
    words, chatted, proper = ordinary(options.seed, options.doda)
    words = Counter({word: weight for word, weight in words.items() if word not in proper})
    everyday = {fold_word(w.rstrip("?")) for path in PACKS.glob("*/*.txt") for w in _lines(path) if w.endswith("?")}
    for name in ("common", "notnames"):
        everyday |= {fold_word(w.rstrip("?")) for path in PACKS.glob(f"*/{name}.txt") for w in _lines(path)}
    names = Counter({w: n for w, n in names.items() if (w not in everyday or n == 3) and w not in chatted})
    for word in everyday:
        if word in words:
            names.pop(word, None)
    tables = [script(latin, names, words, label) for latin, label in ((True, "Latin"), (False, "Arabic"))]
    head = struct.pack("<16sffff", MAGIC, *(value for _, scale, bias in tables for value in (scale, bias)))
    data = head + b"".join(table.tobytes() for table, _, _ in tables)
    WEIGHTS.parent.mkdir(exist_ok=True)
    WEIGHTS.write_bytes(data)
    print(f"{WEIGHTS.name}: {len(data)} bytes, sha256 {sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
