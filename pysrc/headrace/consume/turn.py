# SPDX-License-Identifier: MIT
"""A consumer: turn by turn it takes entries from where there are some, and handles them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

import redis

from headrace._redis_keys import PREFIX, STREAM, Keys
from headrace.consume.group import Group, connect, passes
from headrace.consume.handler import Handler, load_handler, named
from headrace.consume.lag import Counts
from headrace.consume.retry import Stop, Tries, waits

logger = logging.getLogger("headrace.consume")

GROUP: Final = "headrace"
BATCH: Final = 256
TRIES: Final = 5
CLAIM_AFTER: Final = 60.0  # seconds; longer than a handler takes for a batch

_BLOCK_MS: Final = 1000  # how long a wait for new entries lasts, and SIGTERM with it
_REDIS_WAIT: Final = (0.1, 10.0)
_PATIENCE: Final = 10.0  # seconds that a task waits for Redis


class Consumer:
    """One process's part of a consumer group.

    It reads the stream at `prefix` and `stream`, which are those of `EventSink`. `client` decodes
    responses (`connect` makes one). `run` is called by one thread; `stop` by any, and by signal
    handlers.
    """

    def __init__(
        self,
        client: redis.Redis,
        handler: Handler,
        *,
        prefix: str = PREFIX,
        stream: str = STREAM,
        group: str = GROUP,
        batch: int = BATCH,
        tries: int = TRIES,
        claim_after: float = CLAIM_AFTER,
        report: Callable[[Counts], object] | None = None,
    ) -> None:
        if batch < 1 or tries < 1 or claim_after <= 0:
            raise ValueError("batch and tries are at least 1, claim_after is above 0")
        self.counts = Counts()
        self.report = report
        self._stop = Stop()
        self._group = Group(
            *(client, Keys(prefix, stream).events, group),
            batch=batch,
            claim_after=claim_after,
            counts=self.counts,
        )
        self._tries = Tries(
            *(handler, self._group, self._stop), batch=batch, tries=tries, counts=self.counts
        )
        self.name = self._group.consumer

    def stop(self) -> None:
        """Ends `run` after the batch in hand."""
        self._stop.is_set = True

    def run(
        self,
        *,
        drain: bool = False,
        limit: int | None = None,
        patience: float = float("inf"),
    ) -> Counts:
        """Consumes until `stop`; with `drain` until nothing is unread or pending in the group,
        with `limit` until about so many events (whole batches) are done.

        Redis being away is waited out, for `patience` seconds at most. Raises redis.RedisError
        then, and when the stream is no stream and the like; Unavailable when drain is on and the
        handler says so `tries` times in a row.
        """
        pauses = waits(_REDIS_WAIT)
        was_there = time.monotonic()
        try:
            while not self._stop.is_set and (limit is None or self._done() < limit):
                try:
                    found = self._turn(drain)
                    if drain and not found and self._group.is_made and self._is_drained():
                        break
                    pauses = waits(_REDIS_WAIT)
                    was_there = time.monotonic()
                except redis.RedisError as error:
                    if not passes(error) or time.monotonic() - was_there > patience:
                        raise
                    wait = next(pauses)
                    logger.warning("headrace: Redis: %s; again in %.1f s", named(error), wait)
                    self._group.look_again()  # what was in hand is pending
                    self._stop.sleep(wait)
        finally:
            self._group.leave()
            self._tell()
        return self.counts

    def _done(self) -> int:
        return self.counts.handled + self.counts.dead

    def _tell(self) -> None:
        if self.report is not None:
            self.report(self.counts)

    def _turn(self, drain: bool) -> bool:
        """Takes entries from where there are some and handles them. Was there anything?"""
        group, tries = self._group, self._tries
        if not group.is_made:
            group.make()
        due = tries.take_due()
        if due:
            tries.handle_carefully(group.still_mine(due), drain)
            return True
        taken = group.take_over(suspect.entry.id for suspect in tries.suspects)
        if taken:
            tries.handle_carefully(taken, drain)
            return True
        if tries.has_too_many():
            self._stop.sleep(tries.seconds_to_next() or 0)
            return True
        rows = group.read()
        if not group.is_made:
            tries.suspects.clear()
            return False
        self._tell()
        if rows:
            tries.handle_new(rows, drain)
        elif not drain and not self._stop.is_set:
            self._wait()
        return bool(rows)

    def _wait(self) -> None:
        """Until there are new entries, or a suspect is due; not for longer than a second."""
        due = self._tries.seconds_to_next()
        block = _BLOCK_MS if due is None else max(1, min(_BLOCK_MS, int(due * 1000)))
        self._group.wait(block)

    def _is_drained(self) -> bool:
        """Has the group nothing pending? Called when there is nothing unread."""
        if self._group.pending_count() == 0:
            return True
        if not self._tries.suspects:  # others have them in hand, or died a moment ago
            self._group.look_again()
        self._stop.sleep(0.1)
        return False


def consume(
    url: str, handler: Handler, *, drain: bool = False, limit: int | None = None, **options: Any
) -> Counts:
    """Consumes the events at a Redis URL; `options` are those of `Consumer`. Ends as `run`."""
    client = connect(url)
    try:
        return Consumer(client, handler, **options).run(drain=drain, limit=limit)
    finally:
        client.close()


def drain_some(client: redis.Redis, handler: str, *, limit: int, **options: Any) -> Counts:
    """What tasks do: hands up to about `limit` events to the handler at a dotted path.

    `options` are those of `Consumer`. Raises ValueError for a path that leads to no function,
    and as `Consumer.run`, whose patience is 10 seconds.
    """
    consumer = Consumer(client, load_handler(handler), **options)
    return consumer.run(drain=True, limit=limit, patience=_PATIENCE)
