# SPDX-License-Identifier: MIT
"""The user of a verified token, by simplejwt's rules: one query."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from asgiref.sync import sync_to_async
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.module_loading import import_string

from headrace.django.identity.auth_object import asks_the_blacklist, auth_object
from headrace.django.identity.result import Identity, Refusal

if TYPE_CHECKING:
    from headrace import Token, Visit

_DEFAULT_RULE = "rest_framework_simplejwt.authentication.default_user_authentication_rule"


def _lookup(simple_jwt: Mapping[str, Any], token: Token) -> dict[str, Any] | None:
    """The arguments of the one query; None when the token names nobody."""
    try:
        key = token.get(simple_jwt.get("USER_ID_CLAIM", "user_id"))
    except ValueError:  # more digits than sys.set_int_max_str_digits() allows
        return None
    if isinstance(key, bool) or not isinstance(key, str | int):
        return None
    return {simple_jwt.get("USER_ID_FIELD", "id"): key}


_UNNAMED = Refusal("token_not_valid", "Token contained no recognizable user identification")
_NOT_FOUND = Refusal("user_not_found", "User not found")
_INACTIVE = Refusal("user_inactive", "User is inactive")
_REVOKED = Refusal("password_changed", "The user's password has been changed.")
_RULED_OUT = Refusal("no_active_account", "No active account found with the given credentials")

# a key that the field cannot hold ("seven" for an integer) is nobody's
_NOBODY = (ValueError, TypeError, OverflowError, ValidationError)


def load(simple_jwt: Mapping[str, Any], request: HttpRequest, visit: Visit) -> Identity:
    """The identity of the visit's token, whose user is asked for in one query."""
    model = _user_model()
    token = cast("Token", visit.token)
    lookup = _lookup(simple_jwt, token)
    if lookup is None:
        return Identity(visit, refusal=_UNNAMED)
    auth, refusal = auth_object(simple_jwt, request, visit)
    if refusal is not None:
        return Identity(visit, refusal=refusal)
    try:
        user = model.objects.get(**lookup)
    except (model.DoesNotExist, *_NOBODY):
        return Identity(visit, refusal=_NOT_FOUND)
    refusal = _refuse_user(simple_jwt, user, token) or _rule_out(simple_jwt, user)
    return Identity(visit, refusal=refusal) if refusal else Identity(visit, user, auth)


async def aload(simple_jwt: Mapping[str, Any], request: HttpRequest, visit: Visit) -> Identity:
    """`load` for async code."""
    model = _user_model()
    token = cast("Token", visit.token)
    lookup = _lookup(simple_jwt, token)
    if lookup is None:
        return Identity(visit, refusal=_UNNAMED)
    make_auth = sync_to_async(auth_object) if asks_the_blacklist(token) else auth_object
    made = make_auth(simple_jwt, request, visit)
    auth, refusal = await made if isinstance(made, Awaitable) else made
    if refusal is not None:
        return Identity(visit, refusal=refusal)
    try:
        user = await model.objects.aget(**lookup)
    except (model.DoesNotExist, *_NOBODY):
        return Identity(visit, refusal=_NOT_FOUND)
    refusal = _refuse_user(simple_jwt, user, token)
    if refusal is None and _own_rule(simple_jwt) is not None:
        refusal = await sync_to_async(_rule_out)(simple_jwt, user)  # it may ask the database
    return Identity(visit, refusal=refusal) if refusal else Identity(visit, user, auth)


def _user_model() -> Any:
    from django.contrib.auth import get_user_model

    return get_user_model()


def _refuse_user(simple_jwt: Mapping[str, Any], user: Any, token: Token) -> Refusal | None:
    if simple_jwt.get("CHECK_USER_IS_ACTIVE", True) and not user.is_active:
        return _INACTIVE
    if simple_jwt.get("CHECK_REVOKE_TOKEN", False):
        digest = hashlib.md5(user.password.encode(), usedforsecurity=False)
        given = token.get(simple_jwt.get("REVOKE_TOKEN_CLAIM", "hash_password"))
        if not isinstance(given, str) or not hmac.compare_digest(
            given.encode(), digest.hexdigest().upper().encode()
        ):
            return _REVOKED
    return None


def _own_rule(simple_jwt: Mapping[str, Any]) -> Callable[[Any], bool] | None:
    """The site's USER_AUTHENTICATION_RULE; None for simplejwt's own, which asks what we do."""
    rule = simple_jwt.get("USER_AUTHENTICATION_RULE", _DEFAULT_RULE)
    if rule == _DEFAULT_RULE:
        return None
    return cast("Callable[[Any], bool]", import_string(rule) if isinstance(rule, str) else rule)


def _rule_out(simple_jwt: Mapping[str, Any], user: Any) -> Refusal | None:
    rule = _own_rule(simple_jwt)
    return None if rule is None or rule(user) else _RULED_OUT
