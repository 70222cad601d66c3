"""Performs one flow's effects against the real house: keys, ledger, engines, and the client's socket."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar

from riad.errors import EngineFailed, EngineTimeout, RiadError
from riad.gateway import flow as effects
from riad.gateway.house import House
from riad.sites.client import Response
from riad.sites.health import Health
from riad.tenants.keys import Key
from riad.texts import N_

T = TypeVar("T")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Sender = Callable[[Message], Awaitable[None]]

WATCH_AFTER = 0.05  # seconds an answer may take before a departing client is watched for: most need no watcher
JSON = (b"content-type", b"application/json")
EVENT_STREAM = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]


class Driver:
    """Drives one request's flow to its end.

    ``began`` tells whether the reply's head was sent; ``route`` is the last route used, for the metrics; ``limits`` are
    the headers that tell what remains of the key's limits.
    """

    __slots__ = (
        "_committing",
        "_gone",
        "_health",
        "_house",
        "_receive",
        "_response",
        "_send",
        "_task",
        "_told",
        "_watcher",
        "began",
        "limits",
        "route",
    )

    def __init__(self, house: House, receive: Receive, send: Sender) -> None:
        self._house = house
        self._receive = receive
        self._send = send
        self._response: Response | None = None
        self._health: Health | None = None
        self._watcher: asyncio.TimerHandle | asyncio.Task[None] | None = None
        self._task: asyncio.Task[Any] | None = None
        self._gone = self._told = self._committing = False
        self.began = False
        self.limits: list[tuple[bytes, bytes]] = []
        self.route: Any = None

    async def drive(self, flow: effects.Flow) -> None:
        """Run to the end. A ``RiadError`` that leaves the flow before the reply began is the caller's to send."""
        try:
            effect = next(flow)
            while True:
                try:
                    at_once = AT_ONCE.get(type(effect))
                    value = at_once(self, effect) if at_once else await IN_TIME[type(effect)](self, effect)
                except RiadError as error:
                    effect = flow.throw(error)
                except CancelledError:
                    if self._told:
                        raise
                    self._told = True
                    asyncio.current_task().uncancel()  # type: ignore[union-attr]
                    # Not by a client that left: this worker's time to finish is over. What was used is still recorded.
                    effect = flow.throw(effects.ClientGone() if self._gone else _stopping())
                else:
                    if self._gone and not self._told:
                        self._told = True
                        effect = flow.throw(effects.ClientGone())
                    else:
                        effect = flow.send(value)
        except (StopIteration, effects.ClientGone):
            pass
        finally:
            if self._watcher is not None:
                self._watcher.cancel()
            if self._response is not None:
                self._response.abort()  # does nothing to an answer that was read to its end

    # What takes no time

    def _record(self, effect: effects.Record) -> asyncio.Future[int]:
        secret = effect.record_key
        if effect.subject and secret:
            secret += self._house.subject_tag(effect.key, effect.subject)
        return self._house.ledger.append(effect.entry, secret)

    def _conclude(self, effect: effects.Conclude) -> None:
        self._house.backlog.append(effect.entry)

    def _spend(self, effect: effects.Spend) -> None:
        self._house.limiter.spent(effect.key, effect.prompt, effect.completion)
        self._house.metrics.tokens(effect.route.berth, effect.prompt, effect.completion)

    def _masking_key(self, effect: effects.MaskingKey) -> bytes:
        return self._house.masking_key(effect.key)

    def _abandon(self, _effect: effects.Abandon) -> None:
        if self._response is not None:
            self._response.abort()

    # What may have to wait

    async def _compute(self, effect: effects.Compute) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._house.threads, effect.work)

    async def _authenticate(self, effect: effects.Authenticate) -> Key:
        keyring = self._house.keyring
        return keyring.get(effect.token) or await keyring.resolve(effect.token)

    async def _admit(self, effect: effects.Admit) -> None:
        limiter = self._house.limiter
        try:
            if not limiter.admit(effect.key):
                await limiter.acquire(effect.key)
        finally:
            self.limits = limiter.headers(effect.key)

    async def _durable(self, effect: effects.Durable) -> int:
        """A client that leaves meanwhile is told apart afterwards: what is on its way to the disk gets there."""
        ticket: asyncio.Future[int] = effect.ticket
        if ticket.done():
            return ticket.result()
        self._committing = True
        try:
            return await ticket
        finally:
            self._committing = False

    async def _read_all(self, _effect: effects.ReadAll) -> bytes:
        return await self._reading(self._answer.read())

    async def _read_some(self, _effect: effects.ReadSome) -> bytes:
        return await self._reading(self._answer.chunk())

    async def _start(self, effect: effects.Start) -> None:
        self.began = True
        kind = EVENT_STREAM if effect.length is None else [JSON, (b"content-length", b"%d" % effect.length)]
        headers = [*kind, *effect.headers, *self.limits]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _send_on(self, effect: effects.Send) -> None:
        await self._send({"type": "http.response.body", "body": effect.data, "more_body": not effect.last})

    @property
    def _answer(self) -> Response:
        assert self._response is not None, "a flow reads only after it dispatched"
        return self._response

    async def _dispatch(self, effect: effects.Dispatch) -> tuple[int, dict[bytes, bytes]]:
        self.route = effect.route
        berth = effect.route.berth
        if self._watcher is None:
            loop = asyncio.get_running_loop()
            self._task = asyncio.current_task(loop)
            self._watcher = loop.call_later(WATCH_AFTER, self._watch)
        self._health = self._house.board.of(berth)
        pool = self._house.pools[berth.name]
        response = self._response = await self._reading(
            pool.request(b"POST", effect.path, self._house.heads[berth.name], effect.body)
        )
        if response.status >= 500:
            self._health.failed()
        else:
            self._health.succeeded()
        return response.status, response.headers

    async def _reading(self, work: Awaitable[T]) -> T:
        """Await an engine; what fails there counts against its health."""
        try:
            return await work
        except (EngineFailed, EngineTimeout):
            if self._health is not None:
                self._health.failed()
            raise

    def _watch(self) -> None:
        self._watcher = asyncio.ensure_future(self._until_gone())

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        if self._task is not None and not self._committing:
            self._task.cancel()


def _stopping() -> RiadError:
    error = RiadError(
        N_("Riad is stopping."), remedy=N_("Send the request again in a moment."), code="stopping", retry_after=1.0
    )
    error.status = 503  # type: ignore[misc]  # no other route is tried, as for Unavailable
    return error


AT_ONCE: dict[type[effects.Effect], Callable[[Driver, Any], Any]] = {
    effects.Record: Driver._record,
    effects.Conclude: Driver._conclude,
    effects.Spend: Driver._spend,
    effects.Abandon: Driver._abandon,
    effects.MaskingKey: Driver._masking_key,
}
IN_TIME: dict[type[effects.Effect], Callable[[Driver, Any], Awaitable[Any]]] = {
    effects.Compute: Driver._compute,
    effects.Authenticate: Driver._authenticate,
    effects.Admit: Driver._admit,
    effects.Durable: Driver._durable,
    effects.Dispatch: Driver._dispatch,
    effects.ReadAll: Driver._read_all,
    effects.ReadSome: Driver._read_some,
    effects.Start: Driver._start,
    effects.Send: Driver._send_on,
}
