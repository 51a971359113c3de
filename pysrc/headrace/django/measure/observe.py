# SPDX-License-Identifier: MIT
"""One observation into the metrics, which ``METRICS`` turns on.

Whatever goes wrong while we count is no matter of the code that is counted.
"""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from headrace.django.site import configured


def observe(kind: str, name: str, seconds: float, outcome: str) -> None:
    """Into the metrics of the configured sink; nowhere without one."""
    try:
        sink = configured().sink
    except ImproperlyConfigured:
        return  # the system check says so, and the middleware
    if sink is not None:
        sink.observe(kind, name, seconds, outcome)
