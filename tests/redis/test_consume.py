# SPDX-License-Identifier: MIT
"""The consumer against a real Redis: batches, poison, dead consumers, trimming, FLUSHALL."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis

from headrace import EventSink
from headrace.consume import (
    Consumer,
    Counts,
    Unavailable,
    connect,
    consume,
    dead_stream,
)
from headrace.consume.handler import load_handler
from headrace.events import Event
from tests.redis import handlers
from tests.redis.conftest import Server
from tests.unit.test_redis_keys import BAD_PREFIXES, GOOD_PREFIXES

Seen = list[list[str]]


@pytest.fixture
def client(server: Server) -> Iterator[redis.Redis]:
    made = connect(server.url)
    yield made
    made.close()


def add(client: redis.Redis, count: int, start: int = 0, **fields: str) -> None:
    pipe = client.pipeline(transaction=False)
    for n in range(start, start + count):
        pipe.xadd(
            "headrace:events", {"id": f"0123456789abcdef-{n}", "kind": "a", "time": "1", **fields}
        )
    pipe.execute()


def numbers(events: Sequence[Event]) -> list[int]:
    return [int(event.id.rpartition("-")[2]) for event in events]


class Handler:
    """Remembers what it was given; fails on what `bad` says."""

    def __init__(self, bad: Callable[[int], bool] = lambda n: False) -> None:
        self.bad = bad
        self.calls: list[list[int]] = []
        self.done: list[int] = []

    def __call__(self, events: Sequence[Event]) -> None:
        self.calls.append(numbers(events))
        if any(map(self.bad, numbers(events))):
            raise ValueError("poison")
        self.done += numbers(events)


def group(client: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.xinfo_groups("headrace:events")[0]
    return found


def drain(client: redis.Redis, handler: Any, **options: Any) -> Counts:
    return Consumer(client, handler, **options).run(drain=True)


# --- what is handled --------------------------------------------------------------------------


def test_every_event_is_handled_once_in_order(client: redis.Redis, server: Server) -> None:
    add(client, 1000)
    handler = Handler()
    counts = consume(server.url, handler, drain=True, batch=100)
    assert handler.done == list(range(1000))
    assert {len(call) for call in handler.calls} == {100}
    assert (counts.handled, counts.batches, counts.dead, counts.trimmed) == (1000, 10, 0, 0)
    assert (counts.lag, group(client)["pending"], group(client)["consumers"]) == (0, 0, 0)


def test_events_of_the_sink_arrive(client: redis.Redis, server: Server, ring_dir: str) -> None:
    sink = EventSink(server.url, ring_dir=ring_dir)
    sink.emit("signup", {"plan": "pro", "raw": b"\xff\xfe"})
    assert sink.flush(5) == 0
    found: list[Event] = []
    drain(client, found.extend)
    sink.close()
    assert [(e.kind, e.fields["plan"], e.fields["raw"]) for e in found] == [
        ("signup", "pro", "\ufffd\ufffd")
    ]
    assert abs(found[0].time / 1000 - time.time()) < 60


def test_what_comes_later_is_handled_by_the_next_run(client: redis.Redis) -> None:
    handler = Handler()
    drain(client, handler)
    add(client, 3)
    drain(client, handler)
    add(client, 2, start=3)
    drain(client, handler)
    assert handler.done == [0, 1, 2, 3, 4]


def test_groups_do_not_see_each_other(client: redis.Redis) -> None:
    add(client, 5)
    one, other = Handler(), Handler()
    drain(client, one, group="one")
    drain(client, other, group="other")
    assert one.done == other.done == [0, 1, 2, 3, 4]


def test_a_limit_ends_after_about_so_many(client: redis.Redis) -> None:
    add(client, 100)
    handler = Handler()
    counts = Consumer(client, handler, batch=10).run(drain=True, limit=25)
    assert counts.handled == 30
    assert group(client)["pending"] == 0


def test_nothing_is_acknowledged_before_the_handler_has_returned(client: redis.Redis) -> None:
    add(client, 10)
    pending = []

    def handler(events: Sequence[Event]) -> None:
        pending.append(group(client)["pending"])

    drain(client, handler, batch=5)
    assert pending == [5, 5]
    assert group(client)["pending"] == 0


# --- poison -----------------------------------------------------------------------------------


def test_a_poison_event_is_dead_and_the_others_are_handled(client: redis.Redis) -> None:
    add(client, 300, plan="pro")
    handler = Handler(bad={7, 150, 151}.__contains__)
    counts = drain(client, handler, batch=100, tries=3)
    assert sorted(handler.done) == [n for n in range(300) if n not in (7, 150, 151)]
    assert max(Counter(handler.done).values()) == 1
    assert (counts.handled, counts.dead) == (297, 3)
    assert group(client)["pending"] == 0
    dead: Any = client.xrange("headrace:events:dead")
    assert sorted(fields["id"][17:] for _, fields in dead) == ["150", "151", "7"]
    for _, fields in dead:
        assert fields["dead_error"] == "ValueError: poison"
        assert fields["dead_tries"] == "3"
        assert fields["dead_group"] == "headrace"
        assert client.xrange("headrace:events", fields["dead_entry"], fields["dead_entry"])
        assert (fields["kind"], fields["plan"]) == ("a", "pro")


def test_a_poison_event_does_not_hold_up_the_others(client: redis.Redis) -> None:
    add(client, 50)
    handler = Handler(bad=lambda n: n == 0)
    drain(client, handler, batch=10)
    last = max(i for i, call in enumerate(handler.calls) if len(call) > 1)
    alone = [i for i, call in enumerate(handler.calls) if call == [0]]
    assert len(alone) == 5
    assert sum(i > last for i in alone) >= 1


def test_an_event_that_fails_only_at_first_is_handled(client: redis.Redis) -> None:
    add(client, 10)
    failures = iter([True, True, True])
    handler = Handler(bad=lambda n: n == 3 and next(failures, False))
    counts = drain(client, handler, tries=5)
    assert sorted(handler.done) == list(range(10))
    assert counts.dead == 0


def test_the_dead_can_be_read_again(client: redis.Redis) -> None:
    add(client, 3)
    drain(client, Handler(bad=lambda n: n == 1), tries=1)
    mended = Handler()
    drain(client, mended, stream="events:dead")
    assert mended.done == [1]


def test_a_bug_of_the_handler_does_not_fill_the_memory(client: redis.Redis) -> None:
    """Reading stops while there are many suspects."""
    add(client, 400)
    handler = Handler(bad=lambda n: True)
    consumer = Consumer(client, handler, batch=10, tries=2)
    most = 0

    def watch(_: Counts) -> None:
        nonlocal most
        most = max(most, len(consumer._tries.suspects))

    consumer.report = watch
    counts = consumer.run(drain=True)
    assert counts.dead == 400
    assert most <= 50


def test_what_the_handler_needs_may_be_away(client: redis.Redis) -> None:
    add(client, 10)
    away = iter([Unavailable("no database"), ConnectionError("refused")])
    done: list[int] = []

    def handler(events: Sequence[Event]) -> None:
        for error in away:
            raise error
        done.extend(numbers(events))

    counts = drain(client, handler)
    assert done == list(range(10))
    assert (counts.dead, counts.handled) == (0, 10)


def test_a_drain_ends_when_what_the_handler_needs_stays_away(client: redis.Redis) -> None:
    add(client, 10)

    def handler(events: Sequence[Event]) -> None:
        raise Unavailable("no database")

    with pytest.raises(Unavailable, match="no database"):
        drain(client, handler, tries=2)
    assert (client.exists("headrace:events:dead"), group(client)["pending"]) == (0, 10)
    mended = Handler()
    consumer = Consumer(client, mended, claim_after=0.05)
    consumer.run(drain=True)
    assert mended.done == list(range(10))


# --- bad input --------------------------------------------------------------------------------


def test_an_event_of_a_newer_format_is_dead_at_once(client: redis.Redis) -> None:
    add(client, 1)
    add(client, 1, start=1, headrace_format="2")
    add(client, 1, start=2)
    handler = Handler()
    counts = drain(client, handler)
    assert handler.calls == [[0, 2]]
    assert counts.dead == 1
    _, fields = client.xrange("headrace:events:dead")[0]  # type: ignore[index]
    assert "format '2'" in fields["dead_error"]
    assert (fields["headrace_format"], fields["dead_tries"]) == ("2", "1")


def test_an_event_without_id_kind_and_time_is_handled(client: redis.Redis) -> None:
    entry = client.xadd("headrace:events", {"x": "y"})
    found: list[Event] = []
    drain(client, found.extend)
    assert found[0].id == f"entry:{entry}"
    assert found[0].missing == ("id", "kind", "time")


def test_a_flushall_under_a_running_consumer(client: redis.Redis, server: Server) -> None:
    """The group is made again; what came before is gone with Redis, what comes after is seen."""
    handler = Handler()
    consumer = Consumer(connect(server.url), handler)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    try:
        add(client, 5)
        wait_until(lambda: len(handler.done) == 5)
        client.flushall()
        add(client, 5, start=5)
        wait_until(lambda: len(handler.done) == 10)
        wait_until(lambda: group(client)["pending"] == 0)
    finally:
        consumer.stop()
        thread.join(10)
        consumer._group._client.close()
    assert handler.done == list(range(10))
    assert consumer.counts.groups == 2
    assert consumer.counts.trimmed == 0


def test_a_flushall_while_a_batch_is_in_hand(client: redis.Redis) -> None:
    add(client, 3)
    done: list[int] = []

    def handler(events: Sequence[Event]) -> None:
        if not done:
            client.flushall()
            add(client, 2, start=3)
        done.extend(numbers(events))

    counts = drain(client, handler)
    assert done == [0, 1, 2, 3, 4]
    assert counts.groups == 2


def test_a_stream_that_is_no_stream_is_an_error(client: redis.Redis) -> None:
    client.set("headrace:events", "text")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        drain(client, Handler())


# --- trimming ---------------------------------------------------------------------------------


def trim(client: redis.Redis, length: int) -> None:
    client.xtrim("headrace:events", maxlen=length, approximate=False)


def test_entries_that_were_trimmed_unread_are_counted(client: redis.Redis) -> None:
    add(client, 1000)
    handler = Handler()
    Consumer(client, handler, batch=100).run(drain=True, limit=100)
    trim(client, 250)
    counts = drain(client, handler)
    assert handler.done == [*range(100), *range(750, 1000)]
    assert counts.trimmed == 650


def test_they_are_counted_once_and_the_lag_is_right_again(client: redis.Redis) -> None:
    test_entries_that_were_trimmed_unread_are_counted(client)
    assert group(client)["lag"] == 0
    add(client, 100)
    trim(client, 40)
    assert drain(client, Handler()).trimmed == 60
    add(client, 10)
    assert drain(client, Handler()).trimmed == 0


def test_trimming_what_was_read_is_no_loss(client: redis.Redis) -> None:
    add(client, 100)
    drain(client, Handler())
    trim(client, 0)
    add(client, 100)
    assert drain(client, Handler()).trimmed == 0


def test_what_was_trimmed_before_there_was_a_group_is_no_loss(client: redis.Redis) -> None:
    add(client, 100)
    trim(client, 30)
    handler = Handler()
    counts = drain(client, handler, batch=7)
    assert (counts.trimmed, len(handler.done)) == (0, 30)
    assert group(client)["lag"] == 0


def test_without_scripts_this_process_still_counts_them_once(client: redis.Redis) -> None:
    add(client, 100)
    Consumer(client, Handler(), batch=10).run(drain=True, limit=10)
    trim(client, 50)
    client.execute_command("ACL", "SETUSER", "default", "-eval")  # type: ignore[no-untyped-call]
    consumer = Consumer(client, Handler(), batch=10)
    assert consumer.run(drain=True).trimmed == 40
    add(client, 20)
    trim(client, 5)
    assert consumer.run(drain=True).trimmed == 55


@pytest.mark.parametrize(
    ("last", "first", "gaps"),
    [("5-0", "6-0", 1), ("5-0", "5-0", 0), ("5-0", "4-9", 0), ("0-0", "6-0", 0)],
)
def test_redis_6_2_keeps_no_count_so_it_is_said_that_it_may_be_so(
    client: redis.Redis, last: str, first: str, gaps: int
) -> None:
    """What it answers lacks `entries-added`, `entries-read` and `lag`."""
    consumer = Consumer(client, Handler())
    stream = {"length": 1, "last-generated-id": "6-0", "first-entry": (first, {})}
    before = {"name": "headrace", "pending": 0, "last-delivered-id": last}
    consumer._group.lag.note(stream, before, [("6-0", [])])
    assert (consumer.counts.gaps, consumer.counts.trimmed) == (gaps, 0)
    assert consumer.counts.lag is None


def test_the_documented_acl_is_enough(client: redis.Redis, server: Server, root: Path) -> None:
    page = (root / "docs" / "how-to" / "consume.md").read_text()
    needed = page.partition("## What the Redis user needs")[2]
    rules, more = re.findall(r"`([~+][^`]+)`", needed)[:2]
    setuser = ["ACL", "SETUSER", "reader", "on", ">secret", *rules.split(), *more.split()]
    client.execute_command(*setuser)  # type: ignore[no-untyped-call]
    add(client, 100)
    Consumer(client, Handler(), batch=10).run(drain=True, limit=10)
    trim(client, 50)
    client.xreadgroup("headrace", "gone", {"headrace:events": ">"}, count=5)
    reader = connect(server.url.replace("unix://", "unix://reader:secret@"))
    handler = Handler(bad=lambda n: n == 70)
    counts = Consumer(reader, handler, claim_after=0.01, tries=2).run(drain=True)
    reader.close()
    assert (counts.handled, counts.dead, counts.claimed) == (49, 1, 5)
    assert counts.groups == 0
    client.flushall()
    add(client, 3)
    reader = connect(server.url.replace("unix://", "unix://reader:secret@"))
    assert Consumer(reader, Handler()).run(drain=True).groups == 1
    reader.close()


def test_entries_that_were_trimmed_while_pending_are_given_up(client: redis.Redis) -> None:
    add(client, 10)
    client.xgroup_create("headrace:events", "headrace", "0")
    client.xreadgroup("headrace", "gone", {"headrace:events": ">"}, count=6)
    trim(client, 7)
    handler = Handler()
    time.sleep(0.05)
    counts = drain(client, handler, claim_after=0.01)
    assert sorted(handler.done) == [3, 4, 5, 6, 7, 8, 9]
    assert (counts.trimmed, counts.claimed) == (3, 3)
    assert group(client)["pending"] == 0


# --- several processes, and their ends ----------------------------------------------------------


def wait_until(ready: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


class Processes:
    """`headrace consume` as processes, whose handler writes to a file."""

    def __init__(self, root: Path, server: Server, seen: Path) -> None:
        self.root, self.server, self.seen = root, server, seen
        self.running: list[subprocess.Popen[str]] = []

    def start(self, handler: str, *options: str) -> subprocess.Popen[str]:
        words = [self.server.url, f"tests.redis.handlers.{handler}", *options]
        code = (
            "import sys; from headrace.consume.command import main; sys.exit(main(sys.argv[1:]))"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code, *words],
            cwd=self.root,
            env={**os.environ, "SEEN": str(self.seen)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        return process

    def lines(self) -> Seen:
        if not self.seen.exists():
            return []
        return [line.split() for line in self.seen.read_text().splitlines()]

    def ids(self) -> list[str]:
        return [event for event, _ in self.lines()]


@pytest.fixture
def processes(root: Path, server: Server, tmp_path: Path) -> Iterator[Processes]:
    made = Processes(root, server, tmp_path / "seen")
    yield made
    for process in made.running:
        process.kill()
        process.communicate()


def test_several_processes_share_the_work(client: redis.Redis, processes: Processes) -> None:
    add(client, 400)
    running = [processes.start("note_slowly", "--batch=10") for _ in range(2)]
    wait_until(lambda: len({process for _, process in processes.lines()}) == 2)
    wait_until(lambda: len(processes.lines()) == 400)
    for process in running:
        process.terminate()
    assert [process.wait(20) for process in running] == [0, 0]
    assert max(Counter(processes.ids()).values()) == 1
    shares = Counter(process for _, process in processes.lines())
    assert min(shares.values()) >= 50
    assert group(client)["consumers"] == 0


def test_sigterm_finishes_the_batch_in_hand(client: redis.Redis, processes: Processes) -> None:
    add(client, 400)
    process = processes.start("note_slowly", "--batch=20")
    wait_until(lambda: processes.lines())
    process.terminate()
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    seen = len(processes.lines())
    assert 20 <= seen < 400
    state = group(client)
    assert (state["pending"], state["consumers"]) == (0, 0)
    assert state["entries-read"] == seen
    last = json.loads(output.splitlines()[-1])
    assert (last["end"], last["handled"], last["lag"]) == (True, seen, 400 - seen)


def test_a_killed_process_is_followed_at_once(client: redis.Redis, processes: Processes) -> None:
    """Without waiting for `--claim-after`, since its process is known to be gone."""
    add(client, 100)
    process = processes.start("note_slowly", "--batch=20")
    wait_until(lambda: processes.lines())
    process.kill()
    process.wait()
    assert group(client)["pending"] > 0
    follower = processes.start("note", "--drain", "--claim-after=3600")
    assert follower.wait(30) == 0
    assert len(set(processes.ids())) == 100
    state = group(client)
    assert (state["pending"], state["consumers"]) == (0, 0)


def test_a_stopped_process_is_followed_after_a_while(
    client: redis.Redis, processes: Processes
) -> None:
    add(client, 100)
    process = processes.start("note_slowly", "--batch=20")
    wait_until(lambda: processes.lines())
    process.send_signal(signal.SIGSTOP)
    follower = processes.start("note", "--drain", "--claim-after=0.5")
    assert follower.wait(30) == 0
    assert len(set(processes.ids())) == 100
    process.send_signal(signal.SIGCONT)
    process.terminate()
    assert process.wait(20) == 0


def in_child(server: Server, handler: Any, **options: Any) -> int:
    """Drains in a forked process; its exit status, negative for a signal."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            consume(server.url, handler, drain=True, **options)
            os._exit(0)
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_an_event_that_kills_its_process_is_dead_in_the_end(
    client: redis.Redis, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    add(client, 20)
    add(client, 1, start=20, poison="1")
    add(client, 20, start=21)
    ends = []
    while not ends or ends[-1] != 0:
        assert len(ends) < 20
        ends.append(in_child(server, handlers.crash_on_poison, claim_after=0.05))
    assert ends == [-signal.SIGKILL] * 10 + [0]
    seen = [line.split()[0] for line in (tmp_path / "seen").read_text().splitlines()]
    assert len(seen) == len(set(seen)) == 40
    dead: Any = client.xrange("headrace:events:dead")
    assert [fields["poison"] for _, fields in dead] == ["1"]
    assert "ended 10 times" in dead[0][1]["dead_error"]


def test_redis_may_go_away_under_a_running_consumer(server: Server, tmp_path: Path) -> None:
    handler = Handler()
    client = connect(server.url)
    consumer = Consumer(client, handler)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    try:
        add(server.client, 5)
        wait_until(lambda: len(handler.done) == 5)
        server.kill()
        server.start()
        add(server.client, 5, start=5)
        wait_until(lambda: len(handler.done) == 10)
    finally:
        consumer.stop()
        thread.join(15)
        client.close()
    assert handler.done == list(range(10))


def test_a_batch_whose_reply_was_lost_is_read_again(client: redis.Redis) -> None:
    """Redis has given it to this consumer, and the connection broke before it came."""
    add(client, 10)
    handler = Handler()
    consumer = Consumer(client, handler)
    client.xgroup_create("headrace:events", "headrace", "0")
    client.xreadgroup("headrace", consumer.name, {"headrace:events": ">"}, count=4)
    consumer.run(drain=True)
    assert sorted(handler.done) == list(range(10))


# --- the command line -------------------------------------------------------------------------


def test_the_command_drains_and_says_so(client: redis.Redis, processes: Processes) -> None:
    add(client, 30)
    process = processes.start("note", "--drain", "--group=mine")
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert group(client)["name"] == "mine"
    last = json.loads(output.splitlines()[-1])
    assert (last["handled"], last["end"], last["dead"], last["trimmed"]) == (30, True, 0, 0)
    assert last["rate"] > 0


def test_on_a_terminal_one_line_is_written_over(
    client: redis.Redis, processes: Processes, tmp_path: Path
) -> None:
    """`script` gives the command a terminal."""
    add(client, 30)
    words = [processes.server.url, "tests.redis.handlers.note_slowly", "--batch=2", "--drain"]
    command = shlex.join([sys.executable, "-m", "headrace", "consume", *words])
    output = subprocess.run(
        ["script", "--quiet", "--return", "--command", command, os.devnull],
        cwd=processes.root,
        env={**os.environ, "SEEN": str(tmp_path / "seen")},
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        timeout=60,
    ).stdout.decode()
    shown = [line for line in output.split("\r\x1b[K") if " events · " in line]
    assert len(shown) >= 2, output
    known = r"\d+" if int(client.info()["redis_version"].split(".")[0]) >= 7 else r"\?"
    line = rf"\d+ events · [\d,]+/s · lag {known} · behind \d+\.\d s · dead 0"
    assert all(re.fullmatch(line, one.rstrip("\r\n")) for one in shown), shown
    assert shown[-1].startswith("30 events")
    assert shown[-1].endswith("\n")
    assert not any("\n" in one for one in shown[:-1]), "one line, written over"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("nothing", "no dotted path"),
        ("no_such_module.handle", "No module named"),
        ("tests.redis.handlers.lost", "has no function 'lost'"),
    ],
)
def test_a_wrong_handler_is_named(path: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        load_handler(path)


def test_a_handler_of_django_is_not_for_this_command(processes: Processes) -> None:
    code = "import sys; from headrace.consume.command import main; main(sys.argv[1:])"
    words = [processes.server.url, "headrace.django.analytics.store"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "manage.py headrace_consume" in done.stderr


@pytest.mark.parametrize("prefix", GOOD_PREFIXES)
def test_it_reads_below_its_prefix(client: redis.Redis, server: Server, prefix: str) -> None:
    client.xadd(f"{prefix}events", {"id": "a-1", "kind": "a", "time": "1"})
    client.xadd(f"{prefix}other", {"id": "a-2", "kind": "a", "time": "1"})
    handler = Handler()
    drain(client, handler, prefix=prefix)
    assert handler.done == [1]
    consume(server.url, handler, drain=True, prefix=prefix, stream="other")
    assert handler.done == [1, 2]


@pytest.mark.parametrize("prefix", BAD_PREFIXES)
def test_a_wrong_prefix_raises_in_the_words_of_the_sink(client: redis.Redis, prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix: ") as raised:
        Consumer(client, Handler(), prefix=prefix)
    with pytest.raises(ValueError, match="prefix: ") as sinks:
        EventSink("memory:", prefix=prefix)
    assert str(raised.value) == str(sinks.value)


def test_a_prefix_is_text(client: redis.Redis) -> None:
    with pytest.raises(TypeError, match="prefix"):
        Consumer(client, Handler(), prefix=7)  # type: ignore[arg-type]


def test_where_the_dead_are() -> None:
    assert dead_stream() == "headrace:events:dead"
    assert dead_stream("a", prefix="b:") == "b:a:dead"
    with pytest.raises(ValueError, match="prefix: "):
        dead_stream("a", prefix="{b}:")


@pytest.mark.parametrize("options", [{"batch": 0}, {"tries": 0}, {"claim_after": 0}])
def test_options_that_cannot_work_raise(client: redis.Redis, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Consumer(client, Handler(), **options)
