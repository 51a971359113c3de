# SPDX-License-Identifier: MIT
"""The middleware under an outer wrapper, a script name, a consent policy, other middleware."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable
from http.cookies import Morsel
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, RequestFactory, override_settings

import headrace.django
from headrace import EventSink, FingerprintCookie, Gate
from headrace.django import site
from headrace.django.measure.timing import Allowance
from headrace.django.middleware import HeadraceMiddleware
from headrace.wsgi import HeadraceMiddleware as Wrapper
from tests.django.conftest import NAVIGATION, Events, Get
from tests.oracle.jws import make_token

# handlers close old connections at the end of a request
pytestmark = pytest.mark.django_db

SECRET_KEY = "a secret key of the tests, long enough for HS256"
REQUIRED = {"SINK": "memory:", "REQUIRE_TOKEN": ["api"]}


def bearer(**claims: Any) -> dict[str, str]:
    return {"authorization": "Bearer " + make_token(secret=SECRET_KEY, **claims)}


def call(app: Any, path: str, **headers: str) -> tuple[str, list[tuple[str, str]]]:
    environ = RequestFactory().get(path).environ
    environ.update({f"HTTP_{name.upper()}": value for name, value in headers.items()})
    started: list[Any] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        started[:] = [status, headers]

    app(environ, start_response).close()
    return started[0], started[1]


@override_settings(HEADRACE=REQUIRED, FORCE_SCRIPT_NAME="/app")
def test_script_name_of_the_settings_hides_nothing_under_asgi() -> None:
    async def get(path: str) -> int:
        return (await AsyncClient().get(path)).status_code

    assert asyncio.run(get("/app/api/show/")) == 401


@override_settings(HEADRACE={"SINK": "memory:"}, FORCE_SCRIPT_NAME="/app")
@pytest.mark.parametrize("static_url", ["/app/assets/", "/assets/", "assets/"])
def test_static_files_below_a_script_name(static_url: str) -> None:
    """Django puts the script name in front of STATIC_URL, and takes it off a path."""
    with override_settings(STATIC_URL=static_url):
        paths = headrace.django.gate().paths
        assert paths is not None
        assert paths.label("/assets/site.css") == "skip"


@override_settings(HEADRACE=REQUIRED)
def test_visit_of_another_gate_does_not_open_a_required_label(events: Events) -> None:
    outer = EventSink("memory:")
    gate = Gate(sink=outer, fingerprint=FingerprintCookie(keys=["another"]))
    assert call(Wrapper(WSGIHandler(), gate), "/api/show/")[0].startswith("401")
    call(Wrapper(WSGIHandler(), gate), "/page/", sec_fetch_mode="navigate")
    assert len(events()) + len(outer.captured()) == 1
    outer.close()


def test_visit_of_our_own_gate_is_shared(events: Events) -> None:
    app = Wrapper(WSGIHandler(), headrace.django.gate())
    _, headers = call(app, "/page/", sec_fetch_mode="navigate")
    assert len([name for name, _ in headers if name == "Set-Cookie"]) == 1
    assert len(events()) == 1


@override_settings(HEADRACE={"SINK": "memory:", "FINGERPRINT": {"consent": lambda request: "off"}})
def test_consent_holds_under_an_outer_wrapper(events: Events) -> None:
    app = Wrapper(WSGIHandler(), headrace.django.gate())
    _, headers = call(app, "/page/", sec_fetch_mode="navigate")
    assert [name for name, _ in headers if name == "Set-Cookie"] == []
    [event] = events()
    assert "fingerprint" not in event


@override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"))
def test_secure_is_djangos_word_under_an_outer_wrapper() -> None:
    app = Wrapper(WSGIHandler(), headrace.django.gate())
    _, headers = call(app, "/page/", sec_fetch_mode="navigate", x_forwarded_proto="https")
    assert "Secure" in dict(headers)["Set-Cookie"]


def test_cancelled_request_is_masked_too(events: Events) -> None:
    def cancelled(request: HttpRequest) -> HttpResponse:
        match = type(
            "Match", (), {"route": "reset/<token>/", "view_name": "password_reset_confirm"}
        )
        request.resolver_match = match()
        raise RuntimeError

    request = RequestFactory().get("/reset/a-secret/", headers=bearer())
    with pytest.raises(RuntimeError):
        HeadraceMiddleware(cancelled)(request)
    [event] = events()
    assert (event["path"], event["status"]) == ("reset/<token>/", "500")


def test_view_that_deletes_the_cookie_has_the_last_word() -> None:
    def delete(request: HttpRequest) -> Any:
        response = HttpResponse()
        response.delete_cookie("device_fp")
        return response

    request = RequestFactory().get("/page/", headers=NAVIGATION)
    response: Any = HeadraceMiddleware(delete)(request)
    assert response.cookies["device_fp"]["max-age"] == 0
    assert "Max-Age=0" in response.cookies["device_fp"].OutputString()


def test_middleware_outside_may_change_the_cookie() -> None:
    request = RequestFactory().get("/page/", headers=NAVIGATION)
    response: Any = HeadraceMiddleware(lambda request: HttpResponse())(request)
    morsel = response.cookies["device_fp"]
    header = morsel.OutputString()
    for twin in (pickle.loads(pickle.dumps(morsel)), copy.copy(morsel), morsel.copy()):
        assert twin.value == morsel.value
        assert "HttpOnly" in twin.OutputString()
    response.delete_cookie("device_fp")
    assert response.cookies["device_fp"].OutputString() != header
    assert "Max-Age=0" in response.cookies["device_fp"].OutputString()


CHANGES: list[Callable[[Any], object]] = [
    lambda morsel: morsel.__setitem__("path", "/shop/"),
    lambda morsel: morsel.__delitem__("httponly"),
    lambda morsel: morsel.__ior__({"path": "/shop/"}),
    lambda morsel: morsel.update({"path": "/shop/"}),
    lambda morsel: morsel.set("device_fp", "another", "another"),
    lambda morsel: morsel.__setstate__({"key": "device_fp", "value": "x", "coded_value": "x"}),
    lambda morsel: morsel.pop("max-age"),
    lambda morsel: morsel.clear(),
]


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_the_cookie_shows(change: Callable[[Any], object]) -> None:
    request = RequestFactory().get("/page/", headers=NAVIGATION)
    response: Any = HeadraceMiddleware(lambda request: HttpResponse())(request)
    morsel = response.cookies["device_fp"]
    plain: Any = Morsel()
    plain.set(morsel.key, morsel.value, morsel.coded_value)
    dict.update(plain, morsel)
    before = morsel.OutputString()
    change(plain)
    change(morsel)
    assert morsel.OutputString() == plain.OutputString() != before


def test_pairs_of_headers_are_django_s_own() -> None:
    response = HttpResponse("x", headers={"Cache-Control": "no-store", "x-a": "1"})
    assert isinstance(site.header_pairs(response), list)
    assert site.header_pairs(response) == list(response.headers.items())


# --- failures of ours -------------------------------------------------------------------------


def broken(*arguments: Any) -> Any:
    raise RuntimeError("planted")


@pytest.mark.parametrize("name", ["_enter_in_full", "add_set_cookie", "time_response"])
@override_settings(HEADRACE={"SINK": "memory:", "REQUEST_ID": "X-Request-ID"})
def test_page_goes_out_though_we_fail(
    name: str, get: Get, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(site.Site if name == "_enter_in_full" else site, name, broken)
    monkeypatch.setattr(site, "_allowance", Allowance(1))
    with override_settings(HEADRACE={**settings.HEADRACE, "SLOW_REQUEST": 0.0}):
        for _ in range(3):
            response = get("/page/", NAVIGATION)
            assert (response.status_code, response.content) == (200, b"page")
    lines = caplog.text.count("RuntimeError: planted")
    assert 1 <= lines <= 2  # one a minute, and a minute may end between


@override_settings(HEADRACE={**REQUIRED, "REQUEST_ID": "X-Request-ID"})
def test_nobody_gets_in_because_we_fail(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site.Site, "_enter_in_full", broken)
    assert get("/api/user/", bearer()).status_code == 500


def test_asking_for_the_sink_while_settings_are_read_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(site, "read", lambda: headrace.django.sink())
    with pytest.raises(ImproperlyConfigured, match="while its settings are being read"):
        headrace.django.gate()
