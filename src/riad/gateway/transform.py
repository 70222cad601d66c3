"""What leaves: the body as the engine will receive it, masked when the plan says so."""

from __future__ import annotations

import msgspec

from riad.errors import BadRequest
from riad.gateway.calls import IDENTIFYING_FIELDS, Body, Call, encode
from riad.gateway.inspection import Inspection
from riad.gateway.plan import Route
from riad.privacy import Masker
from riad.privacy.everywhere import mask_everywhere
from riad.sites.engines.dialects import REFUSED
from riad.texts import N_


class Outgoing(msgspec.Struct):
    """The bytes to send.

    ``masker`` has the originals that may come back in the answer, and knows what it put there itself;
    ``masked_everything`` tells whether a second scan found nothing left.
    """

    body: bytes
    masker: Masker | None
    masked_everything: bool


def outgoing(call: Call, found: Inspection, route: Route, key: bytes) -> Outgoing:
    """Prepare the body for a route. ``key`` is what its project's surrogates and tokens are made with.

    It is always encoded again from what was inspected, so that no second reading of the same bytes (an engine that
    takes the first of two repeated keys) can differ from the one inspected.
    """
    body, masker, clean = call.body, None, False
    if route.masking is not None:
        masker = Masker(route.masking, key=key)
        body, clean = mask_everywhere(body, found.texts, found.findings, masker)
    body = {**body, "model": route.berth.served_as}
    for field in REFUSED[route.berth.site.engine] & body.keys():
        del body[field]
    if route.crossing != "none":
        for field in IDENTIFYING_FIELDS:
            body.pop(field, None)
    if call.stream:
        body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
    return Outgoing(_encode(body), masker, clean)


def _encode(body: Body) -> bytes:
    try:
        return encode(body)
    except (OverflowError, ValueError):
        raise BadRequest(
            N_("A number in the request is too large."), remedy=N_("Use numbers of at most 64 bits.")
        ) from None
