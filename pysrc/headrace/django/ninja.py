# SPDX-License-Identifier: MIT
"""The bearer class for django-ninja, for its sync and its async operations."""

from __future__ import annotations

import asyncio
from typing import Any

from django.http import HttpRequest
from ninja.errors import HttpError
from ninja.security import HttpBearer

from headrace.django.identity.identify import aidentify, identify
from headrace.django.identity.result import Identity
from headrace.django.site import configured


class HeadraceBearer(HttpBearer):
    """``NinjaAPI(auth=HeadraceBearer())``.

    ``request.auth`` is simplejwt's token object where simplejwt is installed, else a
    `headrace.Token`; ``request.user`` is its user. Without a valid token, or with one whose
    user is inactive, deleted or revoked, the answer is Ninja's 401; where a token came from a
    cookie and Django's CSRF check fails, 403.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_async = True  # asked again in __call__: one class for both kinds

    def __call__(self, request: HttpRequest) -> Any:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._accept(request, identify(configured(), request))
        return self._acall(request)

    async def _acall(self, request: HttpRequest) -> Any:
        return self._accept(request, await aidentify(configured(), request))

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        """The token of the request itself; ``token`` is the same one, as text."""
        return self(request)

    def _accept(self, request: HttpRequest, identity: Identity | None) -> Any:
        if identity is None:
            return None
        if identity.refusal is not None:
            if identity.refusal.status == 403:
                raise HttpError(403, identity.refusal.detail)
            return None
        request.user = identity.user
        return identity.auth
