"""Who an engine says it is: certificates made here, for this test run only."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hostile import OK, Hostile, answering, chunked, fixed, get

from riad.errors import EngineFailed
from riad.sites.client import Pool

DAY = datetime.timedelta(days=1)


class Authority:
    """A certificate authority; its name is its only difference from another."""

    def __init__(self, name):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        self.certificate = (
            self._builder(self.name, self.key.public_key(), -DAY, DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )

    def _builder(self, subject, public_key, begin, end):
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public_key)
        return (
            builder.serial_number(x509.random_serial_number()).not_valid_before(now + begin).not_valid_after(now + end)
        )

    def server(self, folder, name, *, begin=-DAY, end=DAY):
        """A server's context with a certificate for ``name`` (an address or a host)."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            alternative = x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            alternative = x509.DNSName(name)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = (
            self._builder(subject, key.public_key(), begin, end)
            .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
            .add_extension(identifier, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path = folder / "server.pem"
        path.write_bytes(secret + certificate.public_bytes(pem))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def trusted(self):
        """A client's context that trusts this authority and nobody else."""
        pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()
        return ssl.create_default_context(cadata=pem)


@pytest.fixture(scope="module")
def authority():
    return Authority("Riad test authority")


def test_a_certificate_that_is_right(run, authority, tmp_path):
    big = chunked(*[b"z" * 50_000] * 100)

    async def go(url):
        async with Pool(url, ssl_context=authority.trusted()) as pool:
            for _ in range(3):
                assert await get(pool) == (200, b"kept private")
            response = await pool.request("POST", b"/", body=b"x" * 3_000_000)
            assert await response.read() == b"z" * 5_000_000

    answers = (fixed(b"kept private"),) * 3 + (big,)
    with Hostile(answering(*answers), tls=authority.server(tmp_path, "127.0.0.1")) as server:
        run(go(server.url))
        assert server.connections == 1


@pytest.mark.parametrize(
    ("name", "begin", "end", "trust", "reason"),
    [
        ("127.0.0.1", -DAY, -DAY / 2, True, "expired"),
        ("127.0.0.1", DAY / 2, DAY, True, "not yet valid"),
        ("engine.example", -DAY, DAY, True, "mismatch"),
        ("127.0.0.1", -DAY, DAY, "other", "unable to get local issuer"),
        ("127.0.0.1", -DAY, DAY, "default", "unable to get local issuer"),
    ],
)
def test_a_certificate_that_is_not(run, authority, tmp_path, name, begin, end, trust, reason):
    received = []

    def script(peer):
        received.append(peer.request())

    context = {True: authority.trusted, "other": Authority("Somebody else").trusted, "default": lambda: None}[trust]()

    async def go(url):
        async with Pool(url, site="paris", ssl_context=context) as pool:
            with pytest.raises(EngineFailed) as caught:
                await pool.request("POST", b"/", body=b"secret")
            assert caught.value.code == "engine_unverified"
            assert "paris" in str(caught.value)
            assert reason in str(caught.value).lower()
            assert pool.in_flight == 0

    with Hostile(script, tls=authority.server(tmp_path, name, begin=begin, end=end)) as server:
        run(go(server.url))
    assert received == []


def test_https_to_a_server_without_tls(run):
    async def go(url):
        async with Pool(url) as pool:
            with pytest.raises(EngineFailed) as caught:
                await get(pool)
            assert caught.value.code == "engine_unreachable"
            assert pool.in_flight == 0

    def script(peer):
        peer.sock.recv(1000)
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with Hostile(script) as server:
        run(go(server.url.replace("http:", "https:")))


def test_a_slow_reader_and_a_departure_over_tls(run, authority, tmp_path):
    def script(peer):
        peer.request()
        peer.send(OK + b"content-length: 90000000\r\n\r\n")
        while True:
            peer.send(b"z" * 65536)

    async def go(url):
        async with Pool(url, ssl_context=authority.trusted()) as pool:
            response = await pool.request("GET", b"/")
            with response:
                for _ in range(20):
                    await asyncio.sleep(0.01)
                    assert response.buffered <= 1024 * 1024
                    assert set(await response.chunk()) == {ord("z")}
            assert pool.in_flight == 0

    with Hostile(script, tls=authority.server(tmp_path, "127.0.0.1")) as server:
        run(go(server.url))
