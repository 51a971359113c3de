# SPDX-License-Identifier: MIT
"""Session hashes: touched with the events, in the same transaction."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from typing import Any

import pytest

from headrace import EventSink, FingerprintCookie, Gate, PathFilter
from tests.redis.conftest import SOAK, Server

COOKIE = FingerprintCookie(name="device_fp", keys=["k" * 32])


def gate(sink: EventSink) -> Gate:
    return Gate(paths=PathFilter({}, default="track"), fingerprint=COOKIE, sink=sink)


def environ(path: str, cookie: str | None) -> dict[str, Any]:
    made = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "REMOTE_ADDR": "192.0.2.1",
        "HTTP_ACCEPT": "text/html",
        "wsgi.url_scheme": "https",
    }
    if cookie is not None:
        made["HTTP_COOKIE"] = f"device_fp={cookie}"
    return made


def visit(one: Gate, path: str, cookie: str | None) -> None:
    one.enter(environ(path, cookie)).finish(200, [("Content-Type", "text/html")])


@pytest.mark.parametrize("delivery", ["exactly-once", "script", "at-least-once"])
def test_touches_of_one_visitor_are_combined(server: Server, ring_dir: str, delivery: str) -> None:
    sink = EventSink(server.url, ring_dir=ring_dir, delivery=delivery)
    front = gate(sink)
    fingerprint = COOKIE.mint()
    before = time.time_ns() // 1_000_000 - 20
    for n in range(50):
        visit(front, f"/page/{n}/", fingerprint.value)
    assert sink.flush(5) == 0
    key = f"headrace:session:{fingerprint.id}"
    session = server.client.hgetall(key)
    assert (session["views"], session["path"]) == ("50", "/page/49/")
    now = time.time_ns() // 1_000_000
    assert before <= int(session["first_seen"]) <= int(session["last_seen"]) <= now
    assert 0 < server.client.ttl(key) <= 1800
    assert len(server.events()) == 50
    assert sink.stats()["session_errors"] == 0
    sink.close()


def test_last_seen_only_moves_forward_and_first_seen_only_back(
    server: Server, ring_dir: str
) -> None:
    sink = EventSink(server.url, ring_dir=ring_dir)
    fingerprint = COOKIE.mint()
    key = f"headrace:session:{fingerprint.id}"
    future = str(time.time_ns() // 1_000_000 + 60_000)
    server.client.hset(
        key, mapping={"first_seen": future, "last_seen": future, "path": "/new/", "views": "3"}
    )
    visit(gate(sink), "/old/", fingerprint.value)
    assert sink.flush(5) == 0
    session = server.client.hgetall(key)
    assert (session["last_seen"], session["path"], session["views"]) == (future, "/new/", "4")
    assert int(session["first_seen"]) < int(future)
    sink.close()


VISITOR = """
    import sys
    from headrace import EventSink, FingerprintCookie, Gate, PathFilter

    url, ring_dir, cookie = sys.argv[1:]
    sink = EventSink(url, ring_dir=ring_dir)
    front = Gate(
        paths=PathFilter({}, default="track"),
        fingerprint=FingerprintCookie(name="device_fp", keys=["k" * 32]),
        sink=sink,
    )
    for line in sys.stdin:
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": line.strip(),
            "REMOTE_ADDR": "192.0.2.1",
            "HTTP_COOKIE": f"device_fp={cookie}",
        }
        front.enter(environ).finish(200, [("Content-Type", "text/html")])
        print(sink.flush(5), flush=True)
"""


def test_two_processes_that_touch_one_visitor_in_turn(server: Server, ring_dir: str) -> None:
    fingerprint = COOKIE.mint()
    code = textwrap.dedent(VISITOR)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, server.url, ring_dir, fingerprint.value],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    last = 0
    for n in range(20):
        process = processes[n % 2]
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"/{n}/\n")
        process.stdin.flush()
        assert process.stdout.readline() == "0\n"
        session = server.client.hgetall(f"headrace:session:{fingerprint.id}")
        assert (session["views"], session["path"]) == (str(n + 1), f"/{n}/")
        assert int(session["last_seen"]) >= last
        last = int(session["last_seen"])
    for process in processes:
        process.communicate(timeout=30)
        assert process.returncode == 0


def test_forged_cookies_leave_no_key(server: Server, ring_dir: str) -> None:
    sink = EventSink(server.url, ring_dir=ring_dir)
    front = gate(sink)
    real = COOKIE.mint().value
    for n in range(100_000 if SOAK else 10_000):
        forged = f"{n:06d}" + real[6:]
        front.enter(environ("/", forged if forged != real else "x")).finish(200)
        if n % 5000 == 0:
            sink.flush(5)
    assert sink.flush(10) == 0
    assert list(server.client.scan_iter("headrace:session:*")) == []
    sink.close()


def test_a_failed_session_does_not_hold_up_its_event(server: Server, ring_dir: str) -> None:
    sink = EventSink(server.url, ring_dir=ring_dir)
    fingerprint = COOKIE.mint()
    server.client.set(f"headrace:session:{fingerprint.id}", "not a hash")
    visit(gate(sink), "/", fingerprint.value)
    assert sink.flush(5) == 0
    stats = sink.stats()
    assert (stats["delivered"], stats["session_errors"]) == (1, 1)
    sink.close()


def test_without_eval_plain_commands_do(server: Server, ring_dir: str) -> None:
    server.command("ACL", "SETUSER", "plain", "on", ">secret", "~*", "+@all", "-eval")
    sink = EventSink(f"unix://plain:secret@{server.socket}", ring_dir=ring_dir)
    fingerprint = COOKIE.mint()
    front = gate(sink)
    for n in range(5):
        visit(front, f"/{n}/", fingerprint.value)
    assert sink.flush(5) == 0
    session = server.client.hgetall(f"headrace:session:{fingerprint.id}")
    assert (session["views"], session["path"]) == ("5", "/4/")
    assert sink.stats()["delivery"] == "exactly-once, plain sessions"
    sink.close()


def test_without_any_session_command_events_still_arrive(server: Server, ring_dir: str) -> None:
    keys = ("~headrace:events", "~headrace:marker:*")
    server.command("ACL", "SETUSER", "few", "on", ">secret", *keys, "+@all")
    sink = EventSink(f"unix://few:secret@{server.socket}", ring_dir=ring_dir)
    visit(gate(sink), "/", COOKIE.mint().value)
    assert sink.flush(5) == 0
    stats = sink.stats()
    assert (stats["delivered"], stats["delivery"]) == (1, "exactly-once, no sessions")
    assert stats["session_errors"] == 1
    sink.close()
