# SPDX-License-Identifier: MIT
"""``manage.py headrace_report``: the same figures from tables and events, safely rendered."""

from __future__ import annotations

import csv
import html.parser
import io
import json
import random
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from headrace.django.analytics import store
from headrace.django.management.commands import headrace_report
from headrace.django.reports import events as of_events
from headrace.django.reports import tables, text
from headrace.django.reports.figures import MOST_GROUPS, OTHER, SLOWEST, Report, Window
from headrace.django.reports.page import page
from headrace.events import Event

pytestmark = pytest.mark.django_db

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7|add:7 }}{% now 'Y' %}",
    "=HYPERLINK(0)",
    "  =1+1",
    "'@SUM(A1)",
    "\x1b]0;owned\x07\x1b[2J",
    "a\r\nb\u2028c\x00\u202ed",
    "\ud800",
]


def made(number: int, ago: timedelta, **fields: Any) -> Event:
    """An event of kind `request`."""
    time = round((datetime.now(UTC) - ago).timestamp() * 1000)
    names = {"label": "track", "method": "GET", "path": "/a/", "status": 200, "duration_us": 1500}
    found = {name: str(value) for name, value in (names | fields).items()}
    return Event(f"p-{number}", fields.get("kind", "request"), time, found)


def traffic(count: int = 400) -> list[Event]:
    """A day and a bit of requests, from the oldest to the newest."""
    chance = random.Random(3)
    events = []
    for number in range(count):
        ago = timedelta(hours=30 * (count - number) / count)
        fields: dict[str, Any] = {
            "route": chance.choice(["a/", "b/<int:id>/", ""]),
            "label": chance.choice(["api", "track"]),
            "status": chance.choices([200, 404, 500, 302], [80, 10, 6, 4])[0],
            "duration_us": round(1000 * chance.lognormvariate(2, 1)),
            "fingerprint": f"visitor-{chance.randrange(20)}" if chance.random() < 0.8 else "",
        }
        fields |= chance.choice([{}, {"user": "7"}, {"reason": "expired"}, {"agent": "bot"}])
        events.append(made(number, ago, **fields))
    return events


def write(path: Path, events: list[Event]) -> None:
    with path.open("w") as lines:
        for event in events:
            head = {"id": event.id, "kind": event.kind, "time": event.time}
            lines.write(json.dumps(head | dict(event.fields)) + "\n")


def file_report(tmp_path: Path, events: list[Event], since: str = "24h", **options: Any) -> str:
    path = tmp_path / "events.ndjson"
    if not path.exists():
        write(path, events)
    return run(path, since=since, source="file", **options)


def run(file: Path, **options: Any) -> str:
    output = io.StringIO()
    with override_settings(HEADRACE={"SINK": f"file:{file}"}):
        call_command("headrace_report", stdout=output, **options)
    return output.getvalue()


def both(events: list[Event], since: datetime, until: datetime) -> tuple[Report, Report]:
    store(events)
    from_tables, _ = tables.report(since, until)
    from_events, _ = of_events.report("x", events, since, until, of_events.Unread())
    return from_tables, from_events


def test_tables_and_events_say_the_same() -> None:
    until = datetime.now(UTC)
    from_tables, from_events = both(traffic(), until - timedelta(days=1), until)
    assert from_tables.total.requests > 200
    for name in ("total", "labels", "who", "routes", "reasons", "slots", "visitors"):
        assert getattr(from_tables, name) == getattr(from_events, name), name
    assert [slow.duration_us for slow in from_tables.slowest] == [
        slow.duration_us for slow in from_events.slowest
    ]
    assert len(from_tables.slowest) == SLOWEST
    assert from_tables.before is not None
    assert from_events.before is not None
    assert from_tables.before.requests == from_events.before.requests > 10
    assert from_tables.before.p95 == from_events.before.p95


def test_figures_are_right() -> None:
    events = [
        made(0, timedelta(hours=2), route="a/", duration_us=1_000, fingerprint="ann", new=1),
        made(1, timedelta(hours=2), route="a/", duration_us=2_000, fingerprint="ann"),
        made(2, timedelta(hours=1), route="a/", duration_us=900_000, status=500, user="7"),
        made(3, timedelta(hours=1), label="api", status=401, reason="expired", duration_us=500),
        made(4, timedelta(hours=30), route="a/", duration_us=5_000, fingerprint="bob"),
    ]
    until = datetime.now(UTC)
    for report in both(events, until - timedelta(days=1), until):
        assert report.total.requests == 4
        assert (report.total.server_errors, report.total.client_errors) == (1, 1)
        assert report.total.error_rate == 0.25
        assert (report.visitors, report.new_visitors, report.sessions) == (1, 1, 1)
        assert report.routes[0].name == "a/"
        assert report.routes[0].p50 == pytest.approx(2.0, rel=0.005)
        assert report.routes[0].p95 == pytest.approx(900, rel=0.005)
        assert report.reasons == {"expired": 1}
        assert {group.name for group in report.who} == {"visitors", "users", "others"}
        assert report.slowest[0].status == 500
        assert report.before is not None
        assert report.before.requests == 1


def test_no_events_are_a_report_too(tmp_path: Path) -> None:
    for form in ("table", "json", "csv", "html"):
        assert file_report(tmp_path, [], format=form)
    report, _ = tables.report(None, datetime.now(UTC))
    assert report.total.requests == 0
    assert page(report)


def test_a_hostile_file_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    good = made(1, timedelta(hours=1))
    write(path, [good])
    with path.open("ab") as lines:
        lines.write(b"not json\n[1]\n\xff\xfe\n" + b"[" * 100_000 + b"\n\n")
        lines.write(b'{"id": "1", "kind": "request", "time": "never", "status": "9e99"}\n')
        lines.write(b'{"id": "2", "kind": "request", "headrace_format": "99"}\n')
    old = path.with_name("events.ndjson.2")
    write(old, [made(0, timedelta(hours=2))])
    found = json.loads(run(path, source="file", format="json"))
    assert found["total"]["requests"] == 2
    assert any("of a newer format" in note for note in found["notes"])
    assert any("were no events" in note for note in found["notes"])


def test_groups_are_bounded() -> None:
    until = datetime.now(UTC)
    events = [
        made(number, timedelta(hours=1), route=f"{number}/", reason=f"r{number}")
        for number in range(MOST_GROUPS + 50)
    ]
    report, _ = of_events.report("x", events, until - timedelta(days=1), until, of_events.Unread())
    assert len(report.routes) == len(report.reasons) == MOST_GROUPS + 1
    assert next(group for group in report.routes if group.name == OTHER).requests == 50
    assert report.total.requests == MOST_GROUPS + 50


def test_window_has_a_bounded_number_of_slots() -> None:
    until = datetime.now(UTC)
    for days in (0, 1, 30, 365, 3650, 20_000):
        window = Window.of(until - timedelta(days=days), until, None)
        assert 1 <= window.slot(window.until - 1) + 1 <= 402


# --- rendering --------------------------------------------------------------------------------


class Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)


@pytest.fixture
def hostile() -> Report:
    until = datetime.now(UTC)
    events = [
        made(
            number,
            timedelta(hours=1),
            **dict.fromkeys(["path", "route", "label", "method", "reason", "request_id"], words),
        )
        for number, words in enumerate(HOSTILE)
    ]
    query = {"kind": "slow_query", "statement": HOSTILE[0], "where": HOSTILE[3], "ms": "1e3"}
    events.append(made(99, timedelta(hours=1), **query))
    report, sections = of_events.report(
        HOSTILE[0], events, until - timedelta(days=1), until, of_events.Unread()
    )
    report.sections = sections
    assert report.total.requests == len(HOSTILE)
    return report


def test_html_holds_no_element_of_theirs(hostile: Report) -> None:
    found = page(hostile)
    tags = Tags()
    tags.feed(found)
    assert not {"script", "img", "iframe", "link", "object", "form"} & set(tags.tags)
    assert not any(name.startswith("on") or name in ("src", "href") for name in tags.attributes)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in found
    assert "{{ 7|add:7 }}" in found
    assert "\x1b" not in found
    assert "\u202e" not in found
    assert "default-src &#x27;none&#x27;" in found or "default-src 'none'" in found
    found.encode()


def test_terminal_gets_no_control_character(hostile: Report) -> None:
    found = text.table(hostile)
    assert all(line.isprintable() for line in found.split("\n"))
    assert "\\x1b]0;owned\\x07" in found


def test_csv_holds_no_formula(hostile: Report) -> None:
    rows = list(csv.reader(io.StringIO(text.as_csv(hostile))))
    cells = [cell for row in rows for cell in row]
    assert "'=HYPERLINK(0)" in cells
    for cell in cells:
        try:
            float(cell)
        except ValueError:
            assert not cell.lstrip(" '\"").startswith(("=", "+", "-", "@")) or cell[0] == "'", cell
    assert any(row[0] == "slow_queries" for row in rows if row)


def test_json_holds_what_came(hostile: Report) -> None:
    found = json.loads(text.as_json(hostile))
    assert {slow["path"] for slow in found["slowest"]} >= set(HOSTILE[:4])
    assert found["slow_queries"][0]["statement"] == HOSTILE[0]


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        (110, 100, "+10 %"),
        (50, 100, "-50 %"),
        (0, 0, ""),
        (5, 0, "new"),
        (900, 3, "300 times"),
        (999, 1000, "±0 %"),
    ],
)
def test_change(now: int, before: int, said: str) -> None:
    assert text.change(now, before) == said
    assert text.change(None, before) == ""


# --- the command ------------------------------------------------------------------------------


def test_export_is_whole_and_private(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("old")
    said = file_report(tmp_path, traffic(), export=str(target))
    assert said == f"html written to {target}\n"
    assert target.read_text().startswith("<!doctype html>")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(tmp_path.iterdir()) == [tmp_path / "events.ndjson", target]


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("p95=1ms", "p95 is "),
        ("p50:api=0.001s", "p50 of api is "),
        ("p99:b/<int:id>/=900us", "p99 of b/<int:id>/ is "),
        ("error_rate=0.5%", "error_rate is "),
    ],
)
def test_a_broken_limit_ends_with_1(tmp_path: Path, limit: str, said: str) -> None:
    with pytest.raises(CommandError, match="over") as caught:
        file_report(tmp_path, traffic(), fail_over=[limit])
    assert str(caught.value).startswith(said)
    assert caught.value.returncode == 1


def test_limits_that_hold(tmp_path: Path) -> None:
    limits = ["p95=60s", "error_rate=99%", "p95:no such label=1us"]
    assert file_report(tmp_path, traffic(), fail_over=limits)


@pytest.mark.parametrize("words", ["p95", "p95=5", "p95=5%", "error_rate=5ms", "p90=5ms", "=1ms"])
def test_wrong_limits_are_refused(words: str) -> None:
    with pytest.raises(headrace_report.ArgumentTypeError, match="is no threshold"):
        headrace_report.limit(words)


@pytest.mark.parametrize("words", ["", "24", "0h", "-1h", "yesterday", "2026-13-01", "9999999w"])
def test_wrong_times_are_refused(words: str) -> None:
    with pytest.raises(headrace_report.ArgumentTypeError, match="is no time"):
        headrace_report.since(words)


def test_times() -> None:
    day_ago = headrace_report.since("24h")
    assert day_ago is not None
    assert abs((datetime.now(UTC) - day_ago).total_seconds() - 86_400) < 60
    assert headrace_report.since("2026-11-01") is not None
    assert headrace_report.since("all") is None


def test_all_reaches_back_to_the_first_event(tmp_path: Path) -> None:
    found = json.loads(file_report(tmp_path, traffic(), since="all", format="json"))
    assert found["total"]["requests"] == 400
    assert found["before"] is None


def test_tables_are_the_default_where_they_are(tmp_path: Path) -> None:
    store(traffic(50))
    found = json.loads(run(tmp_path / "none.ndjson", since="all", format="json"))
    assert found["source"] == "tables (sqlite)"
    assert found["total"]["requests"] == 50


@pytest.mark.parametrize("source", ["file", "stream"])
def test_a_source_that_is_not_there_is_said(tmp_path: Path, source: str) -> None:
    with pytest.raises(CommandError, match=r"cannot be read|needs a HEADRACE"):
        run(tmp_path / "none.ndjson", source=source)


def test_slow_queries_from_the_tables(tmp_path: Path) -> None:
    query = {"kind": "slow_query", "statement": "SELECT ?", "where": "a.py:1"}
    many = {"kind": "repeated_query", "statement": "SELECT ?", "where": "b.py:2", "count": "9"}
    store(
        [
            made(1, timedelta(hours=1), **query, ms="200.5"),
            made(2, timedelta(hours=1), **query, ms="99"),
            made(3, timedelta(hours=1), **query, ms="no number"),
            made(4, timedelta(hours=1), **many),
        ]
    )
    found = json.loads(run(tmp_path / "x", source="tables", slow_queries=True, format="json"))
    (slow,) = found["slow_queries"]
    assert (slow["times"], slow["most_ms"], slow["line"]) == (3, 200.5, "a.py:1")
    assert found["repeated_queries"][0]["queries"] == 9


@pytest.fixture
def every_cache(tmp_path: Path) -> Iterator[None]:
    backends = "django.core.cache.backends"
    caches = {
        "default": {"BACKEND": f"{backends}.locmem.LocMemCache"},
        "files": {"BACKEND": f"{backends}.filebased.FileBasedCache", "LOCATION": str(tmp_path)},
        "table": {"BACKEND": f"{backends}.db.DatabaseCache", "LOCATION": "a_cache"},
        "none": {"BACKEND": f"{backends}.dummy.DummyCache"},
        "down": {
            "BACKEND": f"{backends}.redis.RedisCache",
            "LOCATION": f"unix://{tmp_path}/no.sock",
        },
    }
    with override_settings(CACHES=caches):
        call_command("createcachetable", verbosity=0)
        yield


def test_caches_workers_and_benchmark(tmp_path: Path, every_cache: None) -> None:
    from django.core.cache import caches

    caches["default"].set("a", 1)
    caches["table"].set("b", 1)
    options = {"cache_stats": True, "system": True, "benchmark": True, "path": "/page/"}
    found = json.loads(run(tmp_path / "x", source="tables", format="json", **options))
    entries = {row["cache"]: row["entries"] for row in found["caches"]}
    assert (entries["default"], entries["table"], entries["files"]) == (1, 1, 0)
    down = next(row for row in found["caches"] if row["cache"] == "down")
    assert "Error" in down["note"]
    assert "verified tokens" in entries
    assert isinstance(found["system"], list)
    assert {row["step"] for row in found["benchmark"]} >= {"added in all", "without headrace"}


def test_keys_asked_by_all_workers(tmp_path: Path) -> None:
    """The counters are those in shared memory: of processes that have ended, too."""
    rings = tmp_path / "rings"
    rings.mkdir(0o700)
    url = f"file:{tmp_path}/events"
    code = (
        "import sys; from headrace import EventSink; sink = EventSink(sys.argv[1], "
        "ring_dir=sys.argv[2]); sink.emit('a'); "
        "[sink.observe('cache', 'default', 0.0, word) for word in ('hit', 'hit', 'miss')]; "
        "sink.close()"
    )
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code, url, str(rings)], check=True)
    sink = {"url": url, "ring_dir": str(rings)}
    with override_settings(HEADRACE={"SINK": sink, "METRICS": True}):
        output = io.StringIO()
        options = {"source": "tables", "format": "json", "cache_stats": True}
        call_command("headrace_report", stdout=output, **options)
    found = json.loads(output.getvalue())
    by_name = {row["cache"]: row for row in found["caches"]}
    assert (by_name["default"]["hits"], by_name["default"]["misses"]) == (4, 2)
    assert "all workers" in by_name["default"]["note"]
    assert "all workers" in by_name["verified tokens"]["note"]


def test_workers_are_seen() -> None:
    from headrace.django.reports.surroundings import workers

    code = "import headrace, sys; print('ready', flush=True); sys.stdin.read()"
    worker = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        rows = {row[0]: row for row in workers().rows}
        worker.communicate()
    assert rows[worker.pid][2] > 1  # MiB
    assert rows[worker.pid][5] >= 1
