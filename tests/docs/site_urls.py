# SPDX-License-Identifier: MIT
"""The one view of the site that the settings of the documentation are tried on."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, re_path


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("page")


urlpatterns: list[URLPattern] = [re_path("", page)]
