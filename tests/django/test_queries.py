# SPDX-License-Identifier: MIT
"""Queries and database time: in the event, in Server-Timing, in the log; and the decorators."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.backends.signals import connection_created
from django.test import override_settings

from headrace.django import log_queries, time_function
from headrace.django.measure import queries
from headrace.django.measure.timing import Allowance
from headrace.django.middleware import HeadraceMiddleware
from tests.django import query_views
from tests.django.conftest import NAVIGATION, Events, Get

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.urls("tests.django.query_views"),
]
VIEWS = Path(query_views.__file__)


def settings(**more: Any) -> Any:
    return override_settings(HEADRACE={"SINK": "memory:", "SLOW_REQUEST": None, **more})


def line_of(text: str) -> str:
    """Where the line of the views is that ends with the remark."""
    for number, line in enumerate(VIEWS.read_text().splitlines(), 1):
        if line.endswith(f"# {text}"):
            return f"{VIEWS.name}:{number}"
    raise LookupError(text)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(queries, "_slow_lines", Allowance(queries.LINES_PER_MINUTE))
    monkeypatch.setattr(queries, "_repeated_lines", Allowance(queries.LINES_PER_MINUTE))
    monkeypatch.setattr(queries, "_failure_lines", Allowance(1))
    yield
    queries.unwatch()
    asyncio.run(sync_to_async(queries.unwatch)())


@pytest.fixture(autouse=True)
def connected_before(request: pytest.FixtureRequest) -> None:
    """A database in memory stays connected from test to test, also in asgiref's thread; in a
    process of its own that thread connects when it is watched already.
    """
    if "off_wraps_nothing" not in request.node.name:
        asyncio.run(sync_to_async(queries.watch)())


def view(get: Get, name: str) -> str:
    """The view of the kind that the handler is of."""
    return f"/a{name}/" if get.is_async else f"/{name}/"  # type: ignore[attr-defined]


@settings(DB_TIME=True, SERVER_TIMING=True)
def test_event_and_header_say_how_many_and_how_long(get: Get, events: Events) -> None:
    response = get(view(get, "two"), NAVIGATION)
    assert response.status_code == 200
    event = events()[-1]
    assert event["db_queries"] == "2"
    assert 0 < float(event["db_ms"]) < float(event["duration_us"]) / 1000
    database, total = response.headers["Server-Timing"].split(", ")
    assert database.startswith("db;dur=")
    assert database.endswith(';desc="2 queries"')
    assert total.startswith("total;dur=")


@settings(DB_TIME=True)
def test_a_request_without_queries_says_so(get: Get, events: Events) -> None:
    response = get("/none/", NAVIGATION)
    assert (events()[-1]["db_queries"], events()[-1]["db_ms"]) == ("0", "0.0")
    assert "Server-Timing" not in response.headers


@settings(DB_TIME=True)
def test_each_request_is_counted_for_itself(get: Get, events: Events) -> None:
    get(view(get, "two"), NAVIGATION)
    get("/none/", NAVIGATION)
    get(view(get, "two"), NAVIGATION)
    assert [event["db_queries"] for event in events()] == ["2", "0", "2"]


@settings(DB_TIME=True)
def test_every_alias_counts(get: Get, events: Events) -> None:
    get("/both/", NAVIGATION)
    assert events()[-1]["db_queries"] == "2"


@settings(DB_TIME=True)
def test_a_query_that_fails_counts(get: Get) -> None:
    assert get("/failing/", NAVIGATION).status_code == 500


@settings(DB_TIME=True)
def test_an_event_without_room_does_not_hurt_the_request(
    get: Get, caplog: pytest.LogCaptureFixture
) -> None:
    assert get("/full/", NAVIGATION).content == b"full"
    assert caplog.records[-1].getMessage() == "headrace: a query was not counted"


@settings()
def test_off_wraps_nothing(get: Get, events: Events) -> None:
    get(view(get, "two"), NAVIGATION)
    assert "db_queries" not in events()[-1]
    assert queries._observe not in connection.execute_wrappers
    assert all(key[0] != "headrace.queries" for key, *_ in connection_created.receivers)

    def view_itself(request: object) -> None: ...

    assert HeadraceMiddleware(view_itself).get_response is view_itself  # type: ignore[arg-type]


@settings(DB_TIME=True)
def test_a_wrapper_of_the_site_comes_and_goes(events: Events) -> None:
    from django.test import Client

    seen = []

    def theirs(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append(sql)
        return execute(sql, params, many, context)

    connection.close()
    with connection.execute_wrapper(theirs):
        Client().get("/two/", headers=NAVIGATION)  # connects inside of their block
    assert len(seen) == 2
    assert connection.execute_wrappers == [queries._observe]
    Client().get("/two/", headers=NAVIGATION)
    assert [event["db_queries"] for event in events()] == ["2", "2"]


@settings(SLOW_QUERY=0.0)
def test_slow_query_has_line_and_no_value(
    get: Get, events: Events, caplog: pytest.LogCaptureFixture
) -> None:
    get("/raw/", NAVIGATION)
    record = caplog.records[-1]
    assert (record.name, record.levelname) == ("headrace.queries", "WARNING")
    assert record.getMessage().startswith("slow query: ")
    assert record.getMessage().endswith(f"{line_of('the raw line')}: SELECT ?, ?")
    assert record.where.endswith(line_of("the raw line"))
    assert record.route == "raw/"
    slow = events()[0]
    assert (slow["kind"], slow["statement"], slow["method"]) == (
        "slow_query",
        "SELECT ?, ?",
        "GET",
    )
    assert slow["where"] == record.where
    assert "db_queries" not in events()[-1]


@settings(SLOW_QUERY=0.0)
def test_parameters_are_not_in_the_line(get: Get, caplog: pytest.LogCaptureFixture) -> None:
    get(view(get, "two"), NAVIGATION)
    assert len(caplog.records) == 2
    assert "auth_user" in caplog.text
    assert "secret" not in caplog.text


@settings(SLOW_QUERY=30)
def test_quick_query_is_not_logged(get: Get, caplog: pytest.LogCaptureFixture) -> None:
    get(view(get, "two"), NAVIGATION)
    assert caplog.records == []


@settings(SLOW_QUERY=0.0)
def test_lines_are_rationed(
    get: Get,
    events: Events,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queries, "_slow_lines", Allowance(3))
    for _ in range(4):
        get(view(get, "two"), NAVIGATION)
    assert 3 <= len(caplog.records) <= 6  # the minute may turn meanwhile
    assert sum(event["kind"] == "slow_query" for event in events()) == len(caplog.records)


@settings(REPEATED_QUERIES=5)
def test_repeated_query_is_said_once_with_its_line(
    get: Get, events: Events, caplog: pytest.LogCaptureFixture
) -> None:
    get(view(get, "many"), NAVIGATION)
    (record,) = caplog.records
    line = line_of("the line of the async many" if get.is_async else "the line of the many")
    assert record.getMessage().startswith("repeated query: 5 times, in GET ")
    assert record.where.endswith(line)
    assert record.count == 5
    repeated = events()[0]
    assert (repeated["kind"], repeated["count"]) == ("repeated_query", "5")


@settings(REPEATED_QUERIES=5)
def test_queries_of_gathered_tasks_lead_to_the_gathering(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from django.test import AsyncClient

    asyncio.run(AsyncClient().get("/together/", headers=NAVIGATION))
    assert caplog.records[-1].where.endswith(line_of("the gathering"))


@settings(REPEATED_QUERIES=6)
def test_fewer_are_no_repetition(get: Get, caplog: pytest.LogCaptureFixture) -> None:
    get(view(get, "many"), NAVIGATION)
    assert caplog.records == []


def test_a_tally_is_bounded() -> None:
    tally = queries.Tally(repeat_limit=2)
    for number in range(queries.MAX_STATEMENTS + 50):
        tally.add(f"SELECT {number}", 1, "sqlite")
    assert tally.count == queries.MAX_STATEMENTS + 50
    assert len(tally.seen) == queries.MAX_STATEMENTS
    for number in range(queries.MAX_TIMINGS + 5):
        tally.time(f"function {number}", 1.0)
    assert len(tally.timings) == queries.MAX_TIMINGS


@settings(DB_TIME=True, SERVER_TIMING=True)
def test_decorators_inside_a_request(
    get: Get, events: Events, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "headrace")
    response = get(view(get, "decorated"), NAVIGATION)
    assert response.content == b"three"
    assert events()[-1]["db_queries"] == "5"
    timing = response.headers["Server-Timing"].split(", ")
    name = "prices__async" if get.is_async else "prices"
    assert timing[1].startswith(f"{name};dur=")
    assert timing[1].endswith(';desc="2 calls"')
    lines = [record.getMessage() for record in caplog.records]
    assert sum(line.startswith("prices") for line in lines) == 2
    (line,) = [line for line in lines if "three: 3 queries" in line]
    assert "; 3 times at " in line


@pytest.mark.parametrize("call", [query_views.three, lambda: asyncio.run(query_views.athree())])
@settings()
def test_log_queries_outside_of_a_request(call: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "headrace.queries")
    assert call() == "three"
    (record,) = caplog.records
    assert record.db_queries == 3
    assert 0 < record.db_ms < record.duration_ms


def test_decorators_keep_the_function() -> None:
    assert query_views.three.__name__ == "three"
    assert query_views.three.__doc__ == "Says three."
    assert asyncio.iscoroutinefunction(query_views.athree)
    assert not asyncio.iscoroutinefunction(query_views.three)

    @log_queries
    @time_function("a sum")
    def add(left: int, right: int = 2) -> int:
        return left + right

    assert add(1, right=4) == 5

    @log_queries
    def boom() -> None:
        raise LookupError("boom")

    with pytest.raises(LookupError, match="boom"):
        boom()


@pytest.mark.parametrize("name", ["", None, query_views.none])
def test_time_function_needs_a_name(name: Any) -> None:
    with pytest.raises(TypeError, match="needs a name"):
        time_function(name)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("DB_TIME", 1),
        ("SLOW_QUERY", "0.1"),
        ("SLOW_QUERY", -1),
        ("REPEATED_QUERIES", 1),
        ("REPEATED_QUERIES", True),
        ("REPEATED_QUERIES", 2.5),
    ],
)
def test_wrong_settings(key: str, value: object) -> None:
    with (
        settings(**{key: value}),
        pytest.raises(ImproperlyConfigured, match=rf'HEADRACE\["{key}"\]'),
    ):
        HeadraceMiddleware(lambda request: None)  # type: ignore[arg-type,return-value]


def test_user_table_is_there() -> None:
    assert User.objects.count() == 0
