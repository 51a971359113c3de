# SPDX-License-Identifier: MIT
"""Whose token a request carries: one verification (the visit's) and one query a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware

from headrace._front import NOT_VALID
from headrace.django.identity.result import Identity, Refusal
from headrace.django.identity.user import aload, load

if TYPE_CHECKING:
    from headrace import Visit
    from headrace.django.site import Site


def visit_of(site: Site, request: HttpRequest) -> Visit:
    """The visit that knows this request's token.

    The middleware's; where there is none, or its label is one whose tokens are not looked at,
    one that does no more than that, and that records no event.
    """
    visit: Visit | None = getattr(request, "visit", None)
    if visit is not None and not site.is_skipped(visit):
        return visit
    known: Visit | None = getattr(request, "_headrace_token_visit", None)
    if known is None:
        scope = getattr(request, "scope", None)
        gate = site.token_gate
        known = gate.enter(request.META) if scope is None else gate.enter_scope(scope)
        request._headrace_token_visit = known  # type: ignore[attr-defined]
    return known


def identify(site: Site, request: HttpRequest) -> Identity | None:
    """Whose token this request carries; None when it carries none. One query, once."""
    identity = _identity_without_user(site, request)
    if identity is None or identity.refusal is not None or identity.user is not None:
        return identity
    return _remember(request, load(site.conf.simple_jwt, request, identity.visit))


async def aidentify(site: Site, request: HttpRequest) -> Identity | None:
    """`identify` for async code."""
    if settings.CSRF_USE_SESSIONS and _token_is_in_a_cookie(visit_of(site, request)):
        identity = await sync_to_async(_identity_without_user)(site, request)
    else:
        identity = _identity_without_user(site, request)
    if identity is None or identity.refusal is not None or identity.user is not None:
        return identity
    return _remember(request, await aload(site.conf.simple_jwt, request, identity.visit))


def _identity_without_user(site: Site, request: HttpRequest) -> Identity | None:
    """All that needs no query; with the user where one was loaded before."""
    known: Identity | None = getattr(request, "_headrace_identity", None)
    if known is not None:
        return known
    if site.secret_key_is_short:  # no setting speaks of tokens, but the view's class does
        raise ImproperlyConfigured(
            "no token can be verified: SECRET_KEY is too short for HS256 (headrace.W015)"
        )
    visit = visit_of(site, request)
    if visit.token is None:
        if visit.reason is None:
            return None
        return Identity(visit, refusal=Refusal("token_not_valid", NOT_VALID, reason=visit.reason))
    if _token_is_in_a_cookie(visit):
        failure = csrf_failure(request)
        if failure is not None:
            return Identity(
                visit, refusal=Refusal("csrf_failed", f"CSRF Failed: {failure}", status=403)
            )
    return Identity(visit)


def _remember(request: HttpRequest, identity: Identity) -> Identity:
    request._headrace_identity = identity  # type: ignore[attr-defined]
    return identity


def _token_is_in_a_cookie(visit: Visit) -> bool:
    return (visit.token_source or "").startswith("cookie:")


class _CsrfCheck(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason


def csrf_failure(request: HttpRequest) -> str | None:
    """Why Django's CSRF check refuses this request; None when it does not.

    A browser sends a cookie along with what another site has it send: a token from a cookie
    needs the check that a session needs.
    """
    check = _CsrfCheck(lambda request: None)  # type: ignore[arg-type]
    check.process_request(request)
    failure = check.process_view(request, None, (), {})  # type: ignore[arg-type]
    return None if failure is None else str(failure)
