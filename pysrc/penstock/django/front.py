# SPDX-License-Identifier: MIT
"""The two steps around a Django view, the same for sync and async: none of them waits."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from penstock.django import request_id
from penstock.django.auth import offer_user
from penstock.django.cookies import add_set_cookie
from penstock.django.parts import Parts
from penstock.django.timing import log_request, time_response

if TYPE_CHECKING:
    from penstock import Visit

logger = logging.getLogger("penstock")

VISIT_KEY = "penstock.visit"


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
    if now.conf.request_id is not None:
        if visit.request_id is None:
            visit.request_id = request_id.take_or_mint(request, now.conf.request_id)
        request_id.current.set(visit.request_id)
    if now.conf.set_user:
        offer_user(request)
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
    try:
        _finish(now, request, visit, response)
    except Exception:
        logger.exception("penstock: the response goes out without what we had to add")
    finally:
        if now.conf.request_id is not None:
            request_id.current.set(None)
    return response


def abort(now: Parts, visit: Visit, status: int) -> None:
    """Finishes the visit of a request that has no response."""
    visit.finish(status)
    log_request(now.conf, visit, status, visit.elapsed)
    if now.conf.request_id is not None:
        request_id.current.set(None)


def _finish(now: Parts, request: HttpRequest, visit: Visit, response: HttpResponseBase) -> None:
    match = request.resolver_match
    if match is not None:
        visit.route = match.route
        if match.view_name in now.conf.mask_paths:
            visit.path = match.route
    if now.conf.request_id is not None and visit.request_id is not None:
        response.headers[now.conf.request_id] = visit.request_id
    user = None if visit.token is not None else session_user(request)
    for _, value in visit.finish(response.status_code, response.headers, user=user):
        # bytes after enter_scope
        add_set_cookie(response, value if isinstance(value, str) else value.decode("ascii"))
        request._cache_update_cache = False  # type: ignore[attr-defined]
    time_response(now.conf, visit, response)


def session_user(request: HttpRequest) -> object | None:
    """The key of a user whom somebody has loaded already; we never load one."""
    user = getattr(request, "_cached_user", None) or getattr(request, "_acached_user", None)
    if user is None or not getattr(user, "is_authenticated", False):
        return None
    return cast(object, user.pk)
