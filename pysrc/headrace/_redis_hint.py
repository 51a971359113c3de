# SPDX-License-Identifier: MIT
"""Which other prefixes of a Redis have events, where the one that was asked for has none.

A reader with a wrong prefix finds nothing, and would wait for ever.
"""

from __future__ import annotations

import time
from typing import Any, Final

import redis

from headrace._redis_keys import Keys, pattern_of

_SECONDS: Final = 2.0  # for the whole search, in a database of any size
_COUNT: Final = 1000  # keys that one SCAN looks at
_NAMED: Final = 5  # prefixes in the text, at most


def hint(client: Any, keys: Keys) -> str | None:
    """The text that names other prefixes; None where `keys` has had events, where no other
    prefix has, and where Redis does not say. `client` decodes responses.
    """
    try:
        if _has_had_events(client, keys.events):
            return None
        found = _others(client, keys)
    except redis.RedisError:
        return None
    if not found:
        return None
    shown = ", ".join(repr(prefix) for prefix in sorted(found)[:_NAMED])
    more = ", …" if len(found) > _NAMED else ""
    return f"{keys.events} has no events; prefixes that have some: {shown}{more}"


def _has_had_events(client: Any, key: str) -> bool:
    """False also for the empty stream that a consumer's group has made."""
    try:
        return bool(client.xinfo_stream(key)["last-generated-id"] != "0-0")
    except redis.ResponseError as error:
        if "no such key" in str(error):
            return False
        raise


def _others(client: Any, keys: Keys) -> set[str]:
    found: set[str] = set()
    cursor, end = 0, time.monotonic() + _SECONDS
    while time.monotonic() < end and len(found) <= _NAMED:
        cursor, names = client.scan(
            cursor, match=f"*{pattern_of(keys.stream)}", count=_COUNT, _type="stream"
        )
        for name in names:
            prefix = name[: len(name) - len(keys.stream)]
            if name != keys.events and _is_usable(prefix) and client.xlen(name):
                found.add(prefix)
        if cursor == 0:
            break
    return found


def _is_usable(prefix: str) -> bool:
    try:
        Keys(prefix)
    except ValueError:
        return False
    return True
