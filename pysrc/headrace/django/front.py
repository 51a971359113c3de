# SPDX-License-Identifier: MIT
"""The two steps around a Django view, the same for sync and async: none of them waits."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from headrace import Gate
from headrace.django import request_id
from headrace.django.auth import offer_user
from headrace.django.cookies import add_set_cookie
from headrace.django.parts import Parts
from headrace.django.timing import Allowance, access, log_request, time_response

if TYPE_CHECKING:
    from headrace import Visit

logger = logging.getLogger("headrace")

VISIT_KEY = "headrace.visit"

_allowance = Allowance(1)  # of lines about a failure of ours, a minute
_NOTHING = Gate()  # finds and records nothing


def enter(now: Parts, request: HttpRequest) -> Visit:
    """The request's visit: an outer wrapper's, else a new one; also ``request.visit``."""
    try:
        if now.is_plain and type(request) is WSGIRequest and VISIT_KEY not in request.META:
            visit = now.gate.enter(request.META, request.path_info)
            request.visit = visit  # type: ignore[attr-defined]
            return visit
        return enter_in_full(now, request)
    except Exception:
        if now.conf.require_token:
            raise  # nobody gets in because of a failure of ours
        visit = _NOTHING.enter({})
        request.visit = visit  # type: ignore[attr-defined]
        _log_failure("headrace: a request goes in without a fingerprint, a token or an event")
        return visit


def enter_in_full(now: Parts, request: HttpRequest) -> Visit:
    """`enter` for all settings, servers and wrappers."""
    conf = now.conf
    scope: dict[str, Any] | None = None
    if type(request) is not WSGIRequest:  # which is known to have none
        # not through request.__dict__: asking for it makes every later attribute slower
        scope = getattr(request, "scope", None)
    source = request.META if scope is None else scope
    # None: the scheme, which is all that request.is_secure() looks at without a proxy
    secure = request.is_secure() if conf.proxy_tells_scheme else None
    mode = None if conf.consent is None else now.front.mode(source)
    visit: Visit | None = None
    if VISIT_KEY in source:
        visit = shared(now, source[VISIT_KEY], secure, mode)
    if visit is None:
        if scope is None:
            visit = now.gate.enter(source, request.path_info, secure, mode)
        else:
            visit = now.gate.enter_scope(scope, secure, mode, request.path_info)
    request.visit = visit  # type: ignore[attr-defined]
    if conf.request_id is not None:
        if visit.request_id is None:
            visit.request_id = request_id.take_or_mint(request, conf.request_id)
        request_id.current.set(visit.request_id)
    if conf.set_user:
        offer_user(request)
    return visit


def _log_failure(text: str) -> None:
    """Logs the exception being handled: a failure of ours that the site goes on without."""
    kept_back = _allowance.take()
    if kept_back is not None:
        logger.exception("%s (as %d more did that were not logged)", text, kept_back)


def shared(now: Parts, visit: Visit, secure: bool | None, mode: str | None) -> Visit | None:
    """An outer wrapper's visit, where it says what ours would; else None: ours takes its place.

    A visit of another gate knows nothing of our labels and required tokens, one under another
    consent may have looked at a cookie that this site's does not allow.
    """
    if visit.gate is not now.gate or mode not in (None, now.gate.mode):
        visit.discard()
        visit.finish(0)  # without headers: it hands out nothing
        return None
    if secure is not None:
        visit.secure = secure
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
    conf = now.conf
    try:
        match = request.resolver_match
        route: str | None = None
        if match is not None:
            route = match.route
            if match.view_name in conf.mask_paths:
                visit.path = route
        headers = None
        # a view that sets or deletes the cookie itself has the last word
        if visit.has_candidate and now.cookie_name not in response.cookies:
            headers = header_pairs(response)
        # as `session_user`, which a call would make a tenth of this function's cost
        user = getattr(request, "_cached_user", None) or getattr(request, "_acached_user", None)
        if user is not None:
            user = user_key(user)
        added = visit.finish(response.status_code, headers, user, route)
        if added:
            value = added[0][1]  # bytes after enter_scope
            add_set_cookie(response, value if isinstance(value, str) else value.decode("ascii"))
            request._cache_update_cache = False  # type: ignore[attr-defined]
        seconds = visit.elapsed
        if seconds > conf.quiet_below or access.level:
            time_response(conf, request, visit, response, seconds)
        if conf.request_id is not None and visit.request_id is not None:
            response.headers[conf.request_id] = visit.request_id
    except Exception:
        _log_failure("headrace: a response goes out without what we had to add")
    finally:
        if conf.request_id is not None:
            request_id.current.set(None)
    return response


def header_pairs(response: HttpResponseBase) -> Any:
    """``response.headers.items()``, without the generators that it takes to get there: Django
    keeps the pairs as they are wanted, under the names in lower case.
    """
    try:
        return list(response.headers._store.values())
    except AttributeError:  # a Django that keeps them in another way
        return response.headers


def abort(now: Parts, request: HttpRequest, visit: Visit, status: int) -> None:
    """Finishes the visit of a request that has no response."""
    match = request.resolver_match
    if match is not None:
        visit.route = match.route
        if match.view_name in now.conf.mask_paths:
            visit.path = match.route
    visit.finish(status, None, session_user(request))
    log_request(now.conf, request, visit, status, visit.elapsed)
    if now.conf.request_id is not None:
        request_id.current.set(None)


def session_user(request: HttpRequest) -> object | None:
    """The key of a user whom somebody has loaded already; we never load one."""
    user = getattr(request, "_cached_user", None) or getattr(request, "_acached_user", None)
    return None if user is None else user_key(user)


def user_key(user: object) -> object | None:
    """Its primary key, as the event names it; None for who is not logged in."""
    if not getattr(user, "is_authenticated", False):
        return None
    return cast(object, user.pk)  # type: ignore[attr-defined]
