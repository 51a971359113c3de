# SPDX-License-Identifier: MIT
"""The Django middleware through the real handlers, sync and async."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import SyncToAsync, iscoroutinefunction
from django.conf import UserSettingsHolder, global_settings, settings
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory, override_settings

import headrace.django
from headrace import FingerprintCookie
from headrace.django import conf
from headrace.django.middleware import HeadraceMiddleware
from tests.django import urls
from tests.django.conftest import NAVIGATION, Events, Get
from tests.oracle.jws import make_token

SECRET_KEY = "a secret key of the tests, long enough for HS256"
MIDDLEWARE = "headrace.django.middleware.HeadraceMiddleware"
KINDS = ["/page/", "/async/", "/stream/", "/file/", "/missing/", "/redirect/", "/never/"]


def bearer(**claims: Any) -> dict[str, str]:
    return {"authorization": "Bearer " + make_token(secret=SECRET_KEY, **claims)}


def test_new_visitor_gets_a_cookie_and_comes_back(get: Get, events: Events) -> None:
    first = get("/community/7/", NAVIGATION)
    morsel = first.cookies["device_fp"]
    assert (morsel["max-age"], morsel["path"], morsel["samesite"]) == ("2592000", "/", "Lax")
    assert morsel["httponly"]
    assert not morsel["secure"]
    assert first.json()["is_new"] is True
    second = get("/community/8/", NAVIGATION)
    assert "device_fp" not in second.cookies
    assert second.json()["fingerprint"] == first.json()["fingerprint"]
    new, returning = events()
    assert (new["new"], new["path"], new["route"]) == ("1", "/community/7/", "community/<int:pk>/")
    assert "new" not in returning
    assert new["fingerprint"] == returning["fingerprint"] == first.json()["fingerprint"]


def test_cookie_is_secure_on_https(get: Get) -> None:
    option = {"secure": True}
    assert get("/page/", NAVIGATION, **option).cookies["device_fp"]["secure"]


@override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"))
def test_secure_follows_the_proxy_header_that_django_trusts(get: Get) -> None:
    response = get("/page/", {**NAVIGATION, "x-forwarded-proto": "https"})
    assert response.cookies["device_fp"]["secure"]


def test_user_with_a_token(get: Get, events: Events) -> None:
    response = get("/api/show/", bearer(user_id=7))
    assert response.json() == {
        "label": "api",
        "user": "7",
        "reason": None,
        "is_new": False,
        "fingerprint": None,
    }
    [event] = events()
    assert (event["user"], event["label"]) == ("7", "api")


@pytest.mark.parametrize(
    ("claims", "reason"),
    [({"exp": 1}, "expired"), ({"token_type": "refresh"}, "unexpected_value")],
)
def test_bad_token_is_no_user(get: Get, claims: dict[str, Any], reason: str) -> None:
    response = get("/api/show/", bearer(**claims))
    assert (response.status_code, response.json()["reason"]) == (200, reason)


def test_static_files_are_left_alone(get: Get, events: Events) -> None:
    assert get("/static/app.css", NAVIGATION).cookies == {}
    assert events() == []


def test_view_adds_fields(get: Get, events: Events) -> None:
    get("/add/")
    assert events()[0]["plan"] == "pro"


@pytest.mark.parametrize(
    ("path", "handed_out"),
    [
        ("/page/", True),
        ("/never/", True),
        ("/redirect/", True),
        ("/stream/", True),
        ("/moved/", False),
        ("/not-modified/", False),
        ("/missing/", False),
        ("/boom/", False),
        ("/cached/", False),
        ("/public/", False),
        ("/static/app.css", False),
        ("/api/show/", False),
    ],
)
def test_where_the_cookie_is_handed_out(get: Get, path: str, handed_out: bool) -> None:
    assert ("device_fp" in get(path, NAVIGATION).cookies) == handed_out


@pytest.mark.parametrize("path", KINDS)
def test_response_is_the_same_with_and_without(get: Get, path: str) -> None:
    def seen(response: Any) -> tuple[int, dict[str, str], bytes]:
        streaming = response.streaming and not response.is_async
        content = b"".join(response) if streaming else getattr(response, "content", b"")
        headers = dict(response.headers)
        headers.pop("Expires", None)  # the second it was made in
        return response.status_code, headers, content

    with_us = seen(get(path))
    with override_settings(MIDDLEWARE=settings.MIDDLEWARE[1:]):
        assert seen((Client() if not get.is_async else _Once()).get(path)) == with_us


class _Once:
    def get(self, path: str) -> Any:
        return asyncio.run(AsyncClient().get(path))


def test_exception_in_a_view_is_recorded_once(get: Get, events: Events) -> None:
    assert get("/boom/", bearer()).status_code == 500
    [event] = events()
    assert (event["status"], event["path"]) == ("500", "/boom/")


def test_missing_page_of_a_user_is_recorded(get: Get, events: Events) -> None:
    assert get("/nowhere/", bearer()).status_code == 404
    assert events()[0]["status"] == "404"


def test_streaming_body_is_intact(events: Events) -> None:
    response = Client().get("/stream/", headers=NAVIGATION)
    assert b"".join(response) == b"one two"
    assert len(events()) == 1


def test_async_streaming_body_is_intact(events: Events) -> None:
    async def read() -> bytes:
        response = await AsyncClient().get("/async-stream/", headers=NAVIGATION)
        return b"".join([chunk async for chunk in response])

    assert asyncio.run(read()) == b"one two"
    assert len(events()) == 1


def read_whole(response: StreamingHttpResponse) -> None:
    assert b"".join(response) == b"one two"  # type: ignore[arg-type]


def leave_early(response: StreamingHttpResponse) -> None:
    assert next(iter(response)) == b"one "


def ask_for_nothing(response: StreamingHttpResponse) -> None:
    """As servers do for HEAD."""


def break_it(response: StreamingHttpResponse) -> None:
    with pytest.raises(RuntimeError, match="in the middle"):
        b"".join(response)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("read", "status"),
    [(read_whole, "200"), (leave_early, "499"), (ask_for_nothing, "200"), (break_it, "500")],
)
def test_stream_ends_as_its_body_does(read: Any, status: str, events: Events) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"one "
        if read is break_it:
            raise RuntimeError("in the middle")
        yield b"two"

    middleware = HeadraceMiddleware(lambda request: StreamingHttpResponse(chunks()))
    response = middleware(RequestFactory().get("/api/show/", headers=bearer()))
    assert events() == []
    read(response)
    response.close()  # type: ignore[union-attr]
    assert [event["status"] for event in events()] == [status]


def test_async_stream_that_breaks_is_a_500(events: Events) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one "
        raise RuntimeError("in the middle")

    async def view(request: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse(chunks())

    async def scenario() -> None:
        answer: Any = HeadraceMiddleware(view)(
            AsyncRequestFactory().get("/api/show/", headers=bearer())
        )
        response = await answer
        with pytest.raises(RuntimeError, match="in the middle"):
            async for _ in response:
                pass
        response.close()

    asyncio.run(scenario())
    assert [event["status"] for event in events()] == ["500"]


def test_cancelled_request_is_recorded_as_499(events: Events) -> None:
    async def scenario() -> None:
        urls.entered.clear()
        client = AsyncClient()
        task = asyncio.ensure_future(client.get("/forever/", headers=bearer()))
        while not urls.entered:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    [event] = events()
    assert event["status"] == "499"


def test_failure_below_is_recorded_once_and_raised(events: Events) -> None:
    """Django turns an exception into a response below us; other middleware need not."""

    def fails(request: HttpRequest) -> HttpResponse:
        raise KeyError(request.path)

    async def afails(request: HttpRequest) -> HttpResponse:
        raise KeyError(request.path)

    async def call() -> None:
        await HeadraceMiddleware(afails)(AsyncRequestFactory().get("/page/", headers=bearer()))

    with pytest.raises(KeyError):
        HeadraceMiddleware(fails)(RequestFactory().get("/page/", headers=bearer()))
    with pytest.raises(KeyError):
        asyncio.run(call())
    assert [event["status"] for event in events()] == ["500", "500"]


def test_it_says_whether_it_is_async() -> None:
    """Middleware above asks: without the answer it would take a coroutine for a response."""

    async def aview(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    assert iscoroutinefunction(HeadraceMiddleware(aview))
    assert not iscoroutinefunction(HeadraceMiddleware(lambda request: HttpResponse()))


@pytest.mark.django_db
def test_user_of_the_session_is_in_the_event(events: Events) -> None:
    user = User.objects.create_user("ann")
    client = Client()
    client.force_login(user)
    response = client.get("/session-user/", headers=NAVIGATION)
    assert response.content == b"ann"
    assert "device_fp" not in response.cookies
    assert events()[0]["user"] == str(user.pk)


@pytest.mark.django_db
def test_session_nobody_looked_at_is_not_loaded(
    events: Events, django_assert_num_queries: Any
) -> None:
    client = Client()
    client.force_login(User.objects.create_user("ann"))
    with django_assert_num_queries(0):
        response = client.get("/page/", headers=NAVIGATION)
    assert "Vary" not in response.headers
    assert "user" not in events()[0]


def test_no_hop_and_no_thread_is_added() -> None:
    """Counts with and without the middleware; a sync-only one is seen to add a hop."""
    hops: list[object] = []
    original = SyncToAsync.__call__

    async def counting(self: Any, *args: Any, **kwargs: Any) -> Any:
        hops.append(self.func)
        return await original(self, *args, **kwargs)

    def count(middleware: list[str]) -> tuple[int, int]:
        hops.clear()
        before = threading.active_count()
        with override_settings(MIDDLEWARE=middleware):
            asyncio.run(AsyncClient().get("/async/", headers=NAVIGATION))
        return len(hops), threading.active_count() - before

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SyncToAsync, "__call__", counting)
        without = count([])
        assert count([MIDDLEWARE]) == without
        assert count(["tests.django.test_middleware.SyncOnly"])[0] > without[0]


class SyncOnly:
    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        return self.get_response(request)


@pytest.mark.parametrize(
    "setting",
    [
        {"SINK": None},
        {"SINK": "memory:", "JWT": None},
        {"SINK": "memory:", "FINGERPRINT": None},
        {"SINK": "memory:", "PATHS": {"skip": [], "api": []}},
    ],
)
def test_each_part_may_be_off(get: Get, setting: dict[str, Any]) -> None:
    with override_settings(HEADRACE=setting):
        response = get("/community/1/", {**NAVIGATION, **bearer(user_id=3)})
    assert response.status_code == 200
    assert response.json()["user"] == (None if "JWT" in setting else "3")


def test_required_label_is_refused_before_the_view(get: Get, events: Events) -> None:
    with override_settings(HEADRACE={"SINK": "memory:", "REQUIRE_TOKEN": ["api"]}):
        response = get("/api/show/")
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="api"'
        assert (response.json()["code"], response.json()["reason"]) == ("not_authenticated", None)
        response = get("/api/show/", bearer(exp=1))
        assert (response.json()["code"], response.json()["reason"]) == (
            "token_not_valid",
            "expired",
        )
        assert get("/api/show/", method="options").status_code == 200
        assert get("/api/show/", bearer()).status_code == 200


@override_settings(ENABLED=False)
def test_turned_off(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    with override_settings(HEADRACE={"ENABLED": False}):
        assert get("/page/", NAVIGATION).cookies == {}
    monkeypatch.setenv("HEADRACE_ENABLED", "0")
    with override_settings(HEADRACE={"ENABLED": True}):
        assert Client().get("/page/", headers=NAVIGATION).cookies == {}


def test_overridden_settings_take_effect_on_a_used_client(get: Get) -> None:
    assert "device_fp" in get("/page/", NAVIGATION).cookies
    get.client.cookies.clear()
    with override_settings(HEADRACE={"SINK": "memory:", "FINGERPRINT": {"name": "visitor"}}):
        assert list(get("/page/", NAVIGATION).cookies) == ["visitor"]
    get.client.cookies.clear()
    assert list(get("/page/", NAVIGATION).cookies) == ["device_fp"]


def test_key_rotation_keeps_the_visitor(get: Get) -> None:
    first = get("/show/", NAVIGATION).json()["fingerprint"]
    with override_settings(
        SECRET_KEY="another secret key, as long as the first one",
        SECRET_KEY_FALLBACKS=[SECRET_KEY],
    ):
        again = get("/show/", NAVIGATION)
        assert again.json()["fingerprint"] == first
        assert "device_fp" in again.cookies  # signed with the new key
    with override_settings(SECRET_KEY="another secret key, as long as the first one"):
        assert get("/show/", NAVIGATION).json()["fingerprint"] == first


def test_very_many_old_keys(get: Get) -> None:
    with override_settings(SECRET_KEY_FALLBACKS=[f"old key {number}" for number in range(40)]):
        assert "device_fp" in get("/page/", NAVIGATION).cookies


def test_minting_response_is_kept_out_of_djangos_cache() -> None:
    order = [
        "django.middleware.cache.UpdateCacheMiddleware",
        MIDDLEWARE,
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]
    with override_settings(MIDDLEWARE=order, CACHE_MIDDLEWARE_SECONDS=60):
        values = [
            Client().get("/page/", headers=NAVIGATION).cookies["device_fp"].value for _ in "ab"
        ]
    assert values[0] != values[1]


def test_masked_path(get: Get, events: Events) -> None:
    get("/reset/abc/a-secret-token/")
    assert events()[0]["path"] == "reset/<uidb64>/<token>/"


@override_settings(
    HEADRACE={"SINK": "memory:", "RESPONSE_TIME_HEADER": True, "SERVER_TIMING": True}
)
def test_timing_headers(get: Get) -> None:
    response = get("/page/")
    assert response.headers["X-Response-Time"].isdigit()
    assert response.headers["Server-Timing"].startswith("total;dur=")


@override_settings(HEADRACE={"SINK": "memory:", "SERVER_TIMING": True})
def test_timing_of_the_view_is_kept() -> None:
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(headers={"Server-Timing": "db;dur=3"})

    response = HeadraceMiddleware(view)(RequestFactory().get("/page/"))
    assert isinstance(response, HttpResponse)
    assert response.headers["Server-Timing"].startswith("db;dur=3, total;dur=")


@override_settings(HEADRACE={"SINK": "memory:", "SLOW_REQUEST": 0})
def test_slow_request_is_logged(get: Get, caplog: pytest.LogCaptureFixture) -> None:
    get("/community/3/")
    [record] = [r for r in caplog.records if r.name == "headrace.slow"]
    assert (record.path, record.status, record.label) == ("/community/3/", 200, "track")


def test_emit_sends_an_event_of_ones_own(events: Events) -> None:
    assert headrace.django.emit("signup", {"plan": "pro"})
    assert (events()[0]["kind"], events()[0]["plan"]) == ("signup", "pro")


@pytest.mark.parametrize(
    ("setting", "prefix"),
    [
        ({"SINK": "redis://x"}, "headrace:tests:"),  # as the settings module begins
        ({"SINK": {"url": "redis://x", "stream": "s"}, "NAME": "a.B_c-9"}, "headrace:a.B_c-9:"),
        ({"SINK": {"url": "redis://x", "prefix": "p/"}, "NAME": "shop"}, "p/"),
        ({"SINK": {"url": "redis://x", "prefix": ""}}, ""),
        ({"SINK": None, "NAME": "x" * 32}, f"headrace:{'x' * 32}:"),
    ],
)
def test_every_key_in_redis_begins_with_the_sites_prefix(
    setting: dict[str, Any], prefix: str
) -> None:
    with override_settings(HEADRACE=setting):
        found = conf.read()
    assert found.keys.prefix == prefix
    assert found.sink is None or found.sink["prefix"] == prefix


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("mysite.settings.production", "mysite"),
        ("settings", "settings"),
        (None, "site"),
        ("caf\u00e9.settings", "site"),
        ("x" * 33, "site"),
    ],
)
def test_the_name_is_that_of_the_settings_module(
    monkeypatch: pytest.MonkeyPatch, module: str | None, name: str
) -> None:
    holder: Any = UserSettingsHolder(global_settings)  # as settings.configure() makes it
    if module is not None:
        holder.SETTINGS_MODULE = module
    holder.HEADRACE, holder.SECRET_KEY = {}, SECRET_KEY
    monkeypatch.setattr(settings, "_wrapped", holder)
    assert conf.read().name == name
    with override_settings(DEBUG=True):
        assert conf.read().name == name


@override_settings(HEADRACE={"SINK": None})
def test_emit_without_a_sink_is_refused() -> None:
    assert headrace.django.emit("signup") is False


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ({"SNIK": "memory:"}, "did you mean 'SINK'"),
        ({"SINK": 7}, r'HEADRACE\["SINK"\]'),
        ({"SINK": "http://x"}, r'HEADRACE\["SINK"\]'),
        ({"SINK": {"url": "memory:", "lingr": 1}}, "did you mean 'linger'"),
        (
            {"SINK": {"url": "memory:", "prefix": "a b"}},
            r'HEADRACE\["SINK"\]: prefix: up to 64 printable ASCII characters without blanks',
        ),
        ({"SINK": {"url": "memory:", "prefix": 7}}, r'HEADRACE\["SINK"\]: prefix: a str'),
        ({"NAME": ""}, r'HEADRACE\["NAME"\]: must be 1 to 32 letters, digits'),
        ({"NAME": "x" * 33}, r'HEADRACE\["NAME"\]'),
        ({"NAME": "a:b"}, r'HEADRACE\["NAME"\]'),
        ({"NAME": "caf\u00e9"}, r'HEADRACE\["NAME"\]'),
        ({"NAME": "shop\n"}, r'HEADRACE\["NAME"\]'),
        ({"NAME": None}, r'HEADRACE\["NAME"\]'),
        ({"PATHS": ["/x/"]}, r'HEADRACE\["PATHS"\]'),
        ({"PATHS": {"skip": "/x/"}}, "list of str"),
        ({"PATHS": {"skip": ["x*y"]}}, r'HEADRACE\["PATHS"\]'),
        ({"JWT": {"keys": [{"secret": "short", "algorithm": "HS256"}]}}, r'HEADRACE\["JWT"\]'),
        ({"JWT": {"keys": [{"secret": "", "algorithm": "HS256"}]}}, r'HEADRACE\["JWT"\]'),
        ({"JWT": {"leway": 1}}, "did you mean 'leeway'"),
        ({"FINGERPRINT": {"mode": "maybe"}}, r'HEADRACE\["FINGERPRINT"\]'),
        ({"FINGERPRINT": {"name": "a b"}}, r'HEADRACE\["FINGERPRINT"\]'),
        ({"REQUIRE_TOKEN": ["nope"]}, r'HEADRACE\["REQUIRE_TOKEN"\]'),
        ({"REQUIRE_TOKEN": "api"}, r'HEADRACE\["REQUIRE_TOKEN"\]'),
        ({"SLOW_REQUEST": "fast"}, r'HEADRACE\["SLOW_REQUEST"\]'),
        ({"TRUSTED_PROXIES": True}, r'HEADRACE\["TRUSTED_PROXIES"\]'),
        ({"TRUSTED_PROXIES": 10**30}, r'HEADRACE\["TRUSTED_PROXIES"\]'),
        ({"SINK": {"url": "memory:", "batch": 10**30}}, r'HEADRACE\["SINK"\]'),
        ({"JWT": {"max_bytes": 10**30}}, r'HEADRACE\["JWT"\]'),
        ({"JWT": {"keys": [{"secret": "s" * 32, "algoritm": "HS256"}]}}, "mean 'algorithm'"),
        ({"FINGERPRINT": {"max_age": 10**30}}, r'HEADRACE\["FINGERPRINT"\]'),
        ({"FINGERPRINT": {"hash_ids": 1}}, r'HEADRACE\["FINGERPRINT"\]: hash_ids'),
        ([], "HEADRACE"),
    ],
)
def test_wrong_settings_are_errors_that_name_them(setting: Any, text: str) -> None:
    with override_settings(HEADRACE=setting), pytest.raises(ImproperlyConfigured, match=text):
        HeadraceMiddleware(lambda request: HttpResponse())


@pytest.mark.parametrize(
    "settings",
    [
        {"HEADRACE": {"SET_USER": True}},
        {"HEADRACE": {"TOKEN_FROM": ["cookie:jwt"]}},
        {"HEADRACE": {"REQUIRE_TOKEN": ["api"]}},
        {"HEADRACE": {"JWT": {"audience": "shop"}}},
        {"HEADRACE": {}, "SIMPLE_JWT": {"AUDIENCE": "shop"}},
    ],
)
def test_short_secret_key_of_a_site_with_tokens_is_an_error(settings: dict[str, Any]) -> None:
    with (
        override_settings(SECRET_KEY="short", **settings),
        pytest.raises(ImproperlyConfigured, match="SECRET_KEY"),
    ):
        HeadraceMiddleware(lambda request: HttpResponse())


def test_times_may_be_timedeltas(get: Get) -> None:
    times = {
        "SLOW_REQUEST": timedelta(milliseconds=250),
        "FINGERPRINT": {"max_age": timedelta(days=7)},
    }
    with override_settings(HEADRACE={"SINK": None, **times}):
        assert conf.read().slow_request == 0.25
        assert get("/page/", NAVIGATION).cookies["device_fp"]["max-age"] == "604800"


def test_settings_of_simplejwt_take_effect_on_a_used_client(get: Get, events: Events) -> None:
    other = "another secret, that simplejwt signs with"
    header = {"authorization": f"Bearer {make_token(secret=other, user_id=7)}"}
    get("/page/", header)
    with override_settings(SIMPLE_JWT={"SIGNING_KEY": other}):
        get("/page/", header)
    assert [event.get("user") for event in events()] == [None, "7"]


@override_settings(SECRET_KEY="short", HEADRACE={"SINK": "memory:"})
def test_short_secret_key_of_a_site_without_tokens_turns_them_off(
    get: Get, events: Events, caplog: pytest.LogCaptureFixture
) -> None:
    forged = make_token(secret="short")
    for _ in range(2):
        response = get("/page/", {**NAVIGATION, "authorization": f"Bearer {forged}"})
        assert response.status_code == 200
    first, _ = events()
    assert first["fingerprint"]
    assert "user" not in first
    assert headrace.django.verifier() is None
    assert caplog.text.count("headrace.W015") == 1


@override_settings(HEADRACE={}, DEBUG=False)
def test_no_sink_setting_is_off_with_one_log_line(
    get: Get, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HEADRACE_SINK", raising=False)
    get("/page/", NAVIGATION)
    get("/page/", NAVIGATION)
    assert headrace.django.sink() is None
    assert [r.message for r in caplog.records if "W001" in r.message] != []
    assert len([r for r in caplog.records if "W001" in r.message]) == 1


@override_settings(HEADRACE={})
def test_sink_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_SINK", "memory:")
    assert headrace.django.sink() is not None


@pytest.mark.parametrize("factory", [RequestFactory, AsyncRequestFactory])
def test_request_of_a_factory_without_any_header(factory: Any) -> None:
    request = factory().get("/page/")
    request.META.pop("HTTP_COOKIE", None)
    middleware = HeadraceMiddleware(lambda request: HttpResponse("x"))
    assert middleware(request).status_code == 200
    assert request.visit.label == "track"


def test_cookie_signed_by_another_site_is_not_believed(get: Get, events: Events) -> None:
    foreign = FingerprintCookie(keys=["another site's"]).mint()
    get("/page/", {**NAVIGATION, "cookie": f"device_fp={foreign.value}"})
    [event] = events()
    assert event["fingerprint"] != foreign.id
    assert event["new"] == "1"


def test_shared_visit_of_an_outer_wrapper_is_used() -> None:
    gate = headrace.django.gate()
    request = RequestFactory().get("/page/", headers=NAVIGATION)
    visit = gate.enter(request.META)
    request.META["headrace.visit"] = visit
    HeadraceMiddleware(lambda request: HttpResponse())(request)
    assert request.visit is visit
    assert visit.finish(200) == []
