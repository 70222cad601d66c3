"""What the ledger records: one ``Decision`` for each attempt at a request, one ``Outcome`` when it ended, an
``Erasure`` of keys. Of itself it records a ``Turn`` where a year ends, and a ``KeyChange``.

Never content: no prompt, no answer, no name, no value that was found, only types, counts and commitments. An entry is
canonical JSON (RFC 8785): keys are ASCII and sorted; values are strings, integers below 2**53, booleans, and lists and
objects of those; what is unknown is left out. docs/reference/ledger.md documents every field.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET as UNSET  # the mark of an unknown fact, for those who write entries
from msgspec import Meta
from msgspec import UnsetType as UnsetType

from riad.errors import BadRequest, EvidenceBroken, TooLarge
from riad.ledger.tiles import MAX_ENTRY
from riad.texts import N_

Count = Annotated[int, Meta(ge=0, lt=2**53)]
Commitment = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]  # riad.ledger.commitment
Digest = Annotated[str, Meta(pattern="^sha256:[0-9a-f]{64}$")]
Basis = Literal["request", "retention", "authority", "operator"]
Scope = Literal["subject", "record", "project", "tenant"]
Country = Annotated[str, Meta(max_length=2)]
Crossing = Literal["none", "pseudonymised", "clear"]
Masking = Literal["surrogates", "placeholders", "tokens", "redaction"]
Verdict = Literal["allow", "deny", "file_first", "human_review"]


class SiteFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a request went, as the site was declared at that time. Countries are ISO 3166-1 alpha-2."""

    admin_country: Country
    contract: str | UnsetType = UNSET
    country: Country
    keys_country: Country
    operator_country: Country
    own_premises: bool | UnsetType = UNSET
    parent_country: Country
    qualification: Count | UnsetType = UNSET
    qualification_expires: str | UnsetType = UNSET
    retention_days: Count | UnsetType = UNSET
    stand_in: bool | UnsetType = UNSET
    trains_on_data: bool | UnsetType = UNSET


class Tokens(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the engine counted."""

    completion: Count
    prompt: Count


class Decision(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="decision", gc=False
):
    """What was decided for one attempt, and on which facts. ``id`` is the request's, ``time`` in Unix milliseconds."""

    action: str
    articles: tuple[str, ...]
    attempt: Count
    crossing: Crossing
    endpoint: str
    experiment: str | UnsetType = UNSET
    findings: dict[str, Count]
    id: str
    legal_basis: str
    masking: Masking | UnsetType = UNSET  # absent where nothing was masked
    model: str
    model_digest: Digest | UnsetType = UNSET  # of the weights, where the platform knows them
    obligations: tuple[str, ...]
    outcome: Verdict
    packs: dict[str, str]
    persons: Literal["none", "personal", "sensitive"]
    project: str
    prompt_commitment: Commitment | UnsetType = UNSET
    purpose: str
    rules: tuple[str, ...]
    site: str  # empty where no site was lawful
    site_facts: SiteFacts | UnsetType = UNSET
    state: Literal["none", "restricted", "sensitive"]
    tenant: str
    time: Count
    v: Literal[1] = 1


class Outcome(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="outcome", gc=False
):
    """How a decided request ended. ``decision`` is the index of its decision, ``decision_shard`` the shard that is in:
    absent for the log's first, whichever this one is in.

    ``answer_findings`` counts data about persons in the answer that was not in its prompt; ``answer_masked`` tells
    whether the caller got it masked. Both are absent where there was none. ``energy`` is an estimate in millijoules.
    """

    answer_commitment: Commitment | UnsetType = UNSET
    answer_findings: dict[str, Count] | UnsetType = UNSET
    answer_masked: bool | UnsetType = UNSET
    decision: Count
    decision_shard: Count | UnsetType = UNSET
    energy: Count | UnsetType = UNSET
    http: Count
    id: str
    milliseconds: Count
    site: str
    status: str  # ok, refused, client_gone, engine_failed, engine_timeout, …
    time: Count
    tokens: Tokens | UnsetType = UNSET
    v: Literal[1] = 1


class Erasure(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="erasure", gc=False
):
    """That record keys were destroyed: ``count`` of them. Names nobody; ``id`` is random, ``time`` Unix milliseconds.

    After a crash the same erasure may be recorded twice, byte for byte.
    """

    basis: Basis
    count: Count
    id: str
    scope: Scope
    time: Count
    v: Literal[1] = 1


class Turn(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="shard", gc=False
):
    """Where one shard of the log ends and the next begins.

    The last entry of a finished shard names the next one and its public keys, a line each; the first entry of the next
    holds the last checkpoint of the one before, a signed note.
    """

    next_origin: str | UnsetType = UNSET
    next_vkey: str | UnsetType = UNSET
    previous_checkpoint: str | UnsetType = UNSET
    previous_origin: str | UnsetType = UNSET
    time: Count
    v: Literal[1] = 1


class KeyChange(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="key", gc=False
):
    """The log's key changes. ``note`` says how and is signed by the old key and the new one."""

    note: str
    time: Count
    v: Literal[1] = 1


Entry = Decision | Outcome | Erasure | Turn | KeyChange

_encoder = msgspec.json.Encoder(order="sorted")
_decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)


def encode(entry: Entry) -> bytes:
    """The entry's canonical bytes, which are hashed and kept.

    Raises ``TooLarge`` above 65,535 bytes and ``BadRequest`` for a string that is no Unicode text.
    """
    try:
        data = _encoder.encode(entry)
    except UnicodeEncodeError:
        raise BadRequest(
            N_("A name in this request is not valid Unicode."), remedy=N_("Send UTF-8 without lone surrogates.")
        ) from None
    if len(data) > MAX_ENTRY:
        raise TooLarge(
            N_("The record of this request would take {size} bytes; the ledger keeps at most {limit}."),
            remedy=N_("Shorten the names in the request."),
            size=len(data),
            limit=MAX_ENTRY,
        )
    return data


def decode(data: bytes) -> Entry:
    """Read an entry strictly. Raises ``EvidenceBroken`` for anything ``encode`` does not write."""
    try:
        entry = _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise EvidenceBroken(
            N_("This is not an entry of this version of the ledger: {error}."),
            remedy=N_("Read it with the version of Riad that wrote it."),
            error=error,
        ) from None
    if _encoder.encode(entry) != data:
        raise EvidenceBroken(
            N_("The entry is not in canonical form."), remedy=N_("Riad did not write it so; do not rely on it.")
        )
    return entry
