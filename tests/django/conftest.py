# SPDX-License-Identifier: MIT
"""Events of the configured sink, and one client for both kinds of handler."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.http import HttpResponse
from django.test import AsyncClient, Client

import headrace.django
from headrace.django import site

NAVIGATION = {"sec-fetch-mode": "navigate"}

Events = Callable[[], list[dict[str, Any]]]
Get = Callable[..., HttpResponse]


@pytest.fixture(autouse=True)
def fresh_site() -> Iterator[None]:
    """Every test has a sink of its own."""
    site.reset()
    yield
    site.reset()


@pytest.fixture(autouse=True)
def connections_left_alone() -> None:
    """The end of a request does not look at the database; Django's test client does the same,
    and connects the signals anew each time.
    """
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)


@pytest.fixture
def events() -> Events:
    def captured() -> list[dict[str, Any]]:
        sink = headrace.django.sink()
        assert sink is not None
        return sink.captured()

    return captured


@pytest.fixture(params=["sync", "async"])
def get(request: pytest.FixtureRequest) -> Get:
    """``get(path, headers)`` through the WSGI or the ASGI handler, cookies kept between calls."""
    client: Any = Client() if request.param == "sync" else AsyncClient()
    client.raise_request_exception = False

    def fetch(
        path: str, headers: dict[str, str] | None = None, method: str = "get", **options: Any
    ) -> HttpResponse:
        call = getattr(client, method)
        if request.param == "sync":
            return call(path, headers=headers, **options)
        # As plain names: before Django 5.2.12 AsyncClient puts underscores into `headers=`.
        return asyncio.run(call(path, **(headers or {}), **options))

    fetch.client = client  # type: ignore[attr-defined]
    fetch.is_async = request.param == "async"  # type: ignore[attr-defined]
    return fetch
