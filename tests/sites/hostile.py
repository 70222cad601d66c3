"""A server that misbehaves on purpose, on real sockets: each connection runs a script in a thread of its own."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

OK = b"HTTP/1.1 200 OK\r\n"
PATIENCE = 20.0  # seconds before a script gives up on a client, far beyond what any test needs


@dataclass(frozen=True)
class Request:
    """One request as it came over the wire; header names lower-cased."""

    line: bytes
    headers: dict[bytes, bytes]
    body: bytes


class Peer:
    """The server's end of one connection. ``number`` counts connections from 1."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self._buffer = b""

    def request(self) -> Request:
        """Read one whole request; ``EOFError`` when the client left instead."""
        while b"\r\n\r\n" not in self._buffer:
            self._read()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        line, *rest = head.split(b"\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (item.partition(b":") for item in rest)}
        length = int(headers.get(b"content-length", b"0"))
        while len(self._buffer) < length:
            self._read()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Request(line, headers, body)

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.sock.sendall(piece)

    def gone(self) -> bool:
        """Wait for the client to close; False when it says something instead."""
        try:
            return not self._buffer and not self.sock.recv(1)
        except TimeoutError:
            raise
        except OSError:
            return True

    def drain(self) -> None:
        """Listen without a word until the client closes."""
        while self.sock.recv(65536):
            pass

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        """Close in order, though the client may not have been heard out."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def _read(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        self._buffer += data


class Hostile:
    """Listens on loopback while entered; ``script`` gets each connection, which closes when it returns.

    A script that raises anything but a connection's natural end fails the ``with`` block.
    """

    def __init__(self, script: Callable[[Peer], None], *, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._threads: list[threading.Thread] = []
        self._peers: list[Peer] = []
        self.connections = 0
        self.failures: list[BaseException] = []
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._acceptor.join()
        self._listener.close()
        for peer in self._peers:
            with contextlib.suppress(OSError):
                peer.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        if kind is None and self.failures:
            raise self.failures[0]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(PATIENCE)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            peer = Peer(sock, self.connections)
            self._peers.append(peer)
            thread = threading.Thread(target=self._play, args=(peer,))
            self._threads.append(thread)
            thread.start()

    def _play(self, peer: Peer) -> None:
        try:
            if self._tls is not None:
                peer.sock = self._tls.wrap_socket(peer.sock, server_side=True)
            self._script(peer)
        except (EOFError, ConnectionError, ssl.SSLError):
            pass
        except BaseException as error:
            self.failures.append(error)
        finally:
            peer.close()


def fixed(body: bytes, *, head: bytes = b"HTTP/1.1 200 OK\r\n") -> bytes:
    """An ordinary answer with a content-length."""
    return b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body)


def chunked(*pieces: bytes) -> bytes:
    """An ordinary answer in HTTP chunks."""
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


async def get(pool, path=b"/x", **options):
    """One whole exchange: status and body."""
    response = await pool.request(b"GET", path, **options)
    return response.status, await response.read()


def answering(*answers):
    """A script that gives these answers in turn on one connection, the last one for ever."""

    def script(peer):
        for number in range(1000):
            peer.request()
            peer.send(answers[min(number, len(answers) - 1)])

    return script


def once(*pieces):
    """A script that gives one answer in pieces and closes."""

    def script(peer):
        peer.request()
        peer.send(*pieces)

    return script
