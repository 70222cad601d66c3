"""What engines may answer and what is asked of them; timeouts, the pool and TLS have files of their own."""

from __future__ import annotations

import threading

import pytest
from hostile import OK, Hostile, answering, chunked, fixed, get, once

from riad.errors import BadRequest, BadSettings
from riad.sites.client import Pool

# What a good engine may answer.


@pytest.mark.parametrize(
    ("answer", "status", "body", "kept"),
    [
        (fixed(b"hello"), 200, b"hello", True),
        (fixed(b""), 200, b"", True),
        (fixed(b"x" * 3_000_000), 200, b"x" * 3_000_000, True),
        (chunked(b"he", b"l", b"lo"), 200, b"hello", True),
        (chunked(), 200, b"", True),
        (chunked(*[b"y" * 1000] * 1000), 200, b"y" * 1_000_000, True),
        (OK + b"transfer-encoding: CHUNKED\r\n\r\n5;ext=1\r\nhello\r\n0\r\nx-trailer: 1\r\n\r\n", 200, b"hello", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", 304, b"", True),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + fixed(b"hello"), 200, b"hello", True),
        (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 3 + fixed(b"hello"), 200, b"hello", True),
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok", 200, b"ok", True),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, b"ok", False),
        (OK + b"connection: close\r\ncontent-length: 2\r\n\r\nok", 200, b"ok", False),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", 302, b"", True),
        (fixed(b'{"error":{}}', head=b"HTTP/1.1 500 Oops\r\n"), 500, b'{"error":{}}', True),
        (fixed(b"hi", head=OK + b"content-encoding: identity\r\n"), 200, b"hi", True),
    ],
)
def test_every_framing(run, answer, status, body, kept):
    async def go(url):
        async with Pool(url) as pool:
            for _ in range(3):
                assert await get(pool) == (status, body)
                assert pool.in_flight == 0

    with Hostile(answering(answer)) as server:
        run(go(server.url))
        assert server.connections == (1 if kept else 3)


@pytest.mark.parametrize("head", [OK + b"\r\n", b"HTTP/1.0 200 OK\r\n\r\n"])
def test_a_body_that_ends_with_the_connection(run, head):
    async def go(url):
        async with Pool(url) as pool:
            assert await get(pool) == (200, b"all of it")
            assert await get(pool) == (200, b"all of it")

    with Hostile(once(head, b"all ", b"of it")) as server:
        run(go(server.url))
        assert server.connections == 2


def test_head_has_no_body_whatever_it_announces(run):
    async def go(url):
        async with Pool(url) as pool:
            response = await pool.request("HEAD", b"/x")
            assert (response.status, response.headers[b"content-length"]) == (200, b"5000")
            assert response.complete
            assert await response.read() == b""

    with Hostile(once(OK + b"content-length: 5000\r\n\r\n")) as server:
        run(go(server.url))


def test_what_the_engine_receives(run):
    seen = []

    def script(peer):
        for _ in range(3):
            seen.append(peer.request())
            peer.send(fixed(b""))

    async def go(url):
        async with Pool(url + "/v1/") as pool:
            block = b"content-type: application/json\r\nauthorization: Bearer k\r\n"
            await pool.request(b"POST", b"/chat", block, b'{"a":1}')
            await pool.request("POST", b"/chat", [(b"X-Trace", b"t1")], b"")
            await pool.request("GET", b"/models?x=1")

    with Hostile(script) as server:
        run(go(server.url))
    host = b"127.0.0.1:%d" % server.port
    first, second, third = seen
    assert first.line == b"POST /v1/chat HTTP/1.1"
    assert first.headers == {
        b"host": host,
        b"accept-encoding": b"identity",
        b"content-type": b"application/json",
        b"authorization": b"Bearer k",
        b"content-length": b"7",
    }
    assert first.body == b'{"a":1}'
    assert second.headers[b"x-trace"] == b"t1"
    assert second.headers[b"content-length"] == b"0"
    assert third.line == b"GET /v1/models?x=1 HTTP/1.1"
    assert b"content-length" not in third.headers


def test_headers_are_lower_cased_and_repeated_ones_joined(run):
    answer = OK + b"Content-Type: a/b\r\nSet-Thing: 1\r\nset-thing: 2\r\nx-empty:\r\ncontent-length: 0\r\n\r\n"

    async def go(url):
        async with Pool(url) as pool:
            response = await pool.request("GET", b"/")
            assert response.headers == {
                b"content-type": b"a/b",
                b"set-thing": b"1, 2",
                b"x-empty": b"",
                b"content-length": b"0",
            }

    with Hostile(once(answer)) as server:
        run(go(server.url))


def test_a_stream_arrives_as_it_is_sent(run):
    step = threading.Semaphore(0)

    def script(peer):
        peer.request()
        peer.send(OK + b"transfer-encoding: chunked\r\n\r\n")
        for word in (b"one", b"two", b"three"):
            step.acquire()
            peer.send(b"%x\r\n%b\r\n" % (len(word), word))
        step.acquire()
        peer.send(b"0\r\n\r\n")
        peer.gone()

    async def go(url):
        async with Pool(url) as pool:
            response = await pool.request("GET", b"/")
            got = []
            step.release()
            async for chunk in response:
                got.append(chunk)
                step.release()
            assert got == [b"one", b"two", b"three"]
            assert response.complete
            assert pool.in_flight == 0
            assert await response.chunk() == b""

    with Hostile(script) as server:
        run(go(server.url))


def test_an_answer_may_come_before_the_request_has_been_read(run):
    answered = threading.Event()

    def script(peer):
        if peer.number == 1:
            peer.sock.recv(1000)
            peer.send(fixed(b"too much", head=b"HTTP/1.1 413 Too Large\r\n"))
            answered.wait(10)
        else:
            peer.request()
            peer.send(fixed(b"second"))

    async def go(url):
        async with Pool(url) as pool:
            response = await pool.request("POST", b"/", body=b"x" * 50_000_000)  # more than the sockets' buffers hold
            assert (response.status, await response.read()) == (413, b"too much")
            assert await get(pool) == (200, b"second")
            answered.set()

    with Hostile(script) as server:
        run(go(server.url))
        assert server.connections == 2


def test_proxy_variables_are_ignored(run, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    async def go(url):
        async with Pool(url) as pool:
            assert await get(pool) == (200, b"direct")

    with Hostile(answering(fixed(b"direct"))) as server:
        run(go(server.url))


# What we refuse to send.


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", b"/a b", b""),
        ("GET", b"/a\r\nx: y", b""),
        ("GET", b"", b""),
        ("GET", b"a", b""),
        ("GET", b"/a#b", b""),
        ("GET", "/\u0633".encode(), b""),
        ("GET /x", b"/", b""),
        ("GET\r\n", b"/", b""),
        ("G\u00c9T", b"/", b""),
        ("", b"/", b""),
        ("CONNECT", b"/", b""),
        ("GET", b"/", b"no colon\r\n"),
        ("GET", b"/", b"x: y"),
        ("GET", b"/", b"x: y\r\n\r\n"),
        ("GET", b"/", b"x: y\n\r\n"),
        ("GET", b"/", b"x : y\r\n"),
        ("GET", b"/", b": y\r\n"),
        ("GET", b"/", [(b"x", b"a\r\nb: c")]),
        ("GET", b"/", [(b"x", b"a\nb")]),
        ("GET", b"/", [(b"x", b"a\0b")]),
        ("GET", b"/", [(b"x\r\ny", b"a")]),
        ("GET", b"/", [(b"Content-Length", b"5")]),
        ("GET", b"/", [(b"Transfer-Encoding", b"chunked")]),
        ("GET", b"/", b"HOST: other\r\n"),
        ("GET", b"/", b"accept-encoding: gzip\r\n"),
    ],
)
def test_a_head_that_is_two_is_not_sent(run, method, path, headers):
    async def go(url):
        async with Pool(url) as pool:
            for _ in range(2):
                with pytest.raises(BadRequest):
                    await pool.request(method, path, headers)
            assert pool.in_flight == 0

    with Hostile(lambda peer: peer.request()) as server:
        run(go(server.url))
        assert server.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000",
        "ftp://host/",
        "http://",
        "http://user:word@host/",
        "http://host/?a=b",
        "http://host/#a",
        "http://host:99999/",
        "http://host:0/",
        "http://host:x/",
        "http://ho st/",
        "http://host\r\nx/",
        "http://host/a b",
        "http://[::1/",
        "http://[zz::1]/",
        "http://" + "a" * 300 + "/",
    ],
)
def test_a_base_url_that_is_none(url):
    with pytest.raises(BadSettings):
        Pool(url)
