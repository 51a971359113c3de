# SPDX-License-Identifier: MIT
"""`request.auth`: simplejwt's token object where simplejwt is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from django.http import HttpRequest

from headrace.django.identity.result import Refusal

if TYPE_CHECKING:
    from headrace import Token, Visit


def auth_object(
    simple_jwt: Mapping[str, Any], request: HttpRequest, visit: Visit
) -> tuple[Any, Refusal | None]:
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
    auth.token = _raw_token(simple_jwt, request, visit)
    auth.current_time = aware_utcnow()
    try:
        auth.payload = token.claims
        auth.verify()
    except (TokenError, ValueError) as error:
        # ValueError: a number of more digits than sys.set_int_max_str_digits() allows
        return None, Refusal("token_not_valid", str(error))
    return auth, None


def asks_the_blacklist(token: Token) -> bool:
    return hasattr(_simplejwt_class(token), "check_blacklist")


def _simplejwt_class(token: Token) -> Any:
    try:
        from rest_framework_simplejwt.settings import api_settings
    except ImportError:
        return None
    name = token.get(api_settings.TOKEN_TYPE_CLAIM)
    classes = api_settings.AUTH_TOKEN_CLASSES
    return next((kind for kind in classes if kind.token_type == name), classes[0])


def _raw_token(simple_jwt: Mapping[str, Any], request: HttpRequest, visit: Visit) -> bytes:
    source = visit.token_source or ""
    if source.startswith("cookie:"):
        return request.COOKIES.get(source.partition(":")[2], "").encode("latin-1", "replace")
    header: str = request.META.get(simple_jwt.get("AUTH_HEADER_NAME", "HTTP_AUTHORIZATION"), "")
    return header.split()[-1].encode("latin-1", "replace") if header else b""
