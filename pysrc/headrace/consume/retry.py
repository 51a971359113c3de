# SPDX-License-Identifier: MIT
"""Handing entries to the handler: a batch that fails is split, what fails by itself is tried again
later and at last put to the dead, an outage is waited out.
"""

from __future__ import annotations

import itertools
import logging
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from headrace.consume.entry import Entry, Row, entry_of
from headrace.consume.group import Group
from headrace.consume.handler import Handler, Unavailable, is_outage, named
from headrace.consume.lag import Counts
from headrace.events import DEAD_FIELDS, Event, NewerFormatError, _read_entries

logger = logging.getLogger("headrace.consume")

_CRASH_TRIES: Final = 10  # so often at least is an entry tried whose process dies: it may be
# the machine's fault, or an operator's
_SUSPECTS_MAX: Final = 4  # batches of suspects; with more, nothing new is read
_RETRY_WAIT: Final = (0.1, 10.0)  # before an entry is tried again: the first, the longest
_OUTAGE_WAIT: Final = (0.2, 30.0)
_ERROR_MAX_CHARS: Final = 2000

_Readable = list[tuple[Entry, Event]]


def waits(bounds: tuple[float, float]) -> Iterator[float]:
    """Seconds: doubling from the first to the longest, with jitter."""
    wait, longest = bounds
    while True:
        yield wait * random.uniform(0.75, 1.25)
        wait = min(longest, wait * 2)


class Stop:
    """Whether the consumer is to end. Set by any thread, and by signal handlers."""

    def __init__(self) -> None:
        self.is_set = False

    def sleep(self, seconds: float) -> None:
        """In slices: a signal handler can only set a flag."""
        end = time.monotonic() + seconds
        while not self.is_set and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))


@dataclass(order=True)
class _Suspect:
    """An entry that failed by itself, until it is tried again."""

    due: float
    entry: Entry = field(compare=False)
    error: str = field(compare=False)


class Tries:
    """The calls of one handler, and the entries that are to be tried again."""

    def __init__(
        self,
        handler: Handler,
        group: Group,
        stop: Stop,
        *,
        batch: int,
        tries: int,
        counts: Counts,
    ) -> None:
        self.suspects: list[_Suspect] = []
        self._handler = handler
        self._group = group
        self._stop = stop
        self._batch = batch
        self._tries = tries
        self._counts = counts

    # --- suspects -----------------------------------------------------------------------------

    def take_due(self) -> list[Entry]:
        """The entries whose wait is over; they are no suspects until they fail again."""
        now = time.monotonic()
        due = [suspect for suspect in self.suspects if suspect.due <= now]
        if due:
            self.suspects = [suspect for suspect in self.suspects if suspect.due > now]
        return [suspect.entry for suspect in due]

    def seconds_to_next(self) -> float | None:
        """Until the next suspect is due; None without suspects."""
        return min(self.suspects).due - time.monotonic() if self.suspects else None

    def has_too_many(self) -> bool:
        """Are there so many suspects that nothing new is to be read?"""
        return len(self.suspects) >= _SUSPECTS_MAX * self._batch

    # --- handling -----------------------------------------------------------------------------

    def handle_new(self, rows: list[Row], drain: bool) -> None:
        """Hands a batch to the handler, with nothing made for each entry but its event until one
        fails. With `drain`, raises Unavailable where the outage lasts for `tries` calls.
        """
        try:
            events = _read_entries(rows)
        except NewerFormatError:
            self._handle([entry_of(row) for row in rows], drain)
            return
        try:
            self._handler(events)
        except Exception as error:
            self._split(list(zip(map(entry_of, rows), events, strict=True)), drain, error)
        else:
            self._note_done([entry for entry, _ in rows])

    def handle_carefully(self, entries: list[Entry], drain: bool) -> None:
        """Handles entries that failed before, or whose process died with them in hand.

        Each try is first noted in Redis, in groups that get smaller, so that after some deaths of
        the process only the entry that kills it has been tried too often.
        """
        limit = max(self._tries, _CRASH_TRIES)
        entries.sort(key=lambda entry: entry.times)
        for times, group in itertools.groupby(entries, key=lambda entry: entry.times):
            left = list(group)
            if times >= limit:
                for entry in left:
                    self._bury(entry, f"its consumer ended {times} times with it in hand")
                continue
            size = 1 if times >= limit - 1 else max(1, self._batch >> 4 * (times - 1))
            for start in range(0, len(left), size):
                if self._stop.is_set:
                    return
                part = left[start : start + size]
                self._group.mark(part, times + 1)
                self._handle(part, drain)
                self._group.flush_acks()

    def _handle(self, entries: Sequence[Entry], drain: bool) -> None:
        """Hands a batch to the handler; splits it where it fails."""
        readable: _Readable = []
        for entry in entries:
            try:
                readable.append((entry, Event.from_entry(entry.id, entry.fields)))
            except NewerFormatError as error:
                self._bury(entry, named(error))
        if readable:
            self._split(readable, drain)

    def _split(self, batch: _Readable, drain: bool, raised: Exception | None = None) -> None:
        error = self._call(batch, drain, raised)
        if error is None:
            return
        if len(batch) > 1:
            middle = len(batch) // 2
            self._split(batch[:middle], drain)
            self._split(batch[middle:], drain)
            return
        entry = batch[0][0]
        if entry.times >= self._tries:
            self._bury(entry, error)
            return
        first, longest = _RETRY_WAIT
        wait = min(longest, first * 2 ** (entry.times - 1))
        self.suspects.append(_Suspect(time.monotonic() + wait, entry, error))

    def _call(self, batch: _Readable, drain: bool, raised: Exception | None) -> str | None:
        """Calls the handler, unless it was and has `raised`; None, or the error. What is done is
        noted for XACK.
        """
        outages = 0
        pauses = waits(_OUTAGE_WAIT)
        while batch:
            try:
                if raised is not None:
                    error, raised = raised, None
                    raise error
                self._handler([event for _, event in batch])
            except Exception as error:
                if not is_outage(error):
                    if len(batch) == 1:
                        logger.warning(
                            "headrace: %s fails (%d of %d)",
                            *(batch[0][0].id, batch[0][0].times, self._tries),
                            exc_info=batch[0][0].times == 1,
                        )
                    return named(error)
                outages += 1
                if drain and outages >= self._tries:
                    raise Unavailable(named(error)) from error
                wait = next(pauses)
                logger.warning("headrace: %s; again in %.1f s", named(error), wait)
                self._stop.sleep(wait)
                if self._stop.is_set:
                    return None
                kept = self._group.still_mine([entry for entry, _ in batch])
                mine = {entry.id for entry in kept}
                batch = [(entry, event) for entry, event in batch if entry.id in mine]
            else:
                self._note_done([entry.id for entry, _ in batch])
                return None
        return None  # another process has them by now

    def _note_done(self, ids: Sequence[str]) -> None:
        self._counts.handled += len(ids)
        self._counts.batches += 1
        self._group.ack_later(ids)

    def _bury(self, entry: Entry, error: str) -> None:
        """Puts the entry to the dead, with the error and where it came from."""
        values = (
            error[:_ERROR_MAX_CHARS],
            entry.times,
            self._group.group,
            entry.id,
            int(time.time() * 1000),
        )
        # Fields of an earlier death give way: an entry of the dead can be read again.
        kept = {name: text for name, text in entry.fields.items() if name not in DEAD_FIELDS}
        dead = {**kept, **dict(zip(DEAD_FIELDS, values, strict=True))}
        self._group.move_to_the_dead(entry.id, dead)
        self._counts.dead += 1
        logger.error("headrace: %s is put to the dead: %s", entry.id, error[:_ERROR_MAX_CHARS])
