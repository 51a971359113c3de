# SPDX-License-Identifier: MIT
"""Views of every kind of response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotModified,
    HttpResponsePermanentRedirect,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import path
from django.views.decorators.cache import cache_control, cache_page, never_cache


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("page")


async def async_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("async page")


def show(request: HttpRequest, **kwargs: object) -> JsonResponse:
    visit = request.visit
    return JsonResponse(
        {
            "label": visit.label,
            "user": visit.user,
            "reason": visit.reason,
            "is_new": visit.is_new,
            "fingerprint": visit.fingerprint and visit.fingerprint.id,
        }
    )


def add(request: HttpRequest) -> HttpResponse:
    request.visit.add({"plan": "pro"})
    return HttpResponse("added")


def status(request: HttpRequest, code: int) -> HttpResponse:
    return HttpResponse(status=code)


def boom(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("boom")


def missing(request: HttpRequest) -> HttpResponse:
    raise Http404


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def chunks() -> Iterator[bytes]:
        yield b"one "
        yield b"two"

    return StreamingHttpResponse(chunks())


async def async_stream(request: HttpRequest) -> StreamingHttpResponse:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one "
        await asyncio.sleep(0)
        yield b"two"

    return StreamingHttpResponse(chunks())


def file(request: HttpRequest) -> FileResponse:
    return FileResponse(open(__file__, "rb"), as_attachment=True)


entered: list[str] = []  # by requests that wait for ever


async def forever(request: HttpRequest) -> HttpResponse:
    entered.append(request.path)
    await asyncio.sleep(3600)
    return HttpResponse("never")


def session_user(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.user))


@cache_page(60)
def cached(request: HttpRequest) -> HttpResponse:
    return HttpResponse("cached")


@cache_control(public=True, max_age=60)
def public(request: HttpRequest) -> HttpResponse:
    return HttpResponse("public")


@never_cache
def never(request: HttpRequest) -> HttpResponse:
    return HttpResponse("never")


def redirect(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/page/")


def moved(request: HttpRequest) -> HttpResponse:
    return HttpResponsePermanentRedirect("/page/")


def not_modified(request: HttpRequest) -> HttpResponse:
    return HttpResponseNotModified()


urlpatterns = [
    path("page/", page),
    path("async/", async_page),
    path("community/<int:pk>/", show, name="community"),
    path("show/", show),
    path("api/show/", show),
    path("add/", add),
    path("status/<int:code>/", status),
    path("boom/", boom),
    path("missing/", missing),
    path("stream/", stream),
    path("async-stream/", async_stream),
    path("file/", file),
    path("forever/", forever),
    path("session-user/", session_user),
    path("cached/", cached),
    path("public/", public),
    path("never/", never),
    path("redirect/", redirect),
    path("moved/", moved),
    path("not-modified/", not_modified),
    path("static/app.css", page),
    path("reset/<uidb64>/<token>/", show, name="password_reset_confirm"),
]
