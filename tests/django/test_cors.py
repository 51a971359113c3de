# SPDX-License-Identifier: MIT
"""A label that requires a token, beside the real django-cors-headers."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.test import override_settings

from tests.django.conftest import Get
from tests.oracle.jws import make_token

CORS = "corsheaders.middleware.CorsMiddleware"
ORIGIN = {"origin": "https://app.example"}
PREFLIGHT = {**ORIGIN, "access-control-request-method": "GET"}


def site(*middleware: str) -> Any:
    return override_settings(
        MIDDLEWARE=[*middleware, *settings.MIDDLEWARE[1:]],
        CORS_ALLOWED_ORIGINS=["https://app.example"],
        HEADRACE={"SINK": "memory:", "REQUIRE_TOKEN": ["api"]},
    )


OURS = settings.MIDDLEWARE[0]


def test_refusal_below_cors_can_be_read_by_the_page(get: Get) -> None:
    with site(CORS, OURS):
        refused = get("/api/show/", ORIGIN)
        assert refused.status_code == 401
        assert refused.headers["Access-Control-Allow-Origin"] == "https://app.example"
        preflight = get("/api/show/", PREFLIGHT, method="options")
        assert preflight.status_code == 200
        token = {"authorization": "Bearer " + make_token(secret=settings.SECRET_KEY)}
        assert get("/api/show/", {**ORIGIN, **token}).status_code == 200


def test_preflight_goes_through_above_cors_too(get: Get) -> None:
    with site(OURS, CORS):
        preflight = get("/api/show/", PREFLIGHT, method="options")
        assert preflight.status_code == 200
        assert preflight.headers["Access-Control-Allow-Origin"] == "https://app.example"
        refused = get("/api/show/", ORIGIN)
        assert refused.status_code == 401
        assert "Access-Control-Allow-Origin" not in refused.headers  # what headrace.W007 is for
