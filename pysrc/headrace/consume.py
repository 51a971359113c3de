# SPDX-License-Identifier: MIT
"""Events out of the stream into a handler: a consumer group through redis-py.

    consume("redis://127.0.0.1:6379/0", handle, group="billing")

A batch is acknowledged after the handler has returned, so every event reaches it at least once;
a handler that stores an event's id with its effect, as `headrace.django.analytics.store` does,
has each effect exactly once. See docs/how-to/consume.md.

How an entry goes: XREADGROUP gives it to one process of the group, and it stays pending until
XACK. A batch that fails is split in halves until the entries that fail by themselves are found;
those are tried again later, with a growing wait, and after `tries` put into `<stream>:dead`. The
tries are kept in Redis, in the entry's delivery counter, so that an entry that kills its process
is found too. What a dead process had in hand is taken over: at once where the process is known
to be gone, else when it has not been touched for `claim_after` seconds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import os
import random
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TextIO

try:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry
except ImportError as error:
    raise ImportError('consuming events needs redis-py: pip install "redis>=5.1"') from error

from headrace.events import DEAD_FIELDS, Event, NewerFormatError, _as_dict, _read_entries

__all__ = ["Consumer", "Counts", "Unavailable", "connect", "consume", "dead_stream"]

logger = logging.getLogger("headrace.consume")

Handler = Callable[[Sequence[Event]], object]
Fields = dict[str, str]
_Row = tuple[str, list[str]]  # an entry as Redis sends it: its id, then names and values in turn

GROUP: Final = "headrace"
BATCH: Final = 256
TRIES: Final = 5
CLAIM_AFTER: Final = 60.0  # seconds; longer than a handler takes for a batch
DEAD_MAX_LENGTH: Final = 100_000  # entries in the stream of the dead, about

_BLOCK_MS: Final = 1000  # how long a wait for new entries lasts, and SIGTERM with it
_TOUCHED_MS: Final = 1000  # what was touched in this time is not taken from a dead process
_LOOK_ROUND: Final = 5.0  # seconds between two looks for dead consumers
_CRASH_TRIES: Final = 10  # so often at least is an entry tried whose process dies: it may be
# the machine's fault, or an operator's
_ALL_PENDING: Final = 1_000_000  # COUNT of XPENDING: as many as one consumer can have
_SUSPECTS_MAX: Final = 4  # batches of suspects; with more, nothing new is read
_RETRY_WAIT: Final = (0.1, 10.0)  # before an entry is tried again: the first, the longest
_OUTAGE_WAIT: Final = (0.2, 30.0)
_REDIS_WAIT: Final = (0.1, 10.0)
_ERROR_MAX_CHARS: Final = 2000

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


class Unavailable(Exception):
    """What the handler needs is not there: raised by a handler, it says that the events are not
    to blame. The batch is tried again, for as long as it takes, and nothing goes to the dead.
    """


@dataclass
class Counts:
    """What one consumer has done since its start."""

    handled: int = 0  # events whose handler returned
    batches: int = 0
    dead: int = 0  # put into the stream of the dead
    claimed: int = 0  # taken over from dead consumers
    trimmed: int = 0  # entries that left the stream before anybody read them, as far as known
    gaps: int = 0  # with Redis 6.2: times that entries may have been trimmed unread
    groups: int = 0  # times the group was made, after a FLUSHALL too
    lag: int | None = None  # entries that nobody of the group has read; None: not known
    behind_ms: int = 0  # from the last entry read to the newest one


@dataclass
class _Entry:
    """A pending entry; `times` is Redis' delivery counter."""

    id: str
    fields: Fields
    times: int = 1


@dataclass(order=True)
class _Suspect:
    """An entry that failed by itself, until it is tried again."""

    due: float
    entry: _Entry = field(compare=False)
    error: str = field(compare=False)


class Consumer:
    """One process's part of a consumer group.

    `client` decodes responses (`connect` makes one). `run` is called by one thread; `stop` by
    any, and by signal handlers.
    """

    def __init__(
        self,
        client: redis.Redis,
        handler: Handler,
        *,
        stream: str = "events",
        group: str = GROUP,
        batch: int = BATCH,
        tries: int = TRIES,
        claim_after: float = CLAIM_AFTER,
        report: Callable[[Counts], object] | None = None,
    ) -> None:
        if batch < 1 or tries < 1 or claim_after <= 0:
            raise ValueError("batch and tries are at least 1, claim_after is above 0")
        self.handler = handler
        self.stream = stream
        self.group = group
        self.batch = batch
        self.tries = tries
        self.claim_after = claim_after
        self.name = _process_name()
        self.counts = Counts()
        self._client: Any = client  # redis-py's own types do not tell sync from async
        self._report = report
        self._stopped = False
        self._to_ack: list[str] = []
        self._suspects: list[_Suspect] = []
        self._has_group = False
        self._looked_round = float("-inf")
        self._trimmed_unfixed = 0

    def stop(self) -> None:
        """Ends `run` after the batch in hand."""
        self._stopped = True

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
        waits = _waits(_REDIS_WAIT)
        was_there = time.monotonic()
        try:
            while not self._stopped and (limit is None or self._done() < limit):
                try:
                    found = self._turn(drain)
                    if drain and not found and self._has_group and self._is_drained():
                        break
                    waits = _waits(_REDIS_WAIT)
                    was_there = time.monotonic()
                except redis.RedisError as error:
                    if not _passes(error) or time.monotonic() - was_there > patience:
                        raise
                    wait = next(waits)
                    logger.warning("headrace: Redis: %s; again in %.1f s", _named(error), wait)
                    self._looked_round = float("-inf")  # what was in hand is pending
                    self._sleep(wait)
        finally:
            self._leave()
        return self.counts

    def _sleep(self, seconds: float) -> None:
        """In slices: `stop` in a signal handler can only set a flag."""
        end = time.monotonic() + seconds
        while not self._stopped and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))

    def _done(self) -> int:
        return self.counts.handled + self.counts.dead

    # --- one turn -----------------------------------------------------------------------------

    def _turn(self, drain: bool) -> bool:
        """Takes entries from where there are some and handles them. Was there anything?"""
        if not self._has_group:
            self._make_group()
        now = time.monotonic()
        due = [suspect for suspect in self._suspects if suspect.due <= now]
        if due:
            self._suspects = [suspect for suspect in self._suspects if suspect.due > now]
            self._careful(self._still_mine([suspect.entry for suspect in due]), drain)
            return True
        if now - self._looked_round >= _LOOK_ROUND:
            self._looked_round = now
            taken = self._take_over()
            if taken:
                self._looked_round = float("-inf")  # there may be more
                self._careful(taken, drain)
                return True
        if len(self._suspects) >= _SUSPECTS_MAX * self.batch:
            self._sleep(min(self._suspects).due - now)
            return True
        rows = self._read(wait=not drain)
        if rows:
            self._handle_new(rows, drain)
        return bool(rows)

    def _make_group(self) -> None:
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
            self.counts.groups += 1
            logger.info("headrace: made the group %s of %s", self.group, self.stream)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        self._has_group = True

    def _read(self, wait: bool) -> list[_Row]:
        """The next entries that nobody has had; what is done is acknowledged on the way.

        What the stream and the group look like just before is asked in the same transaction:
        only so can entries be missed that were trimmed unread.
        """
        pipe = self._client.pipeline(transaction=True)
        acked = list(self._to_ack)
        if acked:
            pipe.xack(self.stream, self.group, *acked)
        pipe.xinfo_stream(self.stream)
        pipe.xinfo_groups(self.stream)
        # As bytes, since what redis-py makes of a reply it finds by the name as text: a dict for
        # each entry, which takes as long as to read the event out of what Redis has sent.
        group = (b"GROUP", self.group, self.name, b"COUNT", self.batch)
        pipe.execute_command(b"XREADGROUP", *group, b"STREAMS", self.stream, b">")
        *_, stream, groups, found = pipe.execute(raise_on_error=False)
        if isinstance(found, Exception):
            if not _group_is_gone(found):
                raise found
            # All of Redis was emptied, or the group removed: what is in the stream now is new.
            logger.warning("headrace: the group %s is gone; it is made again", self.group)
            self._has_group = False
            self._to_ack.clear()
            self._suspects.clear()
            return []
        del self._to_ack[: len(acked)]
        streams = found.items() if isinstance(found, dict) else found or ()  # RESP3, RESP2
        rows = [row for _, batch in streams for row in batch]
        before = next((g for g in groups if g["name"] == self.group), None)
        if isinstance(stream, dict) and before is not None:
            self._note(stream, before, rows)
        if self._report is not None:
            self._report(self.counts)
        if not rows and wait and before is not None and not self._stopped:
            self._wait_for_entries(before["last-delivered-id"])
        return rows

    def _wait_for_entries(self, last: str) -> None:
        block = _BLOCK_MS
        if self._suspects:
            due = min(self._suspects).due - time.monotonic()
            block = max(1, min(block, int(due * 1000)))
        self._client.xread({self.stream: last}, count=1, block=block)

    # --- handling -----------------------------------------------------------------------------

    def _handle_new(self, rows: list[_Row], drain: bool) -> None:
        """As `_handle`, with nothing made for each entry but its event until one fails."""
        try:
            events = _read_entries(rows)
        except NewerFormatError:
            self._handle([_entry(row) for row in rows], drain)
            return
        try:
            self.handler(events)
        except Exception as error:
            self._split(list(zip(map(_entry, rows), events, strict=True)), drain, error)
        else:
            self._note_done([entry for entry, _ in rows])

    def _handle(self, entries: list[_Entry], drain: bool) -> None:
        """Hands a batch to the handler; splits it where it fails."""
        readable: list[tuple[_Entry, Event]] = []
        for entry in entries:
            try:
                readable.append((entry, Event.from_entry(entry.id, entry.fields)))
            except NewerFormatError as error:
                self._bury(entry, _named(error))
        if readable:
            self._split(readable, drain)

    def _split(
        self, batch: list[tuple[_Entry, Event]], drain: bool, raised: Exception | None = None
    ) -> None:
        error = self._call(batch, drain, raised)
        if error is None:
            return
        if len(batch) > 1:
            middle = len(batch) // 2
            self._split(batch[:middle], drain)
            self._split(batch[middle:], drain)
            return
        entry = batch[0][0]
        if entry.times >= self.tries:
            self._bury(entry, error)
            return
        first, longest = _RETRY_WAIT
        wait = min(longest, first * 2 ** (entry.times - 1))
        self._suspects.append(_Suspect(time.monotonic() + wait, entry, error))

    def _call(
        self, batch: list[tuple[_Entry, Event]], drain: bool, raised: Exception | None
    ) -> str | None:
        """Calls the handler, unless it was and has `raised`; None, or the error. What is done is
        noted for XACK.
        """
        outages = 0
        waits = _waits(_OUTAGE_WAIT)
        while batch:
            try:
                if raised is not None:
                    error, raised = raised, None
                    raise error
                self.handler([event for _, event in batch])
            except Exception as error:
                if not _is_outage(error):
                    if len(batch) == 1:
                        logger.warning(
                            "headrace: %s fails (%d of %d)",
                            *(batch[0][0].id, batch[0][0].times, self.tries),
                            exc_info=batch[0][0].times == 1,
                        )
                    return _named(error)
                outages += 1
                if drain and outages >= self.tries:
                    raise Unavailable(_named(error)) from error
                wait = next(waits)
                logger.warning("headrace: %s; again in %.1f s", _named(error), wait)
                self._sleep(wait)
                if self._stopped:
                    return None
                mine = {entry.id for entry in self._still_mine([entry for entry, _ in batch])}
                batch = [(entry, event) for entry, event in batch if entry.id in mine]
            else:
                self._note_done([entry.id for entry, _ in batch])
                return None
        return None  # another process has them by now

    def _note_done(self, ids: list[str]) -> None:
        self.counts.handled += len(ids)
        self.counts.batches += 1
        self._to_ack += ids

    def _careful(self, entries: list[_Entry], drain: bool) -> None:
        """Handles entries that failed before, or whose process died with them in hand.

        Each try is first noted in Redis, in groups that get smaller, so that after some deaths of
        the process only the entry that kills it has been tried too often.
        """
        limit = max(self.tries, _CRASH_TRIES)
        entries.sort(key=lambda entry: entry.times)
        for times, group in itertools.groupby(entries, key=lambda entry: entry.times):
            left = list(group)
            if times >= limit:
                for entry in left:
                    self._bury(entry, f"its consumer ended {times} times with it in hand")
                continue
            size = 1 if times >= limit - 1 else max(1, self.batch >> 4 * (times - 1))
            for start in range(0, len(left), size):
                if self._stopped:
                    return
                part = left[start : start + size]
                self._mark(part, times + 1)
                self._handle(part, drain)
                self._flush_acks()

    def _mark(self, entries: list[_Entry], times: int) -> None:
        """Sets the delivery counter, and ownership anew."""
        ids = [entry.id for entry in entries]
        self._client.xclaim(
            *(self.stream, self.group, self.name, 0, ids), retrycount=times, justid=True
        )
        for entry in entries:
            entry.times = times

    def _still_mine(self, entries: list[_Entry]) -> list[_Entry]:
        """Those that no other consumer has taken over, kept from being taken over."""
        if not entries:
            return []
        ids = [entry.id for entry in entries]
        rows = self._pending(self.name, min(ids, key=_order), max(ids, key=_order))
        mine = {row["message_id"] for row in rows}
        kept = [entry for entry in entries if entry.id in mine]
        self._mark_again(kept)
        return kept

    def _mark_again(self, entries: list[_Entry]) -> None:
        """Ownership anew, and the counters as they are here."""
        for times, group in itertools.groupby(entries, key=lambda entry: entry.times):
            self._mark(list(group), times)

    def _bury(self, entry: _Entry, error: str) -> None:
        """Into the stream of the dead, and out of the pending ones, in one transaction."""
        values = (
            error[:_ERROR_MAX_CHARS],
            entry.times,
            self.group,
            entry.id,
            int(time.time() * 1000),
        )
        # Fields of an earlier death give way: an entry of the dead can be read again.
        kept = {name: text for name, text in entry.fields.items() if name not in DEAD_FIELDS}
        dead = {**kept, **dict(zip(DEAD_FIELDS, values, strict=True))}
        pipe = self._client.pipeline(transaction=True)
        pipe.xadd(dead_stream(self.stream), dead, maxlen=DEAD_MAX_LENGTH, approximate=True)
        pipe.xack(self.stream, self.group, entry.id)
        pipe.execute()
        self.counts.dead += 1
        logger.error("headrace: %s is put to the dead: %s", entry.id, error[:_ERROR_MAX_CHARS])

    def _flush_acks(self) -> None:
        if self._to_ack:
            self._client.xack(self.stream, self.group, *self._to_ack)
            self._to_ack.clear()

    # --- taking over ----------------------------------------------------------------------------

    def _take_over(self) -> list[_Entry]:
        """Entries of consumers that are gone, now this one's; their counters stay."""
        try:
            consumers = self._client.xinfo_consumers(self.stream, self.group)
        except redis.ResponseError as error:
            if _group_is_gone(error):
                return []
            raise
        # Ours: a connection that broke may have taken a reply along, or a batch was given up.
        in_hand = {*self._to_ack, *(suspect.entry.id for suspect in self._suspects)}
        for consumer in consumers:
            name, pending = consumer["name"], consumer["pending"]
            if name == self.name and pending > len(in_hand):
                rows = self._pending(name, "-", "+")
                return self._taken([row for row in rows if row["message_id"] not in in_hand])
            if name == self.name or not _is_gone(name):
                continue
            if pending == 0:
                self._client.xgroup_delconsumer(self.stream, self.group, name)
                continue
            rows = self._pending(name, "-", "+")[: self.batch]
            ids = [row["message_id"] for row in rows]
            # Of two processes that see the same dead one, the second finds the entries touched.
            claimed = self._client.xclaim(
                *(self.stream, self.group, self.name, _TOUCHED_MS, ids), justid=True
            )
            if claimed:
                return self._taken([row for row in rows if row["message_id"] in claimed])
            self._looked_round += _TOUCHED_MS / 1000 - _LOOK_ROUND
        return self._claim_idle(in_hand)

    def _claim_idle(self, in_hand: set[str]) -> list[_Entry]:
        """What no process has touched for `claim_after`: its process hangs, or lives elsewhere
        and may be gone.
        """
        cursor = "0-0"
        while True:
            cursor, found, *deleted = self._client.xautoclaim(
                *(self.stream, self.group, self.name, int(self.claim_after * 1000)),
                start_id=cursor,
                count=self.batch,
            )
            if deleted and deleted[0]:  # Redis 7.0 takes them out of the pending ones by itself
                self._lost_pending(len(deleted[0]))
            if found or cursor == "0-0":
                break
        if not found:
            return []
        rows = self._pending(self.name, "-", "+")
        entries = self._taken([row for row in rows if row["message_id"] not in in_hand])
        for entry in entries:
            entry.times -= 1  # XAUTOCLAIM has counted this as a try
        self._mark_again(entries)
        return entries

    def _pending(self, name: str, first: str, last: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._client.xpending_range(
            self.stream, self.group, first, last, _ALL_PENDING, name
        )
        return found

    def _taken(self, rows: list[dict[str, Any]]) -> list[_Entry]:
        """The entries themselves. Those that the stream no longer has are given up."""
        pipe = self._client.pipeline(transaction=False)
        for row in rows:
            pipe.xrange(self.stream, row["message_id"], row["message_id"])
        entries, gone = [], []
        for row, found in zip(rows, pipe.execute(), strict=True):
            if found:
                entries.append(_Entry(found[0][0], found[0][1], row["times_delivered"]))
            else:
                gone.append(row["message_id"])
        if gone:
            self._client.xack(self.stream, self.group, *gone)
            self._lost_pending(len(gone))
        self.counts.claimed += len(entries)
        if entries:
            logger.info("headrace: took over %d entries", len(entries))
        return entries

    def _is_drained(self) -> bool:
        """Has the group nothing pending? Called when there is nothing unread."""
        self._flush_acks()
        try:
            pending = self._client.xpending(self.stream, self.group)["pending"]
        except redis.ResponseError as error:
            if _group_is_gone(error):
                return True
            raise
        if pending == 0:
            return True
        if not self._suspects:  # others have them in hand, or died a moment ago
            self._looked_round = float("-inf")
        self._sleep(0.1)
        return False

    def _leave(self) -> None:
        """Acknowledges what is done, and leaves the group when nothing is pending here."""
        try:
            self._flush_acks()
            rows = self._client.xinfo_consumers(self.stream, self.group)
            if any(row["name"] == self.name and row["pending"] == 0 for row in rows):
                self._client.xgroup_delconsumer(self.stream, self.group, self.name)
        except redis.RedisError as error:
            logger.warning("headrace: Redis at the end: %s", _named(error))
        if self._report is not None:
            self._report(self.counts)

    # --- trimming -------------------------------------------------------------------------------

    def _note(
        self, stream: Mapping[str, Any], before: Mapping[str, Any], got: Sequence[_Row]
    ) -> None:
        """Lag, and entries that were trimmed before the group had read them.

        `stream` and `before` are as they were right before `got` was read. Were the first entry
        of the stream not after the group's last one, nothing unread could have been trimmed.
        Else, as of Redis 7.0, what the stream has lost since it exists is compared with how many
        of its entries the group has gone past. Redis 6.2 keeps no such numbers.
        """
        last = before["last-delivered-id"]
        lag = before.get("lag")
        newest = got[-1][0] if got else last
        self.counts.lag = 0 if not got else None if lag is None else max(0, lag - len(got))
        generated = _order(stream["last-generated-id"])[0]
        self.counts.behind_ms = max(0, generated - _order(newest)[0]) if got else 0
        first = stream.get("first-entry")
        if not got or not first or _order(first[0]) <= _order(last):
            return
        if "entries-added" not in stream:
            if last != "0-0":
                self.counts.gaps += 1
                logger.warning(
                    "headrace: entries of %s after %s may have been trimmed before they were "
                    "read (Redis 6.2 does not count them)",
                    *(self.stream, last),
                )
            return
        read = before.get("entries-read")
        if read is None:
            return
        lost = stream["entries-added"] - stream["length"] - read - self._trimmed_unfixed
        if lost > 0:
            self.counts.trimmed += lost
            logger.error(
                "headrace: %d entries of %s were trimmed before the group %s had read them: "
                "consume faster or raise max_length",
                *(lost, self.stream, self.group),
            )
            self._set_right(lost, read + lost + len(got))

    def _set_right(self, lost: int, position: int) -> None:
        """Redis 7.0 counts on as if nothing were lost, and its lag never falls to 0 again: the
        group's counter is set right, so that nobody reports the same entries twice.
        """
        try:
            self._client.eval(_SET_RIGHT, 1, self.stream, self.group, lost, position)
        except redis.ResponseError:  # not allowed: then only this process knows
            self._trimmed_unfixed += lost

    def _lost_pending(self, count: int) -> None:
        self.counts.trimmed += count
        logger.error(
            "headrace: %d entries of %s were trimmed while they were pending", count, self.stream
        )


# Adds to entries-read what was lost, unless this Redis has done so (8.0 does): then the counter
# is at the position already.
_SET_RIGHT: Final = """
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local info = {}
    for i = 1, #group, 2 do info[group[i]] = group[i + 1] end
    local read = info['entries-read']
    if info['name'] == ARGV[1] and read and read < tonumber(ARGV[3]) then
        return redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], info['last-delivered-id'],
                          'ENTRIESREAD', read + tonumber(ARGV[2]))
    end
end
"""


def _entry(row: _Row) -> _Entry:
    entry, pairs = row
    return _Entry(entry, _as_dict(pairs))


def dead_stream(stream: str) -> str:
    """Where entries go that no try could handle."""
    return f"{stream}:dead"


def consume(
    url: str, handler: Handler, *, drain: bool = False, limit: int | None = None, **options: Any
) -> Counts:
    """Consumes the events at a Redis URL; `options` are those of `Consumer`. Ends as `run`."""
    client = connect(url)
    try:
        return Consumer(client, handler, **options).run(drain=drain, limit=limit)
    finally:
        client.close()


def drain_some(
    handler: str, *, limit: int, url: str | None = None, stream: str | None = None, **options: Any
) -> Counts:
    """What tasks do: hands up to about `limit` events to the handler at a dotted path.

    Without `url` it is the Django site's Redis, else that of the environment's HEADRACE_SINK.
    Raises ValueError where there is none, and as `Consumer.run`, whose patience is 10 seconds.
    """
    function = load_handler(handler)
    if _is_django_site():
        from headrace.django import redis as of_site

        client = of_site.client(url)
        stream = stream or of_site.stream()
    else:
        url = url or os.environ.get("HEADRACE_SINK")
        if not url:
            raise ValueError("no url: pass one, or set HEADRACE_SINK in the environment")
        client = connect(url)
    try:
        consumer = Consumer(client, function, stream=stream or "events", **options)
        return consumer.run(drain=True, limit=limit, patience=10)
    finally:
        client.close()


def _is_django_site() -> bool:
    conf = sys.modules.get("django.conf")
    return bool(
        os.environ.get("DJANGO_SETTINGS_MODULE") or (conf is not None and conf.settings.configured)
    )


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


def load_handler(path: str) -> Handler:
    """The callable at a dotted path, `package.module.name` or `package.module:name`.

    Raises ValueError in words for the command line.
    """
    module, _, name = path.rpartition(":" if ":" in path else ".")
    if not module or not name:
        raise ValueError(f"{path!r} is no dotted path to a function, such as shop.events.handle")
    try:
        found = getattr(import_module(module), name, None)
    except ModuleNotFoundError as error:
        raise ValueError(f"{path}: {error}") from error
    if not callable(found):
        raise ValueError(f"{module} has no function {name!r}")
    handler: Handler = found
    return handler


# --- errors -----------------------------------------------------------------------------------


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _passes(error: redis.RedisError) -> bool:
    return isinstance(error, _PASSING) or str(error).startswith(_PASSING_WORDS)


def _group_is_gone(error: Exception) -> bool:
    return isinstance(error, redis.ResponseError) and (
        "NOGROUP" in str(error) or "no such key" in str(error)
    )


def _is_outage(error: Exception) -> bool:
    """Is what the handler needs away, rather than an event wrong?"""
    if isinstance(error, Unavailable | ConnectionError | redis.ConnectionError):
        return True
    database = sys.modules.get("django.db")
    if database is None:
        return False
    return isinstance(error, (database.OperationalError, database.InterfaceError))


def _waits(bounds: tuple[float, float]) -> Iterator[float]:
    """Seconds: doubling from the first to the longest, with jitter."""
    wait, longest = bounds
    while True:
        yield wait * random.uniform(0.75, 1.25)
        wait = min(longest, wait * 2)


def _order(entry: str) -> tuple[int, int]:
    """Entry ids in the order of the stream."""
    ms, _, number = entry.partition("-")
    return int(ms), int(number or 0)


# --- the names of consumers ---------------------------------------------------------------------
#
# A name says which process it is, so that another process of the same kernel and the same pid
# namespace knows whether it still lives: <host>-<boot>-<namespace>-<pid>-<start>-<number>.

_NAME: Final = re.compile(r".*-([0-9a-f]{8}-\d+)-(\d+)-(\d+)-[0-9a-f]+")


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
        return f"{boot}-{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return "unknown"


def _start_of(pid: int) -> str | None:
    """When the process started, in ticks since boot; None when it is gone, or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    words = text.rpartition(")")[2].split()
    return None if words[0] in "ZX" else words[19]


def _process_name() -> str:
    pid = os.getpid()
    number = os.urandom(3).hex()
    return f"{socket.gethostname()}-{_machine()}-{pid}-{_start_of(pid)}-{number}"


def _is_gone(name: str) -> bool:
    """Is it known that this consumer's process has ended? False where it cannot be known."""
    match = _NAME.fullmatch(name)
    if match is None or match[1] != _machine():
        return False
    return _start_of(int(match[2])) != match[3]


# --- the command line ---------------------------------------------------------------------------


class Progress:
    """A line that is written over on a terminal; elsewhere a JSON object a line."""

    def __init__(self, out: TextIO, name: str) -> None:
        self.out = out
        self.name = name
        self.on_terminal = out.isatty()
        self.every = 1.0 if self.on_terminal else 10.0
        self.shown = self.started = time.monotonic()
        self.handled = 0

    def __call__(self, counts: Counts) -> None:
        if time.monotonic() - self.shown >= self.every:
            self.show(counts, self.shown, self.handled)

    def show(self, counts: Counts, since: float, handled: int, end: bool = False) -> None:
        """`since` and `handled`: from when and from which count on the rate is taken."""
        now = time.monotonic()
        rate = (counts.handled - handled) / max(now - since, 1e-3)
        self.shown, self.handled = now, counts.handled
        if not self.on_terminal:
            line = {"time": round(time.time(), 3), "consumer": self.name, "end": end}
            line |= {"rate": round(rate, 1), **asdict(counts)}
            self.out.write(json.dumps(line) + "\n")
        else:
            lag = "?" if counts.lag is None else f"{counts.lag:,}"
            words = [f"{counts.handled:,} events", f"{rate:,.0f}/s", f"lag {lag}"]
            words += [f"behind {counts.behind_ms / 1000:.1f} s", f"dead {counts.dead:,}"]
            words += [f"trimmed unread {counts.trimmed:,}"] if counts.trimmed else []
            self.out.write("\r\x1b[K" + " · ".join(words) + ("\n" if end else ""))
        self.out.flush()

    def end(self, counts: Counts) -> None:
        self.show(counts, self.started, 0, end=True)


@contextmanager
def stopped_by_signals(consumer: Consumer) -> Iterator[None]:
    """SIGTERM and SIGINT finish the batch in hand."""

    def stop(number: int, frame: object) -> None:
        consumer.stop()

    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that `headrace consume` and `manage.py headrace_consume` share."""
    parser.add_argument("--group", default=GROUP, help=f"the consumer group ({GROUP})")
    parser.add_argument("--drain", action="store_true", help="end when nothing is left")
    parser.add_argument("--batch", type=int, default=BATCH, help=f"events a call ({BATCH})")
    parser.add_argument(
        "--tries", type=int, default=TRIES, help=f"of one event, before it is dead ({TRIES})"
    )
    parser.add_argument(
        "--claim-after",
        type=float,
        default=CLAIM_AFTER,
        metavar="SECONDS",
        help=f"take over what another process has not touched for so long ({CLAIM_AFTER:g})",
    )


def run_command(client: redis.Redis, handler: Handler, out: TextIO, **options: Any) -> Counts:
    """`Consumer.run` with signals and progress; `options` are what `add_arguments` reads."""
    drain = options.pop("drain")
    consumer = Consumer(client, handler, **options)
    progress = Progress(out, consumer.name)
    consumer._report = progress
    with stopped_by_signals(consumer):
        try:
            return consumer.run(drain=drain)
        finally:
            progress.end(consumer.counts)


def main(argv: Sequence[str] | None = None) -> int:
    """`headrace consume URL HANDLER`. The exit status: 0; 1 when it cannot go on."""
    parser = argparse.ArgumentParser(
        prog="headrace consume", description="Hands the events in a Redis to a function."
    )
    parser.add_argument("url", metavar="URL", help="redis://, rediss:// or unix://")
    parser.add_argument("handler", metavar="HANDLER", help="dotted path of handle(events)")
    parser.add_argument("--stream", default="events", help="(events)")
    add_arguments(parser)
    options = vars(parser.parse_args(argv))
    url, path = options.pop("url"), options.pop("handler")
    if path.startswith("headrace.django."):
        parser.error(f"{path} needs Django: manage.py headrace_consume {path}")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    if "" not in sys.path:  # a console script's path does not hold the working directory
        sys.path.insert(0, "")
    try:
        handler = load_handler(path)
        client = connect(url)
        Consumer(client, handler, **{k: v for k, v in options.items() if k != "drain"})
    except ValueError as error:
        parser.error(str(error))
    try:
        run_command(client, handler, sys.stdout, **options)
    except (Unavailable, redis.RedisError) as error:
        sys.stderr.write(f"headrace consume: {_named(error)}\n")
        return 1
    finally:
        client.close()
    return 0
