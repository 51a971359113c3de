# SPDX-License-Identifier: MIT
"""Syscalls that fail, as the kernel lets them: strace puts the error in the call's place."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest

from tests.redis.conftest import Server, folder, ring_dir, server, start_server

__all__ = ["folder", "ring_dir", "server", "start_server"]

EVENTS = 2000
# What the program itself says at its end goes through `write`, which is left alone.
CODE = """
    import json, sys, time
    from headrace import EventSink
    sink = EventSink(sys.argv[1], ring_dir=sys.argv[2], batch=16, reconnect=(0.01, 0.05))
    for n in range(int(sys.argv[3])):
        assert sink.emit("visit", {"n": n})
        if n % 100 == 0:
            time.sleep(0.002)  # several batches, and a thread that sleeps between them
    left = sink.flush(20)
    print(json.dumps([left, sink.stats()["delivered"]]))
    sink.close()
"""


def injected(server: Server, ring_dir: str, trace: Path, call: str, what: str) -> list[int]:
    """Left and delivered, of a program whose `call` fails so."""
    tracer = ["strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={call}"]
    tracer += ["-e", f"inject={call}:{what}"]
    program = [sys.executable, "-c", textwrap.dedent(CODE), server.url, ring_dir, str(EVENTS)]
    done = subprocess.run([*tracer, *program], stdout=subprocess.PIPE, check=True, timeout=100)
    assert trace.read_text().count("(INJECTED)") > 0, f"{call} is not called any more"
    found: list[int] = json.loads(done.stdout)
    return found


def connections(server: Server) -> int:
    """How many Redis has taken since it runs."""
    found: int = server.client.info("stats")["total_connections_received"]
    return found


def all_arrived_once(server: Server) -> None:
    seen = Counter(int(event["n"]) for event in server.events())
    assert seen == Counter(range(EVENTS))


@pytest.mark.parametrize("call", ["sendto", "recvfrom", "ppoll", "connect"])
def test_an_interrupted_call_is_made_again(
    server: Server, ring_dir: str, tmp_path: Path, call: str
) -> None:
    when = "1" if call == "connect" else "1+3"
    what = f"error=EINTR:when={when}"
    before = connections(server)
    assert injected(server, ring_dir, tmp_path / "trace", call, what) == [0, EVENTS]
    assert connections(server) == before + 1, "it is the same connection"
    all_arrived_once(server)


@pytest.mark.parametrize(
    ("call", "what"),
    [
        ("socket", "error=EMFILE:when=1..3"),
        ("connect", "error=ENOBUFS:when=1..2"),
        ("sendto", "error=ECONNRESET:when=5+9"),
        ("recvfrom", "error=ECONNRESET:when=5+9"),
        ("sendto", "error=EAGAIN:when=2+2"),
    ],
    ids=["no descriptors", "no buffers", "send reset", "receive reset", "send full"],
)
def test_a_failing_call_loses_and_doubles_nothing(
    server: Server, ring_dir: str, tmp_path: Path, call: str, what: str
) -> None:
    assert injected(server, ring_dir, tmp_path / "trace", call, what) == [0, EVENTS]
    all_arrived_once(server)
