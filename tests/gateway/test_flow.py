"""A request's life driven by hand: every effect in its order, every failure at every place, no server.

``Hand`` does what ``driver.py`` does, from a script. Planner, law, inspection, masking and evidence are the real ones.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from riad.errors import (
    BadRequest,
    EngineFailed,
    EngineTimeout,
    Forbidden,
    LedgerFull,
    LedgerUnavailable,
    LimitReached,
    NotFound,
    RiadError,
    Unauthenticated,
    Unavailable,
    Unlawful,
)
from riad.gateway import flow as effects
from riad.gateway.calls import CHAT, COMPLETIONS, EMBEDDINGS, Endpoint
from riad.gateway.flow import ClientGone, Request, flow
from riad.gateway.plan import Planner, Route
from riad.law import Decision, Law
from riad.ledger.entry import decode as entry
from riad.settings import Model, Settings, Site
from riad.sites.catalogue import Catalogue
from riad.sites.health import THRESHOLD, Board, Health
from riad.tenants.keys import Key

DAY = datetime.date(2026, 11, 23)
LAW = Law.load(("ma",))
PERSON = "Salam, smiti Fatima Zahra Benali, CIN dyali BK123456, tel 0612345678."
PRIVATE = (b"Fatima", b"Benali", b"BK123456", b"0612345678")
KEY = Key(
    id="key_test",
    tenant="acme",
    tenant_kind="company",
    tenant_pseudonym="acme-pseudonym",
    project="support",
    purpose="customer_support",
    legal_basis=None,
    max_persons="personal",
    max_state="none",
    locality="any",
    requests_per_minute=None,
    tokens_per_day=None,
    expires_at=None,
)


def site(name: str, country: str, models: tuple[str | Model, ...], **facts: Any) -> Site:
    card = {
        "country": country,
        "operator_country": country,
        "parent_country": country,
        "keys_country": country,
        "admin_country": country,
        "retention_days": 0,
        "trains_on_data": False,
        "contract": "none" if country == "MA" else "processor_terms",
    }
    return Site(name=name, engine="openai", url="http://127.0.0.1:9/v1", models=models, **{**card, **facts})


SITES = (
    site("rabat", "MA", ("home", "both", "three", Model(name="renamed", served_as="inner"))),
    site("vectors", "MA", (Model(name="vectors", kind="embedding"),)),
    site("paris", "FR", ("european", "both", "three"), cost=1.0),
    site("lyon", "FR", ("three",), cost=2.0),
    site("virginia", "US", ("american", "three")),
)


def planner() -> tuple[Planner, dict[str, Health]]:
    """A planner over ``SITES``, and the health it sees of each berth."""
    catalogue = Catalogue(Settings(sites=SITES), {})
    board = Board(catalogue.berths)
    return Planner(LAW, catalogue, board), {berth.name: board.of(berth) for berth in catalogue.berths}


PLANNER = planner()[0]


def asked(model: str, text: str = "hello", endpoint: Endpoint = CHAT, **more: Any) -> Request:
    """A request; what is no field of ``Request`` goes in the body."""
    wishes = {name: more.pop(name) for name in ("purpose", "data_class", "national") if name in more}
    said = {"chat": {"messages": [{"role": "user", "content": text}]}, "completions": {"prompt": text}}
    body = {"model": model, **said.get(endpoint.name, {"input": text}), **more}
    return Request("f" * 32, endpoint, json.dumps(body).encode(), "riad_token", **wishes)


class Reply:
    """What the engine answers one dispatch: a status, headers, a body in pieces; an error stands for its place."""

    def __init__(self, *pieces: bytes | Exception, status: int = 200, kind: bytes = b"application/json") -> None:
        self.status = status
        self.headers = {b"content-type": kind}
        self.pieces = list(pieces)


def whole(content: str = "hello", **more: Any) -> Reply:
    message = {"role": "assistant", "content": content}
    usage = {"prompt_tokens": 7, "completion_tokens": 5}
    body = {"id": "c1", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}
    return Reply(json.dumps({**body, **more}).encode())


def event(delta: dict[str, Any] | None, finish: str | None = None, **more: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return b"data: " + json.dumps({"id": "c1", "choices": choices, **more}).encode() + b"\n\n"


USAGE = event(None, usage={"prompt_tokens": 7, "completion_tokens": 5})
DONE = b"data: [DONE]\n\n"


def streamed(*contents: str, usage: bool = True, done: bool = True) -> Reply:
    pieces = [event({"content": content}) for content in contents] + [event({}, "stop")]
    pieces += [USAGE] if usage else []
    return Reply(*pieces, *([DONE] if done else []), kind=b"text/event-stream")


Where = Callable[[effects.Effect, int], Exception | None]


class Hand:
    """Performs a flow's effects from a script: ``replies`` are the engine's, ``trouble`` may throw at any effect."""

    def __init__(
        self,
        request: Request,
        *replies: Reply | RiadError,
        key: Key = KEY,
        trouble: Where | None = None,
        planner: Planner | None = None,
    ) -> None:
        self.done: list[effects.Effect] = []
        self.entries: list[Any] = []  # the ledger: what was recorded and what was concluded
        self.dispatched: list[effects.Dispatch] = []
        self.sent = b""
        self.headers: dict[bytes, bytes] = {}
        self.ended = False
        self.error: Exception | None = None
        self._durable: set[int] = set()
        self._replies = list(replies)
        self._reply = Reply()
        self._key = key
        self._trouble = trouble or (lambda effect, place: None)
        self._run(flow(request, planner or PLANNER, DAY))

    @property
    def names(self) -> list[str]:
        return [type(effect).__name__ for effect in self.done]

    @property
    def kinds(self) -> list[str]:
        return [type(record).__name__ for record in self.entries]

    def _run(self, story: effects.Flow) -> None:
        try:
            effect = next(story)
            while True:
                self.done.append(effect)
                assert not self.ended or not isinstance(effect, effects.Send | effects.Start), "sent after the end"
                try:
                    if trouble := self._trouble(effect, len(self.done) - 1):
                        raise trouble
                    value = self._perform(effect)
                except (RiadError, ClientGone) as error:
                    effect = story.throw(error)
                else:
                    effect = story.send(value)
        except StopIteration:
            pass
        except (RiadError, ClientGone) as error:
            self.error = error

    def _perform(self, effect: effects.Effect) -> Any:
        match effect:
            case effects.Authenticate():
                return self._key
            case effects.Compute(work):
                return work()
            case effects.MaskingKey():
                return b"k" * 32
            case effects.Record(written, _, _, _):
                self.entries.append(entry(written))
                return len(self.entries) - 1
            case effects.Durable(ticket):
                self._durable.add(ticket)
                return ticket
            case effects.Conclude(written):
                self.entries.append(entry(written))
            case effects.Dispatch():
                return self._dispatch(effect)
            case effects.ReadAll():
                return b"".join(self._piece() for _ in range(len(self._reply.pieces)))
            case effects.ReadSome():
                return self._piece()
            case effects.Start(headers, _):
                self.headers = dict(headers)
                index = int(self.headers[b"x-riad-receipt"].partition(b"-")[0])
                assert index in self._durable, "no evidence, no answer"
            case effects.Send(data, last):
                assert self.headers, "bytes before the head"
                self.sent += data
                self.ended = last
        return None

    def _dispatch(self, effect: effects.Dispatch) -> tuple[int, dict[bytes, bytes]]:
        decision = len(self.entries) - 1 - self.kinds[::-1].index("Decision")
        record, route = self.entries[decision], effect.route
        assert (record.site, record.crossing, record.outcome) == (route.berth.site.name, route.crossing, "allow")
        assert route.decision.outcome == "allow"
        assert (route.crossing == "none") == (route.berth.site.country == "MA")
        if route.crossing != "none":
            assert decision in self._durable, "a crossing before its record is on disk"
        self.dispatched.append(effect)
        self._reply = Reply()
        reply = self._replies.pop(0)
        if isinstance(reply, RiadError):
            raise reply
        self._reply = reply
        return reply.status, reply.headers

    def _piece(self) -> bytes:
        if not self._reply.pieces:
            return b""
        piece = self._reply.pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece

    def answer(self) -> Any:
        return json.loads(self.sent)

    def events(self) -> list[Any]:
        return [part.removeprefix(b"data: ") for part in self.sent.split(b"\n\n") if part]

    def outcomes(self) -> list[tuple[str, str]]:
        return [(record.site, record.status) for record in self.entries if type(record).__name__ == "Outcome"]


BEFORE = ["Authenticate", "Admit", "Record"]


# The three ways a request goes


def test_at_home_the_record_is_on_disk_before_the_answer_begins() -> None:
    request = asked("home", PERSON)
    hand = Hand(request, whole(PERSON))
    assert hand.names == [*BEFORE, "Dispatch", "Durable", "ReadAll", "Start", "Send", "Spend", "Conclude"]
    assert json.loads(hand.dispatched[0].body) == json.loads(request.body)  # untouched
    assert hand.answer()["choices"][0]["message"]["content"] == PERSON
    assert hand.headers[b"x-riad-crossing"] == b"none"
    assert hand.headers[b"x-riad-receipt"] == b"0-" + b"f" * 32
    decision, outcome = hand.entries
    assert decision.persons == "personal"
    assert (outcome.decision, outcome.status, outcome.http) == (0, "ok", 200)
    assert (outcome.tokens.prompt, outcome.tokens.completion) == (7, 5)


def test_at_home_a_stream() -> None:
    hand = Hand(asked("home", stream=True), streamed("Sa", "lam"))
    assert hand.names[:6] == [*BEFORE, "Dispatch", "Durable", "Start"]
    assert hand.names[-3:] == ["Send", "Spend", "Conclude"]
    assert hand.ended
    sends = [effect.last for effect in hand.done if isinstance(effect, effects.Send)]
    assert sends.index(True) == len(sends) - 1


def test_a_crossing_is_on_disk_before_the_first_byte_leaves() -> None:
    hand = Hand(asked("european", PERSON), whole("[PERSON_1], wakha"))
    assert hand.names[:5] == [*BEFORE, "Durable", "Dispatch"]
    assert hand.names[-5:] == ["ReadAll", "Start", "Send", "Spend", "Conclude"]
    assert hand.headers[b"x-riad-crossing"] == b"pseudonymised"
    assert b"[PERSON_1]" in hand.dispatched[0].body
    for private in PRIVATE:
        assert private not in hand.dispatched[0].body
    assert "[PERSON_1]" not in hand.answer()["choices"][0]["message"]["content"]
    assert hand.answer()["choices"][0]["message"]["content"].endswith("wakha")


def test_a_crossing_with_nothing_to_mask_leaves_as_it_is_but_encoded_again() -> None:
    request = asked("european", "hello", user="someone", metadata={"who": "someone"})
    hand = Hand(request, whole())
    assert hand.headers[b"x-riad-crossing"] == b"clear"
    assert json.loads(hand.dispatched[0].body) == {
        "model": "european",
        "messages": [{"role": "user", "content": "hello"}],
    }


def test_a_refusal_is_recorded_and_nothing_is_sent() -> None:
    hand = Hand(asked("american", PERSON))
    assert hand.names == [*BEFORE, "Durable"]
    assert isinstance(hand.error, Unlawful)
    assert hand.error.detail["receipt"] == "0-" + "f" * 32
    assert hand.error.detail["articles"]
    assert hand.error.code.startswith("law_")
    (refusal,) = hand.entries
    assert refusal.outcome != "allow"
    assert refusal.crossing == "none"
    assert (refusal.site, refusal.model) == ("virginia", "american")


def test_each_refusal_has_its_own_receipt() -> None:
    """A planned refusal is remembered for the next request alike."""
    plan, _ = planner()
    told = []
    for number in "01":
        request = asked("american", PERSON)
        request.id = number * 32
        hand = Hand(request, planner=plan)
        assert isinstance(hand.error, Unlawful)
        told.append(hand.error)
    assert [error.detail["receipt"] for error in told] == ["0-" + "0" * 32, "0-" + "1" * 32]


@pytest.mark.parametrize(
    ("request_", "key", "code"),
    [
        (asked("european", "hello", national=True), KEY, "locality_ceiling"),
        (asked("european"), msgspec.structs.replace(KEY, locality="national"), "locality_ceiling"),
        (asked("home", PERSON), msgspec.structs.replace(KEY, max_persons="none"), "data_class_ceiling"),
        (asked("home", data_class="state=restricted"), KEY, "data_class_ceiling"),
    ],
)
def test_a_ceiling_is_a_recorded_refusal(request_: Request, key: Key, code: str) -> None:
    hand = Hand(request_, key=key)
    assert isinstance(hand.error, Forbidden)
    assert hand.error.code == code
    assert hand.kinds == ["Decision"]
    assert hand.entries[0].outcome == "deny"
    assert hand.names == [*BEFORE, "Durable"]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (Request("f" * 32, CHAT, b"{", "t"), BadRequest),
        (Request("f" * 32, CHAT, b"[]", "t"), BadRequest),
        (asked(""), BadRequest),
        (asked("home", data_class="sensitive"), BadRequest),
        (asked("home", n=0), BadRequest),
        (asked("nobody's"), NotFound),
        (asked("vectors"), NotFound),
        (asked("home", endpoint=EMBEDDINGS), NotFound),
    ],
)
def test_what_cannot_be_understood_is_recorded_nowhere(request_: Request, error: type[RiadError]) -> None:
    hand = Hand(request_)
    assert isinstance(hand.error, error)
    assert hand.names == ["Authenticate", "Admit"]


@pytest.mark.parametrize(("place", "error"), [(0, Unauthenticated("no")), (1, LimitReached("no"))])
def test_nobody_enters_without_a_key_or_beyond_its_limits(place: int, error: RiadError) -> None:
    hand = Hand(asked("home"), trouble=at(place, error))
    assert hand.error is error
    assert len(hand.done) == place + 1


def test_completions_and_embeddings_take_the_same_way() -> None:
    text = Reply(b'{"id": "c", "choices": [{"index": 0, "text": "[PERSON_1]"}]}')
    hand = Hand(asked("european", PERSON, COMPLETIONS), text)
    assert hand.dispatched[0].path == b"/completions"
    assert hand.answer()["choices"][0]["text"] != "[PERSON_1]"
    hand = Hand(asked("vectors", PERSON, EMBEDDINGS), Reply(b'{"data": [{"index": 0, "embedding": [0.5]}]}'))
    assert hand.dispatched[0].path == b"/embeddings"
    assert hand.answer()["data"][0]["embedding"] == [0.5]
    assert hand.answer()["id"]  # Mistral's SDK insists on one


def test_a_model_is_sent_by_the_name_its_engine_knows() -> None:
    hand = Hand(asked("renamed"), whole())
    assert json.loads(hand.dispatched[0].body)["model"] == "inner"
    assert hand.entries[0].model == "renamed"


# When an engine fails

FAILURES: list[Reply | RiadError] = [
    EngineFailed("unreachable", code="engine_unreachable"),
    EngineTimeout("slow"),
    Unavailable("saturated", code="engine_saturated"),
    Reply(b"oops", status=500),
    Reply(b"not here", status=404),
    Reply(b'{"error": {"message": "slow down"}}', status=429),
    Reply(b"<html>", kind=b"text/html"),
    Reply(b"{}"),
    Reply(b'{"id": "c", "choices": null}'),
    Reply(EngineFailed("cut", code="engine_disconnected")),
    Reply(EngineFailed("cut in the error"), status=503),
]


def fresh(reply: Reply | RiadError) -> Reply | RiadError:
    """A reply is used up; the table above is not."""
    if isinstance(reply, RiadError):
        return reply
    return Reply(*reply.pieces, status=reply.status, kind=reply.headers[b"content-type"])


@pytest.mark.parametrize("failure", FAILURES, ids=range(len(FAILURES)))
def test_after_a_failure_the_next_lawful_route_is_decided_and_recorded_again(failure: Reply | RiadError) -> None:
    hand = Hand(asked("both", PERSON), fresh(failure), whole("[PERSON_1]"))
    assert hand.error is None
    assert [effect.route.berth.site.name for effect in hand.dispatched] == ["rabat", "paris"]
    assert hand.kinds == ["Decision", "Outcome", "Decision", "Outcome"]
    first, failed, second, served = hand.entries
    assert (first.attempt, first.site, first.crossing) == (0, "rabat", "none")
    assert (second.attempt, second.site, second.crossing) == (1, "paris", "pseudonymised")
    assert (failed.decision, served.decision) == (0, 2)
    assert failed.status not in ("ok", "client_gone")
    assert served.status == "ok"
    abandoned, again = hand.names.index("Abandon"), hand.names.index("Dispatch", hand.names.index("Dispatch") + 1)
    assert abandoned < again
    assert hand.headers[b"x-riad-receipt"].startswith(b"2-")
    assert hand.headers[b"x-riad-site"] == b"paris"
    for private in PRIVATE:
        assert private not in hand.dispatched[1].body


@pytest.mark.parametrize("failure", FAILURES, ids=range(len(FAILURES)))
@pytest.mark.parametrize("stream", [False, True])
def test_after_the_last_lawful_route_the_error_is_the_callers(failure: Reply | RiadError, stream: bool) -> None:
    """Virginia serves ``three`` too, and no law lets personal data go there: it isn't tried, whatever fails."""
    hand = Hand(asked("three", PERSON, stream=stream), *(fresh(failure) for _ in range(3)))
    assert [effect.route.berth.site.name for effect in hand.dispatched] == ["rabat", "paris", "lyon"]
    assert isinstance(hand.error, Unavailable)
    assert hand.kinds == ["Decision", "Outcome"] * 3
    assert hand.error.detail["receipt"].startswith("4-")  # what crossed has its evidence, though nothing came of it
    assert not hand.sent
    assert not hand.headers


@pytest.mark.parametrize(
    ("key", "national"),
    [(msgspec.structs.replace(KEY, locality="national"), False), (KEY, True)],
    ids=["key", "request"],
)
def test_a_fallback_is_never_wider_than_the_caller_or_its_key_allow(key: Key, national: bool) -> None:
    hand = Hand(asked("three", national=national), EngineTimeout("slow"), key=key)
    assert [effect.route.berth.site.name for effect in hand.dispatched] == ["rabat"]
    assert isinstance(hand.error, EngineTimeout)


def test_the_engines_refusal_of_the_request_is_the_callers_and_no_other_route_is_tried() -> None:
    hand = Hand(asked("three", PERSON), Reply(b'{"error": {"message": "context too long"}}', status=400))
    assert isinstance(hand.error, BadRequest)
    assert "context too long" in str(hand.error)
    assert hand.error.detail["receipt"].startswith("0-")
    assert hand.outcomes() == [("rabat", "engine_refused")]


def test_an_engines_reason_speaks_with_the_callers_names() -> None:
    hand = Hand(asked("european", PERSON), Reply(b'{"error": {"message": "no [PERSON_1] here"}}', status=422))
    assert isinstance(hand.error, BadRequest)
    assert "Benali" in str(hand.error)


@pytest.mark.parametrize(("down", "served"), [(["rabat/both"], "paris"), (["rabat/both", "paris/both"], None)])
def test_a_site_known_to_be_down_is_passed_over(down: list[str], served: str | None) -> None:
    plan, health = planner()
    for name in down:
        for _ in range(THRESHOLD):
            health[name].failed()
    hand = Hand(asked("both"), whole(), planner=plan)
    if served is None:
        assert isinstance(hand.error, Unavailable)
        assert hand.error.code == "no_site_available"
        assert hand.error.retry_after
        assert hand.kinds == []
    else:
        assert hand.headers[b"x-riad-site"] == served.encode()


# When the client leaves

SCENES: dict[str, tuple[Request, list[Reply | RiadError]]] = {
    "home": (asked("home", PERSON), [whole(PERSON)]),
    "home stream": (asked("home", PERSON, stream=True), [streamed("a", "b")]),
    "crossing": (asked("european", PERSON), [whole("[PERSON_1]")]),
    "crossing stream": (asked("european", PERSON, stream=True), [streamed("[PERS", "ON_1]")]),
    "fallback": (asked("three", PERSON), [EngineTimeout("slow"), Reply(b"", status=500), whole()]),
    "fallback stream": (asked("three", PERSON, stream=True), [EngineTimeout("slow"), streamed("a")]),
    "failure": (asked("home"), [Reply(b"", status=500)]),
    "cut stream": (asked("home", stream=True), [streamed("a", done=False)]),
}
AWAITED = ("Durable", "Dispatch", "ReadAll", "ReadSome", "Start", "Send")


def at(place: int, error: Exception) -> Where:
    """Trouble at one place of the story."""
    return lambda effect, number: error if number == place else None


def since(place: int, kind: str, error: Exception) -> Where:
    """Trouble with every effect of a kind from one place on."""
    return lambda effect, number: error if number >= place and type(effect).__name__ == kind else None


def played(scene: str, trouble: Where | None = None) -> Hand:
    request, replies = SCENES[scene]
    return Hand(request, *(fresh(reply) for reply in replies), trouble=trouble)


def awaited(scene: str) -> list[int]:
    """The places of a story where its driver waits for somebody once an engine was asked: there a client may go."""
    names = played(scene).names
    return [n for n, name in enumerate(names) if name in AWAITED and n >= names.index("Dispatch")]


LEAVING = [(scene, place) for scene in SCENES for place in awaited(scene)]


@pytest.mark.parametrize(("scene", "place"), LEAVING)
def test_a_client_may_leave_anywhere(scene: str, place: int) -> None:
    """The engine's work is stopped, what it used is accounted for, the outcome is recorded, nothing more is sent."""
    through = played(scene)
    hand = played(scene, at(place, ClientGone()))
    left, after = hand.done[place], hand.names[place + 1 :]
    assert not set(after) & {"Start", "Send", "Dispatch", "Record", "ReadAll", "ReadSome"}
    if isinstance(left, effects.Send) and hand.names[place - 1] == "Conclude":
        assert after == []  # the event that tells of an error is the last thing there is
    else:
        assert after[-1] == "Conclude"
        assert "Abandon" in hand.names[hand.names.index("Dispatch") :]
    decisions = [number for number, record in enumerate(hand.entries) if type(record).__name__ == "Decision"]
    closed = [record.decision for record in hand.entries if type(record).__name__ == "Outcome"]
    assert closed == decisions  # every decision has its outcome, once, in order
    used = any(isinstance(effect, effects.Spend) for effect in hand.done)
    read = through.names[:place].count("ReadSome") + (through.names[:place].count("Start") and "ReadAll" in after)
    if read > 1 and "Spend" in through.names:
        assert used


@pytest.mark.parametrize("scene", ["home stream", "crossing stream"])
def test_what_was_used_before_the_client_left_is_accounted_for(scene: str) -> None:
    names = played(scene).names
    second = [n for n, name in enumerate(names) if name == "Send"][1]
    hand = played(scene, at(second, ClientGone()))
    (spent,) = (effect for effect in hand.done if isinstance(effect, effects.Spend))
    assert spent.completion >= 1
    assert spent.prompt >= 1
    assert hand.entries[-1].status == "client_gone"
    assert hand.entries[-1].tokens.completion == spent.completion


# When there is no ledger

NO_LEDGER = [LedgerUnavailable("away", retry_after=1.0), LedgerFull("full", retry_after=1.0)]


@pytest.mark.parametrize("error", NO_LEDGER)
@pytest.mark.parametrize("kind", ["Record", "Durable"])
@pytest.mark.parametrize("scene", [*SCENES, "refusal"])
def test_without_evidence_there_is_no_answer(scene: str, kind: str, error: RiadError) -> None:
    """From some moment on the ledger is away: nothing is sent from then on, and nothing crosses."""
    scenes = {**SCENES, "refusal": (asked("american", PERSON), [])}
    request, replies = scenes[scene]
    names = Hand(request, *map(fresh, replies)).names
    for start in [number for number, name in enumerate(names) if name == kind]:
        hand = Hand(request, *map(fresh, replies), trouble=since(start, kind, error))
        assert hand.error is error
        after = hand.done[start:]
        assert not any(isinstance(effect, effects.Start | effects.Send) for effect in after)
        for effect in after:
            assert not isinstance(effect, effects.Dispatch) or effect.route.crossing == "none"
        if kind == "Record":
            assert hand.names[-1] == "Record"


# What crosses


def test_a_text_that_looks_like_a_placeholder_comes_back_as_it_was() -> None:
    body = {
        "model": "european",
        "messages": [{"role": "user", "content": PERSON}, {"role": "user", "content": "what does [PERSON_1] mean?"}],
    }
    request = Request("f" * 32, CHAT, json.dumps(body).encode(), "t")
    crossed = json.loads(Hand(request, whole()).dispatched[0].body)["messages"][1]["content"]
    assert crossed != "what does [PERSON_1] mean?"
    hand = Hand(request, whole(crossed))
    assert hand.answer()["choices"][0]["message"]["content"] == "what does [PERSON_1] mean?"


@pytest.mark.parametrize(
    "fields",
    [
        {"stream": True, "stream_options": {"note": "CIN BK123456", "BK123456": 1}},
        {"user": "Fatima Zahra Benali", "metadata": {"BK123456": "0612345678"}},
        {"tools": [{"type": "function", "function": {"name": "f", "description": "for CIN BK123456"}}]},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"enum": ["CIN BK123456"]}}}},
        {"logit_bias": {"BK123456": 1}},
        {"unheard_of": [{"deep": ["CIN BK123456", "tel 0612345678"]}]},
        {"stop": ["CIN BK123456"]},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_personal_data_in_any_field_is_found_and_masked(fields: dict[str, Any]) -> None:
    hand = Hand(asked("european", PERSON, **fields), streamed("a") if "stream" in fields else whole())
    assert hand.error is None
    for private in PRIVATE:
        assert private not in hand.dispatched[0].body
    alone = Hand(asked("american", "hello", **fields))
    assert isinstance(alone.error, Unlawful), "what would be masked must also be seen"


class Doubting(Planner):
    """A planner for which masking always left something over."""

    def redecide(self, route: Route, *, pseudonymised: bool) -> Decision:
        return super().redecide(route, pseudonymised=False)


def test_what_masking_leaves_over_is_refused_and_nothing_leaves() -> None:
    catalogue = Catalogue(Settings(sites=SITES), {})
    hand = Hand(asked("european", PERSON), whole(), planner=Doubting(LAW, catalogue, Board(catalogue.berths)))
    assert isinstance(hand.error, Unlawful)
    assert hand.error.code == "mask_incomplete"
    assert hand.names == [*BEFORE, "Durable", "Abandon", "Conclude", "Record", "Durable"]
    allowed, closed, denied = hand.entries
    assert (allowed.outcome, allowed.crossing) == ("allow", "pseudonymised")
    assert (closed.decision, closed.status, closed.http) == (0, "mask_incomplete", 0)
    assert (denied.outcome, denied.crossing) == (hand.error.detail["decision"], "none")
    assert denied.outcome != "allow"
    assert hand.error.detail["receipt"] == "2-" + "f" * 32


@pytest.mark.parametrize("model", ["home", "european"])
def test_a_repeated_key_is_read_once(model: str) -> None:
    """What crosses is what was inspected: the last of a repeated key, as the decoder reads it."""
    twice = (
        f'{{"model": "american", "model": "{model}", "messages": [{{"role": "user", "content": "CIN BK123456"}}], '
        '"messages": [{"role": "user", "content": "tel 0612345678", "content": "hello"}]}'
    )
    hand = Hand(Request("f" * 32, CHAT, twice.encode(), "t"), whole())
    if model == "european":
        assert json.loads(hand.dispatched[0].body)["messages"] == [{"role": "user", "content": "hello"}]
        for private in PRIVATE:
            assert private not in hand.dispatched[0].body


# Streams


def test_the_usage_nobody_asked_for_is_withheld_and_counted() -> None:
    hand = Hand(asked("home", stream=True), streamed("a"))
    assert b"usage" not in hand.sent
    assert hand.sent.endswith(DONE)
    assert json.loads(hand.dispatched[0].body)["stream_options"] == {"include_usage": True}
    assert hand.entries[-1].tokens.prompt == 7
    hand = Hand(asked("home", stream=True, stream_options={"include_usage": True}), streamed("a"))
    assert json.loads(hand.events()[-2])["usage"] == {"prompt_tokens": 7, "completion_tokens": 5}
    hand = Hand(asked("home", stream=True, stream_options={"include_usage": False, "x": 1}), streamed("a"))
    assert b"usage" not in hand.sent
    assert json.loads(hand.dispatched[0].body)["stream_options"] == {"include_usage": True, "x": 1}


def test_usage_that_comes_with_content_is_passed_on() -> None:
    last = event({"content": "b"}, "stop", usage={"prompt_tokens": 1, "completion_tokens": 2})
    hand = Hand(asked("home", stream=True), Reply(event({"content": "a"}), last, DONE, kind=b"text/event-stream"))
    assert last in hand.sent
    assert hand.entries[-1].tokens.completion == 2


def test_without_the_engines_count_tokens_are_estimated() -> None:
    hand = Hand(asked("home", stream=True), streamed("a", "b", "c", usage=False))
    assert hand.entries[-1].tokens.completion >= 3
    assert hand.entries[-1].tokens.prompt >= 1


BROKEN = [
    ([event({"content": "a"}), EngineFailed("cut", code="engine_disconnected")], "engine_disconnected"),
    ([event({"content": "a"}), EngineTimeout("slow")], "engine_timeout"),
    ([event({"content": "a"}), b'data: {"error": {"message": "out of memory"}}\n\n', DONE], "engine_interrupted"),
    ([event({"content": "a"}), b"data: <html>\n\n", DONE], "engine_bad_response"),
    ([event({"content": "a"}), b'data: {"choi'], "engine_interrupted"),
    ([event({"content": "a"})], "engine_interrupted"),
    ([event({"content": "a"}), b'data: {"error": \n\n', DONE], "engine_bad_response"),
    ([event({"content": "a"}), b'data: {"usage": \n\n', DONE], "engine_bad_response"),
    ([event({"content": "a"}), b'data: ["usage"]\n\n', DONE], "engine_bad_response"),
    ([event({"content": "a"}), event(None, usage={"prompt_tokens": "many"}), DONE], None),
]


@pytest.mark.parametrize("model", ["home", "european"])
@pytest.mark.parametrize(("pieces", "code"), BROKEN, ids=range(len(BROKEN)))
def test_a_stream_that_breaks_ends_with_an_error_event(pieces: list[Any], code: str | None, model: str) -> None:
    hand = Hand(asked(model, PERSON, stream=True), Reply(*pieces, kind=b"text/event-stream"))
    assert hand.error is None
    assert hand.ended
    last = json.loads(hand.events()[-1]) if code else {"error": {"code": None}}
    if code:
        assert last["error"]["code"] == code
        assert last["error"]["message"]
        assert b"[DONE]" not in hand.sent
        assert hand.entries[-1].status == code
        assert hand.names[-2:] == ["Conclude", "Send"]
    assert hand.kinds == ["Decision", "Outcome"]
    assert hand.entries[-1].tokens.completion >= 1


@pytest.mark.parametrize("reply", [Reply(b"{}"), Reply(kind=b"text/plain"), whole()])
def test_an_engine_that_answers_a_stream_with_something_else_is_left_for_another(reply: Reply) -> None:
    hand = Hand(asked("both", stream=True), fresh(reply), streamed("a"))
    assert hand.outcomes() == [("rabat", "engine_bad_response"), ("paris", "ok")]


def test_a_stream_without_a_finish_reason_gives_back_what_is_held() -> None:
    cut = Reply(event({"content": "[PERSON_"}), DONE, kind=b"text/event-stream")
    hand = Hand(asked("european", PERSON, stream=True), cut)
    text = "".join(json.loads(raw)["choices"][0]["delta"].get("content") or "" for raw in hand.events()[:-1])
    assert text == "[PERSON_"
    piece = b'data: {"choices": [{"index": 0, "text": "[PERSON_"}]}\n\n'
    hand = Hand(asked("european", PERSON, COMPLETIONS, stream=True), Reply(piece, DONE, kind=b"text/event-stream"))
    assert "".join(json.loads(raw)["choices"][0].get("text") or "" for raw in hand.events()[:-1]) == "[PERSON_"


def test_a_large_body_is_read_elsewhere() -> None:
    long = PERSON + " ." * 50_000
    hand = Hand(asked("european", long), whole("[PERSON_1]"))
    assert hand.error is None
    assert hand.names.count("Compute") == 2  # to inspect it, and to mask it
    assert hand.names.index("Compute") < hand.names.index("Record") < hand.names.index("Dispatch")
    assert b"[PERSON_1]" in hand.dispatched[0].body
    assert "Compute" not in Hand(asked("european", PERSON), whole("ok")).names
