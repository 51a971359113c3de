# SPDX-License-Identifier: MIT
"""The outer wrapper and the Django middleware together; and what only the wrapper can do."""

from __future__ import annotations

import asyncio
import io
import json
import warnings
from collections.abc import Callable
from typing import Any
from wsgiref.validate import validator

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections
from django.test import override_settings

import headrace.asgi
import headrace.django
import headrace.wsgi
from headrace import FingerprintCookie, Gate, PathFilter
from tests.django.conftest import Events
from tests.oracle.jws import make_token

SECRET_KEY = "a secret key of the tests, long enough for HS256"
TOKEN = "Bearer " + make_token(secret=SECRET_KEY, user_id=7)
BROWSER = {"Sec-Fetch-Mode": "navigate", "Authorization": TOKEN}
VISITOR = {"Sec-Fetch-Mode": "navigate"}

Answer = tuple[int, list[tuple[str, str]], bytes]
Fetch = Callable[..., Answer]


def fetch_wsgi(
    app: Any, path: str, headers: dict[str, str], peer: str | None = "192.0.2.77"
) -> Answer:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if peer is not None:
        environ["REMOTE_ADDR"] = peer
    for name, value in headers.items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    got: list[Any] = []

    def start_response(status: str, sent: Any, exc_info: Any = None) -> Any:
        got[:] = [int(status[:3]), sent]
        return lambda data: None

    chunks = validator(app)(environ, start_response)
    try:
        body = b"".join(chunks)
    finally:
        chunks.close()
    return got[0], got[1], body


def fetch_asgi(
    app: Any, path: str, headers: dict[str, str], peer: str | None = "192.0.2.77"
) -> Answer:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"localhost"),
            *((k.lower().encode(), v.encode()) for k, v in headers.items()),
        ],
        "client": None if peer is None else (peer, 4711),
        "server": ("localhost", 80),
    }
    sent: list[dict[str, Any]] = []

    async def run() -> None:
        body = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> dict[str, Any]:
            if body:
                return body.pop()
            await asyncio.sleep(60)
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await app(scope, receive, send)

    asyncio.run(run())
    pairs = [(k.decode().title(), v.decode()) for k, v in sent[0]["headers"]]
    return sent[0]["status"], pairs, b"".join(message.get("body", b"") for message in sent[1:])


@pytest.fixture(params=["wsgi", "asgi"])
def fetch(request: pytest.FixtureRequest) -> Fetch:
    """``fetch(path, headers)`` through wrapper, Django's handler and the middleware."""
    if request.param == "wsgi":
        wsgi = headrace.wsgi.HeadraceMiddleware(WSGIHandler(), headrace.django.gate())
        return lambda path, headers, **more: fetch_wsgi(wsgi, path, headers, **more)
    asgi = headrace.asgi.HeadraceMiddleware(ASGIHandler(), headrace.django.gate())
    return lambda path, headers, **more: fetch_asgi(asgi, path, headers, **more)


def cookies(headers: list[tuple[str, str]]) -> list[str]:
    return [value.strip().partition("=")[0] for name, value in headers if name == "Set-Cookie"]


def test_one_visit_one_event_one_cookie(fetch: Fetch, events: Events) -> None:
    status, headers, body = fetch("/community/7/", VISITOR)
    assert status == 200
    assert cookies(headers) == ["device_fp"]
    [event] = events()
    assert event["fingerprint"] == json.loads(body)["fingerprint"]
    assert event["route"] == "community/<int:pk>/"


def test_one_verification(fetch: Fetch, events: Events) -> None:
    verifier = headrace.django.verifier()
    assert verifier is not None
    fetch("/community/7/", BROWSER)
    info = verifier.cache_info()
    assert info.hits + info.misses == 1
    assert events()[0]["user"] == "7"


def test_view_that_raises_is_recorded_once(fetch: Fetch, events: Events) -> None:
    assert fetch("/boom/", BROWSER)[0] == 500
    assert [event["status"] for event in events()] == ["500"]


def test_streams_and_files_come_through(fetch: Fetch, events: Events) -> None:
    assert fetch("/never/", VISITOR)[2] == b"never"
    with warnings.catch_warnings():  # Django's, about a sync iterator under ASGI
        warnings.filterwarnings("ignore", "StreamingHttpResponse must consume")
        assert fetch("/stream/", VISITOR)[2] == b"one two"
        assert b"SPDX" in fetch("/file/", VISITOR)[2]
    assert len(events()) == 3


def test_id_of_a_request_is_the_same_on_both(events: Events) -> None:
    with override_settings(HEADRACE={"SINK": "memory:", "REQUEST_ID": "X-Request-ID"}):
        app = headrace.wsgi.HeadraceMiddleware(WSGIHandler(), headrace.django.gate())
        _, headers, _ = fetch_wsgi(app, "/page/", {**VISITOR, "X-Request-ID": "abc"})
        assert ("X-Request-ID", "abc") in headers
        assert events()[0]["request_id"] == "abc"


# X-Forwarded-For as a client can write it, and what of it is believed
SPOOFED = [
    (0, None, "192.0.2.77"),
    (0, "6.6.6.6", "192.0.2.77"),
    (1, None, None),  # not through the proxy: nobody vouches for the peer
    (1, "6.6.6.6, 203.0.113.9", "203.0.113.9"),
    (1, "203.0.113.9", "203.0.113.9"),
    (2, "6.6.6.6, 203.0.113.9, 198.51.100.1", "203.0.113.9"),
    (1, "6.6.6.6, 2001:db8::1", "2001:db8::1"),
    (1, "203.0.113.9, x" * 1000 + ", 203.0.113.8", "203.0.113.8"),
]


@pytest.mark.parametrize(("proxies", "header", "address"), SPOOFED)
@pytest.mark.parametrize("front", ["wsgi", "asgi", "django"])
def test_spoofed_addresses(
    front: str, proxies: int, header: str | None, address: str | None, events: Events
) -> None:
    setting = {"SINK": "memory:", "TRUSTED_PROXIES": proxies, "EVENT_FIELDS": ["ip"]}
    headers = VISITOR if header is None else {**VISITOR, "X-Forwarded-For": header}
    with override_settings(HEADRACE=setting):
        if front == "asgi":
            app: Any = headrace.asgi.HeadraceMiddleware(ASGIHandler(), headrace.django.gate())
            fetch_asgi(app, "/page/", headers)
        else:
            app = WSGIHandler()
            if front == "wsgi":
                app = headrace.wsgi.HeadraceMiddleware(app, headrace.django.gate())
            fetch_wsgi(app, "/page/", headers)
        assert events()[0].get("ip") == address


@pytest.mark.parametrize("header", ["garbage", "999.1.1.1", "", ",", "1.2.3"])
def test_address_that_is_none(header: str, events: Events) -> None:
    setting = {"SINK": "memory:", "TRUSTED_PROXIES": 1, "EVENT_FIELDS": ["ip"]}
    with override_settings(HEADRACE=setting):
        fetch_wsgi(WSGIHandler(), "/page/", {**VISITOR, "X-Forwarded-For": header})
        assert events()[0].get("ip") != header


def test_unix_socket_has_no_address(fetch: Fetch) -> None:
    with override_settings(HEADRACE={"SINK": "memory:", "EVENT_FIELDS": ["ip"]}):
        assert fetch("/page/", VISITOR, peer=None)[0] == 200


PARTS = {
    "verifier": lambda: {"verifier": None},
    "paths": lambda: {"paths": None},
    "fingerprint": lambda: {"fingerprint": None},
    "sink": lambda: {"sink": None},
    "all": lambda: dict.fromkeys(("verifier", "paths", "fingerprint", "sink")),
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_each_part_may_be_off(kind: str, part: str, events: Events) -> None:
    arguments: dict[str, Any] = {
        "verifier": headrace.django.verifier(),
        "paths": PathFilter({"api": ["/api/"]}),
        "fingerprint": FingerprintCookie(keys=["a key"]),
        "sink": headrace.django.sink(),
        **PARTS[part](),
    }
    gate = Gate(**arguments)
    with override_settings(MIDDLEWARE=[]):
        if kind == "wsgi":
            app: Any = headrace.wsgi.HeadraceMiddleware(WSGIHandler(), gate)
            status, headers, _ = fetch_wsgi(app, "/page/", VISITOR)
        else:
            app = headrace.asgi.HeadraceMiddleware(ASGIHandler(), gate)
            status, headers, _ = fetch_asgi(app, "/page/", VISITOR)
    assert status == 200
    assert bool(cookies(headers)) == (part not in ("fingerprint", "all"))
    assert len(events()) == (part not in ("sink", "all"))


async def test_shutdown_closes_djangos_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(connections, "close_all", lambda: closed.append(True))
    app = headrace.asgi.HeadraceMiddleware(ASGIHandler(), Gate())
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert closed == [True]
