"""Verify a receipt of a Riad ledger, without trusting whoever runs it.

    python verify.py RECEIPT --key KEY
    python verify.py RECEIPT --policy POLICY
    python verify.py RECEIPT --key KEY --record-key HEX (--prompt FILE | --answer FILE)

RECEIPT is a file, or - for standard input; KEY is the log's public key (``name+hash+key``) or a file that holds it.
POLICY is a file (C2SP tlog-policy) that names the log's key, the witnesses and how many of them must have cosigned;
without one, witnesses are not looked at. With the record key, which the caller may ask for, it also shows that a prompt
(the request's JSON) or an answer is the one committed to. Exit status: 0 the receipt is good, 1 it is not, 2 wrong
usage. ``--json`` prints one JSON document.

This one file needs Python 3.11 and the package ``cryptography``, and nothing of Riad: copy it, read it, run it. It
follows C2SP tlog-proof, tlog-checkpoint, tlog-cosignature, tlog-policy and signed-note, and RFC 9162, section 2.1.
"""

from __future__ import annotations

import argparse
import binascii
import hashlib
import hmac
import json
import re
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from string import Formatter
from typing import Any, NamedTuple, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

try:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
except ImportError:  # a cryptography before it knew the algorithm
    MLDSA44PublicKey = None  # type: ignore[assignment,misc]

MAGIC = "c2sp.org/tlog-proof@v1"
MAX_RECEIPT = 1 << 20  # bytes; the largest real one is far below
_CONTROL = bytes(set(range(32)) - set(b"\n"))  # in UTF-8 these bytes stand for nothing else

Translate = Callable[..., str]


def N_(message: str) -> str:  # noqa: N802  (gettext's own name)
    """Mark a sentence for translation; this file alone speaks English."""
    return message


def english(message: str, **values: object) -> str:
    return message.format(**values) if values else message


class BadReceipt(Exception):
    """The receipt does not prove what it claims. ``step`` is the number of the step that failed."""

    def __init__(self, step: int, message: str, **values: object) -> None:
        super().__init__(english(message, **values))
        self.step = step
        self.message = message
        self.values = values


class BadKey(ValueError):
    """The key given is no Ed25519 key of a log."""


class BadPolicy(ValueError):
    """The file given is no policy. ``line`` is the number of the line that is wrong, 0 where none is."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(english(N_("line {line}: {reason}"), line=line, reason=message) if line else message)
        self.line = line
        self.message = message


class WitnessKey(NamedTuple):
    """A witness's public key; ``kind`` 4 is Ed25519, 6 is ML-DSA-44 (C2SP tlog-cosignature)."""

    name: str
    key_id: bytes
    kind: int
    public: bytes


@dataclass
class Policy:
    """Who must vouch for a checkpoint (C2SP tlog-policy). A group is how many of which members, in the file's names."""

    logs: list[str] = field(default_factory=list)
    witnesses: dict[str, WitnessKey] = field(default_factory=dict)
    groups: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    quorum: str = "none"

    def reached(self, cosigned: Collection[str], name: str | None = None) -> bool:
        """Whether the witnesses of these names make up the quorum (or the group of that name)."""
        name = self.quorum if name is None else name
        if name in self.groups:
            least, members = self.groups[name]
            return sum(self.reached(cosigned, member) for member in members) >= least
        return name == "none" or name in cosigned


class Step(NamedTuple):
    """One thing that was checked, and what it proves. Sentences are templates with ``values``."""

    done: str
    proves: str
    values: dict[str, Any]


@dataclass
class Report:
    """What a good receipt shows. ``strangers`` counts signatures by other keys, not checked: they prove nothing."""

    steps: list[Step] = field(default_factory=list)
    origin: str = ""
    size: int = 0
    root: str = ""
    index: int = 0
    entry: bytes = b""
    strangers: int = 0
    opened: str = ""  # prompt or answer, where its commitment was opened
    asked: int = 0  # how many witnesses the policy names
    cosigned: dict[str, int] = field(default_factory=dict)  # who of them cosigned, and when (POSIX seconds)

    def add(self, done: str, proves: str, **values: Any) -> None:
        self.steps.append(Step(done, proves, values))

    def facts(self) -> dict[str, Any] | None:
        """The entry as an object, or None where it is not JSON."""
        try:
            value = json.loads(self.entry)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None


THE_TEXTS = N_("The prompt and the answer: the log never holds them.")
THE_REST = {
    "prompt": N_("The answer: this receipt is the decision's; that of the outcome commits to it."),
    "answer": N_("The prompt: this receipt is the outcome's; that of the decision commits to it."),
}
NOT_PROVED = (
    THE_TEXTS,
    N_("That what the entry says is true: it is what the platform recorded, at a time by its own clock."),
    N_("That nothing else happened: what was never recorded has no entry."),
)
UNWITNESSED = N_(
    "That everybody sees the same log: unwitnessed, the operator could show others another one. Keep this receipt: "
    "against a log that differs it is the proof."
)


def verify(receipt: bytes, vkey: str, policy: Policy | None = None) -> Report:
    """Check a receipt against a log's public key, and against a policy's witnesses where one is given.

    Raises ``BadReceipt`` at the first step that fails, ``BadKey``.
    """
    report = Report()

    # (1) The file has exactly the form of a receipt.
    report.entry, report.index, proof, note = _split(receipt)
    report.add(
        N_("The file is a receipt ({magic}) for entry {index}."),
        N_("Only that it is whole and well formed."),
        magic=MAGIC,
        index=report.index,
    )

    # (2) The key is an Ed25519 key whose name and id belong together.
    name, key_id, public = _choose_key(vkey, note)
    report.add(
        N_("The key is {name}, id {id}."),
        N_("Nothing by itself. That it is the platform's key you must know from elsewhere than this receipt."),
        name=name,
        id=key_id.hex(),
    )

    # (3) That key signed the checkpoint.
    text, report.strangers = _signed(note, name, key_id, public)
    report.origin, report.size, root = _parse_checkpoint(text)
    report.root = root.hex()
    report.add(
        N_("The key signed the checkpoint: {size} entries under the root {root}."),
        N_("Whoever holds the key vouches for exactly these entries, and cannot deny it."),
        size=report.size,
        root=report.root,
    )

    # (4) The checkpoint is of the log the key is named after.
    if report.origin != name:
        raise BadReceipt(4, N_("The checkpoint is of {origin}, not of {name}."), origin=report.origin, name=name)
    report.add(
        N_("The checkpoint is of the log {origin}."), N_("It is not borrowed from another log."), origin=report.origin
    )

    # (5) The entry in the receipt is the leaf at that index under that root.
    leaf = hashlib.sha256(b"\x00" + report.entry).digest()
    if _climb(leaf, report.index, report.size, proof) != root:
        raise BadReceipt(5, N_("The proof does not lead from the entry to the signed root: one of them was changed."))
    report.add(
        N_("{count} hashes lead from the entry to the signed root."),
        N_("This entry, to the last bit, is number {index} of that log: to change it is to change that root."),
        count=len(proof),
        index=report.index,
    )

    # (6) As many witnesses cosigned the checkpoint as the policy asks for.
    if policy is not None:
        _ask_witnesses(report, note, root, policy)
    if not report.cosigned:
        report.add(
            N_("The receipt is unwitnessed: {count} other signatures, none checked."),
            N_("Nothing: only the operator vouches for it."),
            count=report.strangers,
        )
    return report


class BadText(ValueError):
    """The record key or the file given cannot be what a commitment was made to."""


class Committed(NamedTuple):
    """What a record of one kind commits to."""

    kind: str
    field: str
    label: bytes


COMMITTED = {
    N_("prompt"): Committed("decision", "prompt_commitment", b"riad/prompt/v1\0"),
    N_("answer"): Committed("outcome", "answer_commitment", b"riad/answer/v1\0"),
}
# The members of a request that are its content; docs/reference/ledger.md, Commitments.
MEMBERS = ("functions", "input", "messages", "prompt", "suffix", "tools")


def open_commitment(report: Report, what: str, text: bytes, record_key: str) -> None:
    """The next step: this text is what the record commits to. ``what`` is ``prompt`` or ``answer``.

    Raises ``BadReceipt`` where it is not, ``BadText`` for a key or a text that cannot be one.
    """
    step = len(report.steps) + 1
    committed = COMMITTED[what]
    key = _record_key(record_key)
    entry = report.facts() or {}
    if entry.get("kind") != committed.kind:
        raise BadReceipt(step, N_("This is the receipt of another kind of record: no {what} is in it."), what=what)
    claimed = entry.get(committed.field)
    if not isinstance(claimed, str):
        raise BadReceipt(step, N_("This record commits to no {what}."), what=what)
    readings = [_request(text)] if what == "prompt" else list(_answers(text))
    made = {hmac.digest(key, committed.label + reading, "sha256").hex() for reading in readings}
    if claimed not in made:
        raise BadReceipt(
            step, N_("This {what} is not the one committed to, or the record key is not this record's."), what=what
        )
    report.opened = what
    report.add(
        N_("Under the record key the {what} gives the commitment {commitment}."),
        N_("This is the {what} that this record was made of: no other one could be found to give the same."),
        what=what,
        commitment=claimed,
    )


def _record_key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != 32:
        raise BadText(N_("This is not a record key: 64 hexadecimal digits, as x-riad-record-key gives them."))
    return key


def canonical(value: Any) -> bytes:
    """JSON in the one way that is committed to. Raises ``UnicodeEncodeError`` for half a character."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _load(text: str | bytes) -> Any:
    """JSON as the platform reads it. Raises ``ValueError``."""

    def refuse(name: str) -> NoReturn:
        raise ValueError(name)

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _request(text: bytes) -> bytes:
    """What of a request's JSON is committed to: the members that are its content."""
    try:
        body = _load(text)
        if not isinstance(body, dict):
            raise ValueError("no object")
        return canonical({name: body[name] for name in MEMBERS if name in body})
    except (ValueError, RecursionError):
        raise BadText(N_("This is not a request's JSON, as it was sent to the platform.")) from None


def _answers(text: bytes) -> Iterator[bytes]:
    """An answer's choices, in every way the text may be read: a JSON answer, a saved stream, the text alone."""
    try:
        plain = text.decode()
    except UnicodeDecodeError:
        raise BadText(N_("This answer is not UTF-8.")) from None
    lines = [line.removeprefix("data:").strip() for line in plain.splitlines() if line.startswith("data:")]
    for pieces, member in (([plain], "message"), (lines, "delta")):
        said: dict[int, dict[str, Any]] = {}
        for piece in pieces:
            _hear(said, piece, member)
        if said:
            yield canonical([_said(said[index]) for index in sorted(said)])
    for content in {plain, plain.removesuffix("\n").removesuffix("\r")}:
        yield canonical([{"content": content} if content else {}])


def _hear(said: dict[int, dict[str, Any]], text: str, member: str) -> None:
    """Add what one piece of JSON says to each choice: its content, and its tool calls by number."""
    try:
        body = _load(text)
        canonical(body)
    except (ValueError, RecursionError):
        return
    choices = body.get("choices") if isinstance(body, dict) else None
    for place, choice in enumerate(choices if isinstance(choices, list) else ()):
        if not isinstance(choice, dict):
            continue
        index = _whole(choice.get("index"), place)
        heard = said.setdefault(index, {"content": "", "tool_calls": {}})
        message = choice.get(member)
        heard["content"] += _text(message.get("content") if isinstance(message, dict) else choice.get("text"))
        calls = message.get("tool_calls") if isinstance(message, dict) else None
        for number, call in enumerate(calls if isinstance(calls, list) else ()):
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict):
                called = heard["tool_calls"].setdefault(
                    _whole(call.get("index"), number), {"name": "", "arguments": ""}
                )
                for field in called:
                    called[field] += function[field] if isinstance(function.get(field), str) else ""


def _said(heard: dict[str, Any]) -> dict[str, Any]:
    """A choice without what is empty."""
    calls = [heard["tool_calls"][number] for number in sorted(heard["tool_calls"])]
    full = [{field: text for field, text in call.items() if text} for call in calls]
    return {field: value for field, value in (("content", heard["content"]), ("tool_calls", full)) if value}


def _text(content: Any) -> str:
    """A text; of content that comes in parts, what is text in them."""
    parts = content if isinstance(content, list) else [{"text": content}]
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def _whole(value: Any, place: int) -> int:
    return value if type(value) is int else place


def parse_key(vkey: str) -> tuple[str, bytes, bytes]:
    """A key's text form: its name, its 4-byte id, its 32 public bytes (C2SP signed-note). Raises ``BadKey``."""
    name, key_id, _, public = _parse_vkey(vkey, {1: 32})
    return name, key_id, public


def _choose_key(vkeys: str, note: str) -> tuple[str, bytes, bytes]:
    """Of the keys given, a line each, the first that a signature names; else the first. Raises ``BadKey``."""
    keys = [parse_key(line) for line in vkeys.split("\n") if line.strip()] or [parse_key("")]
    signers = {(name, identity) for name, identity, _ in _parse_note(note)[1]}
    return next((key for key in keys if key[:2] in signers), keys[0])


def find_key(given: str) -> str:
    """The key meant on a command line: itself, or the contents of the file of that name. Raises ``BadKey``."""
    try:
        parse_key(given)
    except BadKey:
        if len(given) > 4096 or not Path(given).is_file():
            raise
        return Path(given).read_text("utf-8")
    return given


def parse_policy(data: bytes) -> Policy:
    """Read a policy file (C2SP tlog-policy). Raises ``BadPolicy`` with the number of the line that is wrong."""
    text = data.decode("utf-8", "surrogateescape")  # names are bytes; most are UTF-8, and none is changed
    if any((c < " " and c not in "\t\n") or c == "\x7f" for c in text):
        raise BadPolicy(0, N_("The policy holds control characters."))
    policy, members, quorums = Policy(), set[str](), 0
    for number, line in enumerate(text.split("\n"), 1):
        kind, *words = [word for word in re.split("[ \t]+", line) if word] or ["#"]
        if kind.startswith("#"):
            continue
        known = {*policy.witnesses, *policy.groups}
        try:
            if kind == "log" and len(words) in (1, 2):
                if parse_key(words[0])[2] in [parse_key(vkey)[2] for vkey in policy.logs]:
                    raise BadPolicy(number, N_("this log's key was named before"))
                policy.logs.append(words[0])
            elif kind == "witness" and len(words) in (2, 3) and words[0] not in {*known, "none"}:
                key = parse_witness_key(words[1])
                if key.public in [other.public for other in policy.witnesses.values()]:
                    raise BadPolicy(number, N_("this witness's key was named before"))
                policy.witnesses[words[0]] = key
            elif kind == "group" and len(words) > 2 and words[0] not in {*known, "none"}:
                name, least, *inside = words
                if len(set(inside)) != len(inside) or not known.issuperset(inside) or members.intersection(inside):
                    raise BadPolicy(number, N_("a member is named above, and in one group only"))
                count = {"any": 1, "all": len(inside)}.get(least) or _number(least)
                if not count or count > len(inside):
                    raise BadPolicy(number, N_("a group's threshold is any, all, or from 1 to its number of members"))
                policy.groups[name] = count, inside
                members.update(inside)
            elif kind == "quorum" and len(words) == 1 and words[0] in {*known, "none"} and not quorums:
                policy.quorum = words[0]
                quorums += 1
            else:
                raise BadPolicy(number, N_("no log, witness, group or quorum, or it names what is not defined above"))
        except BadKey as error:
            raise BadPolicy(number, str(error)) from None
    if not quorums:
        raise BadPolicy(0, N_("The policy has no quorum line."))
    return policy


def parse_witness_key(vkey: str) -> WitnessKey:
    """A witness key's text form. Raises ``BadKey``."""
    key = WitnessKey(*_parse_vkey(vkey, {4: 32, 6: 1312}))
    if key.kind == 6 and MLDSA44PublicKey is None:
        raise BadKey(N_("This key is of the kind ML-DSA-44: it needs a newer version of the package cryptography."))
    return key


def log_of(receipt: bytes, policy: Policy) -> str:
    """The key of the policy's log that a receipt says it is of, else any of them. Raises ``BadPolicy``."""
    if not policy.logs:
        raise BadPolicy(0, N_("The policy names no log: give its key too."))
    signers = {line.split(b" ")[1] for line in receipt.splitlines() if line.startswith("—".encode() + b" ")}
    names = [vkey.partition("+")[0] for vkey in policy.logs]
    name = next((name for name in names if name.encode() in signers), names[0])
    return "\n".join(vkey for vkey in policy.logs if vkey.partition("+")[0] == name)  # two, while a key changes


def cosigned_at(key: WitnessKey, text: str, root: bytes, stamped: bytes) -> int | None:
    """When a witness cosigned a checkpoint, in POSIX seconds; None where the signature is not its own."""
    origin, size, _ = text.split("\n", 2)
    time = int.from_bytes(stamped[:8])
    try:
        if key.kind == 4:
            message = f"cosignature/v1\ntime {time}\n{text}".encode()
            Ed25519PublicKey.from_public_bytes(key.public).verify(stamped[8:], message)
        else:
            cosigner, log = key.name.encode(), origin.encode()
            message = b"subtree/v1\n\0" + bytes([len(cosigner)]) + cosigner + stamped[:8] + bytes([len(log)]) + log
            message += bytes(8) + int(size).to_bytes(8) + root
            MLDSA44PublicKey.from_public_bytes(key.public).verify(stamped[8:], message)
    except (InvalidSignature, ValueError):
        return None
    return time if time < 1 << 63 else None


def _ask_witnesses(report: Report, note: str, root: bytes, policy: Policy) -> None:
    """Count the policy's witnesses that cosigned. Others' signatures are ignored, as the formats ask."""
    text, signatures = _parse_note(note)
    times: dict[str, int] = {}
    for signer, identity, stamped in signatures:
        for name, key in policy.witnesses.items():
            if (signer, identity) != (key.name, key.key_id):
                continue
            time = cosigned_at(key, text, root, stamped)
            if time is None:
                raise BadReceipt(6, N_("The cosignature by {name} does not fit the checkpoint."), name=signer)
            times[name] = min(time, times.get(name, time))
            report.strangers -= 1
    report.asked = len(policy.witnesses)
    if not policy.reached(times):
        message = N_(
            "Too few witnesses: {count} of the policy's {asked} cosigned the checkpoint; its quorum is not reached. "
            "If the entry is new, ask for its receipt again in a minute."
        )
        raise BadReceipt(6, message, count=len(times), asked=report.asked)
    if not times:
        return
    report.cosigned = {policy.witnesses[name].name: time for name, time in times.items()}
    order = sorted(times, key=times.__getitem__)
    enough = next(n for n in range(1, len(order) + 1) if policy.reached(order[:n]))
    report.add(
        N_("Witnessed: {count} of the policy's {asked} witnesses cosigned the checkpoint, {witnesses}."),
        N_(
            "The entry was in the log by {time}. Each of them saw the log only grow and cosigned no other history. "
            "That they are independent of the operator you must know from elsewhere."
        ),
        count=len(times),
        asked=report.asked,
        witnesses=", ".join(f"{_safe(name)} ({_when(time * 1000)})" for name, time in report.cosigned.items()),
        time=_when(times[order[enough - 1]] * 1000),
    )


def _parse_vkey(vkey: str, lengths: dict[int, int]) -> tuple[str, bytes, int, bytes]:
    """Name, key id, kind and public bytes of a key whose kind is one of these (C2SP signed-note)."""
    name, _, rest = vkey.strip().partition("+")
    identity, _, encoded = rest.partition("+")
    data = _unb64(encoded)
    if not name or not data or len(data) - 1 != lengths.get(data[0]):
        if 1 in lengths:
            raise BadKey(N_("This is not a log's public key: name+hash+key, as `riad ledger key` prints it."))
        raise BadKey(N_("This is not a witness's public key: name+hash+key, as `riad witness key` prints it."))
    key_id = hashlib.sha256(name.encode(errors="replace") + b"\n" + data).digest()[:4]
    if identity != key_id.hex():
        raise BadKey(N_("The key's name and its hash do not belong together: the key was mistyped or changed."))
    return name, key_id, data[0], data[1:]


def _split(receipt: bytes) -> tuple[bytes, int, list[bytes], str]:
    """The entry, its index, the proof's hashes and the checkpoint's note."""
    if len(receipt) > MAX_RECEIPT:
        _malformed(N_("it is too large"))
    try:
        text = receipt.decode()
    except UnicodeDecodeError:
        _malformed(N_("it is not UTF-8"))
    if len(receipt.translate(None, _CONTROL)) != len(receipt):
        _malformed(N_("it holds control characters; some mail programs add them"))
    head, separator, note = text.partition("\n\n")
    lines = head.split("\n")
    if not separator or lines[0] != MAGIC:
        _malformed(N_("it does not begin as one"))
    if len(lines) < 3 or not lines[1].startswith("extra "):
        _malformed(N_("it does not carry its entry"))
    entry = _unb64(lines[1].removeprefix("extra "))
    if not entry or len(entry) > 0xFFFF:
        _malformed(N_("its entry is not base64"))
    label, _, digits = lines[2].partition(" ")
    index = _number(digits)
    if label != "index" or index is None:
        _malformed(N_("it has no index"))
    proof = [_unb64(line) for line in lines[3:]]
    hashes = [item for item in proof if item is not None and len(item) == 32]
    if len(hashes) != len(proof):
        _malformed(N_("its proof is not a list of hashes"))
    return entry, index, hashes, note


def _parse_note(note: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """The signed text, and (name, key id, signature) of each line under it."""
    text, separator, tail = note.rpartition("\n\n")
    if not separator or not tail.endswith("\n"):
        _malformed(N_("its checkpoint is cut short"))
    signatures = []
    for line in tail[:-1].split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        data = _unb64(encoded)
        if dash != "—" or not name or "+" in name or data is None or len(data) < 5:
            _malformed(N_("its checkpoint has a line that is no signature"))
        signatures.append((name, data[:4], data[4:]))
    return text + "\n", signatures


def _signed(note: str, name: str, key_id: bytes, public: bytes) -> tuple[str, int]:
    """The text that this key signed, and how many signatures by others there are."""
    text, signatures = _parse_note(note)
    ours = [signature for signer, identity, signature in signatures if (signer, identity) == (name, key_id)]
    if not ours:
        raise BadReceipt(3, N_("The key {name}, id {id}, did not sign the checkpoint."), name=name, id=key_id.hex())
    for signature in ours:
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, text.encode())
        except InvalidSignature:
            raise BadReceipt(3, N_("The signature does not fit the checkpoint: one of them was changed.")) from None
    return text, len(signatures) - len(ours)


def _parse_checkpoint(text: str) -> tuple[str, int, bytes]:
    """Origin, size and root. Extension lines may follow; they are signed and mean nothing here."""
    lines = text.split("\n")
    size = _number(lines[1]) if len(lines) >= 4 and all(lines[:-1]) else None
    root = _unb64(lines[2]) if size is not None else None
    if size is None or root is None or len(root) != 32:
        raise BadReceipt(3, N_("What was signed is not a checkpoint."))
    return lines[0], size, root


def _climb(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes | None:
    """The root that the proof leads to, None where its length is wrong (RFC 9162, section 2.1.3.2)."""
    if index >= size:
        raise BadReceipt(5, N_("The receipt is for entry {index} of {size}."), index=index, size=size)
    position, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None
        if position & 1 or position == last:
            result = hashlib.sha256(b"\x01" + sibling + result).digest()
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            result = hashlib.sha256(b"\x01" + result + sibling).digest()
        position, last = position >> 1, last >> 1
    return result if last == 0 else None


def _unb64(text: str) -> bytes | None:
    """Strict base64: the one way to write those bytes, or None."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:  # binascii.Error is one; so is what is not ASCII
        return None
    return data if binascii.b2a_base64(data, newline=False) == text.encode() else None


def _number(digits: str) -> int | None:
    """A decimal number below 2**63 in the one way to write it, or None."""
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 20):
        return None
    value = int(digits)
    return value if str(value) == digits and value < 1 << 63 else None


def _malformed(reason: str) -> NoReturn:
    raise BadReceipt(1, N_("The file is no receipt, or was damaged: {reason}."), reason=reason)


def words(entry: dict[str, Any], tr: Translate = english) -> Iterator[str]:
    """An entry's facts as sentences."""
    if entry.get("v") != 1 or entry.get("kind") not in _SENTENCES:
        yield tr(N_("An entry of a kind this verifier does not know: {entry}"), entry=_safe(json.dumps(entry)))
        return
    more = [sentence for field, sentence in _WHERE_KNOWN.items() if entry.get(field)]
    for sentence in (*_SENTENCES[entry["kind"]], *more):
        names = [name for _, name, _, _ in Formatter().parse(sentence) if name]
        facts = {name: _when(entry.get(name)) if name == "time" else _safe(entry.get(name)) for name in names}
        yield tr(sentence, **facts)
    if isinstance(site := entry.get("site_facts"), dict) and site.get("stand_in") is True:
        yield tr(N_("It is a stand-in: that site only plays a provider, in a demonstration or a test."))


_DECIDED = (
    N_("{time}: request {id}, attempt {attempt}: {outcome}."),
    N_("Asked by {tenant} (a pseudonym), project {project}, for {purpose}; legal basis: {legal_basis}."),
    N_("Asked for: {action}, {endpoint}, model {model}."),
    N_("Found in the text, types and counts: {findings}. Persons: {persons}. State: {state}."),
    N_("Site: {site} ({site_facts})."),
    N_("Personal data that crossed the border: {crossing}."),
    N_("Rules: {rules}. Articles: {articles}. Obligations: {obligations}."),
    N_("Law packs in force: {packs}."),
)
_ENDED = (
    N_("{time}: request {id} ended: {status}, HTTP {http}, at the site {site}, after {milliseconds} ms."),
    N_("Tokens counted by the engine: {tokens}."),
    N_("What was decided for it is entry {decision} of the same log."),
)
_ERASED = (
    N_("{time}: {count} record keys were destroyed; what they opened can never be opened again."),
    N_("By {scope}; ground: {basis}."),
)
_SENTENCES = {"decision": _DECIDED, "outcome": _ENDED, "erasure": _ERASED}

_WHERE_KNOWN = {
    "experiment": N_("Experiment: {experiment}."),
    "model_digest": N_("The model's weights: {model_digest}."),
    "prompt_commitment": N_("Commitment to the prompt: {prompt_commitment}."),
    "answer_commitment": N_("Commitment to the answer: {answer_commitment}."),
    "energy": N_("Energy, estimated by the site's declared figures: {energy} mJ."),
    "masking": N_("Masked by: {masking}."),
    "answer_findings": N_("Only the answer says of persons: {answer_findings}. Masked: {answer_masked}."),
}


def _safe(value: Any) -> str:
    """A value as text that cannot move the cursor or hide itself; a dash for none."""
    if value is None or value in ("", [], {}):
        return "–"
    if isinstance(value, dict):
        return ", ".join(f"{_safe(key)} {_safe(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_safe(item) for item in value)
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in str(value))


def _when(milliseconds: Any) -> str:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (TypeError, ValueError, OverflowError, OSError):
        return _safe(milliseconds)


def unproved(report: Report) -> Iterator[str]:
    """What a good receipt does not prove; of the texts, what was not opened."""
    for sentence in _not_proved(report):
        yield THE_REST[report.opened] if report.opened and sentence == THE_TEXTS else sentence


def describe(report: Report, tr: Translate = english) -> Iterator[str]:
    """A report for a person."""
    for number, step in enumerate(report.steps, 1):
        values = _in_words(step.values, tr)
        yield f"{number}. {tr(step.done, **values)}"
        yield "   " + tr(N_("Proves:")) + " " + tr(step.proves, **values)
    yield tr(N_("Not proved:"))
    for sentence in unproved(report):
        yield "   " + tr(sentence)
    yield tr(N_("The entry says:"))
    entry = report.facts()
    for sentence in words(entry, tr) if entry is not None else [tr(N_("It is not JSON."))]:
        yield "   " + sentence
    if report.cosigned:
        yield tr(N_("GOOD: the receipt verifies (witnessed: {k} of {n})."), k=len(report.cosigned), n=report.asked)
    else:
        yield tr(N_("GOOD: the receipt verifies (unwitnessed)."))


def _not_proved(report: Report) -> tuple[str, ...]:
    return NOT_PROVED if report.cosigned else (*NOT_PROVED, UNWITNESSED)


def failure(bad: BadReceipt, tr: Translate = english) -> str:
    """A failure for a person."""
    return tr(N_("BAD: step {step} failed. {why}"), step=bad.step, why=tr(bad.message, **_in_words(bad.values, tr)))


def _in_words(values: dict[str, Any], tr: Translate) -> dict[str, Any]:
    """What goes into a sentence: a reason and the name of a text are words themselves."""
    return {name: tr(value) if name in ("reason", "what") else value for name, value in values.items()}


def document(report: Report, tr: Translate = english) -> dict[str, Any]:
    """A report for a program."""
    witnesses = [{"witness": name, "time": time} for name, time in report.cosigned.items()]
    head = {"ok": True, "witnessed": bool(witnesses), "witnesses": witnesses, "of": report.asked}
    head |= {"origin": report.origin, "size": report.size, "root": report.root}
    steps = [
        {"step": number, "done": tr(step.done, **values), "proves": tr(step.proves, **values)}
        for number, step in enumerate(report.steps, 1)
        for values in [_in_words(step.values, tr)]
    ]
    missing = [tr(sentence) for sentence in unproved(report)]
    return head | {"index": report.index, "entry": report.facts(), "steps": steps, "not_proved": missing}


def main(arguments: list[str] | None = None) -> int:
    """Verify as asked on the command line; the exit status."""
    parser = argparse.ArgumentParser(description="Verify a receipt of a Riad ledger.")
    parser.add_argument("receipt", help="the receipt's file, or - for standard input")
    parser.add_argument("--key", help="the log's public key (name+hash+key), or a file that holds it")
    parser.add_argument("--policy", help="a file that names log, witnesses and quorum (tlog-policy)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    texts = parser.add_mutually_exclusive_group()
    texts.add_argument("--prompt", metavar="FILE", help="the request's JSON: is it what this decision commits to?")
    texts.add_argument("--answer", metavar="FILE", help="the answer, as JSON, stream or text: is it this outcome's?")
    parser.add_argument("--record-key", metavar="HEX", help="the key that opens the commitment (x-riad-record-key)")
    options = parser.parse_args(arguments)
    if bool(options.prompt or options.answer) != bool(options.record_key):
        parser.error("--record-key goes with --prompt or --answer")
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that cannot show a letter shows its number
    try:
        receipt = sys.stdin.buffer.read() if options.receipt == "-" else Path(options.receipt).read_bytes()
        policy = parse_policy(Path(options.policy).read_bytes()) if options.policy else None
        if policy is None and options.key is None:
            parser.error("give --key, --policy or both")
        key = log_of(receipt, policy) if options.key is None and policy else find_key(options.key or "")
        report = verify(receipt, key, policy)
        if options.record_key:
            text = Path(options.prompt or options.answer).read_bytes()
            open_commitment(report, "prompt" if options.prompt else "answer", text, options.record_key)
    except (OSError, UnicodeDecodeError, BadKey, BadPolicy, BadText) as error:
        print(f"verify: {error}", file=sys.stderr)
        return 2
    except BadReceipt as bad:
        print(json.dumps({"ok": False, "step": bad.step, "error": str(bad)}) if options.json else failure(bad))
        return 1
    print(json.dumps(document(report), indent=2) if options.json else "\n".join(describe(report)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
