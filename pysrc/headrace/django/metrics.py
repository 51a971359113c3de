# SPDX-License-Identifier: MIT
"""``path("metrics", headrace.django.metrics.view)``: what Prometheus scrapes, of all workers.

Whoever can ask for it learns routes and rates: keep it off the public address.
"""

from __future__ import annotations

import threading

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse

from headrace._celery import queues_of, site_app
from headrace.django.site import configured
from headrace.metrics import CONTENT_TYPE, Collector, exposition

_lock = threading.Lock()
_made: tuple[object, Collector] | None = None


def collector() -> Collector:
    """Over the configured sink, with its Redis and, where Celery is in use, the site's queues.

    Raises ImproperlyConfigured when events are off: then nothing is counted.
    """
    global _made
    site = configured()
    if site.sink is None:
        raise ImproperlyConfigured('metrics need HEADRACE["SINK"]: it holds the counters')
    with _lock:
        if _made is None or _made[0] is not site.sink:
            url = str((site.conf.sink or {}).get("url", ""))
            keys = site.conf.keys
            app = site_app()
            made = Collector(
                site.sink,
                redis_url=url if url.startswith(("redis://", "rediss://", "unix://")) else None,
                prefix=keys.prefix,
                stream=keys.stream,
                celery_app=app,
                celery_queues=() if app is None else queues_of(app),
            )
            _made = (site.sink, made)
        return _made[1]


def view(request: HttpRequest) -> HttpResponse:
    """The text that Prometheus scrapes."""
    return HttpResponse(
        exposition(collector()), content_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"}
    )
