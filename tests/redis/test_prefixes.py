# SPDX-License-Identifier: MIT
"""Two sites on one database, each with its own prefix, do not meet; and what the commands print
where a prefix has no events and others have some.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from django.test import override_settings

from headrace import EventSink, Fingerprint
from headrace import _redis_hint as prefixes
from headrace.__main__ import main
from headrace._redis_keys import Keys
from headrace.consume import connect, consume
from headrace.django.operate import erase
from headrace.django.operate import redis as of_site
from headrace.metrics import Collector, exposition
from tests.redis.conftest import Server
from tests.redis.test_sessions import COOKIE, gate, visit

BLOG, SHOP = "headrace:blog:", "headrace:shop:"
HANDLER = "tests.redis.handlers.note"


def sink_of(server: Server, ring_dir: str, prefix: str, **more: Any) -> EventSink:
    return EventSink(server.url, prefix=prefix, ring_dir=ring_dir, **more)


def visits(server: Server, ring_dir: str, prefix: str, count: int, visitor: Fingerprint) -> str:
    """So many requests of a visitor at one site; the producer of their events."""
    sink = sink_of(server, ring_dir, prefix)
    for n in range(count):
        visit(gate(sink), f"/{n}/", visitor.value)
    assert sink.flush(5) == 0
    producer: str = sink.stats()["ring"]["producer"]
    sink.close()
    return producer


# --- two sites --------------------------------------------------------------------------------


def test_the_keys_of_two_sites_do_not_meet(server: Server, ring_dir: str) -> None:
    visitor = COOKIE.mint()
    blog = visits(server, ring_dir, BLOG, 2, visitor)
    shop = visits(server, ring_dir, SHOP, 3, visitor)
    assert len(server.events(prefix=BLOG)) == 2
    assert len(server.events(prefix=SHOP)) == 3
    for prefix, producer, views in ((BLOG, blog, "2"), (SHOP, shop, "3")):
        assert server.client.hget(f"{prefix}session:{visitor.id}", "views") == views
        assert server.client.exists(f"{prefix}marker:{producer}") == 1
    keys: Any = server.client.keys()
    assert len(keys) == 6, keys
    assert all(key.startswith((BLOG, SHOP)) for key in keys)


def test_without_a_prefix_the_keys_begin_with_what_they_are(server: Server, ring_dir: str) -> None:
    visitor = COOKIE.mint()
    producer = visits(server, ring_dir, "", 1, visitor)
    keys: Any = server.client.keys()
    assert set(keys) == {"events", f"session:{visitor.id}", f"marker:{producer}"}


def test_a_consumer_sees_its_own_site(server: Server, ring_dir: str) -> None:
    visits(server, ring_dir, BLOG, 2, COOKIE.mint())
    visits(server, ring_dir, SHOP, 3, COOKIE.mint())
    seen: list[int] = []
    consume(server.url, lambda events: seen.append(len(events)), drain=True, prefix=SHOP)
    assert seen == [3]
    assert server.client.xinfo_groups(f"{BLOG}events") == []


def test_the_dead_are_with_their_site(server: Server, ring_dir: str) -> None:
    visits(server, ring_dir, BLOG, 1, COOKIE.mint())
    visits(server, ring_dir, SHOP, 1, COOKIE.mint())

    def fail(events: object) -> None:
        raise ValueError("poison")

    assert consume(server.url, fail, drain=True, prefix=SHOP, tries=1).dead == 1
    assert server.client.xlen(f"{SHOP}events:dead") == 1
    assert server.client.exists(f"{BLOG}events:dead", "headrace:events:dead") == 0


def test_erasing_at_one_site_leaves_the_other_alone(server: Server, ring_dir: str) -> None:
    visitor = COOKIE.mint()
    for prefix in (BLOG, SHOP):
        visits(server, ring_dir, prefix, 2, visitor)
        server.client.hset(f"{prefix}session:{visitor.id}", "user", "7")
    with override_settings(HEADRACE={"NAME": "shop", "SINK": server.url}):
        client, keys = of_site.client(), of_site.keys()
        assert erase.visitors_of(client, keys, "7") == {visitor.id}
        gone = erase.erase_user(client, keys, "7", {visitor.id})
        assert gone == {f"entry of {SHOP}events": 2, "session hash": 1}
        assert erase.erase_visitor(client, keys, visitor.id).total() == 0
        client.close()
    assert len(server.events(prefix=BLOG)) == 2
    assert server.client.hget(f"{BLOG}session:{visitor.id}", "views") == "2"


def test_a_prefix_with_signs_of_a_pattern_erases_its_own(server: Server, ring_dir: str) -> None:
    visitor = COOKIE.mint()
    for prefix in ("a*:", "ab:"):
        visits(server, ring_dir, prefix, 1, visitor)
        server.client.hset(f"{prefix}session:{visitor.id}", "user", "7")
    client = connect(server.url)
    assert erase.erase_user(client, Keys("a*:"), "7", ()).total() == 1
    client.close()
    assert server.client.exists(f"ab:session:{visitor.id}") == 1


LEFT = """
import os, signal, sys
from headrace import EventSink
sink = EventSink(sys.argv[1], ring_dir=sys.argv[2], prefix=sys.argv[3])
for n in range(5):
    assert sink.emit("left", {"n": n})
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_rings_of_one_site_are_not_adopted_by_the_other(server: Server, ring_dir: str) -> None:
    server.pause()
    subprocess.run([sys.executable, "-c", LEFT, server.url, ring_dir, BLOG], check=False)
    server.resume()
    other = sink_of(server, ring_dir, SHOP)
    assert other.emit("own")
    assert other.flush(5) == 0
    own = sink_of(server, ring_dir, BLOG)
    assert own.emit("own")
    assert own.flush(5) == 0
    deadline = time.monotonic() + 20
    while len(server.events(prefix=BLOG)) < 6:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert (own.stats()["adopted"]["events"], other.stats()["adopted"]["events"]) == (5, 0)
    own.close()
    other.close()
    assert [event["kind"] for event in server.events(prefix=SHOP)] == ["own"]


def test_metrics_are_of_one_site(server: Server, ring_dir: str) -> None:
    visits(server, ring_dir, BLOG, 2, COOKIE.mint())
    sink = sink_of(server, ring_dir, SHOP)
    for prefix, length in ((BLOG, 2), (SHOP, 0)):
        collector = Collector(sink, redis_url=server.url, prefix=prefix)
        assert f"headrace_stream_length {length}.0" in exposition(collector).decode()
    sink.close(0)


# --- commands with a prefix that has no events ------------------------------------------------


@pytest.fixture
def client(server: Server) -> redis.Redis:
    return connect(server.url)


def hint(client: redis.Redis, prefix: str = "headrace:", stream: str = "events") -> str | None:
    return prefixes.hint(client, Keys(prefix, stream))


def test_no_other_prefix_is_named_where_there_is_none(client: redis.Redis) -> None:
    assert hint(client) is None
    client.set("headrace:shop:events", "not a stream")
    client.xadd("headrace:shop:events:dead", {"a": "b"})
    client.xgroup_create("headrace:blog:events", "headrace", mkstream=True)  # nothing in it
    client.xadd("two words:events", {"a": "b"})  # cannot be a prefix
    assert hint(client) is None


def test_other_prefixes_are_named(client: redis.Redis) -> None:
    for n in range(3000):
        client.set(f"key {n}", "")
    for prefix in (SHOP, BLOG, ""):
        client.xadd(f"{prefix}events", {"a": "b"})
    text = "headrace:events has no events; prefixes that have some: '', 'headrace:blog:', "
    assert hint(client) == f"{text}'headrace:shop:'"
    assert hint(client, stream="other") is None
    assert hint(client, "") is None
    client.xgroup_create("headrace:events", "headrace", mkstream=True)
    assert hint(client) is not None, "a stream that a consumer has made has no events"
    client.xadd("headrace:events", {"a": "b"})
    assert hint(client) is None
    client.xtrim("headrace:events", maxlen=0, approximate=False)
    assert hint(client) is None, "it has had some"


def test_only_a_few_of_many_are_named(client: redis.Redis) -> None:
    for n in range(40):
        client.xadd(f"{n}:events", {"a": "b"})
    text = hint(client)
    assert text is not None
    assert text.endswith(", …")
    assert text.count(":'") == 5


def test_the_search_has_an_end(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    client.xadd(f"{SHOP}events", {"a": "b"})
    monkeypatch.setattr(prefixes, "_SECONDS", 0.0)
    assert hint(client) is None


def test_a_redis_that_does_not_say_is_no_error(server: Server, client: redis.Redis) -> None:
    client.xadd(f"{SHOP}events", {"a": "b"})
    server.command("ACL", "SETUSER", "ann", "on", ">pw", "~*", "+@all", "-scan")
    other = connect(server.url.replace("unix://", "unix://ann:pw@"))
    assert hint(other) is None
    server.kill()
    assert hint(client) is None
    other.close()


@pytest.mark.parametrize("command", ["tail", "doctor"])
def test_a_command_names_the_others_and_ends_with_1(
    server: Server, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    server.client.xadd(f"{SHOP}events", {"id": "a-1", "kind": "a", "time": "1"})
    assert main([command, server.url]) == 1
    said = "".join(capsys.readouterr())
    assert "headrace:events has no events; prefixes that have some: 'headrace:shop:'" in said
    assert main([command, server.url, "--prefix", BLOG]) == 1
    assert "headrace:blog:events has no events" in "".join(capsys.readouterr())
    if command == "doctor":
        assert main(["doctor", server.url, "--prefix", SHOP]) == 0
        assert "headrace:shop:events has 1 entries" in capsys.readouterr().out
        assert server.client.keys() == [f"{SHOP}events"], "the probe leaves nothing behind"


@pytest.mark.parametrize("command", ["tail", "doctor", "consume"])
def test_a_prefix_that_is_none_is_a_wrong_argument(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [command, "redis://127.0.0.1:1", *([HANDLER] if command == "consume" else [])]
    with pytest.raises(SystemExit) as raised:
        main([*words, "--prefix", "a b"])
    assert raised.value.code == 2
    text = "prefix: up to 64 printable ASCII characters without blanks and braces"
    assert text in capsys.readouterr().err


def consumer(server: Server, root: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "headrace", "consume", server.url, HANDLER, *words]
    return subprocess.Popen(
        command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def test_a_drain_names_the_others_and_ends_with_1(
    server: Server, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    server.client.xadd(f"{SHOP}events", {"id": "a-1", "kind": "a", "time": "1"})
    with consumer(server, root, "--drain") as process:
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "headrace consume: headrace:events has no events" in errors
    assert not server.client.exists("headrace:events")
    with consumer(server, root, "--drain", "--prefix", SHOP) as process:
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert (tmp_path / "seen").read_text().startswith("a-1 ")


def test_a_consumer_that_is_early_waits_and_names_the_others(
    server: Server, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    monkeypatch.setenv("SEEN", str(seen))
    server.client.xadd(f"{SHOP}events", {"id": "a-1", "kind": "a", "time": "1"})
    with consumer(server, root) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("WARNING headrace: headrace:events has no events; prefixes that")
        server.client.xadd("headrace:events", {"id": "b-1", "kind": "a", "time": "1"})
        deadline = time.monotonic() + 20
        while not (seen.exists() and seen.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert seen.read_text().startswith("b-1 ")
