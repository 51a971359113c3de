# SPDX-License-Identifier: MIT
"""What is counted by name in shared memory, over processes that live, end and are killed."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from headrace import EventSink, Gate, Key, TokenVerifier
from headrace.asgi import HeadraceMiddleware as AsgiMiddleware
from headrace.wsgi import HeadraceMiddleware as WsgiMiddleware
from tests.oracle.jws import SECRET, make_token

ROUTE = "shop/<int:id>/"
CHILD = """
    import os, signal, sys
    from headrace import EventSink, Gate
    sink = EventSink("file:" + sys.argv[1] + "/events", ring_dir=sys.argv[1])
    gate = Gate(sink=sink, metrics=True)
    for n in range(int(sys.argv[2])):
        visit = gate.enter({"REQUEST_METHOD": "GET", "PATH_INFO": "/"})
        visit.route = sys.argv[3]
        visit.finish(200, [])
    if sys.argv[4] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
"""


def make_sink(folder: Path, **more: Any) -> EventSink:
    return EventSink(f"file:{folder}/events", ring_dir=str(folder), **more)


def child(folder: Path, count: int, end: str, route: str = ROUTE) -> None:
    words = [str(folder), str(count), route, end]
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(CHILD), *words])
    assert ended.returncode == (-signal.SIGKILL if end == "kill" else 0)


def counted(sink: EventSink, own: bool = False) -> dict[tuple[str, str, str, str], int]:
    _, series = sink.metrics(own=own)
    found = {(kind, name, method, outcome): sum(c) for kind, name, method, outcome, _, c in series}
    assert len(found) == len(series)
    return found


def visit(gate: Gate, route: str | None, status: int = 200, method: str = "GET") -> None:
    visit = gate.enter({"REQUEST_METHOD": method, "PATH_INFO": "/"})
    visit.route = route
    visit.finish(status, [])


def test_requests_are_counted_by_route_method_and_class(tmp_path: Path) -> None:
    sink = make_sink(tmp_path)
    gate = Gate(sink=sink, metrics=True)
    for status in (200, 204, 302, 404, 500):
        visit(gate, ROUTE, status)
    visit(gate, ROUTE, method="POST")
    visit(gate, ROUTE, method="BREW")
    visit(gate, None)
    expected = {
        ("request", ROUTE, "GET", "2xx"): 2,
        ("request", ROUTE, "GET", "3xx"): 1,
        ("request", ROUTE, "GET", "4xx"): 1,
        ("request", ROUTE, "GET", "5xx"): 1,
        ("request", ROUTE, "POST", "2xx"): 1,
        ("request", ROUTE, "other", "2xx"): 1,
        ("request", "", "GET", "2xx"): 1,
    }
    assert counted(sink) == expected
    assert counted(sink, own=True) == expected
    sink.close()
    assert counted(sink) == expected


def test_nothing_is_counted_unless_asked_for(tmp_path: Path) -> None:
    sink = make_sink(tmp_path)
    visit(Gate(sink=sink), ROUTE)
    assert counted(sink) == {}
    sink.close()


def test_counts_outlive_their_processes(tmp_path: Path) -> None:
    sink = make_sink(tmp_path)
    last = 0
    for count, end in ((10, "exit"), (20, "kill"), (30, "exit"), (40, "kill")):
        child(tmp_path, count, end)
        now = counted(sink)["request", ROUTE, "GET", "2xx"]
        assert now == last + count
        last = now
    assert sink.emit("visit")  # adopts those of the killed
    deadline = time.monotonic() + 20
    while len(list(tmp_path.rglob("*.ring"))) > 1:
        assert counted(sink)["request", ROUTE, "GET", "2xx"] == 100
        assert time.monotonic() < deadline
    sink.close()
    assert counted(sink)["request", ROUTE, "GET", "2xx"] == 100


def test_too_many_routes_are_counted_as_other(tmp_path: Path) -> None:
    sink = make_sink(tmp_path)
    gate = Gate(sink=sink, metrics=True)
    for n in range(1000):
        visit(gate, f"page/{n}/")
    found = counted(sink)
    assert sum(found.values()) == 1000
    assert found["request", "other", "other", "2xx"] == 1000 - 448
    sink.close()
    assert counted(sink) == found


def test_observe(tmp_path: Path) -> None:
    sink = make_sink(tmp_path)
    sink.observe("database", "default", 0.3, "success")
    sink.observe("cache", "default", outcome="hit")
    sink.observe("task", "shop.mail", float("nan"))
    sink.observe("task", "shop.mail", 1e300)
    assert counted(sink) == {
        ("database", "default", "", "success"): 1,
        ("cache", "default", "", "hit"): 1,
        ("task", "shop.mail", "", ""): 2,
    }
    limits, series = sink.metrics()
    (row,) = [row for row in series if row[0] == "database"]
    assert row[4] == pytest.approx(0.3, abs=1e-6)
    assert row[5].index(1) == limits.index(0.5)
    for wrong in (("other", "x", 0.0, ""), ("task", "x", 0.0, "3xx!")):
        with pytest.raises(ValueError, match="is none"):
            sink.observe(*wrong)
    sink.close()
    sink.observe("cache", "default", outcome="hit")
    assert counted(sink)["cache", "default", "", "hit"] == 1


def test_rings_are_read_without_touching_them(tmp_path: Path) -> None:
    assert EventSink._rings(str(tmp_path)) == ([], {}, 0)
    sink = make_sink(tmp_path, linger=60, ring_bytes=1 << 20)  # below that it hurries
    assert sink.emit("visit", {"n": 1})
    (ring,), ended, left_alone = EventSink._rings(tmp_path)
    assert (ring["pid"], ring["accepted"], ring["pending"]) == (os.getpid(), 1, 1)
    assert ring["used"] > 0
    assert abs(ring["oldest_ms"] / 1000 - time.time()) < 60
    assert ring["identity"].startswith("file:")
    assert (ended, left_alone) == ({}, 0)
    assert sink.flush(5) == 0
    (ring,), _, _ = EventSink._rings(tmp_path)
    assert (ring["delivered"], ring["state"], ring["oldest_ms"]) == (1, "connected", 0)
    assert ring["delivered_ms"] > 0
    target = ring["target"]
    sink.close()
    rings, ended, _ = EventSink._rings(tmp_path)
    assert rings == []
    assert ended[target]["delivered"] == 1
    assert ended[target]["identity"].startswith("file:")


def test_a_hostile_ring_is_left_alone_or_harmless(tmp_path: Path) -> None:
    sink = make_sink(tmp_path, ring_bytes=65536)
    assert sink.emit("visit")
    assert sink.flush(5) == 0
    (path,) = tmp_path.rglob("*.ring")
    good = path.read_bytes()
    sink.close()
    folder = path.parent
    name = path.name

    def put(content: bytes, mode: int = 0o600) -> tuple[list[dict[str, Any]], Any, int]:
        path = folder / name
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        path.chmod(mode)
        return EventSink._rings(tmp_path)

    assert len(put(good)[0]) == 1
    assert put(good, 0o644)[2] == 1
    assert put(good[:-1])[2] == 1
    assert put(b"")[2] == 1
    assert put(b"\xff" * len(good))[2] == 1
    old_format = bytearray(good)
    struct.pack_into("<I", old_format, 8, 2)
    assert put(bytes(old_format))[2] == 1
    # a label that holds, and nothing but nonsense behind it
    (ring,), _, _ = put(good[:128] + b"\xfe" * (len(good) - 128))
    assert ring["pending"] >= 0
    assert 0 <= ring["used"] <= ring["bytes"]
    assert ring["identity"].isascii()
    (folder / name).unlink()
    (folder / name).symlink_to("/etc/passwd")
    assert EventSink._rings(tmp_path)[2] == 1
    (folder / name).unlink()
    os.mkfifo(folder / name, 0o600)
    assert EventSink._rings(tmp_path)[2] == 1


def test_the_cache_of_tokens_is_told(tmp_path: Path) -> None:
    sink = make_sink(tmp_path)
    verifier = TokenVerifier([Key.secret(SECRET, algorithm="HS256")])
    gate = Gate(sink=sink, verifier=verifier)
    token = make_token()
    for _ in range(17):  # told at the first and at the 17th
        gate.enter(
            {
                "REQUEST_METHOD": "GET",
                "PATH_INFO": "/",
                "HTTP_AUTHORIZATION": f"Bearer {token}",
            }
        ).finish(200, [])
    assert sink.stats()["token_cache"] == {"hits": 16, "misses": 1}
    sink.close()
    assert sink.totals()["token_cache"] == {"hits": 16, "misses": 1}


def test_wrappers_answer_a_scrape_where_asked(tmp_path: Path) -> None:
    sink = make_sink(tmp_path)
    gate = Gate(sink=sink, metrics=True)
    visit(gate, ROUTE)

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("404 Not Found", [])
        return [b"the site's own"]

    def get(wrapped: Any) -> tuple[str, bytes]:
        statuses: list[str] = []
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/metrics"}
        body = wrapped(environ, lambda status, headers, exc_info=None: statuses.append(status))
        return statuses[0], b"".join(body)

    assert get(WsgiMiddleware(app, gate)) == ("404 Not Found", b"the site's own")
    status, body = get(WsgiMiddleware(app, gate, metrics_path="/metrics"))
    assert status == "200 OK"
    assert f'route="{ROUTE}"'.encode() in body
    with pytest.raises(ValueError, match="metrics_path"):
        WsgiMiddleware(app, Gate(), metrics_path="/metrics")
    sink.close()


async def test_the_asgi_wrapper_too(tmp_path: Path) -> None:
    sink = make_sink(tmp_path)
    gate = Gate(sink=sink, metrics=True)
    visit(gate, ROUTE)
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("not asked")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/in/metrics", "root_path": "/in"}
    wrapped = AsgiMiddleware(app, gate, metrics_path="/metrics")
    await wrapped(scope, send, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 200
    assert (b"content-length", str(len(sent[1]["body"])).encode()) in sent[0]["headers"]
    assert f'route="{ROUTE}"'.encode() in sent[1]["body"]
    sink.close()
