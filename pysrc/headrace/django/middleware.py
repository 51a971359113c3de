# SPDX-License-Identifier: MIT
"""The Django front: sync and async in one class, no thread hop, nothing to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from headrace.django import site as of_site
from headrace.django.identity.request_user import offer_user
from headrace.django.measure import queries

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class HeadraceMiddleware:
    """``MIDDLEWARE = ["headrace.django.middleware.HeadraceMiddleware", ...]``: first, so that it
    sees every response, and adds its cookie after whatever keeps responses.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        conf = of_site.configured().conf
        if not conf.enabled:
            raise MiddlewareNotUsed("headrace is turned off")
        self.async_mode = iscoroutinefunction(get_response)
        # in its place only where it is asked for: else nothing of it costs anything
        wanted = queries.is_wanted(conf)
        self.get_response = queries.counting(conf, get_response) if wanted else get_response
        if self.async_mode:
            markcoroutinefunction(self)
        if conf.set_user:  # Django calls what it finds: no cost for who does not ask for users
            self.process_view = _aoffer if self.async_mode else _offer

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.async_mode:
            return self.__acall__(request)
        site = of_site.current or of_site.configured()
        visit = site.enter(request)
        if visit.refusal is not None:
            return site.leave(request, visit, site.refusal(visit))
        try:
            # a cast would be one more call in every request
            response: HttpResponseBase = self.get_response(request)  # type: ignore[assignment]
        except BaseException:
            site.abort(request, visit, 500)
            raise
        return site.leave(request, visit, response)

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        site = of_site.current or of_site.configured()
        visit = site.enter(request)
        if visit.refusal is not None:
            return site.leave(request, visit, site.refusal(visit))
        try:
            response = await self.get_response(request)  # type: ignore[misc]
        except asyncio.CancelledError:
            site.abort(request, visit, 499)  # the client went away
            raise
        except BaseException:
            site.abort(request, visit, 500)
            raise
        return site.leave(request, visit, response)


def _offer(request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
    """AuthenticationMiddleware has set `request.user` by now: see `offer_user`."""
    offer_user(of_site.configured(), request)


async def _aoffer(request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
    """A plain function would cost a hop."""
    offer_user(of_site.configured(), request)
