"""The results of ``benchmarks.ledger`` as tables for the documentation."""

from __future__ import annotations

from typing import Any

from benchmarks.machine import sentence
from benchmarks.spread import show
from benchmarks.tables import promises, table

KINDS = ("inclusion", "consistency")


def ledger(document: dict[str, Any]) -> str:
    """All tables of a run."""
    writing, proofs = document["writing"], document["proofs"]
    parts = [
        sentence(document["machine"]),
        f"Median of the rounds (least–most). An `fsync` of a kilobyte took {show(document['fsync_ms'], 2)} ms.",
        "Durable entries/s by how many callers wait, each for its own entry:",
        _callers(writing["contenders"], "entries_per_s", "entries/s", 0),
        "How long they waited, p50 / p99 in ms:",
        _waits(writing["contenders"]),
        "CPU µs an entry costs the owner's process:",
        _callers(writing["contenders"], "owner_cpu_us", "µs", 1),
        *_missing(writing["missing"]),
        "Proofs by the size of the tree, p50 / p99 in ms:",
        _proofs(proofs),
        *([f"{proofs['peer']} goes no further: {proofs['missing']}."] if proofs["missing"] else []),
        "Verification, offline:",
        _verification(document["verification"]),
        "The whole log, read:",
        _rates(document["rates"]),
        "Bytes:",
        _bytes(document),
        "What an entry costs the worker that hands it over, µs:",
        _costs(document["worker"], document["record_keys"]),
        promises(document["promises"]),
    ]
    return "\n\n".join(part for part in parts if part)


def _callers(contenders: dict[str, Any], measure: str, unit: str, digits: int) -> str:
    kept = {name: one for name, one in contenders.items() if measure in next(iter(one.values()))}
    head = [f"waiting callers: {unit}", *next(iter(contenders.values()))]
    rows = [[name, *(show(found[measure], digits) for found in one.values())] for name, one in kept.items()]
    return table(head, rows)


def _waits(contenders: dict[str, Any]) -> str:
    head = ["waiting callers: ms", *next(iter(contenders.values()))]
    return table(head, [[name, *map(_middles, one.values())] for name, one in contenders.items()])


def _middles(found: dict[str, Any]) -> str:
    return _pair(*(found[key]["median"] if found[key] else None for key in ("p50_ms", "p99_ms")))


def _pair(middle: float | None, high: float | None) -> str:
    return " / ".join("–" if value is None else f"{value:,.2f}" for value in (middle, high))


def _missing(missing: dict[str, str]) -> list[str]:
    return [f"{name} did not take part: {reason}." for name, reason in missing.items()]


def _proofs(proofs: dict[str, Any]) -> str:
    peer = proofs["peer"]
    head = ["entries", "opening, ms", *KINDS, "receipt"]
    head += [f"{peer}: {kind} ({word})" for kind in KINDS for word in ("first", "then")]
    rows = []
    for size, one in proofs["sizes"].items():
        ours, theirs = one["riad"], one.get("peer", {})
        cells = [f"{ours['open_ms']:.1f}", *(_pair(ours[what]["p50_ms"], ours[what]["p99_ms"]) for what in KINDS)]
        cells.append(_pair(ours["receipt"]["p50_ms"], ours["receipt"]["p99_ms"]))
        for kind in KINDS:
            if found := theirs.get(kind):
                cells += [f"{found['first_ms']:,.0f}", _pair(found["p50_ms"], found["p99_ms"])]
            else:
                cells += ["–", "–"]
        rows.append([f"{int(size):,}", *cells])
    return table(head, rows)


def _verification(found: dict[str, Any]) -> str:
    peer = found["peer"]
    rows = [
        [f"a receipt of {found['receipt_bytes']:,} bytes, whole", show(found["receipt_us"], 1)],
        [f"a COSE receipt of {found['cose_bytes']:,} bytes and its entry, whole", show(found["cose_us"], 1)],
        ["of that, one Ed25519 signature (`cryptography`)", show(found["ed25519_us"], 1)],
        ["an inclusion proof in memory, no signature", show(found["inclusion_us"], 1)],
    ]
    if "inclusion_us" in peer:
        rows.append([f"the same by {peer['title']}", show(peer["inclusion_us"], 1)])
    return table([f"in a log of {found['entries']:,} entries", "µs"], rows)


def _rates(rates: dict[str, Any]) -> str:
    audits = [[f"audited, {cores} cores", one] for cores, one in rates["audit"].items()]
    others = [["exported, one core", rates["export"]], ["indexed, one core", rates["index"]]]
    rows = [[words, f"{one['entries_per_s']:,.0f}"] for words, one in (*audits, *others)]
    return table([f"{rates['export']['entries']:,} entries", "entries/s"], rows)


def _bytes(document: dict[str, Any]) -> str:
    found = document["bytes"]
    rows = [
        ["a decision", f"{found['decision_bytes']:,}"],
        ["an outcome", f"{found['outcome_bytes']:,}"],
        ["an entry, both alike", f"{found['mean_bytes']:,.0f}"],
        ["on disk beside it: tiles, rows, pages", f"{found['overhead_bytes']:,.0f}"],
        ["on disk beside an entry of a few bytes", f"{document['proofs']['bytes_a_small_entry']:,.0f}"],
        ["a record key and whose it is", f"{document['record_keys']['bytes']:,.0f}"],
        ["an entry in the static files", f"{document['rates']['export']['bytes_an_entry']:,.0f}"],
        ["an entry in the index", f"{document['rates']['index']['bytes_an_entry']:,.0f}"],
    ]
    return table(["what", "bytes"], rows)


def _costs(costs: dict[str, Any], keys: dict[str, Any]) -> str:
    rows = [["to encode", show(costs["encode_us"], 1)]]
    rows += [
        [f"to append, {name.rpartition('_')[2]} a turn of its loop", f"{value:.1f}"]
        for name, value in costs.items()
        if name.startswith("append")
    ]
    rows.append(["the owner, to keep a record key, 512 at once", f"{keys['us']:.1f}"])
    return table(["work", "µs"], rows)
