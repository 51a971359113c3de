# SPDX-License-Identifier: MIT
"""What METRICS counts on a Django site, and the view that shows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import RequestFactory, override_settings

import headrace.django
from headrace.django.measure import cache, databases
from headrace.django.metrics import collector, view
from headrace.django.site import configured
from tests.django.conftest import Get


@pytest.fixture
def measured(tmp_path: Path) -> Iterator[None]:
    sink = {"url": f"file:{tmp_path}/events", "ring_dir": str(tmp_path)}
    with override_settings(HEADRACE={"SINK": sink, "METRICS": True}):
        databases.start()
        cache.start()
        yield
        databases.stop()
        cache.stop()


def counted(kind: str) -> dict[tuple[str, str, str], int]:
    sink = headrace.django.sink()
    assert sink is not None
    _, rows = sink.metrics()
    return {
        (name, method, outcome): sum(counts)
        for found, name, method, outcome, _, counts in rows
        if found == kind
    }


@pytest.mark.usefixtures("measured")
def test_requests_by_route(get: Get) -> None:
    for _ in range(3):
        get("/page/")
    get("/nowhere/")
    assert counted("request") == {("page/", "GET", "2xx"): 3, ("", "GET", "4xx"): 1}


@pytest.mark.django_db
@pytest.mark.usefixtures("measured")
def test_queries_by_database() -> None:
    databases.start()  # twice is fine, also for a connection that is there already
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        with pytest.raises(Exception, match="syntax"):
            cursor.execute("SELECT FROM nothing at all")
    assert counted("database") == {("default", "", "success"): 1, ("default", "", "failure"): 1}


BACKENDS = ("locmem.LocMemCache", "filebased.FileBasedCache", "db.DatabaseCache")


@pytest.mark.django_db
@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("backend", BACKENDS)
def test_keys_asked_of_a_cache(backend: str, tmp_path: Path) -> None:
    where = {"filebased.FileBasedCache": str(tmp_path), "db.DatabaseCache": "cache_table"}
    setting = {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": where.get(backend)}
    with override_settings(CACHES={"default": setting}):
        if backend == "db.DatabaseCache":
            from django.core.management import call_command

            call_command("createcachetable", verbosity=0)
        cache = caches["default"]
        cache.set("a", 1)
        cache.set("none", None)
        assert cache.get("a") == 1
        assert cache.get("none", 7) is None
        assert cache.get("missing", 7) == 7
        assert cache.get_many(["a", "none", "b", "c"]) == {"a": 1, "none": None}
        assert cache.get_or_set("made", lambda: 5) == 5
        assert counted("cache")[("default", "", "hit")] in (4, 5)  # get_or_set reads it back
        assert counted("cache")[("default", "", "miss")] == 4


@pytest.mark.usefixtures("measured")
async def test_keys_asked_of_a_cache_by_async_code() -> None:
    await caches["default"].aget("never_there")
    assert counted("cache") == {("default", "", "miss"): 1}


@pytest.mark.usefixtures("measured")
def test_tasks_by_name() -> None:
    from celery import Celery

    from headrace.celery import measure_tasks

    measure_tasks()
    measure_tasks()
    app = Celery(set_as_current=False)

    @app.task(name="shop.mail")
    def mail(fails: bool) -> None:
        if fails:
            raise ValueError("no such address")

    mail.apply((False,))
    mail.apply((False,))
    mail.apply((True,))
    assert counted("task") == {("shop.mail", "", "success"): 2, ("shop.mail", "", "failure"): 1}


@pytest.mark.usefixtures("measured")
def test_the_view_shows_them(get: Get) -> None:
    get("/page/")
    response = view(RequestFactory().get("/metrics"))
    assert response["Content-Type"].startswith("text/plain; version=")
    assert response["Cache-Control"] == "no-store"
    text = response.content.decode()
    assert (
        'headrace_request_duration_seconds_count{method="GET",route="page/",status="2xx"} 1.0'
        in text
    )
    assert "headrace_workers 1.0" in text
    assert 'headrace_stage_duration_seconds_count{stage="label"} 1.0' in text
    assert collector() is collector()


def test_without_the_setting_nothing_is_counted_by_name(get: Get) -> None:
    get("/page/")
    text = view(RequestFactory().get("/metrics")).content.decode()
    assert "headrace_request_duration_seconds_count{" not in text
    assert 'headrace_stage_duration_seconds_count{stage="event"} 1.0' in text


@override_settings(HEADRACE={"SINK": None})
def test_without_a_sink_the_view_says_why() -> None:
    with pytest.raises(ImproperlyConfigured, match="SINK"):
        view(RequestFactory().get("/metrics"))


@override_settings(HEADRACE={"METRICS": "yes"})
def test_a_mistyped_setting_is_named() -> None:
    with pytest.raises(ImproperlyConfigured, match=r'HEADRACE\["METRICS"\]: must be bool'):
        configured()


def test_the_slow_request_line_carries_the_trace(get: Get, caplog: Any) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    for header, expected in (
        (f"00-{trace}-00f067aa0ba902b7-01", trace),
        (f"ff-{trace}-00f067aa0ba902b7-01", None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        ("nonsense", None),
        ("", None),
    ):
        caplog.clear()
        with override_settings(HEADRACE={"SINK": "memory:", "SLOW_REQUEST": 0}):
            get("/page/", {"traceparent": header} if header else None)
        (line,) = [record for record in caplog.records if record.name == "headrace.slow"]
        assert getattr(line, "trace_id", None) == expected, header
        assert ("trace" in line.getMessage()) == (expected is not None)


def test_the_event_carries_the_trace(get: Get) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with override_settings(HEADRACE={"SINK": "memory:", "EVENT_FIELDS": ["trace_id"]}):
        get("/page/", {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
        get("/page/")
        sink = headrace.django.sink()
        assert sink is not None
        first, second = sink.captured()
    assert first["trace_id"] == trace
    assert "trace_id" not in second
