# SPDX-License-Identifier: MIT
"""Any place in MIDDLEWARE gives the same, any number of requests at once, and no body is read."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import AsyncClient, Client, override_settings
from django.test.utils import CaptureQueriesContext

from tests.django.conftest import NAVIGATION, Events

OURS = "headrace.django.middleware.HeadraceMiddleware"
OTHERS = [
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
PLACES = range(len(OTHERS) + 1)


class AsksForTheSession:
    """What ours must never do."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        response = self.get_response(request)
        request.session.get("anything")
        return response


class ReadsTheBody:
    """The same: it leaves a stream empty."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        response = self.get_response(request)
        if response.streaming:
            list(response)
        return response


def leaves_the_session_alone(middleware: list[str], client: Client) -> bool:
    with override_settings(MIDDLEWARE=middleware), CaptureQueriesContext(connection) as queries:
        response = client.get("/page/", headers=NAVIGATION)
    assert response.status_code == 200
    return not queries.captured_queries and "Cookie" not in response.get("Vary", "")


@pytest.mark.django_db
@pytest.mark.parametrize("place", PLACES)
def test_session_is_left_alone_at_any_place(place: int, events: Events) -> None:
    client = Client()
    client.force_login(User.objects.create_user("ann"))
    middleware = [*OTHERS[:place], OURS, *OTHERS[place:]]
    assert leaves_the_session_alone(middleware, client)
    assert "device_fp" in client.cookies
    assert [event["path"] for event in events()] == ["/page/"]


@pytest.mark.django_db
def test_one_that_asks_for_the_session_is_found_out() -> None:
    client = Client()
    client.force_login(User.objects.create_user("ann"))
    control = f"{__name__}.AsksForTheSession"
    assert not leaves_the_session_alone([*OTHERS, control], client)


@pytest.mark.parametrize(
    ("middleware", "same"), [(OURS, True), (f"{__name__}.ReadsTheBody", False)]
)
def test_a_stream_is_not_read(middleware: str, same: bool) -> None:
    def body(middleware: list[str]) -> bytes:
        with override_settings(MIDDLEWARE=middleware):
            return b"".join(Client().get("/stream/"))

    whole = body([])
    assert whole
    assert (body([middleware]) == whole) is same


def test_a_hundred_threads_and_an_event_loop(events: Events) -> None:
    """No deadlock, no mixed-up visit: each event has the fields of its own request."""

    def fetch(number: int) -> int:
        return Client().get(f"/page/?n={number}", headers=NAVIGATION).status_code

    async def fetch_all() -> list[int]:
        client = AsyncClient()
        responses = await asyncio.gather(
            *(client.get(f"/async/?n={number}", headers=NAVIGATION) for number in range(50))
        )
        return [response.status_code for response in responses]

    setting = {"SINK": "memory:", "EVENT_FIELDS": ["query"]}
    with override_settings(HEADRACE=setting), ThreadPoolExecutor(100) as pool:
        answers = pool.map(fetch, range(300))
        assert set(asyncio.run(fetch_all())) == {200}
        assert set(answers) == {200}
        found = events()
    assert len({event["id"] for event in found}) == 350
    by_path = {
        path: {event["query"] for event in found if event["path"] == path}
        for path in ("/page/", "/async/")
    }
    assert by_path["/page/"] == {f"n={number}" for number in range(300)}
    assert by_path["/async/"] == {f"n={number}" for number in range(50)}
