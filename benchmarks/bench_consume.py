# SPDX-License-Identifier: MIT
"""How fast does the consumer hand events on, and how fast do they get into tables?

Needs redis-server, and PostgreSQL for its part. The peer is what one writes with redis-py by
hand: a loop of XREADGROUP and XACK, with nothing for poison, dead consumers or trimming, on
entries as redis-py gives them; and, beside the tables, a loop that ends in the same
bulk_create, without visitors and sessions.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import django
import redis
import results
from bench_sink import redis_server
from django.conf import settings
from pairs import machine

from headrace.consume import Consumer, connect
from headrace.events import Event

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.redis.postgresql import cluster

EVENTS = 20_000
STORED = 5_000
BATCH = 256
ROUNDS = 3
VISITORS = 500


def fill(client: redis.Redis, count: int) -> None:
    now = int(time.time() * 1000)
    pipe = client.pipeline(transaction=False)
    for n in range(count):
        fields = {
            "id": f"0123456789abcdef-{n * 24}",
            "kind": "request",
            "time": now + n,
            "label": "track",
            "method": "GET",
            "path": f"/community/{n % 50}/",
            "route": "community/<int:pk>/",
            "status": 200,
            "duration_us": 1234,
            "fingerprint": f"{n % VISITORS:032x}",
        }
        pipe.xadd("headrace:events", fields)
        if n % 1000 == 999:
            pipe.execute()
    pipe.execute()


def nothing(events: Sequence[Any]) -> None:
    """The handler where the consumer itself is timed."""


def ours(client: redis.Redis, group: str, handler: Callable[[Sequence[Event]], object]) -> int:
    consumer = Consumer(client, handler, group=group, batch=BATCH)
    return consumer.run(drain=True).handled


def by_hand(client: Any, group: str, handler: Callable[[Sequence[Any]], object]) -> int:
    client.xgroup_create("headrace:events", group, "0")
    handled = 0
    while True:
        found = client.xreadgroup(group, "me", {"headrace:events": ">"}, count=BATCH)
        if not found:
            return handled
        entries = found[0][1]
        handler([fields for _, fields in entries])
        client.xack("events", group, *[entry for entry, _ in entries])
        handled += len(entries)


Way = tuple[str, Callable[[Any, str, Any], int], Any]


def compare(client: redis.Redis, title: str, count: int, ways: list[Way], empty: Any) -> None:
    """Each way drains all events in a group of its own; they take turns, the best of each."""
    best: dict[str, float] = {}
    rounds: dict[str, list[float]] = {name: [] for name, _, _ in ways}
    for turn in range(ROUNDS):
        for name, way, handler in ways:
            empty()
            start = time.perf_counter()
            handled = way(client, f"{name} {turn}", handler)
            rate = handled / (time.perf_counter() - start)
            assert handled == count, (name, handled)
            best[name] = max(best.get(name, 0.0), rate)
            rounds[name].append(rate)
    results.table(title, rounds, "events/s")
    first = next(iter(best))
    print(f"\n{title}")
    for name, rate in best.items():
        ratio = "" if name == first else f"   ours is {best[first] / rate:.2f} x"
        print(f"  {name:<44}{rate:10,.0f} events/s{ratio}", flush=True)


def bench_loop(client: redis.Redis) -> None:
    fill(client, EVENTS)
    ways: list[Way] = [
        ("headrace.consume, Event objects", ours, nothing),
        ("XREADGROUP and XACK by hand, dicts", by_hand, nothing),
    ]
    compare(client, f"consuming {EVENTS:,} events, {machine()}", EVENTS, ways, lambda: None)


@contextlib.contextmanager
def databases(folder: Path) -> Iterator[None]:
    with cluster() as postgresql:
        settings.configure(
            DATABASES={
                "default": {
                    "ENGINE": "django.db.backends.sqlite3",
                    "NAME": str(folder / "bench.sqlite3"),
                },
                "postgresql": postgresql,
            },
            INSTALLED_APPS=["headrace.django.analytics"],
            USE_TZ=True,
        )
        django.setup()
        from django.core.management import call_command
        from django.db import connections

        for alias in settings.DATABASES:
            call_command("migrate", verbosity=0, database=alias)
        yield
        connections.close_all()


def bench_tables(client: redis.Redis) -> None:
    client.flushall()
    fill(client, STORED)
    from django.db import connections, router

    from headrace.django.analytics import store, tables
    from headrace.django.analytics.models import PageView

    for alias in settings.DATABASES:
        router.routers = [type("Router", (), {"db_for_write": lambda *_, to=alias, **__: to})()]

        def bulk_create(entries: Sequence[dict[str, str]], alias: str = alias) -> None:
            rows = [tables._page_view(Event.from_entry("0-1", fields)) for fields in entries]
            PageView.objects.using(alias).bulk_create(rows, ignore_conflicts=True)

        def empty(alias: str = alias) -> None:
            with connections[alias].cursor() as cursor:
                for name in ("session", "visitor", "pageview"):
                    cursor.execute(f"DELETE FROM headrace_analytics_{name}")

        ways: list[Way] = [
            ("store: page views, visitors, sessions", ours, store),
            ("by hand: bulk_create of page views", by_hand, bulk_create),
        ]
        version = connections[alias].Database.__name__
        compare(client, f"into {alias} ({version}), {STORED:,} events", STORED, ways, empty)
        client.delete("headrace:events")
        fill(client, STORED)


def main() -> None:
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = Path(name)
        with redis_server(folder) as (_, path), databases(folder):
            client = connect(f"unix://{path}")
            bench_loop(client)
            bench_tables(client)
            client.close()


if __name__ == "__main__":
    main()
