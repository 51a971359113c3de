# SPDX-License-Identifier: MIT
"""What the two tasks that drain have in common: Celery's, and that of Django's own tasks."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import redis

    from headrace._redis_keys import Keys

RETRIES: Final = 8
_WAIT: Final = (2.0, 300.0)  # seconds before a drain is tried again: the first, the longest


def drained(
    client: redis.Redis, keys: Keys, handler: str, limit: int, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Hands up to about `limit` events to the handler and closes the client; the counts as a dict.

    `prefix` and `stream` of the options stand in for those of `keys`.
    """
    from headrace.consume.turn import drain_some

    keys = keys.replaced(options.get("prefix"), options.get("stream"))
    chosen = {**options, "prefix": keys.prefix, "stream": keys.stream}
    try:
        return asdict(drain_some(client, handler, limit=limit, **chosen))
    finally:
        client.close()


def wait_before(retry: int) -> float:
    """Seconds before a retry, counted from 0: growing, and not the same for all."""
    first, longest = _WAIT
    return min(longest, first * 2.0**retry) * random.uniform(0.75, 1.25)
