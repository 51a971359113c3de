# SPDX-License-Identifier: MIT
"""`request.user` and `request.auser` from the token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from headrace.django.identity.identify import aidentify, identify
from headrace.django.identity.result import Identity

if TYPE_CHECKING:
    from headrace import Visit
    from headrace.django.site import Site


def offer_user(site: Site, request: HttpRequest) -> None:
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
    user = SimpleLazyObject(partial(_user, site, request, before))
    request._headrace_user = user  # type: ignore[attr-defined]
    request.user = user  # type: ignore[assignment]
    request.auser = partial(_auser, site, request, before, abefore)


def _user(site: Site, request: HttpRequest, before: Any) -> Any:
    if before is not None and before.is_authenticated:
        return getattr(request, "_cached_user", before)  # not a proxy of a proxy
    return _token_user(identify(site, request))


async def _auser(
    site: Site,
    request: HttpRequest,
    before: Any,
    abefore: Callable[[], Awaitable[Any]] | None,
) -> Any:
    if abefore is not None:
        user = await abefore()
        if user.is_authenticated:
            return user
    elif before is not None and before.is_authenticated:
        return before
    return _token_user(await aidentify(site, request))


def _token_user(identity: Identity | None) -> Any:
    if identity is None or identity.user is None:
        from django.contrib.auth.models import AnonymousUser

        return AnonymousUser()
    return identity.user
