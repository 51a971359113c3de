# SPDX-License-Identifier: MIT
"""What the tests of a site are given: `headrace.testing`, and its fixtures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from django.test import Client, override_settings

import headrace.django
from headrace import Key, testing
from tests.django.conftest import NAVIGATION
from tests.oracle.tokens import private_pem, public_pem

SECRET = "a secret of the tests, long enough even for HS512: 64 bytes, that is"


def verified(text: str) -> dict[str, Any]:
    verifier = headrace.django.verifier()
    assert verifier is not None
    return verifier.verify(text).claims


@pytest.mark.django_db
def test_fixtures_together(
    captured_events: Any,
    make_token: Callable[..., str],
    visitor: Callable[[Any], Any],
) -> None:
    client = Client()
    who = visitor(client)
    client.get("/community/1/", headers=NAVIGATION)
    client.get("/api/show/", headers={"authorization": f"Bearer {make_token(7)}"})
    first, second = captured_events
    assert first["fingerprint"] == who.id
    assert "new" not in first
    assert second["user"] == "7"
    assert captured_events.of_kind("request") == captured_events


@pytest.fixture
def site_with_redis() -> Iterator[None]:
    with override_settings(HEADRACE={"SINK": "redis://127.0.0.1:1/0"}):
        yield


def test_captured_events_need_no_redis(site_with_redis: None, captured_events: Any) -> None:
    assert headrace.django.emit("signup", {"plan": "pro"})
    assert captured_events[0]["plan"] == "pro"


@override_settings(
    HEADRACE={"JWT": {"audience": "us", "issuer": ["a", "b"]}},
)
def test_token_has_what_the_site_expects() -> None:
    claims = verified(testing.make_token(7, plan="pro", jti=None))
    assert {name: claims.get(name) for name in ("user_id", "aud", "iss", "plan", "jti")} == {
        "user_id": 7,
        "aud": "us",
        "iss": "a",
        "plan": "pro",
        "jti": None,
    }
    assert claims["token_type"] == "access"


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_token_of_every_secret(algorithm: str) -> None:
    key = {"secret": SECRET, "algorithm": algorithm, "key_id": "1"}
    with override_settings(HEADRACE={"JWT": {"keys": [key]}}):
        text = testing.make_token(1)
        assert verified(text)["user_id"] == 1
    assert jwt.get_unverified_header(text) == {"alg": algorithm, "typ": "JWT", "kid": "1"}


def test_expired_token() -> None:
    with pytest.raises(headrace.ExpiredSignatureError):
        verified(testing.make_token(1, lifetime=-10))


@override_settings(
    SIMPLE_JWT={
        "ALGORITHM": "ES256",
        "SIGNING_KEY": private_pem("ES256").decode(),
        "VERIFYING_KEY": public_pem("ES256").decode(),
        "USER_ID_FIELD": "username",
        "USER_ID_CLAIM": "name",
    }
)
def test_token_of_simplejwts_private_key() -> None:
    class User:
        username = "ann"

    assert verified(testing.make_token(User()))["name"] == "ann"


def test_site_that_cannot_sign() -> None:
    keys = [Key.pem(public_pem("ES256"), algorithm="ES256")]
    for setting in ({"JWT": {"keys": keys}}, {"JWT": None}):
        with (
            override_settings(HEADRACE=setting),
            pytest.raises(ValueError, match="no key that signs"),
        ):
            testing.make_token(1)


@override_settings(HEADRACE={"FINGERPRINT": {"name": "visitor_id"}})
def test_visitor_under_another_name() -> None:
    client = Client()
    assert testing.visitor(client).value == client.cookies["visitor_id"].value


@override_settings(HEADRACE={"FINGERPRINT": None})
def test_no_visitor_where_fingerprints_are_off() -> None:
    with pytest.raises(ValueError, match="FINGERPRINT"):
        testing.visitor(Client())
