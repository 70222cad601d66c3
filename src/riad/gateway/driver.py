"""Performs one flow's effects against the real house: keys, ledger, engines, and the client's socket."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar

from riad.errors import EngineFailed, RiadError
from riad.gateway import flow as effects
from riad.gateway.house import House
from riad.sites.client import Response
from riad.sites.health import Health

T = TypeVar("T")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Sender = Callable[[Message], Awaitable[None]]

WATCH_AFTER = 0.05  # seconds an answer may take before a departing client is watched for: most need no watcher
JSON = (b"content-type", b"application/json")
EVENT_STREAM = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]


class Driver:
    """Drives one request's flow to its end.

    ``began`` tells whether the reply's head was sent; ``route`` is the last route used, for the metrics.
    """

    __slots__ = (
        "_gone",
        "_health",
        "_house",
        "_limits",
        "_receive",
        "_response",
        "_send",
        "_task",
        "_watcher",
        "began",
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
        self._gone = False
        self._limits: list[tuple[bytes, bytes]] = []
        self.began = False
        self.route: Any = None

    async def drive(self, flow: effects.Flow) -> None:
        """Run to the end. A ``RiadError`` that leaves the flow before the reply began is the caller's to send."""
        try:
            effect = next(flow)
            while True:
                try:
                    value = await self._perform(effect)
                except RiadError as error:
                    effect = flow.throw(error)
                except CancelledError:
                    if not self._gone:
                        raise
                    asyncio.current_task().uncancel()  # type: ignore[union-attr]
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

    async def _perform(self, effect: effects.Effect) -> Any:
        """Do what an effect asks; in the order of a request's life."""
        house = self._house
        match effect:
            case effects.Authenticate(token):
                return house.keyring.get(token) or await house.keyring.resolve(token)
            case effects.Admit(key):
                if not house.limiter.admit(key):
                    await house.limiter.acquire(key)
                self._limits = house.limiter.headers(key)
            case effects.Record(entry):
                return house.ledger.append(entry)
            case effects.Durable(ticket):
                return ticket.result() if ticket.done() else await ticket
            case effects.Dispatch(route, path, body):
                return await self._dispatch(route, path, body)
            case effects.ReadAll():
                return await self._reading(self._answer.read())
            case effects.ReadSome():
                return await self._reading(self._answer.chunk())
            case effects.Start(headers, stream):
                await self._start(headers, stream)
            case effects.Send(data, last):
                await self._send({"type": "http.response.body", "body": data, "more_body": not last})
            case effects.Spend(key, route, prompt, completion):
                house.limiter.spent(key, prompt, completion)
                house.metrics.tokens(route.berth, prompt, completion)
            case effects.Conclude(entry):
                house.backlog.append(entry)
            case effects.Abandon():
                if self._response is not None:
                    self._response.abort()
        return None

    @property
    def _answer(self) -> Response:
        assert self._response is not None, "a flow reads only after it dispatched"
        return self._response

    async def _dispatch(self, route: Any, path: bytes, body: bytes) -> tuple[int, dict[bytes, bytes]]:
        self.route = route
        berth = route.berth
        if self._watcher is None:
            self._task = asyncio.current_task()
            self._watcher = asyncio.get_running_loop().call_later(WATCH_AFTER, self._watch)
        self._health = self._house.board.of(berth)
        pool = self._house.pools[berth.name]
        response = self._response = await self._reading(
            pool.request(b"POST", path, self._house.heads[berth.name], body)
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
        except EngineFailed:
            if self._health is not None:
                self._health.failed()
            raise

    async def _start(self, headers: list[tuple[bytes, bytes]], stream: bool) -> None:
        self.began = True
        kind = EVENT_STREAM if stream else [JSON]
        await self._send({"type": "http.response.start", "status": 200, "headers": kind + headers + self._limits})

    def _watch(self) -> None:
        self._watcher = asyncio.ensure_future(self._until_gone())

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        if self._task is not None:
            self._task.cancel()
