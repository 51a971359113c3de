# SPDX-License-Identifier: MIT
"""No visitor is ever handed another one's cookie, whatever keeps responses, in any order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.core.cache import cache
from django.test import AsyncClient, Client, override_settings

OURS = "headrace.django.middleware.HeadraceMiddleware"
UPDATE = "django.middleware.cache.UpdateCacheMiddleware"
FETCH = "django.middleware.cache.FetchFromCacheMiddleware"
CONDITIONAL = "django.middleware.http.ConditionalGetMiddleware"
GZIP = "django.middleware.gzip.GZipMiddleware"
NAVIGATION = {"sec-fetch-mode": "navigate", "accept-encoding": "gzip"}

ORDERS = {
    "above the cache": [OURS, UPDATE, FETCH],
    "between": [UPDATE, OURS, FETCH],
    "below the cache": [UPDATE, FETCH, OURS],
    "above ConditionalGet": [OURS, CONDITIONAL],
    "below ConditionalGet": [CONDITIONAL, OURS],
    "above GZip": [OURS, GZIP],
    "below GZip": [GZIP, OURS],
    "all of them": [OURS, UPDATE, GZIP, CONDITIONAL, FETCH],
    "all of them, ours last": [UPDATE, GZIP, CONDITIONAL, FETCH, OURS],
}


@pytest.fixture(params=["sync", "async"])
def visitor(request: pytest.FixtureRequest) -> Any:
    """A function that makes a new visitor: a function that fetches."""

    def make() -> Any:
        client: Any = Client() if request.param == "sync" else AsyncClient()

        def fetch(path: str, **headers: str) -> Any:
            sent: dict[str, Any] = {**NAVIGATION, **headers}
            if request.param == "sync":
                return client.get(path, headers=sent)
            return asyncio.run(client.get(path, **sent))  # as in conftest.get

        return fetch

    return make


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    cache.clear()


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("path", ["/show/", "/cached/", "/public/", "/page/"])
def test_no_two_visitors_share_a_cookie(visitor: Any, order: list[str], path: str) -> None:
    with override_settings(MIDDLEWARE=order, CACHE_MIDDLEWARE_SECONDS=60):
        handed_out = []
        for _ in range(4):
            response = visitor()(path)
            if "device_fp" in response.cookies:
                handed_out.append(response.cookies["device_fp"].value)
        assert len(handed_out) == len(set(handed_out))


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_returning_visitor_keeps_the_own_cookie(visitor: Any, order: list[str]) -> None:
    with override_settings(MIDDLEWARE=order, CACHE_MIDDLEWARE_SECONDS=60):
        known, stranger = visitor(), visitor()
        known("/never/")
        stranger("/show/")
        again = known("/show/")
        assert "device_fp" not in again.cookies


def test_cookie_is_not_put_on_304(visitor: Any) -> None:
    with override_settings(MIDDLEWARE=[OURS, CONDITIONAL]):
        first = visitor()("/page/")
        second = visitor()("/page/", **{"if-none-match": first.headers["ETag"]})
        assert second.status_code == 304
        assert "device_fp" not in second.cookies


# --- the request table, through the middleware ---------------------------------------------------


@pytest.mark.parametrize(
    ("path", "headers", "handed_out"),
    [
        ("/page/", {}, True),
        ("/page/", {"sec-fetch-mode": "no-cors"}, False),
        ("/page/", {"sec-purpose": "prefetch"}, False),
        ("/page/", {"user-agent": "Googlebot/2.1"}, False),
        ("/page/", {"sec-gpc": "1"}, False),
        ("/page/", {"cookie": "device_fp=forged"}, True),
        ("/status/404/", {}, False),
        ("/status/500/", {}, False),
        ("/status/301/", {}, False),
        ("/status/302/", {}, True),
        ("/status/308/", {}, False),
        ("/public/", {}, False),
        ("/never/", {}, True),
        ("/api/show/", {}, False),
        ("/static/app.css", {}, False),
    ],
)
def test_request_table(visitor: Any, path: str, headers: dict[str, str], handed_out: bool) -> None:
    assert ("device_fp" in visitor()(path, **headers).cookies) == handed_out
