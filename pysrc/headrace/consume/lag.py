# SPDX-License-Identifier: MIT
"""What a consumer counts, and entries that were trimmed before its group had read them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import redis

from headrace.consume.entry import Row, order

logger = logging.getLogger("headrace.consume")


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


class Lag:
    """How far one group is behind its stream, and what the stream has lost meanwhile."""

    def __init__(self, client: Any, stream: str, group: str, counts: Counts) -> None:
        self._client = client
        self._stream = stream
        self._group = group
        self._counts = counts
        self._trimmed_unfixed = 0

    def note(
        self, stream: Mapping[str, Any], before: Mapping[str, Any], got: Sequence[Row]
    ) -> None:
        """Counts lag, and entries that were trimmed before the group had read them.

        `stream` and `before` are as they were right before `got` was read. Were the first entry
        of the stream not after the group's last one, nothing unread could have been trimmed.
        Else, as of Redis 7.0, what the stream has lost since it exists is compared with how many
        of its entries the group has gone past. Redis 6.2 keeps no such numbers.
        """
        last = before["last-delivered-id"]
        lag = before.get("lag")
        newest = got[-1][0] if got else last
        self._counts.lag = 0 if not got else None if lag is None else max(0, lag - len(got))
        generated = order(stream["last-generated-id"])[0]
        self._counts.behind_ms = max(0, generated - order(newest)[0]) if got else 0
        first = stream.get("first-entry")
        if not got or not first or order(first[0]) <= order(last):
            return
        if "entries-added" not in stream:
            if last != "0-0":
                self._counts.gaps += 1
                logger.warning(
                    "headrace: entries of %s after %s may have been trimmed before they were "
                    "read (Redis 6.2 does not count them)",
                    *(self._stream, last),
                )
            return
        read = before.get("entries-read")
        if read is None:
            return
        lost = stream["entries-added"] - stream["length"] - read - self._trimmed_unfixed
        if lost > 0:
            self._counts.trimmed += lost
            logger.error(
                "headrace: %d entries of %s were trimmed before the group %s had read them: "
                "consume faster or raise max_length",
                *(lost, self._stream, self._group),
            )
            self._set_right(lost, read + lost + len(got))

    def _set_right(self, lost: int, position: int) -> None:
        """Redis 7.0 counts on as if nothing were lost, and its lag never falls to 0 again: the
        group's counter is set right, so that nobody reports the same entries twice.
        """
        try:
            self._client.eval(_SET_RIGHT, 1, self._stream, self._group, lost, position)
        except redis.ResponseError:  # not allowed: then only this process knows
            self._trimmed_unfixed += lost

    def lost_pending(self, count: int) -> None:
        """Counts entries that were trimmed after they had been read, and before they were done."""
        self._counts.trimmed += count
        logger.error(
            "headrace: %d entries of %s were trimmed while they were pending", count, self._stream
        )
