# SPDX-License-Identifier: MIT
"""The authentication class for Django REST framework."""

from __future__ import annotations

from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from headrace._front import CHALLENGE
from headrace.django.identity.identify import identify
from headrace.django.identity.result import Refusal
from headrace.django.site import configured


class HeadraceAuthentication(BaseAuthentication):  # type: ignore[misc]  # DRF is untyped
    """``DEFAULT_AUTHENTICATION_CLASSES = ["headrace.django.auth.HeadraceAuthentication"]``.

    Takes the token that the middleware verified (or verifies it, where the middleware did not
    look), loads its user by simplejwt's settings, and refuses with simplejwt's answers.
    ``request.auth`` is simplejwt's token object where simplejwt is installed, else a
    `headrace.Token`. A token from a cookie needs Django's CSRF check.
    """

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        identity = identify(configured(), request._request)
        if identity is None:
            return None
        if identity.refusal is not None:
            raise _exception(identity.refusal)
        return identity.user, identity.auth

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


def _exception(refusal: Refusal) -> APIException:
    """Those of simplejwt where it is installed: a site may have handlers for them."""
    if refusal.status == 403:
        return PermissionDenied(refusal.detail)
    document: dict[str, Any] = {"detail": refusal.detail, "code": refusal.code}
    if refusal.reason is not None:
        document["reason"] = refusal.reason
    try:
        from rest_framework_simplejwt import exceptions
    except ImportError:
        return AuthenticationFailed(document)
    if refusal.code == "token_not_valid":
        return exceptions.InvalidToken(document)
    return exceptions.AuthenticationFailed(document)
