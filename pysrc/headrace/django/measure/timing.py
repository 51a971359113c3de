# SPDX-License-Identifier: MIT
"""How long a request took: response headers, the access log, a line for the slow ones."""

from __future__ import annotations

import logging
import re
import threading
import time
from typing import TYPE_CHECKING

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from headrace.django.conf import Conf

if TYPE_CHECKING:
    from headrace import Visit

logger = logging.getLogger("headrace.slow")

# Off until a site gives this very logger a level: an access log nobody asked for is noise.
access = logging.getLogger("headrace.access")

LINES_PER_MINUTE = 60


class Allowance:
    """At most so many log lines a minute; counts those that were kept back."""

    def __init__(self, lines: int) -> None:
        self._lines = lines
        self._lock = threading.Lock()
        self._minute = 0
        self._used = 0
        self._kept_back = 0

    def take(self) -> int | None:
        """None when there is none left; else how many lines were kept back before this one."""
        minute = int(time.monotonic() // 60)
        with self._lock:
            if minute != self._minute:
                self._minute, self._used = minute, 0
            if self._used >= self._lines:
                self._kept_back += 1
                return None
            self._used += 1
            kept_back, self._kept_back = self._kept_back, 0
            return kept_back


_allowance = Allowance(LINES_PER_MINUTE)


def time_response(
    conf: Conf, request: HttpRequest, visit: Visit, response: HttpResponseBase, seconds: float
) -> None:
    """Adds the timing headers that are turned on, and logs what there is to log."""
    if conf.response_time_header:
        response.headers["X-Response-Time"] = str(round(seconds * 1000))
    if conf.server_timing:
        timing = f"total;dur={seconds * 1000:.1f}"
        already = response.headers.get("Server-Timing")
        response.headers["Server-Timing"] = f"{already}, {timing}" if already else timing
    log_request(conf, request, visit, response.status_code, seconds)


def log_request(
    conf: Conf, request: HttpRequest, visit: Visit, status: int, seconds: float
) -> None:
    """A line for a request over ``SLOW_REQUEST``, and one for each where a site wants them."""
    if access.level and access.isEnabledFor(logging.INFO):
        access.info(
            '%s "%s" %d %.1f ms',
            visit.method,
            _printable(visit.path),
            status,
            seconds * 1000,
            extra=_fields(request, visit, status, seconds),
        )
    if conf.slow_request is not None and seconds > conf.slow_request:
        _log_slow(request, visit, status, seconds)


def _log_slow(request: HttpRequest, visit: Visit, status: int, seconds: float) -> None:
    kept_back = _allowance.take()
    if kept_back is None:
        return
    fields = _fields(request, visit, status, seconds)
    trace = f", trace {fields['trace_id']}" if "trace_id" in fields else ""
    logger.warning(
        'slow request: %s "%s" took %.0f ms%s%s',
        visit.method,
        _printable(visit.path),
        seconds * 1000,
        trace,
        f" ({kept_back} slow requests before it were not logged)" if kept_back else "",
        extra=fields,
    )


def _printable(path: str) -> str:
    """A path is a client's text, and must not break the line."""
    return path.encode("unicode_escape").decode("ascii").replace('"', "%22")


# W3C Trace Context, version 00 and later ones that begin like it.
_TRACEPARENT = re.compile(r"\s*(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


def _fields(request: HttpRequest, visit: Visit, status: int, seconds: float) -> dict[str, object]:
    """For ``extra``; ``trace_id`` only where the client, or its tracer, has sent one."""
    trace = _TRACEPARENT.match(request.META.get("HTTP_TRACEPARENT", ""))
    return {
        **({} if trace is None else {"trace_id": trace[1]}),
        "duration_ms": seconds * 1000,
        "method": visit.method,
        "path": visit.path,
        "route": visit.route,
        "status": status,
        "request_id": visit.request_id,
        "label": visit.label,
    }
