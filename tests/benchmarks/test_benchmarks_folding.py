"""Samples are folded to the room that asked and the part that worked."""

from __future__ import annotations

import pytest

from benchmarks.folding import LOOP, fold, functions, part_of, room_of, rows

HEAD = "<module> (/x/bin/riad:1);run_forever (/project/uvloop/loop.c:33192)"
RECEIVED = f"{HEAD};data_received (/x/site-packages/uvicorn/protocols/http/httptools_impl.py:170)"
FLOW = f"{HEAD};handle (/x/src/riad/gateway/door.py:10);flow (/x/src/riad/gateway/flow.py:20)"


@pytest.mark.parametrize(
    ("stack", "room", "part"),
    [
        (f"{RECEIVED};feed_data (httptools/parser/parser.c:1)", "uvicorn", "httptools"),
        (f"{FLOW};decode (/x/site-packages/msgspec/_core.cpython-311-x86_64-linux-gnu.so)", "riad.gateway", "msgspec"),
        (f"{FLOW};scan (/x/src/riad/privacy/scan.py:3);search (re2/re2.cc:9)", "riad.privacy", "re2"),
        (f"{FLOW};write (/usr/lib/x86_64-linux-gnu/libc.so.6)", "riad.gateway", "kernel: sockets"),
        (f"{FLOW};load (/x/src/riad/settings.py:4)", "riad.settings", "Python"),
        (f"{HEAD};epoll_pwait (/usr/lib/x86_64-linux-gnu/libc.so.6)", LOOP, "kernel: poll"),
        (f"{HEAD};uv__read (/project/build/libuv-x86_64/src/unix/stream.c:1154)", LOOP, "uvloop"),
    ],
)
def test_a_sample_finds_its_room_and_its_part(stack: str, room: str, part: str) -> None:
    frames = stack.split(";")
    assert (room_of(frames), part_of(frames[-1])) == (room, part)


def test_fold_adds_up_and_rows_share_out_the_microseconds() -> None:
    folded = fold([f"{FLOW} 30", f"{FLOW};encode (/x/msgspec/_core.so) 30", "", f"{HEAD} 40"])
    found = rows(folded, 50.0)
    assert [(row["room"], row["microseconds"]) for row in found] == [("riad.gateway", 30.0), (LOOP, 20.0)]
    assert found[0]["parts"] == {"Python": 15.0, "msgspec": 15.0}


@pytest.mark.parametrize("line", ["no count", "12", "a;b twelve"])
def test_fold_refuses_what_is_no_sample(line: str) -> None:
    with pytest.raises(ValueError, match="not a line"):
        fold([line])


def test_rows_of_nothing_are_none() -> None:
    assert rows({}, 50.0) == []


def test_a_thread_that_waits_for_a_lock_does_not_count() -> None:
    waiting = (
        "run (/x/riad/tenants/limits.py:1);PyThread_acquire_lock_timed (/x/libpython3.11.so);0x7f83 (/x/libc.so.6)"
    )
    assert fold([f"{waiting} 100", f"{FLOW} 1"]) == {"riad.gateway": {"Python": 1}}


def test_whoever_started_the_loop_is_not_who_asked() -> None:
    stack = "main (/x/src/riad/gateway/worker.py:9);uv_run (/x/core.c:1);epoll_pwait (/usr/lib/libc.so.6)"
    assert room_of(stack.split(";")) == LOOP


def test_functions_count_native_code_to_their_caller() -> None:
    found = functions([f"{FLOW};decode (/x/site-packages/msgspec/_core.so) 3", f"{FLOW} 2", "uv_run (/x/core.c:1) 1"])
    assert found == {"gateway/flow.py flow": 5, LOOP: 1}
