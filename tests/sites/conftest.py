from __future__ import annotations

import asyncio

import pytest
import uvloop


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request):
    """Run a coroutine on each event loop; whatever goes wrong in a callback fails the test."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def go(coroutine):
        complaints = []

        async def bounded():
            asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
            async with asyncio.timeout(30):
                return await coroutine

        with asyncio.Runner(loop_factory=factory) as runner:
            result = runner.run(bounded())
        assert not complaints
        return result

    return go
