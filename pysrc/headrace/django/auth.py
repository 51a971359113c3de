# SPDX-License-Identifier: MIT
"""Who the verified token belongs to: `request.user`, and the classes for DRF and Ninja.

``headrace.django.auth.HeadraceAuthentication`` is the DRF authentication class,
``headrace.django.auth.HeadraceBearer`` the django-ninja one; both are imported when asked for.
All of them share one verification (the visit's) and one query (this module's) per request.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.functional import SimpleLazyObject
from django.utils.module_loading import import_string

from headrace._front import NOT_VALID
from headrace.django.parts import parts

if TYPE_CHECKING:
    from headrace import Token, Visit
    from headrace.django.drf import HeadraceAuthentication
    from headrace.django.ninja import HeadraceBearer

__all__ = ["HeadraceAuthentication", "HeadraceBearer"]

_DEFAULT_RULE = "rest_framework_simplejwt.authentication.default_user_authentication_rule"


def __getattr__(name: str) -> Any:
    if name == "HeadraceAuthentication":
        from headrace.django.drf import HeadraceAuthentication

        return HeadraceAuthentication
    if name == "HeadraceBearer":
        from headrace.django.ninja import HeadraceBearer

        return HeadraceBearer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request with a token has no user; `code` and `detail` are simplejwt's."""

    code: str
    detail: str
    status: int = 401
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """What one request's token says: a user, or why there is none.

    ``auth`` is what `request.auth` shall be: simplejwt's token object where simplejwt is
    installed, else the `headrace.Token`.
    """

    visit: Visit
    user: Any = None
    auth: Any = None
    refusal: Refusal | None = None


def visit_of(request: HttpRequest) -> Visit:
    """The visit that knows this request's token.

    The middleware's; where there is none, or its label is one whose tokens are not looked at,
    one that does no more than that, and that records no event.
    """
    now = parts()
    visit: Visit | None = getattr(request, "visit", None)
    if visit is not None and not now.is_skipped(visit):
        return visit
    known: Visit | None = getattr(request, "_headrace_token_visit", None)
    if known is None:
        scope = getattr(request, "scope", None)
        gate = now.token_gate
        known = gate.enter(request.META) if scope is None else gate.enter_scope(scope)
        request._headrace_token_visit = known  # type: ignore[attr-defined]
    return known


def identify(request: HttpRequest) -> Identity | None:
    """Whose token this request carries; None when it carries none. One query, once."""
    identity = _identity_without_user(request)
    if identity is None or identity.refusal is not None or identity.user is not None:
        return identity
    return _remember(request, _load(request, identity.visit))


async def aidentify(request: HttpRequest) -> Identity | None:
    """`identify` for async code."""
    if settings.CSRF_USE_SESSIONS and _token_is_in_a_cookie(visit_of(request)):
        identity = await sync_to_async(_identity_without_user)(request)
    else:
        identity = _identity_without_user(request)
    if identity is None or identity.refusal is not None or identity.user is not None:
        return identity
    return _remember(request, await _aload(request, identity.visit))


def _identity_without_user(request: HttpRequest) -> Identity | None:
    """All that needs no query; with the user where one was loaded before."""
    known: Identity | None = getattr(request, "_headrace_identity", None)
    if known is not None:
        return known
    if parts().secret_key_is_short:  # no setting speaks of tokens, but the view's class does
        raise ImproperlyConfigured(
            "no token can be verified: SECRET_KEY is too short for HS256 (headrace.W015)"
        )
    visit = visit_of(request)
    if visit.token is None:
        if visit.reason is None:
            return None
        return Identity(visit, refusal=Refusal("token_not_valid", NOT_VALID, reason=visit.reason))
    if _token_is_in_a_cookie(visit):
        failure = csrf_failure(request)
        if failure is not None:
            return Identity(
                visit, refusal=Refusal("csrf_failed", f"CSRF Failed: {failure}", status=403)
            )
    return Identity(visit)


def _remember(request: HttpRequest, identity: Identity) -> Identity:
    request._headrace_identity = identity  # type: ignore[attr-defined]
    return identity


def _token_is_in_a_cookie(visit: Visit) -> bool:
    return (visit.token_source or "").startswith("cookie:")


class _CsrfCheck(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason


def csrf_failure(request: HttpRequest) -> str | None:
    """Why Django's CSRF check refuses this request; None when it does not.

    A browser sends a cookie along with what another site has it send: a token from a cookie
    needs the check that a session needs.
    """
    check = _CsrfCheck(lambda request: None)  # type: ignore[arg-type]
    check.process_request(request)
    failure = check.process_view(request, None, (), {})  # type: ignore[arg-type]
    return None if failure is None else str(failure)


# --- the user, by simplejwt's rules -----------------------------------------------------------


def _setting(name: str, default: Any) -> Any:
    return parts().conf.simple_jwt.get(name, default)


def _lookup(token: Token) -> dict[str, Any] | None:
    """The arguments of the one query; None when the token names nobody."""
    try:
        key = token.get(_setting("USER_ID_CLAIM", "user_id"))
    except ValueError:  # more digits than sys.set_int_max_str_digits() allows
        return None
    if isinstance(key, bool) or not isinstance(key, str | int):
        return None
    return {_setting("USER_ID_FIELD", "id"): key}


_UNNAMED = Refusal("token_not_valid", "Token contained no recognizable user identification")
_NOT_FOUND = Refusal("user_not_found", "User not found")
_INACTIVE = Refusal("user_inactive", "User is inactive")
_REVOKED = Refusal("password_changed", "The user's password has been changed.")
_RULED_OUT = Refusal("no_active_account", "No active account found with the given credentials")

# a key that the field cannot hold ("seven" for an integer) is nobody's
_NOBODY = (ValueError, TypeError, OverflowError, ValidationError)


def _load(request: HttpRequest, visit: Visit) -> Identity:
    model = _user_model()
    token = cast("Token", visit.token)
    lookup = _lookup(token)
    if lookup is None:
        return Identity(visit, refusal=_UNNAMED)
    auth, refusal = _auth(request, visit)
    if refusal is not None:
        return Identity(visit, refusal=refusal)
    try:
        user = model.objects.get(**lookup)
    except (model.DoesNotExist, *_NOBODY):
        return Identity(visit, refusal=_NOT_FOUND)
    refusal = _refuse_user(user, token) or _rule_out(user)
    return Identity(visit, refusal=refusal) if refusal else Identity(visit, user, auth)


async def _aload(request: HttpRequest, visit: Visit) -> Identity:
    model = _user_model()
    token = cast("Token", visit.token)
    lookup = _lookup(token)
    if lookup is None:
        return Identity(visit, refusal=_UNNAMED)
    make_auth = sync_to_async(_auth) if _asks_the_blacklist(token) else _auth
    made = make_auth(request, visit)
    auth, refusal = await made if isinstance(made, Awaitable) else made
    if refusal is not None:
        return Identity(visit, refusal=refusal)
    try:
        user = await model.objects.aget(**lookup)
    except (model.DoesNotExist, *_NOBODY):
        return Identity(visit, refusal=_NOT_FOUND)
    refusal = _refuse_user(user, token)
    if refusal is None and _own_rule() is not None:
        refusal = await sync_to_async(_rule_out)(user)  # it may ask the database
    return Identity(visit, refusal=refusal) if refusal else Identity(visit, user, auth)


def _user_model() -> Any:
    from django.contrib.auth import get_user_model

    return get_user_model()


def _refuse_user(user: Any, token: Token) -> Refusal | None:
    if _setting("CHECK_USER_IS_ACTIVE", True) and not user.is_active:
        return _INACTIVE
    if _setting("CHECK_REVOKE_TOKEN", False):
        digest = hashlib.md5(user.password.encode(), usedforsecurity=False)
        given = token.get(_setting("REVOKE_TOKEN_CLAIM", "hash_password"))
        if not isinstance(given, str) or not hmac.compare_digest(
            given.encode(), digest.hexdigest().upper().encode()
        ):
            return _REVOKED
    return None


def _own_rule() -> Callable[[Any], bool] | None:
    """The site's USER_AUTHENTICATION_RULE; None for simplejwt's own, which asks what we do."""
    rule = _setting("USER_AUTHENTICATION_RULE", _DEFAULT_RULE)
    if rule == _DEFAULT_RULE:
        return None
    return cast("Callable[[Any], bool]", import_string(rule) if isinstance(rule, str) else rule)


def _rule_out(user: Any) -> Refusal | None:
    rule = _own_rule()
    return None if rule is None or rule(user) else _RULED_OUT


# --- request.user -----------------------------------------------------------------------------


def offer_user(request: HttpRequest) -> None:
    """Sets `request.user` and `request.auser` from the token; who is logged in goes first.

    Called when the request comes in, and once more before the view: by then
    AuthenticationMiddleware has set its own, which loads the session's user.
    """
    visit: Visit = request.visit  # type: ignore[attr-defined]
    if visit.token is None:
        return
    before = request.__dict__.get("user")
    abefore = request.__dict__.get("auser")
    offered = request.__dict__.get("_headrace_user")
    if before is not None and before is offered:
        return
    user = SimpleLazyObject(partial(_user, request, before))
    request._headrace_user = user  # type: ignore[attr-defined]
    request.user = user  # type: ignore[assignment]
    request.auser = partial(_auser, request, before, abefore)


def _user(request: HttpRequest, before: Any) -> Any:
    if before is not None and before.is_authenticated:
        return getattr(request, "_cached_user", before)  # not a proxy of a proxy
    return _token_user(identify(request))


async def _auser(
    request: HttpRequest, before: Any, abefore: Callable[[], Awaitable[Any]] | None
) -> Any:
    if abefore is not None:
        user = await abefore()
        if user.is_authenticated:
            return user
    elif before is not None and before.is_authenticated:
        return before
    return _token_user(await aidentify(request))


def _token_user(identity: Identity | None) -> Any:
    if identity is None or identity.user is None:
        from django.contrib.auth.models import AnonymousUser

        return AnonymousUser()
    return identity.user


# --- request.auth -----------------------------------------------------------------------------


def _auth(request: HttpRequest, visit: Visit) -> tuple[Any, Refusal | None]:
    """The token as `request.auth` has it: built, not verified a second time.

    What simplejwt asks beyond the signature (jti, the blacklist of sliding tokens) it is asked.
    """
    token = cast("Token", visit.token)
    kind = _simplejwt_class(token)
    if kind is None:
        return token, None
    from rest_framework_simplejwt.exceptions import TokenError
    from rest_framework_simplejwt.utils import aware_utcnow

    auth = kind.__new__(kind)
    auth.token = _raw_token(request, visit)
    auth.current_time = aware_utcnow()
    try:
        auth.payload = token.claims
        auth.verify()
    except (TokenError, ValueError) as error:  # ValueError: see _lookup
        return None, Refusal("token_not_valid", str(error))
    return auth, None


def _asks_the_blacklist(token: Token) -> bool:
    return hasattr(_simplejwt_class(token), "check_blacklist")


def _simplejwt_class(token: Token) -> Any:
    try:
        from rest_framework_simplejwt.settings import api_settings
    except ImportError:
        return None
    name = token.get(api_settings.TOKEN_TYPE_CLAIM)
    classes = api_settings.AUTH_TOKEN_CLASSES
    return next((kind for kind in classes if kind.token_type == name), classes[0])


def _raw_token(request: HttpRequest, visit: Visit) -> bytes:
    source = visit.token_source or ""
    if source.startswith("cookie:"):
        return request.COOKIES.get(source.partition(":")[2], "").encode("latin-1", "replace")
    header: str = request.META.get(_setting("AUTH_HEADER_NAME", "HTTP_AUTHORIZATION"), "")
    return header.split()[-1].encode("latin-1", "replace") if header else b""
