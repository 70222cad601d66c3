"""The forms in which ``riad ledger`` hands out receipts and keys: text to print, bytes for a file."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from riad.cli import output
from riad.errors import BadRequest
from riad.texts import N_, _

if TYPE_CHECKING:
    from riad.ledger.note import Verifier
    from riad.ledger.reader import Reader
    from riad.ledger.verify import Report

Output = Annotated[
    Path | None, typer.Option("--output", help=_("Write it to this file, byte for byte, instead of printing it."))
]


def receipt(reader: Reader, index: int, form: str) -> str | bytes:
    """An entry's receipt (``text``, ``cose``) or the entry as it was logged (``entry``). Raises ``BadRequest``."""
    if form == "text":
        return reader.receipt(index)
    if form == "cose":
        return reader.cose_receipt(index)
    if form == "entry":
        return reader.entry(index)
    raise _no_such(form, "text, cose, entry")


def keys(vkey: str, form: str) -> str | bytes:
    """The log's public key: ``vkey`` as notes need it, ``pem`` as most tools, ``cose`` as a COSE_Key.

    While two keys overlap there are two lines, two PEM blocks, a COSE_KeySet of two. Raises ``BadRequest``.
    """
    from riad.ledger import cose

    if form == "vkey":
        return vkey
    if form == "pem":
        return "".join(cose.pem(verifier) for verifier in verifiers(vkey))
    if form == "cose":
        return cose.keys(verifiers(vkey))
    raise _no_such(form, "vkey, pem, cose")


def verifiers(vkey: str) -> list[Verifier]:
    """Public keys from their text form, a line each. Raises ``BadRequest``."""
    from riad.ledger.note import Verifier

    return [Verifier.parse(line) for line in vkey.split("\n") if line.strip()] or [Verifier.parse(vkey)]


def verify(given: bytes, entry: str | None, key: str | None, rule: bytes | None) -> Report:
    """Verify a receipt in whichever form it is, by a key, by a policy, or by both.

    Raises ``BadReceipt``, ``BadKey``, ``BadPolicy``, ``BadRequest``.
    """
    from riad.ledger import cose
    from riad.ledger import verify as verifier

    policy = verifier.parse_policy(rule) if rule is not None else None
    if cose.is_receipt(given):
        if entry is None:
            raise BadRequest(
                N_("A COSE receipt does not hold its entry."),
                remedy=N_("Give the entry's file with --entry; `riad ledger show INDEX --format entry` writes it."),
            )
        vkeys = verifier.find_key(key) if key is not None else "\n".join(policy.logs) if policy else ""
        return cose.verify(given, output.read(entry), verifiers(vkeys), policy)
    if entry is not None:
        raise BadRequest(
            N_("This is not a COSE receipt."), remedy=N_("Leave out --entry: a text receipt holds its entry.")
        )
    vkey = verifier.log_of(given, policy) if key is None and policy else verifier.find_key(key or "")
    return verifier.verify(given, vkey, policy)


def deliver(data: str | bytes, to: Path | None, facts: dict[str, Any], name: str, *, as_json: bool) -> None:
    """Write to a file, or print. ``name`` is what a document calls it.

    Bytes go out as they are, so that ``> FILE`` is the same as ``--output FILE``; as base64 to a terminal or in JSON.
    """
    if to is not None:
        try:
            to.write_bytes(data.encode() if isinstance(data, str) else data)
        except OSError as error:
            raise BadRequest(
                N_("Cannot write {file}: {error}."),
                remedy=N_("Give a path where you may write."),
                file=to,
                error=error.strerror,
            ) from None
        if as_json:
            output.document(facts | {"file": str(to)})
    elif as_json:
        output.document(facts | {name: _printable(data)})
    elif isinstance(data, str) or sys.stdout.isatty():
        typer.echo(_printable(data).rstrip("\n"))
    else:
        typer.echo(data, nl=False)


def _printable(data: str | bytes) -> str:
    return data if isinstance(data, str) else base64.b64encode(data).decode()


def _no_such(form: str, forms: str) -> BadRequest:
    return BadRequest(N_("There is no format {form}."), remedy=N_("Choose one of {forms}."), form=form, forms=forms)
