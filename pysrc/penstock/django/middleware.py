# SPDX-License-Identifier: MIT
"""The Django front: sync and async in one class, no thread hop, nothing to wait for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from penstock.django.cookies import add_set_cookie
from penstock.django.parts import Parts, parts
from penstock.django.timing import time_response

if TYPE_CHECKING:
    from penstock import Visit

logger = logging.getLogger("penstock")

VISIT_KEY = "penstock.visit"

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class PenstockMiddleware:
    """``MIDDLEWARE = ["penstock.django.middleware.PenstockMiddleware", ...]``: first, so that it
    sees every response, and adds its cookie after whatever keeps responses.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        if not parts().conf.enabled:
            raise MiddlewareNotUsed("penstock is turned off")
        self.get_response = get_response
        self.async_mode = iscoroutinefunction(get_response)
        if self.async_mode:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.async_mode:
            return self.__acall__(request)
        now = parts()
        visit = enter(now, request)
        if visit.is_refused:
            return leave(now, request, visit, refusal(now, visit))
        try:
            response = cast(HttpResponseBase, self.get_response(request))
        except BaseException:
            visit.finish(500)
            raise
        return leave(now, request, visit, response)

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        now = parts()
        visit = enter(now, request)
        if visit.is_refused:
            return leave(now, request, visit, refusal(now, visit))
        try:
            response = await cast(Awaitable[HttpResponseBase], self.get_response(request))
        except asyncio.CancelledError:
            visit.finish(499)  # the client went away
            raise
        except BaseException:
            visit.finish(500)
            raise
        return leave(now, request, visit, response)


def enter(now: Parts, request: HttpRequest) -> Visit:
    """The request's visit: an outer wrapper's, else a new one; also ``request.visit``."""
    scope: dict[str, Any] | None = getattr(request, "scope", None)
    source = request.META if scope is None else scope
    visit: Visit | None = source.get(VISIT_KEY)
    if visit is None:
        mode = now.front.mode(source)
        if scope is None:
            visit = now.gate.enter(
                source, path=request.path_info, secure=request.is_secure(), mode=mode
            )
        else:
            visit = now.gate.enter_scope(scope, secure=request.is_secure(), mode=mode)
    request.visit = visit  # type: ignore[attr-defined]
    return visit


def refusal(now: Parts, visit: Visit) -> HttpResponse:
    """401 for a label that requires a token."""
    answer = now.front.refusal(visit)
    response = HttpResponse(answer.body, status=answer.status_code)
    for name, value in answer.headers:
        response.headers[name] = value
    return response


def leave(
    now: Parts, request: HttpRequest, visit: Visit, response: HttpResponseBase
) -> HttpResponseBase:
    """Finishes the visit, and puts what it asks for on the response."""
    match = request.resolver_match
    if match is not None:
        visit.route = match.route
        if match.view_name in now.conf.mask_paths:
            visit.path = match.route
    user = None if visit.token is not None else session_user(request)
    for _, value in visit.finish(response.status_code, response.headers, user=user):
        # bytes after enter_scope
        add_set_cookie(response, value if isinstance(value, str) else value.decode("ascii"))
        request._cache_update_cache = False  # type: ignore[attr-defined]
    time_response(now.conf, visit, response)
    return response


def session_user(request: HttpRequest) -> object | None:
    """The key of a user whom somebody has loaded already; we never load one."""
    user = getattr(request, "_cached_user", None) or getattr(request, "_acached_user", None)
    if user is None or not getattr(user, "is_authenticated", False):
        return None
    return cast(object, user.pk)
