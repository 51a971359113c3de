# SPDX-License-Identifier: MIT
"""A consumer group in Redis, as one consumer uses it: made, read, acknowledged, and taken over
from consumers whose process is gone.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from headrace._redis_keys import PREFIX, STREAM, Keys, dead_of
from headrace.consume.entry import Entry, Row, order
from headrace.consume.handler import named
from headrace.consume.lag import Counts, Lag
from headrace.consume.process import is_gone, new_name

logger = logging.getLogger("headrace.consume")

DEAD_MAX_LENGTH: Final = 100_000  # entries in the stream of the dead, about

_TOUCHED_MS: Final = 1000  # what was touched in this time is not taken from a dead process
_LOOK_ROUND: Final = 5.0  # seconds between two looks for dead consumers
_ALL_PENDING: Final = 1_000_000  # COUNT of XPENDING: as many as one consumer can have

# States of a server that end: it loads its data, is out of memory, is a replica until a failover
# is over, has not been told of a user yet.
_PASSING: Final = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.NoPermissionError,
    redis.exceptions.MasterDownError,
    redis.exceptions.TryAgainError,
)
_PASSING_WORDS: Final = ("MISCONF", "BUSY ", "NOAUTH", "NOREPLICAS")


def connect(url: str, **options: Any) -> redis.Redis:
    """A client as `Consumer` needs it: text, and errors told at once. Raises ValueError."""
    settings: dict[str, Any] = {
        "decode_responses": True,
        "encoding_errors": "replace",  # a client's bytes need not be UTF-8
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "socket_connect_timeout": 5.0,
        "socket_timeout": 10.0,
        **options,
    }
    return redis.Redis.from_url(url, **settings)


def dead_stream(stream: str = STREAM, *, prefix: str = PREFIX) -> str:
    """The key of the stream where entries go that no try could handle."""
    return Keys(prefix, stream).dead


def passes(error: redis.RedisError) -> bool:
    """Is this a state of the server, or of the way to it, that ends by itself?"""
    return isinstance(error, _PASSING) or str(error).startswith(_PASSING_WORDS)


def _group_is_gone(error: Exception) -> bool:
    return isinstance(error, redis.ResponseError) and (
        "NOGROUP" in str(error) or "no such key" in str(error)
    )


class Group:
    """One consumer's side of a group. `consumer` is its name there, `stream` a whole key."""

    def __init__(
        self,
        client: redis.Redis,
        stream: str,
        group: str,
        *,
        batch: int,
        claim_after: float,
        counts: Counts,
    ) -> None:
        self.stream = stream
        self.group = group
        self.consumer = new_name()
        self.is_made = False
        self.lag = Lag(client, stream, group, counts)
        self._client: Any = client  # redis-py's own types do not tell sync from async
        self._batch = batch
        self._claim_after = claim_after
        self._counts = counts
        self._to_ack: list[str] = []
        self._last: str | None = None  # the group's last entry when there was none to read
        self._looked_round = float("-inf")

    def make(self) -> None:
        """The group, from the first entry that the stream still has."""
        words: list[Any] = ["XGROUP", "CREATE", self.stream, self.group, "0", "MKSTREAM"]
        try:
            info = self._client.xinfo_stream(self.stream)
        except redis.ResponseError:  # no stream yet
            info = {}
        if "entries-added" in info:  # Redis 7.0: so many were gone before there was a group
            words += ["ENTRIESREAD", info["entries-added"] - info["length"]]
        try:
            self._client.execute_command(*words)
            self._counts.groups += 1
            logger.info("headrace: made the group %s of %s", self.group, self.stream)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        self.is_made = True

    # --- reading ------------------------------------------------------------------------------

    def read(self) -> list[Row]:
        """The next entries that nobody has had; what is done is acknowledged on the way.

        Where the group is gone, nothing, and `is_made` is False. What the stream and the group
        look like just before is asked in the same transaction: only so can entries be missed
        that were trimmed unread.
        """
        self._last = None
        pipe = self._client.pipeline(transaction=True)
        acked = list(self._to_ack)
        if acked:
            pipe.xack(self.stream, self.group, *acked)
        pipe.xinfo_stream(self.stream)
        pipe.xinfo_groups(self.stream)
        # As bytes, since what redis-py makes of a reply it finds by the name as text: a dict for
        # each entry, which takes as long as to read the event out of what Redis has sent.
        group = (b"GROUP", self.group, self.consumer, b"COUNT", self._batch)
        pipe.execute_command(b"XREADGROUP", *group, b"STREAMS", self.stream, b">")
        *_, stream, groups, found = pipe.execute(raise_on_error=False)
        if isinstance(found, Exception):
            if not _group_is_gone(found):
                raise found
            # All of Redis was emptied, or the group removed: what is in the stream now is new.
            logger.warning("headrace: the group %s is gone; it is made again", self.group)
            self.is_made = False
            self._to_ack.clear()
            return []
        del self._to_ack[: len(acked)]
        streams = found.items() if isinstance(found, dict) else found or ()  # RESP3, RESP2
        rows = [row for _, batch in streams for row in batch]
        before = next((g for g in groups if g["name"] == self.group), None)
        if isinstance(stream, dict) and before is not None:
            self.lag.note(stream, before, rows)
        if before is not None:
            self._last = before["last-delivered-id"]
        return rows

    def wait(self, milliseconds: int) -> None:
        """Waits for an entry after those that the last `read` found, which were none."""
        if self._last is not None:
            self._client.xread({self.stream: self._last}, count=1, block=milliseconds)

    # --- acknowledging ------------------------------------------------------------------------

    def ack_later(self, ids: Iterable[str]) -> None:
        """Has these acknowledged with the next `read` or `flush_acks`."""
        self._to_ack += ids

    def flush_acks(self) -> None:
        """Acknowledges what is done."""
        if self._to_ack:
            self._client.xack(self.stream, self.group, *self._to_ack)
            self._to_ack.clear()

    def move_to_the_dead(self, entry: str, fields: Mapping[str, Any]) -> None:
        """Puts `fields` into the stream of the dead and takes the entry out of the pending ones,
        in one transaction.
        """
        pipe = self._client.pipeline(transaction=True)
        pipe.xadd(dead_of(self.stream), fields, maxlen=DEAD_MAX_LENGTH, approximate=True)
        pipe.xack(self.stream, self.group, entry)
        pipe.execute()

    def pending_count(self) -> int:
        """How many entries the whole group has in hand, after what is done is acknowledged."""
        self.flush_acks()
        try:
            count: int = self._client.xpending(self.stream, self.group)["pending"]
        except redis.ResponseError as error:
            if _group_is_gone(error):
                return 0
            raise
        return count

    def leave(self) -> None:
        """Acknowledges what is done, and leaves the group when nothing is pending here."""
        try:
            self.flush_acks()
            rows = self._client.xinfo_consumers(self.stream, self.group)
            if any(row["name"] == self.consumer and row["pending"] == 0 for row in rows):
                self._client.xgroup_delconsumer(self.stream, self.group, self.consumer)
        except redis.RedisError as error:
            logger.warning("headrace: Redis at the end: %s", named(error))

    # --- whose entries they are ---------------------------------------------------------------

    def mark(self, entries: Sequence[Entry], times: int) -> None:
        """Sets the delivery counter, and ownership anew."""
        ids = [entry.id for entry in entries]
        self._client.xclaim(
            *(self.stream, self.group, self.consumer, 0, ids), retrycount=times, justid=True
        )
        for entry in entries:
            entry.times = times

    def still_mine(self, entries: Sequence[Entry]) -> list[Entry]:
        """Those that no other consumer has taken over, kept from being taken over."""
        if not entries:
            return []
        ids = [entry.id for entry in entries]
        rows = self._pending(self.consumer, min(ids, key=order), max(ids, key=order))
        mine = {row["message_id"] for row in rows}
        kept = [entry for entry in entries if entry.id in mine]
        self._mark_again(kept)
        return kept

    def _mark_again(self, entries: Sequence[Entry]) -> None:
        """Ownership anew, and the counters as they are here."""
        for times, group in itertools.groupby(entries, key=lambda entry: entry.times):
            self.mark(list(group), times)

    def _pending(self, name: str, first: str, last: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._client.xpending_range(
            self.stream, self.group, first, last, _ALL_PENDING, name
        )
        return found

    # --- taking over ----------------------------------------------------------------------------

    def take_over(self, suspects: Iterable[str]) -> list[Entry]:
        """Entries of consumers that are gone, now this one's; their counters stay. Looks for them
        every few seconds only, and again at once where it found some.

        `suspects`: ids that this consumer has in hand beyond those that are to be acknowledged.
        """
        now = time.monotonic()
        if now - self._looked_round < _LOOK_ROUND:
            return []
        self._looked_round = now
        taken = self._look({*self._to_ack, *suspects})
        if taken:
            self.look_again()  # there may be more
        return taken

    def look_again(self) -> None:
        """Has the next `take_over` look, however long ago the last look was."""
        self._looked_round = float("-inf")

    def _look(self, in_hand: set[str]) -> list[Entry]:
        try:
            consumers = self._client.xinfo_consumers(self.stream, self.group)
        except redis.ResponseError as error:
            if _group_is_gone(error):
                return []
            raise
        for consumer in consumers:
            name, pending = consumer["name"], consumer["pending"]
            # Ours: a connection that broke may have taken a reply along, or a batch was given up.
            if name == self.consumer and pending > len(in_hand):
                rows = self._pending(name, "-", "+")
                return self._taken([row for row in rows if row["message_id"] not in in_hand])
            if name == self.consumer or not is_gone(name):
                continue
            if pending == 0:
                self._client.xgroup_delconsumer(self.stream, self.group, name)
                continue
            rows = self._pending(name, "-", "+")[: self._batch]
            ids = [row["message_id"] for row in rows]
            # If two processes claim the same dead consumer's entries, the second gets none.
            claimed = self._client.xclaim(
                *(self.stream, self.group, self.consumer, _TOUCHED_MS, ids), justid=True
            )
            if claimed:
                return self._taken([row for row in rows if row["message_id"] in claimed])
            self._looked_round += _TOUCHED_MS / 1000 - _LOOK_ROUND
        return self._claim_idle(in_hand)

    def _claim_idle(self, in_hand: set[str]) -> list[Entry]:
        """What no process has touched for `claim_after`: its process hangs, or lives elsewhere
        and may be gone.
        """
        cursor = "0-0"
        while True:
            cursor, found, *deleted = self._client.xautoclaim(
                *(self.stream, self.group, self.consumer, int(self._claim_after * 1000)),
                start_id=cursor,
                count=self._batch,
            )
            if deleted and deleted[0]:  # Redis 7.0 takes them out of the pending ones by itself
                self.lag.lost_pending(len(deleted[0]))
            if found or cursor == "0-0":
                break
        if not found:
            return []
        rows = self._pending(self.consumer, "-", "+")
        entries = self._taken([row for row in rows if row["message_id"] not in in_hand])
        for entry in entries:
            entry.times -= 1  # XAUTOCLAIM has counted this as a try
        self._mark_again(entries)
        return entries

    def _taken(self, rows: Sequence[Mapping[str, Any]]) -> list[Entry]:
        """The entries themselves. Those that the stream no longer has are given up."""
        pipe = self._client.pipeline(transaction=False)
        for row in rows:
            pipe.xrange(self.stream, row["message_id"], row["message_id"])
        entries, gone = [], []
        for row, found in zip(rows, pipe.execute(), strict=True):
            if found:
                entries.append(Entry(found[0][0], found[0][1], row["times_delivered"]))
            else:
                gone.append(row["message_id"])
        if gone:
            self._client.xack(self.stream, self.group, *gone)
            self.lag.lost_pending(len(gone))
        self._counts.claimed += len(entries)
        if entries:
            logger.info("headrace: took over %d entries", len(entries))
        return entries
