# SPDX-License-Identifier: MIT
"""Django's request with what the middleware puts on it, for annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import http

if TYPE_CHECKING:
    from headrace import Visit


class HttpRequest(http.HttpRequest):
    """``def view(request: headrace.django.http.HttpRequest)``: knows ``request.visit``."""

    visit: Visit
