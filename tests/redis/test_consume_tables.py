# SPDX-License-Identifier: MIT
"""From the sink through Redis into the tables, on SQLite and PostgreSQL: exactly once, whatever
happens to the consumers; and out of them again.
"""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from headrace import EventSink
from tests.redis.conftest import Server
from tests.redis.consume_command import Running
from tests.redis.postgresql import cluster

PREFIX = "headrace:tests:"  # consume_settings.NAME
EVENTS = 400
VISITORS = 7
KILLS = 5

Databases = dict[str, dict[str, Any]]


class Site:
    """A Django project with a database of its own: its commands as processes, and queries."""

    def __init__(self, folder: Path, database: dict[str, Any], url: str) -> None:
        self.folder, self.database, self.url = folder, database, url
        self.running: list[Running] = []

    def start(self, *words: str) -> Running:
        output = self.folder / f"command{len(self.running)}"
        self.running.append(Running(words, self.database, self.url, output))
        return self.running[-1]

    def run(self, *words: str) -> str:
        process = self.start(*words)
        assert process.wait() == 0, process.errors
        return process.output

    def query(self, text: str) -> list[tuple[Any, ...]]:
        if "sqlite3" in self.database["ENGINE"]:
            connection: Any = sqlite3.connect(self.database["NAME"], timeout=20)
        else:
            connection = psycopg.connect(
                host=self.database["HOST"], dbname=self.database["NAME"], user="postgres"
            )
        try:
            cursor = connection.execute(text)
            rows = cursor.fetchall() if cursor.description else []
            connection.commit()
            return [tuple(row) for row in rows]
        finally:
            connection.close()

    def one(self, text: str) -> Any:
        return self.query(text)[0][0]


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """One of each, with the tables; the SQLite file is there to be copied."""
    folder = tmp_path_factory.mktemp("databases")
    file = folder / "site.sqlite3"
    sqlite = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(file),
        "OPTIONS": {"timeout": 20},
    }
    with cluster() as postgresql:
        found = {"sqlite": sqlite, "postgresql": postgresql}
        for database in found.values():
            site = Site(folder, database, "redis://127.0.0.1:1")
            site.run("migrate", "--verbosity=0")
            site.query("CREATE TABLE naive (total integer)")
            site.query("INSERT INTO naive VALUES (0)")
        yield found


@pytest.fixture(params=["sqlite", "postgresql"])
def site(
    request: pytest.FixtureRequest,
    databases: Databases,
    server: Server,
    tmp_path: Path,
) -> Iterator[Site]:
    database = dict(databases[request.param])
    if request.param == "sqlite":
        database["NAME"] = shutil.copy(database["NAME"], tmp_path)
    made = Site(tmp_path, database, server.url)
    if request.param == "postgresql":
        names = ("pageview", "customevent", "session", "visitor")
        made.query("TRUNCATE " + ", ".join(f"headrace_analytics_{name}" for name in names))
    yield made
    for process in made.running:
        process.kill()


def emit(server: Server, ring_dir: str) -> int:
    """Requests of some visitors, one a minute, through a real sink. How many were delivered."""
    sink = EventSink(server.url, prefix=PREFIX, ring_dir=ring_dir)
    for n in range(EVENTS):
        fields = {"label": "track", "path": f"/{n}/", "fingerprint": f"visitor{n % VISITORS}"}
        assert sink.emit("request", fields)
    assert sink.flush(10) == 0
    delivered: int = sink.stats()["delivered"]
    sink.close()
    return delivered


TOTALS = {
    "store_slowly": "SELECT count(*) FROM headrace_analytics_pageview",
    "naive": "SELECT total FROM naive",
}


def consume_with_kills(site: Site, handler: str) -> int:
    """Kills the consumer as soon as it has committed something, a few times; then drains."""
    words = ["headrace_consume", f"tests.redis.handlers.{handler}", "--batch=20"]
    for _ in range(KILLS):
        before = site.one(TOTALS[handler])
        process = site.start(*words)
        deadline = time.monotonic() + 30
        while site.one(TOTALS[handler]) == before:
            assert process.poll() is None, process.errors
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.kill()
    assert 0 < site.one(TOTALS[handler]) < EVENTS + KILLS * 20
    site.run(*words, "--drain")
    return int(site.one(TOTALS[handler]))


def test_the_tables_are_filled_exactly_once_whoever_is_killed(
    site: Site, server: Server, ring_dir: str
) -> None:
    ledger = emit(server, ring_dir)
    assert consume_with_kills(site, "store_slowly") == ledger == EVENTS
    assert site.one("SELECT count(DISTINCT event_id) FROM headrace_analytics_pageview") == EVENTS
    assert site.one("SELECT sum(views) FROM headrace_analytics_visitor") == EVENTS
    assert site.one("SELECT sum(views) FROM headrace_analytics_session") == EVENTS
    assert site.one("SELECT count(*) FROM headrace_analytics_session") == VISITORS
    assert not server.client.exists(f"{PREFIX}events:dead")


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_that_test_notices_a_handler_that_counts_twice(
    site: Site, server: Server, ring_dir: str
) -> None:
    ledger = emit(server, ring_dir)
    assert consume_with_kills(site, "naive") > ledger


def test_several_processes_with_the_same_visitors_count_right(
    site: Site, server: Server, ring_dir: str
) -> None:
    emit(server, ring_dir)
    first = server.client.xrange(f"{PREFIX}events")
    running = [
        site.start("headrace_consume", f"--group={group}", "--batch=7", "--drain")
        for group in ("one", "one", "other")  # the last one brings every event once more
    ]
    for process in running:
        assert process.wait() == 0, process.errors
    assert len(first) == EVENTS  # type: ignore[arg-type]
    assert site.one("SELECT count(*) FROM headrace_analytics_pageview") == EVENTS
    assert site.query("SELECT views FROM headrace_analytics_visitor ORDER BY fingerprint") == [
        (EVENTS // VISITORS + (n < EVENTS % VISITORS),) for n in range(VISITORS)
    ]
    assert site.one("SELECT sum(views) FROM headrace_analytics_session") == EVENTS


# --- out of the tables ------------------------------------------------------------------------

MINUTE = 60_000
DAY = 24 * 60 * MINUTE


def fill(site: Site, server: Server, rows: list[dict[str, str]]) -> None:
    """Entries as the sink writes them, and what `headrace_consume` makes of them."""
    numbers = itertools.count()
    for row in rows:
        first = {"id": f"0123456789abcdef-{next(numbers)}", "kind": "request"}
        server.client.xadd(f"{PREFIX}events", {**first, "path": "/", **row})
    site.run("headrace_consume", "--drain")


def left(site: Site) -> dict[str, int]:
    names = ("pageview", "customevent", "session", "visitor")
    return {n: site.one(f"SELECT count(*) FROM headrace_analytics_{n}") for n in names}


def test_prune_deletes_what_is_older(site: Site, server: Server) -> None:
    now = int(time.time() * 1000)
    old, young = str(now - 91 * DAY), str(now - 89 * DAY)
    rows = [{"time": old, "fingerprint": "a"}] * 5 + [{"time": young, "fingerprint": "b"}] * 3
    rows += [{"time": old, "fingerprint": "b"}, {"time": old, "kind": "signup"}]
    fill(site, server, rows)
    assert left(site) == {"pageview": 9, "customevent": 1, "session": 3, "visitor": 2}
    said = site.run("headrace_prune", "--older-than=90d", "--batch=2")
    assert left(site) == {"pageview": 3, "customevent": 0, "session": 1, "visitor": 1}
    assert said.strip() == "PageView: 6, CustomEvent: 1, Session: 2, Visitor: 1"
    assert site.one("SELECT fingerprint FROM headrace_analytics_visitor") == "b"


def test_a_visitor_is_erased_everywhere(site: Site, server: Server) -> None:
    now = str(int(time.time() * 1000))
    rows = [{"time": now, "fingerprint": who} for who in ("a", "b", "a")]
    rows += [{"time": now, "kind": "signup", "fingerprint": "a"}]
    fill(site, server, rows)
    for who in "ab":
        server.client.hset(f"{PREFIX}session:{who}", "views", "1")
    server.client.xadd(
        f"{PREFIX}events:dead", {"id": "x-1", "fingerprint": "a", "dead_error": "x"}
    )
    site.run("headrace_erase", "--visitor=a")
    assert left(site) == {"pageview": 1, "customevent": 0, "session": 1, "visitor": 1}
    assert [event["fingerprint"] for event in server.events(prefix=PREFIX)] == ["b"]
    assert server.client.keys(f"{PREFIX}session:*") == [f"{PREFIX}session:b"]
    assert server.client.xlen(f"{PREFIX}events:dead") == 0


def test_a_user_is_erased_with_what_the_same_browser_did_without_a_login(
    site: Site, server: Server
) -> None:
    now = int(time.time() * 1000)
    rows = [
        {"fingerprint": "own"},
        {"fingerprint": "own", "user": "7"},
        {"fingerprint": "shared", "user": "7"},
        {"fingerprint": "shared", "user": "8"},
        {"fingerprint": "other", "user": "8"},
        {"user": "7"},
        {"user": "7", "kind": "signup"},
        {"user": "8", "kind": "signup"},
        {"fingerprint": "own", "kind": "search"},
    ]
    fill(site, server, [{"time": str(now + n), **row} for n, row in enumerate(rows)])
    for who, user in (("own", "7"), ("shared", "8"), ("other", "8"), ("elsewhere", "7")):
        server.client.hset(f"{PREFIX}session:{who}", "user", user)
    said = site.run("headrace_erase", "--user=7")
    assert left(site) == {"pageview": 2, "customevent": 1, "session": 2, "visitor": 2}
    visitors = 'SELECT fingerprint, views, "user" FROM headrace_analytics_visitor ORDER BY 1'
    assert site.query(visitors) == [("other", 1, "8"), ("shared", 1, "8")]
    assert [(e.get("fingerprint"), e["user"]) for e in server.events(prefix=PREFIX)] == [
        ("shared", "8"),
        ("other", "8"),
        (None, "8"),
    ]
    assert sorted(server.client.keys(f"{PREFIX}session:*")) == [
        f"{PREFIX}session:other",
        f"{PREFIX}session:shared",
    ]
    assert f"entry of {PREFIX}events: 6" in said
    assert site.run("headrace_erase", "--user=7").strip() == ""


# --- the command ------------------------------------------------------------------------------


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
class TestCommand:
    def test_without_the_tables_nothing_is_taken(self, site: Site, server: Server) -> None:
        """Or every event would fail, and be put to the dead."""
        site.run("migrate", "--verbosity=0", "headrace_analytics", "zero")
        server.client.xadd(f"{PREFIX}events", {"id": "a-1", "kind": "request", "time": "1"})
        process = site.start("headrace_consume", "--drain")
        assert process.wait(30) == 1
        assert "migrate headrace_analytics" in process.errors
        assert not server.client.exists(f"{PREFIX}events:dead")

    def test_a_database_that_is_away_puts_nothing_to_the_dead(
        self, site: Site, server: Server
    ) -> None:
        server.client.xadd(f"{PREFIX}events", {"id": "a-1", "kind": "request", "time": "1"})
        site.query("ALTER TABLE headrace_analytics_pageview RENAME COLUMN label TO other")
        process = site.start("headrace_consume", "--drain", "--tries=2")
        assert process.wait(30) == 1
        assert "Unavailable" in process.errors
        assert not server.client.exists(f"{PREFIX}events:dead")
        site.query("ALTER TABLE headrace_analytics_pageview RENAME COLUMN other TO label")
        site.run("headrace_consume", "--drain", "--claim-after=0.1")
        assert left(site)["pageview"] == 1

    def test_a_sink_that_is_no_redis_is_named(self, site: Site) -> None:
        site.url = "memory:"
        process = site.start("headrace_consume")
        assert process.wait(30) == 1
        assert 'HEADRACE["SINK"]' in process.errors
