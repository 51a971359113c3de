# SPDX-License-Identifier: MIT
"""The path rules that hold where a site names none of its own, by label."""

from __future__ import annotations

PATHS: dict[str, tuple[str, ...]] = {
    "skip": (
        "/static/",
        "/media/",
        "/health/",
        "/.well-known/",
        "=/health",
        "=/healthz",
        "=/livez",
        "=/readyz",
        "=/metrics",
        "=/favicon.ico",
        "=/robots.txt",
    ),
    "api": ("/api/",),
}
