"""A request's whole life, as one generator without I/O.

It yields what it needs done (an effect) and is sent the result; ``driver.py`` performs the effects against real
sockets, tests perform them by hand. An effect that fails is thrown in here as a ``RiadError``; a client that leaves
is thrown in as ``ClientGone``. Read from ``flow`` down: the ten steps are DESIGN's, in order.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Generator
from typing import Any, TypeVar, cast

import msgspec

from riad.errors import EngineFailed, EngineTimeout, RiadError, Unavailable, Unlawful
from riad.gateway.answers import WholeAnswer, engine_error
from riad.gateway.calls import Call, Endpoint, decode
from riad.gateway.disclosures import Prompted
from riad.gateway.evidence import Evidence
from riad.gateway.inspection import NOTHING_DECLARED, Inspection, declared, inspect
from riad.gateway.plan import Planner, Route
from riad.gateway.streams import StreamAnswer
from riad.gateway.transform import outgoing
from riad.law import Decision
from riad.ledger import commitment
from riad.tenants.keys import Key
from riad.texts import N_

T = TypeVar("T")


class Request(msgspec.Struct):
    """A request as it came in: the endpoint, the headers that matter, the body's bytes."""

    id: str
    endpoint: Endpoint
    body: bytes
    token: str
    purpose: str = ""
    data_class: str = ""
    national: bool = False
    experiment: str = ""
    reveal: bool = False  # whether the caller asked for the record key
    record_key: bytes = b""  # 32 random bytes, for every record of this request; without it nothing is committed to


class ClientGone(Exception):
    """The client closed its connection: stop the engine's work, and still account for it."""


# ── Effects: what the flow asks its driver to do, and what it is sent back ────────────────────────────────────────


class Authenticate(msgspec.Struct, gc=False):
    """→ ``Key``."""

    token: str


class Admit(msgspec.Struct, gc=False):
    """Take one request from the key's limits. → None."""

    key: Key


class MaskingKey(msgspec.Struct, gc=False):
    """→ the secret that a key's project makes its surrogates and tokens with."""

    key: Key


class Compute(msgspec.Struct, gc=False):
    """→ what ``work`` returns. Asked for where it may take long: other requests must not stand still meanwhile."""

    work: Callable[[], Any]


class Record(msgspec.Struct, gc=False):
    """Hand an entry to the ledger, and its record key to the key store. → a ticket, at once.

    ``subject`` is whom the request is for as the key's organisation names her; empty where it does not say.
    """

    entry: bytes
    record_key: bytes
    key: Key
    subject: str


class Durable(msgspec.Struct, gc=False):
    """Wait until a ticket's entry is on disk. → its index."""

    ticket: Any


class Dispatch(msgspec.Struct, gc=False):
    """Send a body to a berth's engine. → ``(status, headers)``, when the answer's head is there."""

    route: Route
    path: bytes
    body: bytes


class ReadAll(msgspec.Struct, gc=False):
    """→ the answer's whole body."""


class ReadSome(msgspec.Struct, gc=False):
    """→ the next bytes of the answer; empty at its end."""


class Conclude(msgspec.Struct, gc=False):
    """Hand the ledger an entry that closes what was already decided; kept and retried while the ledger is away."""

    entry: bytes


class Abandon(msgspec.Struct, gc=False):
    """Close the connection to the engine: it stops working for nobody."""


class Start(msgspec.Struct, gc=False):
    """Begin the reply: status 200 and these headers. ``length`` is the body's in bytes; None for an event stream."""

    headers: list[tuple[bytes, bytes]]
    length: int | None


class Send(msgspec.Struct, gc=False):
    """Send bytes of the reply; ``last`` ends it."""

    data: bytes
    last: bool


class Spend(msgspec.Struct, gc=False):
    """Account for tokens."""

    key: Key
    route: Route
    prompt: int
    completion: int


KEYED = ("surrogates", "tokens")
LARGE = 64 * 1024  # bytes of a body above which reading it is worth a thread
Effect = (
    Compute
    | MaskingKey
    | Authenticate
    | Admit
    | Record
    | Durable
    | Dispatch
    | ReadAll
    | ReadSome
    | Start
    | Send
    | Spend
    | Conclude
    | Abandon
)
Flow = Generator[Effect, Any, None]


# ── The story ─────────────────────────────────────────────────────────────────────────────────────────────────────


def flow(request: Request, planner: Planner, today: datetime.date) -> Flow:
    """Serve one request. Raises the ``RiadError`` that the caller must see when it cannot be served."""
    # 1. Who
    key: Key = yield Authenticate(request.token)
    yield Admit(key)

    # 2. What
    call = decode(request.endpoint, request.body)

    # 3. Inspect, and commit to what was sent
    said = declared(request.data_class) if request.data_class else NOTHING_DECLARED
    trusted = (request.purpose or key.purpose) in planner.media_purposes
    found, committed = yield from _compute(
        len(call.raw), lambda: (inspect(call, said, trusted=trusted), _commitment(request.record_key, call))
    )

    # 4. Plan
    need = planner.need(key, call.model, call.endpoint.kind, found, request.purpose, request.national, today)
    planned = planner.plan(need)
    evidence = Evidence(request, key, call, need, found.counts, committed)
    if planned.refusal is not None:
        yield from _refuse(evidence, planned.refused, planned.refusal)

    tried: set[str] = set()
    failure: RiadError | None = None
    while True:
        try:
            route = planner.choose(planned, tried)
        except Unavailable as nowhere:
            raise failure or nowhere from None
        failure = yield from _attempt(call, found, route, planner, evidence)
        if failure is None:
            return
        tried.add(route.berth.name)  # back to 4 without that route: a fallback is decided like a first choice


def _compute(size: int, work: Callable[[], T]) -> Generator[Effect, Any, T]:
    """Work on a text of that size: here when it is small, elsewhere when it is large."""
    if size > LARGE:
        return cast(T, (yield Compute(work)))
    return work()


def _commitment(record_key: bytes, call: Call) -> str | None:
    return commitment.prompt(record_key, call.body) if record_key else None


def _record(evidence: Evidence, entry: bytes) -> Record:
    return Record(entry, evidence.record_key, evidence.key, evidence.subject)


def _refuse(evidence: Evidence, route: Route | None, refusal: RiadError) -> Flow:
    """Record a refusal, durably, then raise it with its receipt."""
    if route is not None:
        index = yield Durable((yield _record(evidence, evidence.refusal(route))))
        refusal = _copy(refusal)
        refusal.detail["receipt"] = evidence.receipt(index)
    raise refusal


def _attempt(
    call: Call, found: Inspection, route: Route, planner: Planner, evidence: Evidence
) -> Generator[Effect, Any, RiadError | None]:
    """Try one route. Returns None when the reply was sent, or the failure that lets another route be tried."""
    # 5. Record the decision
    ticket = yield _record(evidence, evidence.decision(route))
    masks = evidence.key.answers == "mask"
    answer: StreamAnswer | WholeAnswer
    answer = StreamAnswer({}, call.wants_usage, masks=masks) if call.stream else WholeAnswer({}, masks=masks)
    status, http, began = "ok", 0, False
    index: int | None = None
    failure: RiadError | None = None
    again = route.decision
    try:
        # Crossing: on disk before the first byte leaves.
        if route.crossing != "none":
            index = yield Durable(ticket)

        # 6. Transform, then decide again with the facts as they now are.
        secret = (yield MaskingKey(evidence.key)) if route.masking in KEYED else b""
        sent = yield from _compute(len(call.raw), lambda: outgoing(call, found, route, secret))
        answer.mapping = sent.masker.mapping if sent.masker is not None else {}
        answer.prompted = Prompted(list(zip(found.texts, found.findings, strict=True)), sent.masker)
        if route.crossing == "pseudonymised":
            again = planner.redecide(route, pseudonymised=sent.masked_everything)
            if again.outcome != "allow":
                raise _mask_incomplete(again)

        # 7. Call
        http, headers = yield Dispatch(route, call.endpoint.engine_path, sent.body)
        if http != 200:
            raise engine_error(http, headers, (yield ReadAll()), answer)
        if call.stream and not headers.get(b"content-type", b"").startswith(b"text/event-stream"):
            raise EngineFailed(
                N_("The engine answered a stream with something else."),
                remedy=N_("riad sites check says what that engine answers."),
                code="engine_bad_response",
            )
        # National: on disk before the first byte of the answer.
        if index is None:
            index = yield Durable(ticket)

        # 8. Search the answer for persons nobody asked about, and restore
        if isinstance(answer, WholeAnswer):
            raw = yield ReadAll()
            data = yield from _compute(len(raw), lambda: _finish(answer, raw, call.endpoint, evidence))
            began = True
            yield Start(evidence.headers(route, index, answer.new), len(data))
            yield Send(data, last=True)
        else:
            began = True
            yield Start(evidence.headers(route, index), None)
            while chunk := (yield ReadSome()):
                if out := (yield from _compute(answer.waiting, lambda: answer.feed(chunk))):
                    yield Send(out, last=False)
            yield Send(answer.finish(), last=True)
    except ClientGone:
        status = "client_gone"
        yield Abandon()
    except RiadError as error:
        status, failure = error.code, error
        yield Abandon()

    # 9. Account
    if isinstance(answer, StreamAnswer):
        yield from _search(answer, evidence)
    tokens = answer.tokens(call)
    if tokens is not None:
        yield Spend(evidence.key, route, *tokens)

    # 10. Record the outcome
    if index is None:
        try:
            index = yield Durable(ticket)
        except ClientGone:
            index, failure = (yield Durable(ticket)), None  # nobody is left to hear of it, or to try again for
    yield Conclude(evidence.outcome(route, index, status, http, tokens, answer.new, answer.commitment))
    if failure is None:
        return None
    if began:  # too late for another route: say so in the stream itself
        yield Send(StreamAnswer.error_event(failure), last=True)
        return None
    if again.outcome != "allow":
        yield from _refuse(evidence, msgspec.structs.replace(route, decision=again), failure)
    failure.detail["receipt"] = evidence.receipt(index)
    if isinstance(failure, EngineFailed | EngineTimeout | Unavailable):
        return failure
    raise failure


def _finish(answer: WholeAnswer, raw: bytes, endpoint: Endpoint, evidence: Evidence) -> bytes:
    data = answer.finish(raw, endpoint)
    answer.commit(evidence.record_key)
    return data


def _search(answer: StreamAnswer, evidence: Evidence) -> Generator[Effect, Any, None]:
    """Commit to a stream as it went out, and count what was new about persons in it.

    The caller has read it already, and may leave meanwhile.
    """

    size = max(answer.heard.size, answer.delivered.size)

    def work() -> None:
        answer.commit(evidence.record_key)
        answer.search()

    try:
        yield from _compute(size, work)
    except (ClientGone, RiadError):
        answer.new.clear()
        yield from _compute(size, work)  # nobody leaves twice


def _mask_incomplete(again: Decision) -> Unlawful:
    return Unlawful(
        N_("Personal data remained after masking, so nothing was sent."),
        remedy=N_("Remove it from the request, or choose a model that a national site serves."),
        code="mask_incomplete",
        detail={"decision": again.outcome},
    )


def _copy(error: RiadError) -> RiadError:
    """A planned refusal is remembered for many requests: each gets its own, with its own receipt."""
    return type(error)(
        error.message,
        remedy=error.remedy,
        param=error.param,
        code=error.code,
        retry_after=error.retry_after,
        detail=dict(error.detail),
        **error.values,
    )
