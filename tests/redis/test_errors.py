# SPDX-License-Identifier: MIT
"""The error table: what Redis, or something in its place, can answer; then all is well again."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from headrace import EventSink
from tests.redis.conftest import Server
from tests.redis.fault import Fault, Proxy, Rewrite

Start = Callable[..., Server]


def sink_for(url: str, ring_dir: str, **options: Any) -> EventSink:
    options = {"reconnect": (0.005, 0.02), "command_timeout": 0.5, **options}
    return EventSink(url, ring_dir=ring_dir, **options)


def numbers(server: Server) -> list[int]:
    return [int(event["n"]) for event in server.events()]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.005)


def error_of(sink: EventSink) -> str | None:
    error: str | None = sink.stats()["connection"]["error"]
    return error


def detail_of(sink: EventSink) -> str:
    return str(sink.stats()["connection"]["detail"])


# --- states of the server: all is kept ---------------------------------------------------------


def test_out_of_memory_keeps_everything(server: Server, ring_dir: str) -> None:
    server.client.config_set("maxmemory", "1")
    sink = sink_for(server.url, ring_dir)
    for n in range(100):
        sink.emit("visit", {"n": n})
    wait_for(lambda: "OOM" in detail_of(sink))
    assert sink.stats()["pending"] == 100
    server.client.config_set("maxmemory", "0")
    assert sink.flush(5) == 0
    assert numbers(server) == list(range(100))
    sink.close()


def test_a_replica_keeps_everything(server: Server, ring_dir: str) -> None:
    server.command("REPLICAOF", "127.0.0.1", "1")
    sink = sink_for(server.url, ring_dir)
    sink.emit("visit", {"n": 0})
    wait_for(lambda: "READONLY" in detail_of(sink))
    server.command("REPLICAOF", "NO", "ONE")
    assert sink.flush(5) == 0
    assert numbers(server) == [0]
    sink.close()


def test_too_few_replicas_keep_everything(server: Server, ring_dir: str) -> None:
    server.client.config_set("min-replicas-to-write", "1")
    sink = sink_for(server.url, ring_dir)
    sink.emit("visit", {"n": 0})
    wait_for(lambda: "NOREPLICAS" in detail_of(sink))
    server.client.config_set("min-replicas-to-write", "0")
    assert sink.flush(5) == 0
    assert numbers(server) == [0]
    sink.close()


def test_a_disk_that_cannot_be_written_keeps_everything(
    start_server: Start, ring_dir: str
) -> None:
    server = start_server("--save", "3600 1", "--enable-protected-configs", "yes")
    server.client.set("x", "y")
    moved = server.folder / "gone"
    moved.mkdir()
    server.client.config_set("dir", str(moved))
    moved.rmdir()
    server.client.bgsave()
    wait_for(lambda: server.client.info("persistence")["rdb_last_bgsave_status"] == "err")
    sink = sink_for(server.url, ring_dir)
    sink.emit("visit", {"n": 0})
    wait_for(lambda: "MISCONF" in detail_of(sink))
    server.client.config_set("stop-writes-on-bgsave-error", "no")
    assert sink.flush(5) == 0
    assert numbers(server) == [0]
    sink.close()


def test_a_busy_script_keeps_everything(server: Server, ring_dir: str) -> None:
    sink = sink_for(server.url, ring_dir)
    sink.emit("visit", {"n": 0})
    assert sink.flush(5) == 0
    server.client.config_set("busy-reply-threshold", "10")

    def spin() -> None:
        with contextlib.suppress(redis.exceptions.ResponseError):
            server.command("EVAL", "while true do end", "0")

    other = threading.Thread(target=spin)
    other.start()
    time.sleep(0.05)
    sink.emit("visit", {"n": 1})
    wait_for(lambda: "BUSY" in detail_of(sink) or error_of(sink) is not None)
    server.command("SCRIPT", "KILL")
    other.join()
    assert sink.flush(5) == 0
    assert numbers(server) == [0, 1]
    sink.close()


def test_a_stopped_server_keeps_everything(server: Server, ring_dir: str) -> None:
    sink = sink_for(server.url, ring_dir, command_timeout=0.1)
    sink.emit("visit", {"n": 0})
    assert sink.flush(5) == 0
    server.pause()
    for n in range(1, 500):
        assert sink.emit("visit", {"n": n})
    wait_for(lambda: error_of(sink) == "timeout")
    server.resume()
    assert sink.flush(5) == 0
    assert numbers(server) == list(range(500))
    sink.close()


def test_paused_writes_are_waited_for(server: Server, ring_dir: str) -> None:
    sink = sink_for(server.url, ring_dir, command_timeout=0.1)
    server.command("CLIENT", "PAUSE", "600", "WRITE")
    for n in range(100):
        sink.emit("visit", {"n": n})
    assert sink.flush(10) == 0
    assert numbers(server) == list(range(100))
    sink.close()


def test_a_killed_connection_is_made_anew(server: Server, ring_dir: str) -> None:
    sink = sink_for(server.url, ring_dir)
    for n in range(20):
        sink.emit("visit", {"n": n})
        sink.flush(5)
        server.command("CLIENT", "KILL", "TYPE", "normal")
    assert sink.flush(5) == 0
    assert numbers(server) == list(range(20))
    sink.close()


# --- who we are ----------------------------------------------------------------------------------


def test_a_wrong_password_is_tried_again(server: Server, ring_dir: str) -> None:
    server.command("ACL", "SETUSER", "site", "on", ">old", "~*", "+@all")
    sink = sink_for(f"unix://site:new@{server.socket}", ring_dir)
    sink.emit("visit", {"n": 0})
    wait_for(lambda: error_of(sink) == "auth")
    assert "new" not in detail_of(sink)
    server.command("ACL", "SETUSER", "site", ">new")
    assert sink.flush(5) == 0
    assert numbers(server) == [0]
    sink.close()


def test_a_missing_password_is_told(server: Server, ring_dir: str) -> None:
    server.client.config_set("requirepass", "hush")
    sink = sink_for(server.url, ring_dir)
    sink.emit("visit", {"n": 0})
    wait_for(lambda: error_of(sink) == "auth")
    assert "NOAUTH" in detail_of(sink)
    server.client.config_set("requirepass", "")
    assert sink.flush(5) == 0
    sink.close()


def test_a_stream_that_is_not_allowed_is_tried_again(server: Server, ring_dir: str) -> None:
    server.command("ACL", "SETUSER", "site", "on", ">pw", "~headrace:marker:*", "+@all")
    sink = sink_for(f"unix://site:pw@{server.socket}", ring_dir)
    sink.emit("visit", {"n": 0})
    wait_for(lambda: error_of(sink) == "auth")
    server.command("ACL", "SETUSER", "site", "~*")
    assert sink.flush(5) == 0
    assert numbers(server) == [0]
    sink.close()


@pytest.mark.parametrize(
    ("rules", "level"),
    [
        (["+@all"], "exactly-once"),
        (["+@all", "-client|kill"], "exactly-once, script"),
        (["+@all", "-client"], "exactly-once, script"),
        (["+@all", "-info"], "exactly-once, script"),
        (["+@all", "-multi"], "exactly-once, script"),
        (["+xadd"], "at-least-once, plain sessions"),
        (["+@all", "-client|kill", "-eval"], "at-least-once, plain sessions"),
    ],
)
def test_the_level_is_the_best_that_is_allowed(
    server: Server, ring_dir: str, rules: list[str], level: str
) -> None:
    server.command("ACL", "SETUSER", "site", "on", ">pw", "~*", *rules)
    sink = sink_for(f"unix://site:pw@{server.socket}", ring_dir)
    for n in range(300):
        sink.emit("visit", {"n": n})
    assert sink.flush(5) == 0
    assert sink.stats()["delivery"] == level
    assert numbers(server) == list(range(300))
    sink.close()


@pytest.mark.parametrize("rule", ["-client|kill", "-client|id", "-info", "-multi", "-get"])
def test_a_level_that_was_asked_for_is_not_lowered(
    server: Server, ring_dir: str, rule: str
) -> None:
    server.command("ACL", "SETUSER", "site", "on", ">pw", "~*", "+@all", rule)
    sink = sink_for(f"unix://site:pw@{server.socket}", ring_dir, delivery="exactly-once")
    sink.emit("visit", {"n": 0})
    assert sink.flush(0.2) == 1
    assert error_of(sink) == "auth"
    assert "CLIENT KILL" in detail_of(sink)
    server.command("ACL", "SETUSER", "site", "+@all")
    assert sink.flush(5) == 0
    assert numbers(server) == [0]
    sink.close()


LEAST = (
    "~headrace:* +xadd +set +get +multi +exec +eval +hmget +hset "
    "+hincrby +expire +client|id +client|kill +client|setname +info"
)


def test_the_documented_permissions_suffice(server: Server, ring_dir: str) -> None:
    server.command("ACL", "SETUSER", "site", "on", ">pw", *LEAST.split())
    text = (Path(__file__).parents[2] / "docs" / "reference" / "events.md").read_text()
    assert LEAST in text.replace("\\|", "|")
    sink = sink_for(f"unix://site:pw@{server.socket}", ring_dir)
    for n in range(20):
        sink.emit("visit", {"n": n})
        assert sink.flush(5) == 0
        server.command("CLIENT", "KILL", "TYPE", "normal")
    assert sink.stats()["delivery"] == "exactly-once"
    assert numbers(server) == list(range(20))
    sink.close()


def test_a_cluster_is_told_to_people(server: Server, folder: Path, ring_dir: str) -> None:
    moved = b"+OK\r\n-MOVED 1 127.0.0.1:1\r\n-MOVED 1 127.0.0.1:1\r\n-EXECABORT x\r\n"
    proxy = Proxy(folder, server.socket, lambda: Rewrite(lambda _: moved))
    sink = sink_for(proxy.url, ring_dir)
    sink.emit("visit", {"n": 0})
    wait_for(lambda: "Cluster" in detail_of(sink))
    sink.close(0)
    proxy.close()


def test_a_marker_that_may_not_be_written_lowers_the_level(server: Server, ring_dir: str) -> None:
    server.command(
        "ACL", "SETUSER", "site", "on", ">pw", "~headrace:events", "%R~headrace:*", "+@all"
    )
    sink = sink_for(f"unix://site:pw@{server.socket}", ring_dir)
    sink.emit("visit", {"n": 0})
    assert sink.flush(5) == 0
    assert sink.stats()["delivery"] == "at-least-once"
    assert numbers(server) == [0]
    sink.close()


def test_a_server_that_may_evict_lowers_the_level(
    server: Server, ring_dir: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.client.config_set("maxmemory", "100mb")
    server.client.config_set("maxmemory-policy", "allkeys-lru")
    sink = sink_for(server.url, ring_dir)
    sink.emit("visit", {"n": 0})
    assert sink.flush(5) == 0
    assert "evict" in sink.stats()["delivery"]
    assert "noeviction" in caplog.text
    sink.close()


# --- errors for good -----------------------------------------------------------------------------


def test_a_key_of_another_type_rejects_for_good(server: Server, ring_dir: str) -> None:
    server.client.set("headrace:events", "not a stream")
    sink = sink_for(server.url, ring_dir)
    for n in range(10):
        sink.emit("visit", {"n": n})
    assert sink.flush(5) == 0
    stats = sink.stats()
    assert (stats["dropped"], stats["delivered"]) == ({"rejected": 10}, 0)
    server.client.delete("headrace:events")
    sink.emit("visit", {"n": 10})
    assert sink.flush(5) == 0
    assert numbers(server) == [10]
    sink.close()


class Poison(Fault):
    """Redis does not know the command of one event, and says it in words that we do not know."""

    def __init__(self) -> None:
        self.tries = 0

    def up(self, data: bytes) -> bytes:
        at = data.find(b"poison")
        if at >= 0:
            self.tries += 1
            command = data.rfind(b"XADD", 0, at)
            data = data[:command] + b"XODD" + data[command + 4 :]
        return data

    def down(self, data: bytes) -> bytes:
        return data.replace(b"-ERR unknown command", b"-ERR a strange error")


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_a_poison_event_is_dropped_alone(
    server: Server, folder: Path, ring_dir: str, delivery: str
) -> None:
    poison = Poison()
    proxy = Proxy(folder, server.socket, lambda: poison)
    sink = sink_for(proxy.url, ring_dir, delivery=delivery, linger=0.05)
    for n in range(10):
        sink.emit("visit", {"n": n})
    sink.emit("visit", {"n": "poison"})
    for n in range(10, 20):
        sink.emit("visit", {"n": n})
    assert sink.flush(5) == 0
    stats = sink.stats()
    assert poison.tries == 3
    assert (stats["dropped"], stats["delivered"]) == ({"rejected": 1}, 20)
    assert numbers(server) == list(range(20))
    sink.emit("visit", {"n": 20})
    assert sink.flush(5) == 0
    assert numbers(server) == list(range(21))
    sink.close()
    proxy.close()


def test_a_database_that_is_not_there_is_told(server: Server, ring_dir: str) -> None:
    sink = sink_for(f"{server.url}?db=99", ring_dir)
    sink.emit("visit", {"n": 0})
    wait_for(lambda: error_of(sink) == "server")
    assert "DB index" in detail_of(sink)
    sink.close(0)


def test_another_database_is_selected(server: Server, ring_dir: str) -> None:
    sink = sink_for(f"{server.url}?db=3", ring_dir)
    sink.emit("visit", {"n": 0})
    assert sink.flush(5) == 0
    assert server.client.dbsize() == 0
    server.command("SELECT", "3")
    sink.close()


# --- something that is no Redis ------------------------------------------------------------

LIES: list[tuple[str, bytes]] = [
    ("garbage", b"\x00\xff garbage \r\n" * 20),
    ("a web server", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    ("a huge string", b"$536870912\r\n" + b"x" * 1000),
    ("a huge array", b"*2147483647\r\n"),
    ("a deep array", b"*1\r\n" * 100_000),
    ("a push message", b">2\r\n$3\r\nfoo\r\n$3\r\nbar\r\n"),
    ("integers", b":1\r\n" * 50),
    ("a nil", b"$-1\r\n" * 50),
    ("an empty array", b"*0\r\n" * 50),
    ("fine words", b"+OK\r\n" * 50),
    ("an endless line", b"+" + b"x" * 100_000),
    ("a negative length", b"$-5\r\n"),
]


@pytest.mark.parametrize(("why", "lie"), LIES, ids=[why for why, _ in LIES])
def test_a_lie_is_never_taken_for_an_answer(
    server: Server, folder: Path, ring_dir: str, why: str, lie: bytes
) -> None:
    lies = 3

    def plan() -> Fault:
        nonlocal lies
        lies -= 1
        return Rewrite(lambda _: lie) if lies >= 0 else Fault()

    proxy = Proxy(folder, server.socket, plan)
    sink = sink_for(proxy.url, ring_dir, command_timeout=0.1)
    for n in range(10):
        sink.emit("visit", {"n": n})
    assert sink.flush(10) == 0
    assert numbers(server) == list(range(10))
    assert sink.stats()["connection"]["failures"] >= 1
    sink.close()
    proxy.close()


def test_two_replies_to_each_command_close_the_connection(
    server: Server, folder: Path, ring_dir: str
) -> None:
    lies = 2

    def plan() -> Fault:
        nonlocal lies
        lies -= 1
        return Rewrite(lambda data: data + data) if lies >= 0 else Fault()

    proxy = Proxy(folder, server.socket, plan)
    sink = sink_for(proxy.url, ring_dir)
    for n in range(1000):
        sink.emit("visit", {"n": n})
    assert sink.flush(10) == 0
    assert numbers(server) == list(range(1000))
    sink.close()
    proxy.close()


def test_an_answer_in_single_bytes_is_read(server: Server, folder: Path, ring_dir: str) -> None:
    class Drip(Proxy):
        def _pump(self, source: Any, sink: Any, change: Any, pair: Any) -> None:
            if source is pair[0]:
                super()._pump(source, sink, change, pair)
                return
            try:
                while data := source.recv(65536):
                    for at in range(len(data)):
                        sink.sendall(data[at : at + 1])
            except OSError:
                pass

    proxy = Drip(folder, server.socket, Fault)
    sink = sink_for(proxy.url, ring_dir, command_timeout=5.0)
    for n in range(100):
        sink.emit("visit", {"n": n})
    assert sink.flush(10) == 0
    assert numbers(server) == list(range(100))
    assert sink.stats()["connection"]["failures"] == 0
    sink.close()
    proxy.close()
