# SPDX-License-Identifier: MIT
"""rediss://: verified, or not at all."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from headrace import EventSink, InvalidSignatureError, Key, TokenVerifier
from tests.redis.conftest import Server


def openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and certificates of it: for a server of two names, and for a client."""
    folder = tmp_path_factory.mktemp("keys")
    ca = ("-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key")
    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(*new, "-subj", "/CN=ca", "-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.pem")
    for name, names in (
        ("server", "DNS:localhost,IP:127.0.0.1"),
        ("other", "DNS:other.example"),
        ("client", "DNS:client"),
    ):
        openssl(
            *new,
            *ca,
            *("-subj", f"/CN={name}", "-addext", f"subjectAltName={names}"),
            *("-addext", "basicConstraints=CA:FALSE"),
            *("-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem"),
        )
    return folder


class Tunnel:
    """TLS in front of a server on a Unix socket."""

    def __init__(self, target: Path, context: ssl.SSLContext) -> None:
        self.target = target
        self.context = context
        self.plain: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def close(self) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        with suppress(OSError), raw:
            self.plain.append(raw.recv(1, socket.MSG_PEEK))
            with (
                self.context.wrap_socket(raw, server_side=True) as client,
                socket.socket(socket.AF_UNIX) as server,
            ):
                server.connect(str(self.target))
                client.settimeout(0.005)
                server.settimeout(0.005)
                while True:
                    for source, sink in ((client, server), (server, client)):
                        with suppress(TimeoutError):
                            data = source.recv(65536)
                            if not data:
                                return
                            sink.sendall(data)


@pytest.fixture
def context(keys: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(keys / "server.pem", keys / "server.key")
    return made


@pytest.fixture
def tunnel(server: Server, context: ssl.SSLContext) -> Iterator[Tunnel]:
    made = Tunnel(server.socket, context)
    yield made
    made.close()


def deliver(port: int, ring_dir: str, host: str = "localhost", **options: Any) -> dict[str, Any]:
    """The connection's state after one event was tried for a while."""
    sink = EventSink(
        f"rediss://{host}:{port}", ring_dir=ring_dir, reconnect=(0.01, 0.02), **options
    )
    sink.emit("visit", {"n": 0})
    deadline = time.monotonic() + 5
    while sink.flush(0.1) != 0 and time.monotonic() < deadline:
        if sink.stats()["connection"]["error"] is not None:
            break
    state: dict[str, Any] = sink.stats()["connection"]
    sink.close(0)
    return state


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_verified_server_is_used(
    server: Server, tunnel: Tunnel, keys: Path, ring_dir: str, host: str
) -> None:
    state = deliver(tunnel.port, ring_dir, host, ca_file=keys / "ca.pem")
    assert (state["state"], state["error"]) == ("connected", None)
    assert [event["n"] for event in server.events()] == ["0"]
    assert tunnel.plain[0] == b"\x16", "the first byte is TLS"


def test_tokens_verify_while_events_travel_over_tls(
    server: Server, tunnel: Tunnel, keys: Path, ring_dir: str
) -> None:
    """Tokens and TLS may be served by two crypto libraries; neither disturbs the other."""
    tokens = []
    for algorithm, private in (
        ("RS256", rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        ("ES256", ec.generate_private_key(ec.SECP256R1())),
    ):
        pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        verifier = TokenVerifier([Key.pem(pem, algorithm=algorithm)], cache_size=0)
        text = jwt.encode({"exp": 4102444800}, private, algorithm=algorithm)
        tokens.append((verifier, text, text[:-10] + ("A" * 10)))
    sink = EventSink(
        f"rediss://localhost:{tunnel.port}", ring_dir=ring_dir, ca_file=keys / "ca.pem"
    )
    for n in range(40):
        assert sink.emit("visit", {"n": n})
        for verifier, good, forged in tokens:
            assert verifier.verify(good)["exp"] == 4102444800
            with pytest.raises(InvalidSignatureError):
                verifier.verify(forged)
        assert ssl.create_default_context(cafile=keys / "ca.pem").cert_store_stats()["x509"] == 1
    assert sink.flush(5.0) == 0
    state = sink.stats()["connection"]
    sink.close(0)
    assert (state["state"], state["error"]) == ("connected", None)
    assert [event["n"] for event in server.events()] == [str(n) for n in range(40)]


def test_authorities_from_the_environment(
    server: Server,
    tunnel: Tunnel,
    keys: Path,
    ring_dir: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without ca_file: SSL_CERT_FILE, else the file, else the folder, that Python names."""
    with monkeypatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(keys / "ca.pem"))
        assert deliver(tunnel.port, ring_dir)["error"] is None
    paths = ssl.get_default_verify_paths()
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with monkeypatch.context() as patch:
        named = paths._replace(cafile=str(keys / "ca.pem"))
        patch.setattr(ssl, "get_default_verify_paths", lambda: named)
        assert deliver(tunnel.port, ring_dir)["error"] is None
    folder = keys / "rehashed"
    folder.mkdir()
    (folder / "ca.pem").write_bytes((keys / "ca.pem").read_bytes())
    openssl("rehash", str(folder))
    named = paths._replace(cafile=None, capath=str(folder))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: named)
    assert deliver(tunnel.port, ring_dir)["error"] is None
    assert [event["n"] for event in server.events()] == ["0", "0", "0"]


def test_an_environment_that_names_no_file_is_told(
    tunnel: Tunnel, ring_dir: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    state = deliver(tunnel.port, ring_dir)
    assert state["error"] == "tls"
    assert "ca_file" in state["detail"]


def test_an_unknown_authority_is_refused(server: Server, tunnel: Tunnel, ring_dir: str) -> None:
    state = deliver(tunnel.port, ring_dir)
    assert state["error"] == "tls"
    assert "certificate" in state["detail"] or "self-signed" in state["detail"]
    assert server.events() == []


def test_another_name_is_refused(
    server: Server, context: ssl.SSLContext, keys: Path, ring_dir: str
) -> None:
    context.load_cert_chain(keys / "other.pem", keys / "other.key")
    tunnel = Tunnel(server.socket, context)
    state = deliver(tunnel.port, ring_dir, ca_file=keys / "ca.pem")
    assert state["error"] == "tls"
    assert "mismatch" in state["detail"]
    assert server.events() == []
    tunnel.close()


def test_a_certificate_that_is_over_is_refused(
    server: Server, context: ssl.SSLContext, keys: Path, ring_dir: str
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    authority = x509.load_pem_x509_certificate((keys / "ca.pem").read_bytes())
    signer = load_pem_private_key((keys / "ca.key").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    over = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(yesterday - timedelta(days=1))
        .not_valid_after(yesterday)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    pair = keys / "over.pem"
    pair.write_bytes(
        over.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context.load_cert_chain(pair)
    tunnel = Tunnel(server.socket, context)
    state = deliver(tunnel.port, ring_dir, ca_file=keys / "ca.pem")
    assert state["error"] == "tls"
    assert "expired" in state["detail"]
    assert server.events() == []
    tunnel.close()


def test_a_client_certificate_is_shown(
    server: Server, context: ssl.SSLContext, keys: Path, ring_dir: str
) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(keys / "ca.pem")
    tunnel = Tunnel(server.socket, context)
    state = deliver(
        tunnel.port,
        ring_dir,
        ca_file=keys / "ca.pem",
        certificate=keys / "client.pem",
        private_key=keys / "client.key",
    )
    assert state["error"] is None
    assert [event["n"] for event in server.events()] == ["0"]
    tunnel.close()


def test_a_file_that_is_not_there_is_told(tunnel: Tunnel, ring_dir: str) -> None:
    state = deliver(tunnel.port, ring_dir, ca_file="/nowhere/ca.pem")
    assert state["error"] == "tls"
    assert "ca_file" in state["detail"]


def test_a_server_without_tls_is_refused(server: Server, ring_dir: str) -> None:
    server.client.config_set("port", "0")
    listener = socket.create_server(("127.0.0.1", 0))
    seen: list[bytes] = []

    def serve() -> None:
        with suppress(OSError):
            client, _ = listener.accept()
            with client:
                seen.append(client.recv(1000))
                client.sendall(b"+OK\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    state = deliver(listener.getsockname()[1], ring_dir)
    listener.close()
    assert state["error"] in ("tls", "connect")
    assert all(data.startswith(b"\x16") for data in seen), "nothing in plain text"
