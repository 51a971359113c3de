# SPDX-License-Identifier: MIT
"""``path("health", headrace.django.health.view)``: database, cache, sink, Redis and Celery.

Each check has a deadline: what hangs is reported, and holds up neither the answer nor a request.
For a probe that asks nothing of anybody there is ``/livez`` of the outer wrapper.
"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, JsonResponse

from headrace.django.operate.health import DEADLINE, Checks, checks, results

__all__ = ["checks", "make", "view"]


def make(
    wanted: Callable[[], Checks] = checks, deadline: float = DEADLINE
) -> Callable[[HttpRequest], JsonResponse]:
    """A view of checks of one's own: ``make(lambda: {**checks(), "mail": Mail()}, 1.0)``."""

    def view(request: HttpRequest) -> JsonResponse:
        found = results(wanted(), deadline)
        well = all(one["status"] == "ok" for one in found.values())
        return JsonResponse(
            {"status": "ok" if well else "unavailable", "checks": found},
            status=200 if well else 503,
            headers={"Cache-Control": "no-store"},
        )

    return view


view = make()
