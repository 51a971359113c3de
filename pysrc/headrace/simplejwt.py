# SPDX-License-Identifier: MIT
"""simplejwt's token backend over the C core: a drop-in for its ``TokenBackend``.

All of ``SIMPLE_JWT`` is honoured: algorithm, signing and verifying key, audience, issuer, leeway
and JWK_URL, whose key set PyJWT's client fetches. Only the check of a token is ours; tokens are
still made by PyJWT, and blacklist, rotation and sliding tokens stay simplejwt's.

``HEADRACE = {"SIMPLEJWT": True}`` puts it in place.
"""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.translation import gettext_lazy as _
from rest_framework_simplejwt import settings, state
from rest_framework_simplejwt.backends import TokenBackend as SimpleTokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenBackendExpiredToken

from headrace import Key, jwt

logger = logging.getLogger("headrace")

__all__ = ["TokenBackend", "install", "uninstall"]


class TokenBackend(SimpleTokenBackend):
    """``rest_framework_simplejwt.backends.TokenBackend`` with another ``decode``."""

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        """Verify ``token`` and answer its payload.

        Raises TokenBackendExpiredToken, or TokenBackendError where it is refused for any other
        reason.
        """
        try:
            return jwt.decode(
                token,
                self.get_verifying_key(token) if verify else "",
                algorithms=[self.algorithm],
                audience=self.audience,
                issuer=self.issuer,
                leeway=self.get_leeway(),
                options={
                    "verify_aud": self.audience is not None,
                    "verify_signature": verify,
                },
            )
        except jwt.InvalidAlgorithmError as error:
            raise TokenBackendError(_("Invalid algorithm specified")) from error
        except jwt.ExpiredSignatureError as error:
            raise TokenBackendExpiredToken(_("Token is expired")) from error
        except jwt.InvalidTokenError as error:
            raise TokenBackendError(_("Token is invalid")) from error
        except jwt.InvalidKeyError as error:
            logger.error("SIMPLE_JWT: no token can be verified: %s", error)
            raise TokenBackendError(_("Token is invalid")) from error


def _make(kind: type[SimpleTokenBackend]) -> SimpleTokenBackend:
    api_settings = settings.api_settings  # another object after each change
    if kind is TokenBackend and api_settings.ALGORITHM.startswith("HS"):
        try:
            Key.secret(api_settings.SIGNING_KEY, algorithm=api_settings.ALGORITHM)
        except (TypeError, ValueError) as error:
            raise ImproperlyConfigured(
                f'SIMPLE_JWT["SIGNING_KEY"] (by default SECRET_KEY) is no key for '
                f"{api_settings.ALGORITHM}: {error}"
            ) from error
    return kind(
        api_settings.ALGORITHM,
        api_settings.SIGNING_KEY,
        api_settings.VERIFYING_KEY,
        api_settings.AUDIENCE,
        api_settings.ISSUER,
        api_settings.JWK_URL,
        api_settings.LEEWAY,
        api_settings.JSON_ENCODER,
    )


def _reload(*, setting: str, **_kwargs: Any) -> None:
    if setting in ("SIMPLE_JWT", "SECRET_KEY"):
        state.token_backend = _make(TokenBackend)


def install() -> None:
    """Make it simplejwt's own backend, and again whenever SIMPLE_JWT changes."""
    state.token_backend = _make(TokenBackend)
    setting_changed.connect(_reload, dispatch_uid="headrace.simplejwt")


def uninstall() -> None:
    """Give simplejwt its own backend back."""
    setting_changed.disconnect(dispatch_uid="headrace.simplejwt")
    state.token_backend = _make(SimpleTokenBackend)
