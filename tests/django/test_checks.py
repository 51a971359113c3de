# SPDX-License-Identifier: MIT
"""Each system check: the settings that it is for, and the nearest ones that it leaves alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.core import checks
from django.test import override_settings
from django.urls import URLPattern, URLResolver, include, path, re_path, set_script_prefix
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

from headrace import Key
from headrace.django.checks import CORS, CSRF, MIDDLEWARE, UPDATE_CACHE
from headrace.django.conf import KEYS
from headrace.django.middleware import HeadraceMiddleware
from tests.oracle.tokens import public_pem

# Django 6.1 asks every database what it supports
pytestmark = pytest.mark.django_db(databases="__all__")

SECRET = "a secret of the tests, long enough for HS256"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"


class OurMiddleware(HeadraceMiddleware):
    pass


class TokenPatterns:
    urlpatterns: ClassVar[list[URLPattern]] = [
        path("auth/", include([path("token/", TokenObtainPairView.as_view())])),
        path("api/<slug:tenant>/refresh/", TokenRefreshView.as_view()),
    ]


class TokenExpressions:
    urlpatterns: ClassVar[list[URLPattern | URLResolver]] = [
        re_path(r"^v(?P<version>[12])/", include([re_path("^t/$", TokenObtainPairView.as_view())]))
    ]


class LoginPatterns:
    urlpatterns: ClassVar[list[URLPattern]] = [
        path("api/in/", TokenObtainPairView.as_view(), name="in")
    ]


def found(deploy: bool = False, **changed: Any) -> set[str]:
    headrace = changed.pop("HEADRACE", {})
    defaults = {"HEADRACE": {"SINK": None, **headrace}, "MIDDLEWARE": [MIDDLEWARE]}
    with override_settings(**{**defaults, **changed}):
        messages = checks.run_checks(include_deployment_checks=deploy)
    ours = [message for message in messages if str(message.id).startswith("headrace.")]
    for message in ours:
        assert message.hint or message.id == "headrace.E001"  # its text says what to do
    return {str(message.id).partition(".")[2] for message in ours}


MEMORY = {"SINK": "memory:"}
REDIS = {"SINK": "rediss://x"}
REQUIRED = {"REQUIRE_TOKEN": ["api"]}
FROM_COOKIE = {"TOKEN_FROM": ["bearer", "cookie:jwt"]}
PRIVATE = {"FINGERPRINT": {"mode": "off", "gpc": "off"}}


@pytest.mark.parametrize(
    ("number", "wrong", "right"),
    [
        ("E001", {"HEADRACE": {"SINK": "redsi://x"}}, {"HEADRACE": {"SINK": "redis://x"}}),
        ("E001", {"HEADRACE": {"SNIK": None}}, {}),
        ("E001", {"SECRET_KEY": "short", "HEADRACE": {"SET_USER": True}}, {"SECRET_KEY": SECRET}),
        ("W015", {"SECRET_KEY": "short"}, {"SECRET_KEY": SECRET}),
        ("W015", {"SECRET_KEY": "short"}, {"SECRET_KEY": "short", "HEADRACE": {"JWT": None}}),
        (
            "E001",
            {"HEADRACE": {"FINGERPRINT": {"name": "__Host-v", "domain": "a.example"}}},
            {"HEADRACE": {"FINGERPRINT": {"name": "__Host-v"}}},
        ),
        ("E002", {"MIDDLEWARE": [MIDDLEWARE, AUTH, MIDDLEWARE]}, {"MIDDLEWARE": [MIDDLEWARE]}),
        ("W001", {"HEADRACE": {"SINK": ...}}, {}),
        ("W016", {"HEADRACE": REDIS}, {"HEADRACE": {**REDIS, "NAME": "shop"}}),
        ("W016", {"HEADRACE": REDIS}, {"HEADRACE": {"SINK": {"url": "redis://x", "prefix": ""}}}),
        ("W016", {"HEADRACE": {"SINK": {"url": "unix:///x"}}}, {"HEADRACE": MEMORY}),
        (
            "W002",
            {"MIDDLEWARE": [UPDATE_CACHE, MIDDLEWARE]},
            {"MIDDLEWARE": [MIDDLEWARE, UPDATE_CACHE]},
        ),
        (
            "W005",
            {
                "ASGI_APPLICATION": "x.asgi.application",
                "MIDDLEWARE": [MIDDLEWARE, "tests.django.test_middleware.SyncOnly"],
            },
            {"MIDDLEWARE": [MIDDLEWARE, "tests.django.test_middleware.SyncOnly"]},
        ),
        (
            "W005",
            {
                "ASGI_APPLICATION": "x.asgi.application",
                "MIDDLEWARE": ["tests.django.test_middleware.SyncOnly", MIDDLEWARE],
            },
            {"ASGI_APPLICATION": "x.asgi.application", "MIDDLEWARE": [MIDDLEWARE, AUTH]},
        ),
        ("W006", {"MIDDLEWARE": [AUTH]}, {}),
        (
            "W007",
            {"HEADRACE": REQUIRED, "MIDDLEWARE": [MIDDLEWARE, CORS]},
            {"HEADRACE": REQUIRED, "MIDDLEWARE": [CORS, MIDDLEWARE]},
        ),
        (
            "W007",
            {"HEADRACE": REQUIRED, "MIDDLEWARE": [MIDDLEWARE, CORS]},
            {"MIDDLEWARE": [MIDDLEWARE, CORS]},
        ),
        (
            "W008",
            {"HEADRACE": REQUIRED, "LOGIN_URL": "/api/login/"},
            {"HEADRACE": REQUIRED, "LOGIN_URL": "/login/"},
        ),
        (
            "W009",
            {"HEADRACE": REQUIRED, "ROOT_URLCONF": TokenPatterns},
            {"ROOT_URLCONF": TokenPatterns},
        ),
        (
            "W009",
            {
                "HEADRACE": {"REQUIRE_TOKEN": ["a"], "PATHS": {"a": ["/auth/"]}},
                "ROOT_URLCONF": TokenPatterns,
            },
            {
                "HEADRACE": {"REQUIRE_TOKEN": ["a"], "PATHS": {"a": ["/account/"]}},
                "ROOT_URLCONF": TokenPatterns,
            },
        ),
        (
            "W009",
            {
                "HEADRACE": {"REQUIRE_TOKEN": ["a"], "PATHS": {"a": ["/*/t/"]}},
                "ROOT_URLCONF": TokenExpressions,
            },
            {
                "HEADRACE": {"REQUIRE_TOKEN": ["a"], "PATHS": {"a": ["/*/u/"]}},
                "ROOT_URLCONF": TokenExpressions,
            },
        ),
        (
            "W014",
            {"HEADRACE": FROM_COOKIE},
            {"HEADRACE": FROM_COOKIE, "MIDDLEWARE": [MIDDLEWARE, CSRF]},
        ),
    ],
)
def test_check(number: str, wrong: dict[str, Any], right: dict[str, Any]) -> None:
    if wrong.get("HEADRACE", {}).get("SINK") is ...:
        with override_settings(HEADRACE={}, MIDDLEWARE=[MIDDLEWARE], DEBUG=False):
            ids = {message.id for message in checks.run_checks()}
        assert f"headrace.{number}" in ids
    else:
        assert number in found(**wrong)
    assert number not in found(**right)


def test_login_page_of_a_site_below_a_prefix() -> None:
    """LOGIN_URL carries the prefix, the paths that rules are held against do not."""
    set_script_prefix("/shop/")
    try:
        site = {"ROOT_URLCONF": LoginPatterns, "LOGIN_URL": "in"}
        assert "W008" in found(HEADRACE=REQUIRED, **site)
        assert "W008" not in found(**site)
    finally:
        set_script_prefix("/")


def test_set_user_needs_the_app_of_users(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = {"HEADRACE": {"SET_USER": True}}
    assert "E003" not in found(**setting)
    monkeypatch.setattr("headrace.django.checks.apps.is_installed", lambda name: False)
    assert "E003" in found(**setting)


def test_secrets_and_public_keys_together() -> None:
    secret = {"secret": SECRET, "algorithm": "HS256"}
    public = Key.pem(public_pem("RS256"), algorithm="RS256")
    assert "W010" in found(HEADRACE={"JWT": {"keys": [secret, public]}})
    assert "W010" not in found(HEADRACE={"JWT": {"keys": [secret]}})
    assert "W010" not in found(HEADRACE={"JWT": {"keys": [public]}})


@pytest.mark.parametrize(
    ("number", "wrong", "right"),
    [
        ("W003", {}, {"SECURE_SSL_REDIRECT": True}),
        ("W003", {}, {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}),
        ("W003", {}, {"HEADRACE": {"FINGERPRINT": None}}),
        ("W004", {}, {"HEADRACE": PRIVATE}),
        ("W004", {}, {"HEADRACE": {"FINGERPRINT": {"consent": lambda request: "cookie"}}}),
        ("W011", {"HEADRACE": MEMORY}, {"HEADRACE": {"SINK": "redis://localhost"}}),
        (
            "W012",
            {"HEADRACE": {"FINGERPRINT": {"samesite": "None"}}},
            {"HEADRACE": {"FINGERPRINT": {"samesite": "None"}}, "SECURE_SSL_REDIRECT": True},
        ),
        ("W012", {"HEADRACE": {"FINGERPRINT": {"samesite": "none"}}}, {}),
        (
            "W013",
            {"HEADRACE": {"EVENT_FIELDS": ["ip"], **PRIVATE}, "USE_X_FORWARDED_HOST": True},
            {
                "HEADRACE": {"EVENT_FIELDS": ["ip"], **PRIVATE, "TRUSTED_PROXIES": 1},
                "USE_X_FORWARDED_HOST": True,
            },
        ),
        (
            "W013",
            {"USE_X_FORWARDED_HOST": True},
            {"HEADRACE": PRIVATE, "USE_X_FORWARDED_HOST": True},
        ),
    ],
)
def test_check_of_a_deployment(number: str, wrong: dict[str, Any], right: dict[str, Any]) -> None:
    assert number in found(deploy=True, **wrong)
    assert number not in found(**wrong)
    assert number not in found(deploy=True, **right)


def test_nothing_is_said_where_headrace_is_off() -> None:
    assert found(HEADRACE={"ENABLED": False}, deploy=True, MIDDLEWARE=[]) == set()


def test_subclass_of_the_middleware_counts() -> None:
    assert "W006" not in found(MIDDLEWARE=["tests.django.test_checks.OurMiddleware"])


def test_middleware_that_cannot_be_imported_is_djangos_business() -> None:
    assert found(MIDDLEWARE=[MIDDLEWARE, "no.such.Middleware"], ASGI_APPLICATION="x") == set()
    assert "W006" in found(MIDDLEWARE=["no.such.Middleware"])


def test_every_check_is_documented(root: Path) -> None:
    source = (root / "pysrc/headrace/django/checks.py").read_text()
    documented = (root / "docs/reference/checks.md").read_text()
    numbers = {f"W{n:03}" for n in range(1, 17)} | {"E001", "E002", "E003"}
    for number in numbers:
        assert f"headrace.{number}" in documented
    assert source.count("_warning(\n") == 16


def test_every_setting_is_documented(root: Path) -> None:
    documented = (root / "docs/reference/settings.md").read_text()
    assert [key for key in KEYS if f"\n### `{key}: " not in documented] == []
