# SPDX-License-Identifier: MIT
"""headrace beside packages that carry an OpenSSL of their own, in one process.

    python neighbours.py --times 200

Each run is a new process that imports them in one order or the other, has each do TLS (for
cryptography, which has none: a signature), and must end with 0. The peer is a TLS listener that
speaks just enough of PostgreSQL to be asked for TLS, and counts handshakes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

CHILD = """
import os, sys, time
order, port, redis_port, folder = sys.argv[1:]
ca = folder + "/ca.pem"

def load_ours():
    global EventSink, Key, TokenVerifier
    from headrace import EventSink, Key, TokenVerifier

def load_theirs():
    global confluent_kafka, psycopg, serialization, ec, ssl
    import confluent_kafka
    import psycopg
    import ssl
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

for load in (load_ours, load_theirs) if order == "ours" else (load_theirs, load_ours):
    load()
assert psycopg.pq.__impl__ == "binary"

def use_ours():
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    import base64, json
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    def url(data): return base64.urlsafe_b64encode(data).rstrip(b"=")
    text = url(b'{"alg":"ES256"}') + b"." + url(json.dumps({"exp": 4102444800}).encode())
    r, s = decode_dss_signature(private.sign(text, ec.ECDSA(hashes.SHA256())))
    token = text + b"." + url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    assert TokenVerifier([Key.pem(pem, algorithm="ES256")]).verify(token)["exp"] == 4102444800
    sink = EventSink(f"rediss://localhost:{redis_port}", ca_file=ca)
    assert sink.emit("visit", {"order": order})
    assert sink.flush(20) == 0, sink.stats()
    return sink

def use_theirs():
    try:
        psycopg.connect(host="localhost", hostaddr="127.0.0.1", port=port, user="x", dbname="x",
                        sslmode="verify-full", sslrootcert=ca, connect_timeout=20)
    except psycopg.OperationalError as error:
        assert "certificate" not in str(error), error
    else:
        raise AssertionError("a PostgreSQL without PostgreSQL")
    producer = confluent_kafka.Producer({
        "bootstrap.servers": f"localhost:{port}", "security.protocol": "ssl",
        "ssl.ca.location": ca, "broker.address.family": "v4", "log_level": 0,
        "error_cb": lambda error: None,
    })
    deadline = time.monotonic() + 20
    while not os.path.exists(f"{folder}/kafka-{os.getpid()}") and time.monotonic() < deadline:
        producer.poll(0.05)
        # the peer writes a file for each handshake that Kafka's first bytes follow
        if any(name.startswith("kafka-") for name in os.listdir(folder)):
            break
    else:
        raise AssertionError("Kafka shook no hands")
    import socket
    context = ssl.create_default_context(cafile=ca)
    with context.wrap_socket(socket.create_connection(("127.0.0.1", int(port))),
                             server_hostname="localhost"):
        pass
    return producer

kept = [use() for use in ((use_ours, use_theirs) if order == "ours" else (use_theirs, use_ours))]
"""


def openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def make_keys(folder: Path) -> None:
    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    ca = ("-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key")
    usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")  # Python 3.13 wants it
    openssl(
        *new,
        *usage,
        *("-subj", "/CN=ca", "-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.pem"),
    )
    openssl(
        *new,
        *ca,
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        *("-addext", "basicConstraints=CA:FALSE"),
        *("-keyout", f"{folder}/server.key", "-out", f"{folder}/server.pem"),
    )


class Peer:
    """Shakes hands with PostgreSQL's and Kafka's clients, and counts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: Counter[str] = Counter()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "server.pem", folder / "server.key")
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            raw, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(raw,), daemon=True).start()

    def serve(self, raw: socket.socket) -> None:
        with suppress(OSError), raw:
            raw.settimeout(20)
            postgres = raw.recv(1, socket.MSG_PEEK) == b"\0"
            if postgres:  # SSLRequest
                raw.recv(8)
                raw.sendall(b"S")
            with self.context.wrap_socket(raw, server_side=True) as client:
                data = b""
                with suppress(OSError):  # closed at once, by the one that says nothing
                    data = client.recv(100)
                kind = "postgres" if postgres else "kafka" if data else "ssl"
                self.seen[kind] += 1
                if kind == "kafka":
                    (self.folder / "kafka-seen").touch()


def run_once(order: str, peer: Peer, redis_port: int, folder: Path) -> None:
    (folder / "kafka-seen").unlink(missing_ok=True)
    environment = {name: value for name, value in os.environ.items() if "PYTHON" not in name}
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", CHILD, order, str(peer.port), str(redis_port), folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**environment, "PYTHONFAULTHANDLER": "1"},
        timeout=120,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"order {order}: ended with {done.returncode}\n{done.stdout}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=200)
    times: int = parser.parse_args().times
    folder = Path(tempfile.mkdtemp())
    make_keys(folder)
    peer = Peer(folder)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        redis_port = probe.getsockname()[1]
    command = ["redis-server", "--port", "0", "--tls-port", str(redis_port), "--save", ""]
    command += ["--tls-cert-file", "server.pem", "--tls-key-file", "server.key"]
    command += ["--tls-ca-cert-file", "ca.pem", "--tls-auth-clients", "no"]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", redis_port), 1).close()
                break
            time.sleep(0.05)
        for number in range(times):
            run_once("ours" if number % 2 == 0 else "theirs", peer, redis_port, folder)
        for kind in ("postgres", "kafka", "ssl"):
            if peer.seen[kind] < times:
                raise SystemExit(f"handshakes: {dict(peer.seen)}")
        import redis

        with redis.Redis(port=redis_port, ssl=True, ssl_ca_certs=f"{folder}/ca.pem") as client:
            events = client.xlen("headrace:events")
        if events != times:
            raise SystemExit(f"{events} events of {times}")
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(
        f"{times} clean exits, {events} events over TLS, handshakes {dict(peer.seen)}\n"
    )


if __name__ == "__main__":
    main()
