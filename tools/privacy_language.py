"""Train the language model that ``riad.privacy.language`` reads, and write it with its digest.

    pip install numpy scipy wordfreq==3.1.1     (a throw-away environment; Riad itself needs none of them)
    python tools/privacy_language.py --corpora FOLDER

FOLDER holds ``openlanguagedata-seed/`` and ``doda/``; packages are unpacked in ``--cache``. ``--check`` trains
nothing: it exits 1 when the shipped weights do not match their digest. How good the model is,
``tools/privacy_language_measure.py`` says.

A word is the sum of its n-grams (3, 4, whole), a text the sum of its words, and the model a softmax regression over
that sum, fitted to fragments of one to twelve words: what is learned is what a word adds, which is what is needed to
find where a text changes language.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import zlib
from pathlib import Path
from random import Random
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
import privacy_language_sources as sources
import privacy_language_spelling as spelling

from riad.errors import RiadError
from riad.privacy import language_words as runtime

BITS, FRAGMENTS, EPOCHS, RATE, BATCH, L2 = 16, {"latin": 60_000, "arabic": 100_000}, 3, 0.1, 512, 1e-4
LENGTHS = (1, 2, 3, 4, 5, 6, 8, 12)
SEED, MODELS = 7, 4
# How much of a language's fragments come from each source; sources not named share what one of 0.5 would have.
WEIGHTS = {
    "hand": 0.15, "frequent": 0.7, "doda": 0.6, "forms": 0.25, "seed": 0.3, "seed-informal": 0.5,
    "seed-egyptian": 0.25, "mediawiki": 0.2, "wesnoth": 0.2, "kstars": 0.1, "handbook": 0.15, "fortunes": 0.2,
    "libreoffice": 0.1, "iso-codes": 0.02, "mediawiki-zgh": 0.05, "mediawiki-shi": 0.15, "mediawiki-rif": 0.08,
    "mediawiki-kab": 0.08,
}  # fmt: skip
Words = list[str]
Lines = dict[str, dict[str, list[str]]]  # by language and source


def split(texts: sources.Texts) -> tuple[Lines, Lines]:
    """``(train, test)``. Every tenth line is for testing; of running prose, every tenth block of 50 lines."""
    random = Random(SEED)  # noqa: S311
    found = texts.read()
    for source in ("doda", "forms"):
        found["ary"][source] = [spelling.arabic(line, random) for line in found["ary_Latn"][source]]
    found["zgh"] = {source: found["tzm_Latn"][source] for source in ("seed", "mediawiki-zgh")}
    for source, lines in found["zgh"].items():
        found["tzm_Latn"][source] = [spelling.latin(line) for line in lines]
    found["tzm_Latn"]["seed-informal"] = [spelling.informal(line, random) for line in found["tzm_Latn"]["seed"]]
    train: Lines = {}
    test: Lines = {}
    for name, parts in found.items():
        for source, lines in parts.items():
            block = 50 if source.startswith("seed") or source == "handbook" else 1
            for part, chosen in ((train, False), (test, True)):
                part.setdefault(name, {})[source] = [
                    line for at, line in enumerate(lines) if (at // block % 10 == 9) == chosen
                ]
        for at, line in enumerate(sources.hand().get(name, ())):
            (train, test)[at % 2][name].setdefault("hand", []).append(line)
        for code in sources.FREQUENT.get(name, ()):
            train[name].setdefault("frequent", []).extend(_sampled(texts.frequent(code), random))
    return train, test


def _sampled(frequent: list[tuple[str, float]], random: Random) -> list[str]:
    """Lines of eight words drawn by frequency: no grammar, but the vocabulary of a whole language."""
    known = [(word, count**0.85) for word, count in frequent if len(runtime.pieces(word)) == 1]
    drawn = random.choices([word for word, _ in known], [weight for _, weight in known], k=200_000)
    return [" ".join(drawn[at : at + 8]) for at in range(0, len(drawn), 8)]


def words(line: str, script: str) -> Words:
    """The words of one script as the runtime sees them, if the line is mostly in that script."""
    pieces = [piece for chunk in line.split() for piece in runtime.pieces(chunk)]
    found = [word for kind, word in pieces if kind == script]
    return found if len(found) >= 0.6 * len(pieces) else []


def fragments(train: Lines, script: str, names: tuple[str, ...], random: Random) -> tuple[list[Words], list[int]]:
    """Fragments of every language of a script, some of them typed carelessly, with the languages' indexes."""
    count = FRAGMENTS[script]
    found: list[Words] = []
    answers: list[int] = []
    for answer, name in enumerate(names):
        parts = {source: [words(line, script) for line in lines] for source, lines in train[name].items()}
        filled = {source: kept for source, lines in parts.items() if (kept := [line for line in lines if line])}
        weights = {source: WEIGHTS.get(source, 0.5 / len(filled)) for source in filled}
        for source, lines in filled.items():
            for _ in range(round(count * weights[source] / sum(weights.values()))):
                line, length = random.choice(lines), random.choice(LENGTHS)
                start = random.randrange(max(1, len(line) - length + 1))
                line = line[start : start + length]
                if name != "tzm_Latn" and random.random() < 0.4:
                    line = [spelling.careless(word) for word in line]
                found.append(line)
                answers.append(answer)
    return found, answers


def matrix(lines: list[Words], bits: int) -> Any:
    """Sparse counts, one row a line and one column a bucket of n-grams."""
    import numpy
    from scipy import sparse

    vocabulary: dict[str, int] = {}
    for line in lines:
        for word in line:
            vocabulary.setdefault(word, len(vocabulary))
    mask = (1 << bits) - 1
    pairs = [(row, zlib.crc32(gram) & mask) for word, row in vocabulary.items() for gram in runtime.grams(word)]
    uses = [(row, vocabulary[word]) for row, line in enumerate(lines) for word in line]

    def counts(entries: list[tuple[int, int]], shape: tuple[int, int]) -> Any:
        rows, columns = numpy.array(entries).T
        return sparse.csr_matrix((numpy.ones(len(entries), numpy.float32), (rows, columns)), shape=shape)

    return counts(uses, (len(lines), len(vocabulary))) @ counts(pairs, (len(vocabulary), 1 << bits))


def fit(features: Any, answers: list[int], languages: int) -> Any:
    """Softmax regression by AdaGrad in small batches: weights of shape (buckets, languages)."""
    import numpy

    generator = numpy.random.default_rng(SEED)
    target = numpy.array(answers)
    weights = numpy.zeros((features.shape[1], languages), numpy.float32)
    squares = numpy.full_like(weights, 1e-6)
    for epoch in range(EPOCHS):
        loss, order = 0.0, generator.permutation(len(target))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            batch = features[chosen]
            scores = batch @ weights
            chances = numpy.exp(scores - scores.max(1, keepdims=True))
            chances /= chances.sum(1, keepdims=True)
            own = (numpy.arange(len(chosen)), target[chosen])
            loss -= float(numpy.log(chances[own] + 1e-9).sum())
            chances[own] -= 1
            buckets = numpy.unique(batch.indices)
            gradient = (batch.T @ chances)[buckets] / len(chosen) + L2 * weights[buckets]
            squares[buckets] += gradient**2
            weights[buckets] -= RATE * gradient / numpy.sqrt(squares[buckets])
        print(f"  epoch {epoch + 1}: {loss / len(order):.4f} nats", flush=True)
    return weights


def quantised(weights: Any, languages: tuple[str, ...], bits: int) -> dict[str, Any]:
    """One byte a weight: 128 is nothing, a step is ``scale`` nats; the rare weights beyond 127 steps are cut."""
    import numpy

    centred = weights - weights.mean(1, keepdims=True)
    scale = float(numpy.quantile(numpy.abs(centred), 0.9998)) / 127
    steps = numpy.clip(numpy.round(centred / scale), -127, 127) + 128
    return {"languages": languages, "bits": bits, "scale": scale, "weights": steps.astype(numpy.uint8).tobytes()}


def table(train: Lines, script: str, names: tuple[str, ...]) -> dict[str, Any]:
    """The mean of several models, each of its own fragments: which lines were drawn matters less."""
    models = []
    for seed in range(SEED, SEED + MODELS):
        lines, answers = fragments(train, script, names, Random(seed))  # noqa: S311
        print(f"{script}: {len(lines)} fragments", flush=True)
        models.append(fit(matrix(lines, BITS), answers, len(names)))
    return quantised(sum(models) / MODELS, names, BITS)


def write(model: dict[str, Any]) -> None:
    data = msgspec.msgpack.encode(model)
    runtime.MODEL.write_bytes(data)
    digest = f"{hashlib.sha256(data).hexdigest()}  {runtime.MODEL.name}\n"
    runtime.MODEL.with_suffix(".sha256").write_text(digest, "ascii")
    print(f"{runtime.MODEL.name}: {len(data)} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("build/language"))
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    if arguments.check:
        try:
            runtime.load(runtime.MODEL)
        except RiadError as error:
            sys.exit(str(error))
        print("language: the shipped weights match their digest")
        return
    if arguments.corpora is None:
        parser.error("--corpora says where the corpora are")
    sources.fetch(arguments.cache)
    train, _ = split(sources.Texts(arguments.cache, arguments.corpora))
    write({"latin": table(train, "latin", sources.LATIN), "arabic": table(train, "arabic", sources.ARABIC)})


if __name__ == "__main__":
    main()
