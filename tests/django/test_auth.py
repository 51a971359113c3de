# SPDX-License-Identifier: MIT
"""Who a verified token belongs to, for `request.user`, DRF and django-ninja."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import SyncToAsync
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.middleware.csrf import CSRF_SESSION_KEY
from django.test import AsyncClient, Client, RequestFactory, override_settings
from rest_framework_simplejwt import state

import headrace.django
from headrace.django import auth
from headrace.django.middleware import HeadraceMiddleware
from tests.oracle.jws import b64url, make_token

SECRET_KEY = settings.SECRET_KEY
WITH_USER = {"SINK": "memory:", "SET_USER": True, "TOKEN_FROM": ["bearer", "cookie:jwt"]}

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.django.auth_urls"),
]

ASKING = ["/who/", "/api/awho/"]
APIS = ["/api/drf/", "/ninja/who", "/aninja/who"]


@pytest.fixture(autouse=True)
def with_user() -> Iterator[None]:
    with override_settings(HEADRACE=WITH_USER):
        yield


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann", password="a password")


def text(user: Any, **claims: Any) -> str:
    key = user.pk if isinstance(user, User) else user
    claims = {"token_type": "access", "jti": "1", **claims}
    return make_token(secret=SECRET_KEY, user_id=key, **claims)


def bearer(user: Any, **claims: Any) -> dict[str, str]:
    return {"authorization": "Bearer " + text(user, **claims)}


def fetch(path: str, headers: dict[str, str] | None = None, **options: Any) -> Any:
    client = Client(**options)
    client.raise_request_exception = False
    return client.get(path, headers=headers)


# --- request.user -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ASKING)
def test_user_of_the_token(path: str, ann: User, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        assert fetch(path, bearer(ann)).content == b"ann"


@pytest.mark.django_db(transaction=True)
def test_user_of_the_token_through_the_async_handler(ann: User) -> None:
    response = asyncio.run(AsyncClient().get("/api/awho/", headers=bearer(ann)))
    assert response.content == b"ann"


def test_nobody_asks_and_nobody_is_loaded(ann: User, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        response = fetch("/nobody/", bearer(ann))
    assert "Vary" not in response.headers


def test_user_is_set_where_no_other_middleware_does(ann: User) -> None:
    request = RequestFactory().get("/who/", headers=bearer(ann))
    response = HeadraceMiddleware(lambda r: HttpResponse(r.user.get_username()))(request)
    assert response.content == b"ann"


def test_without_a_token_nothing_is_set() -> None:
    request = RequestFactory().get("/who/")
    HeadraceMiddleware(lambda r: HttpResponse())(request)
    assert not hasattr(request, "user")
    assert fetch("/who/").content == b"anonymous"


@override_settings(HEADRACE={"SINK": "memory:"})
def test_off_by_default(ann: User) -> None:
    assert fetch("/who/", bearer(ann)).content == b"anonymous"


@pytest.mark.parametrize("path", APIS)
@override_settings(SECRET_KEY="short", HEADRACE={"SINK": "memory:"})
def test_classes_of_a_site_without_a_usable_key_say_so(path: str) -> None:
    """A site that has them has tokens: never a 401 that nobody understands."""
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY is too short"):
        Client().get(path)


@pytest.mark.parametrize("path", ASKING)
def test_who_is_logged_in_stays(path: str, ann: User) -> None:
    client = Client()
    client.force_login(User.objects.create_user("bob"))
    assert client.get(path, headers=bearer(ann)).content == b"bob"


def spoil(user: User, how: str) -> dict[str, Any]:
    if how == "inactive":
        User.objects.filter(pk=user.pk).update(is_active=False)
    elif how == "deleted":
        user.delete()
    return {}


@pytest.mark.parametrize("path", ASKING)
@pytest.mark.parametrize("how", ["inactive", "deleted"])
def test_inactive_and_deleted_users_are_anonymous(path: str, how: str, ann: User) -> None:
    headers = bearer(ann)
    spoil(ann, how)
    assert fetch(path, headers).content == b"anonymous"


@pytest.mark.parametrize("path", [*ASKING, *APIS])
@pytest.mark.parametrize("name", ["user_id", "other"])
def test_number_that_python_does_not_read(path: str, name: str, ann: User) -> None:
    raw = make_token({"user_id": ann.pk, name: 4711}, secret=SECRET_KEY)
    header, payload, _ = raw.split(".")
    body = base64.urlsafe_b64decode(payload + "==").replace(b"4711", b"9" * 5000)
    signed = f"{header}.{b64url(body)}"
    mac = hmac.new(SECRET_KEY.encode(), signed.encode(), hashlib.sha256).digest()
    headers = {"authorization": f"Bearer {signed}.{b64url(mac)}"}
    assert b"ann" not in fetch(path, headers).content


@pytest.mark.parametrize("key", ["seven", 10**30, -1, True, None, [1], {"a": 1}, ""])
@pytest.mark.parametrize("path", [*ASKING, *APIS])
def test_key_that_names_nobody(path: str, key: Any, ann: User) -> None:
    response = fetch(path, bearer(key))
    if path in ASKING:
        assert response.content == b"anonymous"
    else:
        assert response.status_code == 401


def revocable(user: User, **claims: Any) -> dict[str, str]:
    digest = hashlib.md5(user.password.encode()).hexdigest().upper()
    return bearer(user, hash_password=digest, **claims)


@override_settings(SIMPLE_JWT={"CHECK_REVOKE_TOKEN": True})
@pytest.mark.parametrize("path", [*ASKING, *APIS])
def test_changed_password_revokes_the_token(path: str, ann: User) -> None:
    headers = revocable(ann)
    assert b"ann" in fetch(path, headers).content
    ann.set_password("another one")
    ann.save()
    assert b"ann" not in fetch(path, headers).content
    assert b"ann" not in fetch(path, bearer(ann)).content


@override_settings(SIMPLE_JWT={"USER_ID_FIELD": "username", "USER_ID_CLAIM": "name"})
@pytest.mark.parametrize("path", [*ASKING, *APIS])
def test_field_and_claim_of_the_user(path: str, ann: User) -> None:
    assert b"ann" in fetch(path, bearer(0, name="ann")).content


@override_settings(SIMPLE_JWT={"CHECK_USER_IS_ACTIVE": False})
@pytest.mark.parametrize("path", [*ASKING, *APIS])
def test_inactive_users_where_nobody_minds(path: str, ann: User) -> None:
    spoil(ann, "inactive")
    assert b"ann" in fetch(path, bearer(ann)).content


def only_bob(user: User | None) -> bool:
    return user is not None and User.objects.filter(username="bob", pk=user.pk).exists()


@override_settings(SIMPLE_JWT={"USER_AUTHENTICATION_RULE": "tests.django.test_auth.only_bob"})
@pytest.mark.parametrize("path", [*ASKING, *APIS])
def test_rule_of_the_site(path: str, ann: User) -> None:
    assert b"ann" not in fetch(path, bearer(ann)).content
    assert b"bob" in fetch(path, bearer(User.objects.create_user("bob"))).content


@override_settings(SIMPLE_JWT={"AUTH_HEADER_NAME": "HTTP_X_ACCESS_TOKEN"})
@pytest.mark.parametrize("path", [*ASKING, *APIS])
def test_header_of_another_name(path: str, ann: User) -> None:
    assert b"ann" in fetch(path, {"x-access-token": "Bearer " + text(ann)}).content
    assert b"ann" not in fetch(path, bearer(ann)).content


@override_settings(SIMPLE_JWT={"AUTH_HEADER_TYPES": ("JWT",)})
@pytest.mark.parametrize("path", [*ASKING, *APIS])
def test_type_of_the_header(path: str, ann: User) -> None:
    assert b"ann" in fetch(path, {"authorization": "JWT " + text(ann)}).content
    assert b"ann" not in fetch(path, bearer(ann)).content


def test_asking_for_an_anonymous_user_takes_no_hop() -> None:
    """Counts hops of the view itself, under a middleware list without sync-only ones."""
    hops: list[object] = []
    original = SyncToAsync.__call__

    async def counting(self: Any, *args: Any, **kwargs: Any) -> Any:
        hops.append(self.func)
        return await original(self, *args, **kwargs)

    def count(path: str) -> int:
        hops.clear()
        with override_settings(MIDDLEWARE=settings.MIDDLEWARE[:1]):
            asyncio.run(AsyncClient().get(path, headers=bearer("seven")))
        return len(hops)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SyncToAsync, "__call__", counting)
        with override_settings(HEADRACE={"SINK": "memory:"}):
            without = count("/aninja/who")
        assert count("/aninja/who") == without


# --- a token from a cookie --------------------------------------------------------------------


def post(path: str, ann: User, csrf: str | None) -> Any:
    client = Client(enforce_csrf_checks=True)
    client.cookies["jwt"] = text(ann)
    headers = {}
    if csrf is not None:
        client.cookies["csrftoken"] = "a" * 32
        headers["x-csrftoken"] = csrf
    return client.post(path, headers=headers)


@pytest.mark.parametrize("path", [*ASKING, "/api/drf/", "/ninja/who"])
@pytest.mark.parametrize(("csrf", "known"), [(None, False), ("b" * 32, False), ("a" * 32, True)])
def test_token_from_a_cookie_needs_the_csrf_check(
    path: str, csrf: str | None, known: bool, ann: User
) -> None:
    response = post(path, ann, csrf)
    assert (b"ann" in response.content) == known
    if path not in ASKING:
        assert response.status_code == (200 if known else 403)


def client_with_csrf_in_the_session(ann: User) -> Client:
    client = Client(enforce_csrf_checks=True)
    session = client.session
    session[CSRF_SESSION_KEY] = "a" * 32
    session.save()
    client.cookies["jwt"] = text(ann)
    return client


@override_settings(CSRF_USE_SESSIONS=True)
@pytest.mark.parametrize("path", [*ASKING, "/api/drf/", "/ninja/who"])
@pytest.mark.parametrize("csrf", ["a" * 32, "b" * 32])
def test_csrf_secret_in_the_session(path: str, csrf: str, ann: User) -> None:
    response = client_with_csrf_in_the_session(ann).post(path, headers={"x-csrftoken": csrf})
    assert (b"ann" in response.content) == (csrf == "a" * 32)


@override_settings(CSRF_USE_SESSIONS=True)
def test_async_code_does_not_read_the_session_itself(ann: User) -> None:
    """Django refuses to ask the database in an event loop, where nobody has asked before."""
    assert b"ann" in client_with_csrf_in_the_session(ann).get("/aninja/who").content


@pytest.mark.parametrize("path", [*ASKING, *APIS])
def test_reading_with_a_token_from_a_cookie(path: str, ann: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies["jwt"] = text(ann)
    assert b"ann" in client.get(path).content


@pytest.mark.parametrize("path", ["/who/", "/api/drf/", "/ninja/who"])
def test_token_from_the_header_needs_no_csrf_check(path: str, ann: User) -> None:
    client = Client(enforce_csrf_checks=True)
    assert b"ann" in client.post(path, headers=bearer(ann)).content


# --- DRF and Ninja ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", APIS)
def test_api_knows_the_user(path: str, ann: User, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        document = fetch(path, bearer(ann)).json()
    assert (document["user"], document["claim"]) == ("ann", ann.pk)


def test_auth_is_a_token_of_simplejwt(ann: User) -> None:
    assert fetch("/api/drf/", bearer(ann)).json()["kind"] == "AccessToken"


@pytest.mark.parametrize("path", APIS)
@pytest.mark.parametrize("how", ["inactive", "deleted"])
def test_inactive_and_deleted_users_are_refused(path: str, how: str, ann: User) -> None:
    headers = bearer(ann)
    spoil(ann, how)
    assert fetch(path, headers).status_code == 401


@pytest.mark.parametrize("path", APIS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Basic YTpi"},
        {"authorization": "Bearer "},
        {"authorization": "Bearer no.token.atall"},
        bearer(1, exp=1),
        bearer(1, token_type="refresh"),
        bearer(1, jti=None),
    ],
)
def test_without_a_valid_token_an_api_answers_401(path: str, headers: dict[str, str]) -> None:
    assert fetch(path, headers).status_code == 401


def test_answers_are_those_of_simplejwt(ann: User) -> None:
    expired = fetch("/api/drf/", bearer(ann, exp=1))
    assert expired.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    assert expired.json() == {
        "detail": "Given token not valid for any token type",
        "code": "token_not_valid",
        "reason": "expired",
    }
    headers = bearer(ann)
    spoil(ann, "inactive")
    assert fetch("/api/drf/", headers).json() == {
        "detail": "User is inactive",
        "code": "user_inactive",
    }
    ann.delete()
    assert fetch("/api/drf/", headers).json()["code"] == "user_not_found"


def test_open_view_without_a_token() -> None:
    assert fetch("/api/drf-open/").json() == {"user": "", "auth": False}


def test_path_whose_tokens_are_not_looked_at(ann: User) -> None:
    """The label is `skip`: the class verifies the token itself."""
    assert fetch("/health/drf/", bearer(ann)).json()["user"] == "ann"
    assert fetch("/health/drf/", bearer(ann, exp=1)).json()["reason"] == "expired"


@override_settings(MIDDLEWARE=settings.MIDDLEWARE[1:])
@pytest.mark.parametrize("path", APIS)
def test_without_the_middleware(path: str, ann: User) -> None:
    assert fetch(path, bearer(ann)).json()["user"] == "ann"
    assert fetch(path, bearer(ann, exp=1)).status_code == 401


def test_one_verification_and_one_query_however_many_ask(
    ann: User, django_assert_num_queries: Any
) -> None:
    verifier = headrace.django.verifier()
    assert verifier is not None
    before = verifier.cache_info()
    with django_assert_num_queries(1):
        document = fetch("/api/both/", bearer(ann)).json()
    assert document == {"users": ["ann", "ann"], "ninja": True}
    after = verifier.cache_info()
    assert (after.hits + after.misses) - (before.hits + before.misses) == 1


@override_settings(
    SIMPLE_JWT={
        "AUTH_TOKEN_CLASSES": ("rest_framework_simplejwt.tokens.SlidingToken",),
    }
)
@pytest.mark.parametrize("path", [*ASKING, *APIS])
def test_sliding_token_on_the_blacklist_is_refused(path: str, ann: User) -> None:
    from rest_framework_simplejwt.tokens import SlidingToken

    token = SlidingToken.for_user(ann)
    headers = {"authorization": f"Bearer {token}"}
    assert b"ann" in fetch(path, headers).content
    token.blacklist()
    assert b"ann" not in fetch(path, headers).content


def test_simplejwts_backend_is_ours_where_asked_for(ann: User) -> None:
    def backend() -> str:
        headrace.django.gate()
        return type(state.token_backend).__module__

    assert backend() == "rest_framework_simplejwt.backends"
    with override_settings(HEADRACE={**WITH_USER, "SIMPLEJWT": True}):
        assert backend() == "headrace.simplejwt"
        assert fetch("/api/drf/", bearer(ann)).json()["user"] == "ann"
        with override_settings(SIMPLE_JWT={"ISSUER": "us"}):
            assert backend() == "headrace.simplejwt"
            assert state.token_backend.issuer == "us"
    assert backend() == "rest_framework_simplejwt.backends"


def test_simplejwts_backend_without_simplejwt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.django.conf.find_spec", lambda name: None)
    with (
        override_settings(HEADRACE={"SINK": None, "SIMPLEJWT": True}),
        pytest.raises(ImproperlyConfigured, match="is not installed"),
    ):
        headrace.django.gate()


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="HeadraceBearr"):
        auth.HeadraceBearr  # noqa: B018
