# SPDX-License-Identifier: MIT
"""The Redis of ``HEADRACE["SINK"]``, for those who read what the sink writes."""

from __future__ import annotations

from typing import Any

import redis

from headrace._redis_keys import Keys
from headrace.consume import connect
from headrace.django.conf import SettingError, read

_TLS = {
    "ca_file": "ssl_ca_certs",
    "certificate": "ssl_certfile",
    "private_key": "ssl_keyfile",
}


def client(url: str | None = None) -> redis.Redis:
    """A client of the sink's Redis, or of `url`. Raises SettingError."""
    sink = read().sink or {}
    if url is None:
        url = sink.get("url", "")
    if not str(url).startswith(("redis://", "rediss://", "unix://")):
        raise SettingError('HEADRACE["SINK"]', "is no Redis: there is no stream to consume")
    options: dict[str, Any] = {}
    if str(url).startswith("rediss://"):
        options = {theirs: sink[ours] for ours, theirs in _TLS.items() if sink.get(ours)}
    try:
        return connect(str(url), **options)
    except ValueError as error:
        raise SettingError('HEADRACE["SINK"]', str(error)) from error


def keys() -> Keys:
    """The keys that the sink writes. Raises SettingError."""
    return read().keys
