# SPDX-License-Identifier: MIT
"""Views that ask who it is: plain ones, DRF's and django-ninja's."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response

from headrace.django.auth import HeadraceAuthentication, HeadraceBearer


@csrf_exempt
def who(request: HttpRequest) -> HttpResponse:
    """Asks twice: the answer is kept."""
    assert request.user == request.user
    return HttpResponse(request.user.get_username() or "anonymous")


@csrf_exempt
async def awho(request: HttpRequest) -> HttpResponse:
    user = await request.auser()
    assert user == await request.auser()
    return HttpResponse(user.get_username() or "anonymous")


def nobody_asks(request: HttpRequest) -> HttpResponse:
    return HttpResponse("nobody asks")


@api_view(["GET", "POST"])
@authentication_classes([HeadraceAuthentication])
@permission_classes([IsAuthenticated])
def drf(request: Any) -> Response:
    return Response(
        {
            "user": request.user.get_username(),
            "claim": request.auth["user_id"],
            "kind": type(request.auth).__name__,
        }
    )


@api_view(["GET"])
@authentication_classes([HeadraceAuthentication])
@permission_classes([])
def drf_open(request: Any) -> Response:
    return Response({"user": request.user.get_username(), "auth": request.auth is not None})


api = NinjaAPI(auth=HeadraceBearer(), urls_namespace="ninja")


@api.get("/who")
@api.post("/who")
def ninja_who(request: HttpRequest) -> dict[str, Any]:
    return {"user": request.user.get_username(), "claim": request.auth["user_id"]}


async_api = NinjaAPI(auth=HeadraceBearer(), urls_namespace="aninja")


@async_api.get("/who")
async def aninja_who(request: HttpRequest) -> dict[str, Any]:
    return {"user": request.user.get_username(), "claim": request.auth["user_id"]}


def auth_of_both(request: HttpRequest) -> JsonResponse:
    """Everybody asks: request.user, DRF and Ninja."""
    first = request.user.get_username()
    second = drf_open(request).data["user"]
    third = HeadraceBearer()(request) is not None
    return JsonResponse({"users": [first, second], "ninja": third})


urlpatterns = [
    path("who/", who),
    path("api/awho/", awho),
    path("nobody/", nobody_asks),
    path("api/drf/", drf),
    path("api/drf-open/", drf_open),
    path("health/drf/", drf),
    path("ninja/", api.urls),
    path("aninja/", async_api.urls),
    path("api/both/", auth_of_both),
]
