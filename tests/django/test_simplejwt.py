# SPDX-License-Identifier: MIT
"""simplejwt, the real package, with headrace.simplejwt.TokenBackend in place."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from rest_framework.test import APIRequestFactory
from rest_framework_simplejwt import serializers, state
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import (
    ExpiredTokenError,
    InvalidToken,
    TokenBackendError,
    TokenBackendExpiredToken,
    TokenError,
)
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, SlidingToken

from headrace import simplejwt
from headrace.simplejwt import TokenBackend
from tests.oracle.tokens import ECS, RSAS, SECRET, private_pem, public_jwk, public_pem, token

NOW = int(time.time())


@pytest.fixture(autouse=True)
def _installed() -> Iterator[None]:
    global NOW
    NOW = int(time.time())  # of this test: the whole run takes longer than a token lives
    simplejwt.install()
    yield
    simplejwt.uninstall()


def test_it_is_simplejwts_own_backend() -> None:
    assert isinstance(state.token_backend, TokenBackend)
    assert isinstance(AccessToken().token_backend, TokenBackend)


def test_tokens_of_simplejwt_verify() -> None:
    made = AccessToken()
    made["user_id"] = "42"
    again = AccessToken(str(made))
    assert again.payload == made.payload
    assert list(again.payload) == list(made.payload)


@pytest.mark.parametrize("algorithm", ["HS256", "HS512", *RSAS, *ECS])
def test_every_algorithm(algorithm: str) -> None:
    if algorithm.startswith("HS"):
        backend = TokenBackend(algorithm, SECRET)
    else:
        backend = TokenBackend(
            algorithm, private_pem(algorithm).decode(), public_pem(algorithm).decode()
        )
    text = backend.encode({"a": 1})
    assert backend.decode(text) == {"a": 1}
    header, payload, signature = text.split(".")
    with pytest.raises(TokenBackendError, match="Token is invalid"):
        backend.decode(f"{header}.{payload}.{'A' * len(signature)}")


def test_audience_issuer_and_leeway() -> None:
    backend = TokenBackend("HS256", SECRET, audience="a", issuer="i", leeway=60)
    text = backend.encode({"exp": NOW - 30})
    assert backend.decode(text) == {"exp": NOW - 30, "aud": "a", "iss": "i"}
    for other in (
        TokenBackend("HS256", SECRET, audience="b", issuer="i", leeway=60),
        TokenBackend("HS256", SECRET, audience="a", issuer="j", leeway=60),
    ):
        with pytest.raises(TokenBackendError, match="Token is invalid"):
            other.decode(text)
    with pytest.raises(TokenBackendExpiredToken, match="Token is expired"):
        TokenBackend("HS256", SECRET, audience="a", leeway=timedelta(0)).decode(text)
    assert TokenBackend("HS256", SECRET, leeway=60).decode(text)["aud"] == "a"


def test_algorithm_of_another_token() -> None:
    with pytest.raises(TokenBackendError, match="Invalid algorithm specified"):
        TokenBackend("HS256", SECRET).decode(token({"exp": NOW + 60}, "HS512"))


def test_unverified() -> None:
    text = token({"exp": NOW - 60}, secret="another secret that is long enough")
    assert TokenBackend("HS256", SECRET).decode(text, verify=False)["exp"] == NOW - 60


def test_fetched_key_set(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = TokenBackend("ES256", jwk_url="https://example.org/jwks.json")
    fetched: list[str] = []

    def fetch(_client: Any) -> Any:
        fetched.append("once")
        return {"keys": [public_jwk("ES256", kid="k")]}

    monkeypatch.setattr("jwt.PyJWKClient.fetch_data", fetch)
    text = token({"exp": NOW + 60}, "ES256", header={"kid": "k"})
    assert backend.decode(text)["exp"] == NOW + 60
    assert fetched
    with pytest.raises(TokenBackendError, match="Token is invalid"):
        backend.decode(token({"exp": NOW + 60}, "ES256", header={"kid": "other"}))


def test_wrong_type_and_expiry_are_simplejwts_own_rules() -> None:
    refresh = RefreshToken()
    with pytest.raises(TokenError, match="wrong type"):
        AccessToken(str(refresh))
    with pytest.raises(TokenError, match="Token has no id"):
        AccessToken(state.token_backend.encode({"exp": NOW + 60, "token_type": "access"}))
    old = AccessToken()
    old.set_exp(lifetime=timedelta(seconds=-1))
    with pytest.raises(ExpiredTokenError):
        AccessToken(str(old))


@pytest.mark.django_db
def test_authentication_of_a_request() -> None:
    user = User.objects.create_user("jo")
    request = APIRequestFactory().get(
        "/", headers={"authorization": f"Bearer {AccessToken.for_user(user)}"}
    )
    found, made = JWTAuthentication().authenticate(request)
    assert (found.pk, made["user_id"]) == (user.pk, str(user.pk))
    bad = APIRequestFactory().get("/", headers={"authorization": "Bearer a.b.c"})
    with pytest.raises(InvalidToken):
        JWTAuthentication().authenticate(bad)


@pytest.mark.django_db
def test_blacklist_still_works() -> None:
    user = User.objects.create_user("jo")
    refresh = RefreshToken.for_user(user)
    RefreshToken(str(refresh))
    refresh.blacklist()
    with pytest.raises(TokenError, match="blacklisted"):
        RefreshToken(str(refresh))


@pytest.mark.django_db
def test_rotation_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serializers.api_settings, "ROTATE_REFRESH_TOKENS", True)
    monkeypatch.setattr(serializers.api_settings, "BLACKLIST_AFTER_ROTATION", True)
    user = User.objects.create_user("jo")
    first = str(RefreshToken.for_user(user))
    serializer = serializers.TokenRefreshSerializer(data={"refresh": first})
    serializer.is_valid(raise_exception=True)
    second = serializer.validated_data["refresh"]
    assert second != first
    AccessToken(serializer.validated_data["access"])
    RefreshToken(second)
    with pytest.raises(TokenError, match="blacklisted"):
        RefreshToken(first)


@pytest.mark.django_db
def test_sliding_tokens_still_work() -> None:
    user = User.objects.create_user("jo")
    made = SlidingToken.for_user(user)
    again = SlidingToken(str(made))
    again.check_exp("refresh_exp")
    assert again["token_type"] == "sliding"
    made.set_exp(lifetime=timedelta(seconds=-1))
    with pytest.raises(ExpiredTokenError):
        SlidingToken(str(made))


def test_settings_that_change_take_effect() -> None:
    before = str(AccessToken())
    with override_settings(SIMPLE_JWT={"SIGNING_KEY": "x" * 40, "ISSUER": "me"}):
        assert isinstance(state.token_backend, TokenBackend)
        assert state.token_backend.issuer == "me"
        with pytest.raises(TokenError):
            AccessToken(before)
        assert AccessToken(str(AccessToken()))["iss"] == "me"
    AccessToken(before)


def test_uninstalled_is_simplejwts_backend_again() -> None:
    simplejwt.uninstall()
    assert type(state.token_backend).__module__ == "rest_framework_simplejwt.backends"
    with override_settings(SIMPLE_JWT={"SIGNING_KEY": "x" * 40}):
        assert type(state.token_backend).__module__ == "rest_framework_simplejwt.backends"


def test_short_secret_is_an_error_at_start_and_never_in_a_request() -> None:
    simplejwt.uninstall()
    with (
        override_settings(SIMPLE_JWT={"ALGORITHM": "HS512", "SIGNING_KEY": "x" * 50}),
        pytest.raises(ImproperlyConfigured, match="SIGNING_KEY"),
    ):
        simplejwt.install()
    short = TokenBackend("HS512", "x" * 50)
    with pytest.raises(TokenBackendError):
        short.decode(token({"exp": NOW + 600}, secret="x" * 50))
