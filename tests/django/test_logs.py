# SPDX-License-Identifier: MIT
"""Request ids, the access log and the line for slow requests."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import AsyncClient, Client, override_settings

from headrace.django.measure.timing import LINES_PER_MINUTE, Allowance, access
from headrace.django.request_id import RequestIdFilter, current
from tests.django import urls
from tests.django.conftest import NAVIGATION, Events, Get

WITH_ID = {"SINK": "memory:", "REQUEST_ID": "X-Request-ID"}


@pytest.fixture
def access_log() -> Iterator[None]:
    access.setLevel(logging.INFO)
    yield
    access.setLevel(logging.NOTSET)


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(request_id)s %(name)s"))
        self.addFilter(RequestIdFilter())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def lines() -> Iterator[list[str]]:
    handler = Lines()
    root = logging.getLogger()
    root.addHandler(handler)
    django_logger = logging.getLogger("django.request")
    django_logger.addHandler(handler)
    yield handler.lines
    root.removeHandler(handler)
    django_logger.removeHandler(handler)


@override_settings(HEADRACE=WITH_ID)
@pytest.mark.parametrize(
    "sent", ["abc", "b5f1c5a1-c7b9-4c0d-8a7f-2f0e9d3c4b2a", "Root=1-67891233-ab", "x" * 128]
)
def test_well_formed_id_is_taken(get: Get, events: Events, sent: str) -> None:
    response = get("/community/1/", {**NAVIGATION, "x-request-id": sent})
    assert response.headers["X-Request-ID"] == sent
    assert events()[0]["request_id"] == sent


@override_settings(HEADRACE=WITH_ID)
@pytest.mark.parametrize("sent", [None, "", " ", "a b", 'a"b', "x" * 129, "é", "-a", "a,b", "a;b"])
def test_other_id_is_minted(get: Get, events: Events, sent: str | None) -> None:
    headers = dict(NAVIGATION) if sent is None else {**NAVIGATION, "x-request-id": sent}
    response = get("/community/1/", headers)
    minted = response.headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", minted)
    assert events()[0]["request_id"] == minted
    assert get("/community/1/", headers).headers["X-Request-ID"] != minted


@override_settings(HEADRACE=WITH_ID)
@pytest.mark.parametrize("path", ["/static/app.css", "/missing/", "/boom/", "/stream/"])
def test_every_response_has_an_id(get: Get, path: str) -> None:
    assert "X-Request-ID" in get(path).headers


@override_settings(HEADRACE={**WITH_ID, "REQUIRE_TOKEN": ["api"]})
def test_refusal_has_an_id(get: Get) -> None:
    response = get("/api/show/")
    assert (response.status_code, "X-Request-ID" in response.headers) == (401, True)


def test_no_id_by_default(get: Get, events: Events) -> None:
    assert "X-Request-ID" not in get("/page/", {"x-request-id": "abc"}).headers
    assert "request_id" not in events()[0]


@override_settings(HEADRACE={**WITH_ID, "SLOW_REQUEST": 0})
def test_log_lines_of_a_request_carry_its_id(get: Get, lines: list[str]) -> None:
    get("/missing/", {"x-request-id": "abc"})
    get("/boom/", {"x-request-id": "def"})
    assert "abc headrace.slow" in lines
    assert "abc django.request" in lines
    assert any(line.startswith("def django.request") for line in lines)
    logging.getLogger("elsewhere").warning("between two requests")
    assert lines[-1] == "- elsewhere"
    assert current.get() is None


@override_settings(HEADRACE=WITH_ID)
def test_ids_of_concurrent_requests_do_not_mix(events: Events) -> None:
    async def scenario() -> list[str]:
        client = AsyncClient()
        ids = [f"id-{i}" for i in range(20)]
        responses = await asyncio.gather(
            *(client.get("/async-stream/", headers={"x-request-id": sent}) for sent in ids)
        )
        assert [r.headers["X-Request-ID"] for r in responses] == ids
        assert events() == []  # they end with their bodies
        for response in responses:
            async for _ in response.streaming_content:
                pass
            response.close()
        return ids

    ids = asyncio.run(scenario())
    assert sorted(event["request_id"] for event in events()) == sorted(ids)


def test_access_log_is_off_by_default(get: Get, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        get("/page/")
    assert [r for r in caplog.records if r.name == "headrace.access"] == []


@override_settings(HEADRACE=WITH_ID)
def test_access_log(get: Get, caplog: pytest.LogCaptureFixture, access_log: None) -> None:
    get("/community/3/", {"x-request-id": "abc"})
    get("/missing/")
    first, second = [r for r in caplog.records if r.name == "headrace.access"]
    assert re.fullmatch(r'GET "/community/3/" 200 \d+\.\d ms', first.getMessage())
    extra: Any = vars(first)
    assert {
        name: extra[name] for name in ("method", "path", "route", "status", "request_id", "label")
    } == {
        "method": "GET",
        "path": "/community/3/",
        "route": "community/<int:pk>/",
        "status": 200,
        "request_id": "abc",
        "label": "track",
    }
    assert extra["duration_ms"] > 0
    assert vars(second)["status"] == 404


def test_path_cannot_break_a_line(caplog: pytest.LogCaptureFixture, access_log: None) -> None:
    Client().get('/a%0Ab"c%00%C3%A9/')
    [record] = [r for r in caplog.records if r.name == "headrace.access"]
    assert '"/a\\nb%22c\\x00\\xe9/"' in record.getMessage()


def test_cancelled_request_is_in_the_access_log(
    caplog: pytest.LogCaptureFixture, access_log: None
) -> None:
    async def scenario() -> None:
        urls.entered.clear()
        task = asyncio.ensure_future(AsyncClient().get("/forever/"))
        while not urls.entered:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    [record] = [r for r in caplog.records if r.name == "headrace.access"]
    assert vars(record)["status"] == 499


def test_slow_lines_are_limited_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("headrace.django.measure.timing.time.monotonic", lambda: now)
    allowance = Allowance(LINES_PER_MINUTE)
    taken = [allowance.take() for _ in range(LINES_PER_MINUTE + 5)]
    assert taken == [0] * LINES_PER_MINUTE + [None] * 5
    now = 60.0
    assert [allowance.take(), allowance.take()] == [5, 0]


def test_failure_of_ours_is_no_failure_of_the_request(
    get: Get, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr("headrace.django.site.time_response", fail)
    monkeypatch.setattr("headrace.django.site._allowance", Allowance(1))
    with override_settings(HEADRACE={"SINK": "memory:", "RESPONSE_TIME_HEADER": True}):
        for _ in range(3):
            assert get("/page/").status_code == 200
    lines = [r for r in caplog.records if "without what we had to add" in r.getMessage()]
    assert len(lines) == 1
