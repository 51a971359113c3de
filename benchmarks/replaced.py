# SPDX-License-Identifier: MIT
"""The middleware of the replaced sites, put on examples/site in headrace's place.

Also the Celery application of the site after its fix: `celery -A replaced worker`. Clients have
their packages' defaults, and what they raise is caught: a page view that is not kept is no
reason to fail a page.
"""

from __future__ import annotations

import logging
import os
from types import SimpleNamespace
from typing import Any

import naive
from celery import Celery
from django.http import HttpRequest
from redis import Redis

URL = os.environ["BENCH_REDIS"]
client = Redis.from_url(URL)
app = Celery("replaced", broker=URL)
app.conf.task_ignore_result = True
app.conf.broker_connection_retry_on_startup = True
log = logging.getLogger(__name__)


@app.task(name="replaced.page_view")  # type: ignore[untyped-decorator]
def page_view(event: dict[str, Any]) -> None:
    naive.touch_session(client, event)


class Site(naive.NaiveMiddleware):
    """What the example site's views ask a middleware for; what recording raises is logged."""

    def look_at(self, request: HttpRequest) -> tuple[Any, str | None, bool]:
        user, fingerprint, new = super().look_at(request)
        request.visit = SimpleNamespace(user=user, token=user)  # type: ignore[attr-defined]
        return user, fingerprint, new

    def record(self, event: dict[str, Any]) -> None:
        try:
            super().record(event)
        except Exception as error:  # redis-py's and kombu's have no ancestor in common
            log.debug("a page view was lost: %r", error)


class Before(Site, naive.Before):
    client = client


class After(Site, naive.After):
    task = page_view
