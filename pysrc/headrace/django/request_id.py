# SPDX-License-Identifier: MIT
"""One id for a request: in the response, the visit, the event, and the logs."""

from __future__ import annotations

import logging
import re
import secrets
from contextvars import ContextVar

from django.http import HttpRequest

# what others mint (UUIDs, ULIDs, W3C and AWS trace ids, base64), and nothing that breaks a line
_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+/=@~-]{0,127}", re.ASCII)

current: ContextVar[str | None] = ContextVar("headrace_request_id", default=None)


def take_or_mint(request: HttpRequest, header: str) -> str:
    """The id that the client or a proxy sent in `header` when it is well-formed: 1 to 128
    characters that need no quoting anywhere; else a new one of 32 hex digits.
    """
    sent = request.META.get("HTTP_" + header.upper().replace("-", "_"))
    if isinstance(sent, str) and _WELL_FORMED.fullmatch(sent):
        return sent
    return secrets.token_hex(16)


class RequestIdFilter(logging.Filter):
    """Gives every log record a `request_id`: that of the request being served, else ``"-"``.

    ``LOGGING["filters"]["request_id"] = {"()": "headrace.django.request_id.RequestIdFilter"}``
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "request_id", None) is None:
            record.request_id = current.get() or _of_request(record) or "-"
        return True


def _of_request(record: logging.LogRecord) -> str | None:
    """Django logs an answer of 4xx or 5xx after the middleware, with the request at hand."""
    visit = getattr(getattr(record, "request", None), "visit", None)
    return getattr(visit, "request_id", None)
