# SPDX-License-Identifier: MIT
"""The views: some sync and some async, each served under WSGI and ASGI alike."""

from __future__ import annotations

import json
import os
import time
import uuid
from functools import cache
from typing import Any

import jwt
from django.conf import settings
from django.contrib.auth import aauthenticate, get_user_model
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from headrace import InvalidTokenError, Key, TokenVerifier

LIFETIMES = {"access": 300, "refresh": 86400}  # seconds
LEDGER_PAUSE = 0.05  # seconds


@csrf_exempt
@require_POST
async def login(request: HttpRequest) -> JsonResponse:
    """A token for a name and a password, with the claims that simplejwt writes."""
    try:
        given = json.loads(request.body)
        name, password = str(given["username"]), str(given["password"])
    except (ValueError, KeyError, TypeError):
        return JsonResponse({"detail": "username and password, as JSON"}, status=400)
    user = await aauthenticate(request, username=name, password=password)
    if user is None:
        return JsonResponse({"detail": "no such user, or another password"}, status=401)
    made = {kind: made_token(kind, str(user.pk)) for kind in LIFETIMES}
    return JsonResponse(made)


def made_token(kind: str, user: str) -> str:
    """A token of one of the kinds that simplejwt has, signed as simplejwt does."""
    now = int(time.time())
    claims = {
        "token_type": kind,
        "iat": now,
        "exp": now + LIFETIMES[kind],
        "jti": uuid.uuid4().hex,
        "user_id": user,
    }
    return jwt.encode(claims, settings.SECRET_KEY, algorithm="HS256")


@cache
def refresh_tokens() -> TokenVerifier:
    """Takes refresh tokens only; the middleware's own takes access tokens only."""
    key = Key.secret(settings.SECRET_KEY, algorithm="HS256")
    return TokenVerifier([key], expect={"token_type": "refresh"})


@csrf_exempt
@require_POST
async def refresh(request: HttpRequest) -> JsonResponse:
    """A new access token for a refresh token."""
    try:
        token = refresh_tokens().verify(str(json.loads(request.body)["refresh"]))
    except (ValueError, KeyError, TypeError):
        return JsonResponse({"detail": "a refresh token, as JSON"}, status=400)
    except InvalidTokenError as error:
        return JsonResponse({"detail": "no valid token", "reason": error.reason}, status=401)
    return JsonResponse({"access": made_token("access", token["user_id"])})


@require_GET
async def verify(request: HttpRequest) -> JsonResponse:
    """Whose token this is, without a look at the database; without a valid one it is a 401."""
    visit = visit_of(request)
    if visit is None:
        return JsonResponse({"detail": "tokens are off"}, status=503)
    return JsonResponse({"user": visit.user})


def visit_of(request: HttpRequest) -> Any:
    """What the middleware found out about this request; None where it is taken out."""
    return getattr(request, "visit", None)


@require_GET
def user_info(request: HttpRequest) -> JsonResponse:
    """Who the token speaks of. The middleware has answered 401 where there is none."""
    visit = visit_of(request)
    if visit is None:
        return JsonResponse({"detail": "tokens are off"}, status=503)
    user = get_user_model().objects.get(pk=visit.user)
    return JsonResponse({"id": user.pk, "username": user.get_username(), "staff": user.is_staff})


@require_GET
async def location_data(request: HttpRequest) -> JsonResponse:
    """The place of a visitor, who may be anonymous."""
    visit = visit_of(request)
    known = visit is not None and visit.token is not None
    return JsonResponse({"country": "NL", "city": "Delft", "precise": known})


@require_GET
def community(request: HttpRequest, id: int) -> HttpResponse:  # noqa: A002 (the URL's word)
    """A page for browsers, from a sync view."""
    return render(request, "community.html", {"id": id})


@require_GET
async def members(request: HttpRequest, id: int) -> HttpResponse:  # noqa: A002
    """A page for browsers, from an async view."""
    return HttpResponse(f"<!doctype html><title>Members</title><p>Members of {id}")


@require_GET
async def health(request: HttpRequest) -> JsonResponse:
    """For the load balancer."""
    return JsonResponse({"status": "ok"})


@require_GET
async def ledger(request: HttpRequest) -> JsonResponse:
    """The sink's counters in this worker process, for staff; itself not an event.

    The pause is on purpose a blocking one: while this worker waits, the next request
    goes to another, so that somebody who asks often enough sees every worker.
    """
    visit = visit_of(request)
    if visit is None:
        return JsonResponse({"detail": "the middleware is off"}, status=503)
    visit.discard()
    user = await get_user_model().objects.filter(pk=visit.user, is_staff=True).afirst()
    if user is None:
        return JsonResponse({"detail": "for staff"}, status=403)
    from headrace.django import sink

    events = sink()
    if events is None:
        return JsonResponse({"detail": "events are off"}, status=503)
    time.sleep(LEDGER_PAUSE)
    return JsonResponse({"pid": os.getpid(), "stats": events.stats()})


def metrics(request: HttpRequest) -> HttpResponse:
    """What Prometheus scrapes; it needs prometheus_client, which the rest of the site does not."""
    from headrace.django.metrics import view

    return view(request)
