# SPDX-License-Identifier: MIT
"""The tables: what is stored, once; sessions; the same in any order."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import headrace.django.analytics
from headrace.consume.handler import load_handler
from headrace.django.analytics import store
from headrace.django.analytics.models import CustomEvent, PageView, Session, Visitor
from headrace.events import Event

pytestmark = pytest.mark.django_db

START = 1_700_000_000_000
MINUTE = 60_000


def view(
    number: int, minute: float, who: str = "a", received: float | None = None, **more: str
) -> Event:
    arrival = START + int((minute if received is None else received) * MINUTE)
    fields = {
        "id": f"0123456789abcdef-{number}",
        "kind": "request",
        "time": str(START + int(minute * MINUTE)),
        "label": "track",
        "method": "GET",
        "path": f"/{number}/",
        "status": "200",
        "fingerprint": who,
        **more,
    }
    return Event.from_entry(f"{arrival}-{number}", {k: v for k, v in fields.items() if v})


def at(minute: float) -> datetime:
    return datetime.fromtimestamp(START / 1000, UTC) + timedelta(minutes=minute)


def sessions(who: str = "a") -> list[tuple[float, float, int, str, str]]:
    """First and last minute, views, first and last path of each."""
    return [
        (
            (row.first_seen - at(0)) / timedelta(minutes=1),
            (row.last_seen - at(0)) / timedelta(minutes=1),
            row.views,
            row.entry_path,
            row.exit_path,
        )
        for row in Session.objects.filter(visitor__fingerprint=who).order_by("first_seen")
    ]


def contents() -> dict[str, list[Any]]:
    """All rows, without the keys that depend on the order in which they came."""
    visitor = ("fingerprint", "first_seen", "last_seen", "views", "user", "user_seen")
    session = ("visitor__fingerprint", *visitor[1:], "entry_path", "exit_path")
    view = [f.name for f in PageView._meta.fields if f.name not in ("id", "extra")]
    return {
        "views": sorted(map(repr, PageView.objects.values_list(*view))),
        "events": sorted(map(repr, CustomEvent.objects.values_list("event_id", "kind", "time"))),
        "visitors": sorted(map(repr, Visitor.objects.values_list(*visitor))),
        "sessions": sorted(map(repr, Session.objects.values_list(*session))),
    }


def test_the_handler_is_found_by_its_name_whatever_was_imported_before() -> None:
    """A module of the same name would take its place in the package."""
    store([view(1, 0)])
    assert load_handler("headrace.django.analytics.store") is store
    assert headrace.django.analytics.store is store


def test_the_migrations_are_those_of_the_models() -> None:
    call_command("makemigrations", "headrace_analytics", check=True, dry_run=True, verbosity=0)


def test_a_request_becomes_a_row() -> None:
    more = {
        "route": "<int:n>/",
        "duration_us": "1234",
        "user": "42",
        "new": "1",
        "reason": "expired",
        "agent": "bot",
        "db_queries": "3",
        "db_ms": "1.5",
        "plan": "pro",
    }
    store([view(1, 0, **more)])
    row = PageView.objects.get()
    assert (row.event_id, row.time, row.label) == ("0123456789abcdef-1", at(0), "track")
    assert (row.method, row.path, row.route) == ("GET", "/1/", "<int:n>/")
    assert (row.status, row.duration_us, row.user, row.fingerprint) == (200, 1234, "42", "a")
    assert (row.new, row.reason, row.agent) == (True, "expired", "bot")
    assert (row.db_queries, row.db_ms, row.extra) == (3, 1.5, {"plan": "pro"})


def test_a_kind_of_ones_own_becomes_a_row_of_another_table() -> None:
    store([view(1, 0, kind="signup", plan="pro")])
    assert PageView.objects.count() == 0
    row = CustomEvent.objects.get()
    assert (row.kind, row.fingerprint, row.fields["plan"]) == ("signup", "a", "pro")
    assert Visitor.objects.count() == 0


def test_values_that_no_column_takes_are_made_to_fit() -> None:
    bad = {"path": "/\0" + "x" * 9000, "status": "70000", "user": "u" * 999, "x\0": "\0"}
    store([view(1, 0, **bad, route="r" * 2000, label="l" * 99, reason="r" * 99)])
    row = PageView.objects.get()
    assert row.path == "/\ufffd" + "x" * 2046
    assert (row.status, len(row.user), row.extra) == (None, 255, {"x\ufffd": "\ufffd"})


def test_the_same_events_again_change_nothing() -> None:
    batch = [view(n, n * 7, who="ab"[n % 2], user="42" if n == 3 else "") for n in range(20)]
    batch.append(view(99, 0, kind="signup"))
    store(batch)
    before = contents()
    store(batch)
    store(batch[5:] + batch[:9] + [batch[3]] * 3)
    assert contents() == before
    assert Visitor.objects.get(fingerprint="a").views == 10


def test_a_session_ends_with_30_minutes_without_a_view() -> None:
    store([view(1, 0), view(2, 29), view(3, 58.9), view(4, 88.9), view(5, 200)])
    assert sessions() == [
        (0, 58.9, 3, "/1/", "/3/"),
        (88.9, 88.9, 1, "/4/", "/4/"),
        (200, 200, 1, "/5/", "/5/"),
    ]


def test_a_late_view_joins_two_sessions() -> None:
    store([view(1, 0), view(3, 40)])
    assert len(sessions()) == 2
    store([view(2, 20)])
    assert sessions() == [(0, 40, 3, "/1/", "/3/")]


def test_a_late_view_before_all_others_begins_the_session() -> None:
    store([view(2, 10)])
    store([view(1, 0)])
    assert sessions() == [(0, 10, 2, "/1/", "/2/")]
    assert Visitor.objects.get().first_seen == at(0)


def test_the_user_is_that_of_the_newest_view_that_has_one() -> None:
    store([view(2, 10, user="new"), view(3, 20)])
    store([view(1, 0, user="old")])
    assert Visitor.objects.get().user == "new"
    assert Session.objects.get().user == "new"


def test_users_without_a_fingerprint_have_no_visitor() -> None:
    store([view(1, 0, who="", user="42")])
    assert (PageView.objects.count(), Visitor.objects.count()) == (1, 0)


def test_a_clock_in_the_future_makes_no_session_in_the_future() -> None:
    store([view(1, 0), view(2, 60 * 24 * 365, received=1)])
    assert sessions() == [(0, 1, 2, "/1/", "/2/")]


def test_a_site_without_time_zones() -> None:
    with override_settings(USE_TZ=False, TIME_ZONE="UTC"):
        store([view(1, 0)])
        assert PageView.objects.get().time == at(0).replace(tzinfo=None)


def slow_sessions(events: Iterable[Event]) -> list[tuple[str, int, int, int]]:
    """Visitor, first and last ms, views, by the rule alone."""
    found = []
    by_visitor: dict[str, list[int]] = {}
    for event in {event.id: event for event in events}.values():
        by_visitor.setdefault(event.fingerprint, []).append(event.time)
    for who, times in by_visitor.items():
        start = 0
        times.sort()
        for i, time in enumerate(times):
            if i + 1 == len(times) or times[i + 1] - time >= 30 * MINUTE:
                found.append((who, times[start], time, i + 1 - start))
                start = i + 1
    return sorted(found)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(st.integers(0, 300), st.sampled_from("abc")), min_size=1, max_size=30),
    st.integers(0, 1000),
)
def test_any_order_and_any_repetition_come_to_the_same(
    drawn: list[tuple[int, str]], seed: int
) -> None:
    chance = random.Random(seed)
    users = ("", "", "7", "8")
    events = [
        view(n, minute, who, user=chance.choice(users)) for n, (minute, who) in enumerate(drawn)
    ]
    outcomes = []
    for turn in range(2):
        for model in (PageView, CustomEvent, Session, Visitor):
            model.objects.all().delete()
        left = list(events)
        if turn:
            left += chance.sample(events, len(events) // 2)
            chance.shuffle(left)
        while left:
            size = chance.randint(1, 9)
            store(left[:size])
            left = left[size:]
        outcomes.append(contents())
    assert outcomes[0] == outcomes[1]
    rows = Session.objects.values_list("visitor__fingerprint", "first_seen", "last_seen", "views")
    found = sorted(
        (who, round(first.timestamp() * 1000), round(last.timestamp() * 1000), views)
        for who, first, last, views in rows
    )
    assert found == slow_sessions(events)
