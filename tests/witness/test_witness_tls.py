"""A witness behind TLS, as the feeder meets it: a certificate it does not trust is as good as no witness."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from witness_parts import ENVIRONMENT, Feeder, WitnessProcess, eventually, settings


def certificate(folder: Path) -> Path:
    """A certificate for localhost that signs itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "localhost.pem"
    file.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def front(witness: WitnessProcess, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A TLS proxy in front of the witness: its address, its certificate."""
    file = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    listener = socket.create_server(("127.0.0.1", 0))

    def forward(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                outside = context.wrap_socket(connection, server_side=True)
            except OSError:
                connection.close()
                continue
            with outside, socket.create_connection(("127.0.0.1", witness.port)) as inside:
                back = threading.Thread(target=forward, args=(inside, outside))
                back.start()
                forward(outside, inside)
                back.join(10)

    threading.Thread(target=serve, daemon=True).start()
    yield f"https://localhost:{listener.getsockname()[1]}", file
    listener.close()


@pytest.mark.parametrize("trusted", [True, False])
def test_only_a_trusted_certificate_is_a_witness(
    start_feeder: Callable[..., Feeder],
    front: tuple[str, Path],
    witness: WitnessProcess,
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trusted: bool,
) -> None:
    url, file = front
    if trusted:
        monkeypatch.setitem(ENVIRONMENT, "SSL_CERT_FILE", str(file))
    feeder = start_feeder(data_dir, settings(tmp_path / "riad.toml", [(url, witness.vkeys[0])]))
    assert feeder.ready
    if trusted:
        eventually(lambda: feeder.size() == 11)
    else:
        eventually(lambda: "certificate" in feeder.status()["witnesses"][0]["failure"].lower())
        assert feeder.witnessed == ""
        assert witness.command("logs")["logs"][0]["size"] == 0
