"""The scan's time on clean and dense prompts, on long and hostile ones; masking, walking and restoring.

    python -m benchmarks.privacy [--rounds 5] [--megabytes 10]

Times are of one core's CPU: the median over the rounds of the mean of many calls, with its extremes. *clean* is what
most requests pay: half a kilobyte in three messages without personal data. *growth* is the time of four times as much
over the time of the once, worst of the hostile inputs: 4 is linear. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.spread import spread
from riad.privacy import Masker, Restorer, scan, scan_many
from riad.privacy.walk import replace, texts

FRENCH = (
    "Bonjour, peux-tu m'aider à rédiger un courriel professionnel pour demander un délai supplémentaire à mon "
    "responsable ? Le projet avance bien mais nous attendons encore les données de la direction régionale. Il "
    "faudrait rester poli et concis, et proposer une nouvelle date de remise à la fin du mois. Merci d'avance. "
)
ARABIZI = (
    "salam khouya, bghit n3ref kifach ndir demande dyal lpasspor jdid f rabat, chno lwra9 li khassni njib m3aya o "
    "ch7al kaykhelso nas 3la had lkhedma. wach kayn chi site web fin n9der ndir rendez-vous bla manmchi ltemma? "
)
ARABIC = (
    "السلام عليكم، بغيت نسولك على الطريقة ديال تقديم طلب القرض السكني فالبنك، شنو هما الوثائق المطلوبة وشحال كتبقى "
    "المعالجة ديال الملف؟ وواش ممكن نخلص قبل الوقت بلا غرامة. شكرا بزاف على المساعدة ديالكم "
)
ENGLISH = (
    "Explain the difference between supervised and unsupervised learning to a student of economics, with two concrete "
    "examples for each, and keep it under three hundred words. Then compare cost, data needs and typical errors. "
)
DENSE = (
    "Bonjour, je m'appelle Ahmed Benjelloun, CIN BK451236, tél. 06 61 23 45 67, RIB 011 519 0000012050005349 21. "
    "سميتي محمد العلوي ورقم الهاتف ٠٦٦١٢٣٤٥٦٧. smiti hamza lgrini, email hamza@exemple.ma. Le dossier de Mme Salma "
    "Tazi, née le 12/03/1985, est complet. "
)
HOSTILE = {
    "digits in pairs": "10 ",
    "telephones": "tel 0612345678 ",
    "given names": "ahmed ",
    "names and illness": "Ahmed Benali diabète ",
    "cues": "smiti-",
    "e-mail": "a@b.co ",
    "at signs": "a@",
    "backslashes": "\\",
    "escapes": "\\u0041",
    "zero width": "1\u200b",
    "brackets": "[",
    "letters": "a",
}


def thirds(text: str) -> list[str]:
    """The text as three messages."""
    third = len(text) // 3
    return [text[:third], text[third : 2 * third], text[2 * third :]]


def sized(text: str, size: int) -> str:
    """The text repeated to about ``size`` bytes of UTF-8."""
    data = (text * (size // len(text.encode()) + 1)).encode()
    return data[:size].decode("utf-8", "ignore")


def cpu(action: Callable[[], Any], budget: float = 0.15) -> float:
    """Microseconds of CPU of one call: the mean of as many as fit the budget, in seconds."""
    action()
    began = time.process_time()
    calls = 0
    while (taken := time.process_time() - began) < budget:
        action()
        calls += 1
    return taken / calls * 1e6


def one_round() -> dict[str, float]:
    """Every measure once. Names end in their unit."""
    result: dict[str, float] = {}
    for name, text in (("french", FRENCH), ("arabizi", ARABIZI), ("arabic", ARABIC), ("english", ENGLISH)):
        parts = thirds(sized(text, 500))
        result[f"clean_{name}_500b_us"] = cpu(lambda parts=parts: scan_many(parts))  # type: ignore[misc]
    mixed = (FRENCH + ARABIZI + ARABIC + ENGLISH) * 3 + DENSE
    for name, text in (("mixed", mixed), ("dense", DENSE)):
        for label, size in (("200b", 200), ("1kb", 1024), ("32kb", 32 * 1024)):
            sample = sized(text, size)
            result[f"{name}_{label}_mb_s"] = len(sample.encode()) / cpu(lambda sample=sample: scan(sample))  # type: ignore[misc]
    dense = sized(DENSE, 500)
    found = scan(dense)
    result["dense_500b_us"] = cpu(lambda: scan(dense))
    result["mask_500b_us"] = cpu(lambda: Masker().mask(dense, found))
    body = {"messages": [{"role": "user", "content": text} for text in (FRENCH, ARABIZI, DENSE)]}
    result["walk_3_messages_us"] = cpu(lambda: texts(body))
    result["walk_and_replace_us"] = cpu(lambda: replace(body, iter(texts(body))))
    masker = Masker()
    answer = masker.mask(dense, found) * 4
    tokens = [answer[at : at + 4] for at in range(0, len(answer), 4)]
    result["restore_a_token_us"] = cpu(lambda: stream(masker.mapping, tokens)) / len(tokens)
    result["pass_a_token_us"] = cpu(lambda: stream({}, tokens)) / len(tokens)
    return result


def stream(mapping: dict[str, str], tokens: list[str]) -> None:
    """One streamed answer, restored."""
    restorer = Restorer(mapping)
    for token in tokens:
        restorer.feed(token)
    restorer.flush()


def once(text: str) -> float:
    """Seconds of CPU of one scan."""
    began = time.process_time()
    scan(text)
    return time.process_time() - began


def hostile(size: int) -> dict[str, dict[str, float]]:
    """Speed on each hostile input, and how its time grows with its size."""
    found = {}
    for name, unit in HOSTILE.items():
        small, large = (once(sized(unit, length)) for length in (size // 4, size))
        found[name] = {"mb_s": round(size / 1e6 / large, 2), "growth": round(large / max(small, 1e-4), 2)}
    return found


def start() -> dict[str, float]:
    """The first scan of a process: seconds to build the automata, and megabytes they take."""
    code = (
        "import time; import riad.privacy; pages = lambda: int(open('/proc/self/statm').read().split()[1]); "
        "before, began = pages(), time.perf_counter(); riad.privacy.scan('x'); "
        "print(time.perf_counter() - began, (pages() - before) * 4096 / 1e6)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, megabytes = map(float, answer.stdout.split())
    return {"first_scan_s": round(seconds, 3), "memory_mb": round(megabytes, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.privacy", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=float, default=10.0, help="size of the long document")
    options = parser.parse_args()
    rounds = [one_round() for _number in range(max(1, options.rounds))]
    measures = {}
    for name in rounds[0]:
        found = spread(one[name] for one in rounds)
        if found is not None:
            measures[name] = {part: round(found[part], 3) for part in ("median", "min", "max")}
    long = sized((FRENCH + ARABIZI + ARABIC + ENGLISH) * 3 + DENSE, int(options.megabytes * 1e6))
    clean = max(measures[name]["median"] for name in measures if name.startswith("clean_"))
    document = {
        "rounds": len(rounds),
        "scan": measures,
        "start": start(),
        "long_document": {"mb": options.megabytes, "mb_s": round(len(long.encode()) / 1e6 / once(long), 2)},
        "hostile": hostile(int(options.megabytes * 1e5)),
        "promises": {
            "clean prompt of 500 bytes, µs": {"measured": clean, "floor": 15},
            "scan with names at 32 KB, MB/s": {
                "measured": measures["mixed_32kb_mb_s"]["median"],
                "floor": 2,
                "aim": 10,
            },
        },
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }
    print(json.dumps(document, ensure_ascii=False))


if __name__ == "__main__":
    main()
