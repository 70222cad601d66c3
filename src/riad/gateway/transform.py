"""What leaves: the body as the engine will receive it, masked when the plan says so."""

from __future__ import annotations

import msgspec

from riad.errors import BadRequest
from riad.gateway.calls import IDENTIFYING_FIELDS, Body, Call, encode
from riad.gateway.inspection import Inspection
from riad.gateway.plan import Route
from riad.privacy import Masker, scan_many
from riad.privacy.walk import replace, texts
from riad.sites.engines.dialects import REFUSED
from riad.texts import N_


class Outgoing(msgspec.Struct):
    """The bytes to send; the placeholders' originals; whether a second scan found nothing left."""

    body: bytes
    mapping: dict[str, str]
    masked_everything: bool


def outgoing(call: Call, found: Inspection, route: Route) -> Outgoing:
    """Prepare the body for a route.

    It is always encoded again from what was inspected, so that no second reading of the same bytes (an engine that
    takes the first of two repeated keys) can differ from the one inspected.
    """
    body, clean = call.body, False
    mapping: dict[str, str] = {}
    if route.crossing == "pseudonymised":
        masker = Masker()
        pairs = zip(found.texts, found.findings, strict=True)
        # Texts without findings too: one that looks like a placeholder must not come back as somebody's name.
        body = replace(body, iter([masker.mask(text, group) for text, group in pairs]))
        left = texts(body)
        findings = scan_many(left)
        if any(findings):
            # A shorter text can bring a cue within reach of a value that stood too far from it before.
            pairs = zip(left, findings, strict=True)
            body = replace(body, iter([masker.mask(text, group, again=True) for text, group in pairs]))
            findings = scan_many(texts(body))
        mapping, clean = masker.mapping, not any(findings)
    body = {**body, "model": route.berth.served_as}
    for field in REFUSED[route.berth.site.engine] & body.keys():
        del body[field]
    if route.crossing != "none":
        for field in IDENTIFYING_FIELDS:
            body.pop(field, None)
    if call.stream:
        body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
    return Outgoing(_encode(body), mapping, clean)


def _encode(body: Body) -> bytes:
    try:
        return encode(body)
    except (OverflowError, ValueError):
        raise BadRequest(
            N_("A number in the request is too large."), remedy=N_("Use numbers of at most 64 bits.")
        ) from None
