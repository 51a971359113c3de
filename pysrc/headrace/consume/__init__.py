# SPDX-License-Identifier: MIT
"""Events out of the stream into a handler: a consumer group through redis-py.

    consume("redis://127.0.0.1:6379/0", handle, group="billing")

A batch is acknowledged after the handler has returned, so every event reaches it at least once;
a handler that stores an event's id with its effect, as `headrace.django.analytics.store` does,
has each effect exactly once. See docs/how-to/consume.md.

How an entry goes: XREADGROUP gives it to one process of the group, and it stays pending until
XACK. A batch that fails is split in halves until the entries that fail by themselves are found;
those are tried again later, with a growing wait, and after `tries` put into
`<prefix><stream>:dead`. The tries are kept in Redis, in the entry's delivery counter, so that an
entry that kills its process is found too. What a dead process had in hand is taken over: at once
where the process is known to be gone, else when it has not been touched for `claim_after` seconds.

The modules, from the bottom up: `entry`, `handler` and `process` (what an entry, a handler and a
consumer's process are), `lag`, `group`, `retry`, `turn`, `command`.
"""

from __future__ import annotations

try:
    import redis  # noqa: F401
except ImportError as error:
    raise ImportError('consuming events needs redis-py: pip install "redis>=5.1"') from error

from headrace.consume.group import connect, dead_stream
from headrace.consume.handler import Unavailable
from headrace.consume.lag import Counts
from headrace.consume.turn import Consumer, consume

__all__ = ["Consumer", "Counts", "Unavailable", "connect", "consume", "dead_stream"]
