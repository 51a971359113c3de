# SPDX-License-Identifier: MIT
"""What an event is, for whoever reads one: out of a stream's entry or a line of a `file:`.

Reading never fails because of what a client sent: a value that cannot be what its name says
is None or the empty string. Only an event of a newer format raises, since its names may mean
something else. docs/reference/events.md describes every field.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from headrace import _core

FORMAT: Final = 1  # of events, as docs/reference/events.md describes them
FORMAT_FIELD: Final = "headrace_format"  # absent means 1
ID_MAX_CHARS: Final = 64
CLOCK_AHEAD_MS: Final = 300_000  # a clock this far ahead of Redis' is not believed
_LAST_MS: Final = 253_402_300_799_999  # the last one of the year 9999
_LAST_INTEGER: Final = 2**63 - 1

# What `dead` entries carry besides the event; taken off when they are read again.
DEAD_PREFIX: Final = "dead_"
DEAD_FIELDS: Final = ("dead_error", "dead_tries", "dead_group", "dead_entry", "dead_time")


class NewerFormatError(ValueError):
    """The event is of a format that this version of headrace does not know."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    `fields` holds everything but `id`, `kind` and `time`, in the order in which it was sent;
    the properties below read the well-known ones out of it.
    """

    id: str
    """Unique: what a reader stores to count an event once."""
    kind: str
    time: int
    """Milliseconds since the epoch, as the sender's clock had it."""
    fields: Mapping[str, str]
    entry: str | None = None
    """Id of the stream's entry; None for an event out of a file."""
    missing: tuple[str, ...] = ()
    """Those of `id kind time` that were absent or unreadable, and were filled in."""

    @classmethod
    def from_entry(cls, entry: str, fields: Mapping[str, str]) -> Event:
        """The event of a stream's entry.

        Without a usable `id` it is `entry:<entry>`, without `time` the time at which Redis took
        the entry in, without `kind` the empty string. Raises NewerFormatError.
        """
        return _repaired(dict(fields), f"entry:{entry}", _entry_ms(entry), entry)

    @classmethod
    def from_line(cls, line: str | bytes) -> Event:
        """The event of a line of a `file:` target.

        Without a usable `id` it is `line:<hash of the line>`, without `time` 0. Raises ValueError
        when the line is no JSON object, NewerFormatError as `from_entry` does.
        """
        found = json.loads(line)
        if not isinstance(found, dict):
            raise ValueError("the line is no JSON object")
        fields = {name: _text(value) for name, value in found.items() if value is not None}
        raw = line.encode(errors="surrogatepass") if isinstance(line, str) else line
        digest = hashlib.blake2b(raw.strip(), digest_size=16).hexdigest()
        return _repaired(fields, f"line:{digest}", 0, None)

    # --- time -----------------------------------------------------------------------------

    @property
    def received(self) -> int | None:
        """Milliseconds since the epoch at which Redis took the event in; None out of a file."""
        return None if self.entry is None else _entry_ms(self.entry)

    @property
    def at(self) -> datetime:
        """`time` as an aware datetime, in UTC.

        Where it lies over 5 minutes after `received`, the sender's clock is wrong, and it is
        `received`.
        """
        time = self.time
        received = self.received
        if received is not None and time > received + CLOCK_AHEAD_MS:
            time = received
        return datetime.fromtimestamp(time // 1000, UTC).replace(microsecond=time % 1000 * 1000)

    # --- kind `request` -------------------------------------------------------------------

    @property
    def label(self) -> str:
        """The path label; "" when absent, as for all of these."""
        return self.fields.get("label", "")

    @property
    def method(self) -> str:
        return self.fields.get("method", "")

    @property
    def path(self) -> str:
        return self.fields.get("path", "")

    @property
    def route(self) -> str:
        """Django's route, such as `community/<int:pk>/`."""
        return self.fields.get("route", "")

    @property
    def status(self) -> int | None:
        """The response's status, 499 when the client had gone; None when absent or no number."""
        return self.integer("status")

    @property
    def duration_us(self) -> int | None:
        """Microseconds; None when absent or no number."""
        return self.integer("duration_us")

    @property
    def user(self) -> str:
        return self.fields.get("user", "")

    @property
    def fingerprint(self) -> str:
        """The visitor's id."""
        return self.fields.get("fingerprint", "")

    @property
    def new(self) -> bool:
        """Was the visitor's id made in this request?"""
        return self.fields.get("new") == "1"

    @property
    def reason(self) -> str:
        """Why a token was refused."""
        return self.fields.get("reason", "")

    @property
    def agent(self) -> str:
        """`bot`, `prefetch` or ""."""
        return self.fields.get("agent", "")

    # --- any kind -------------------------------------------------------------------------

    @property
    def altered(self) -> tuple[str, ...]:
        """Names of the fields that were cut or repaired when the event was sent."""
        names = self.fields.get("altered", "")
        return tuple(names.split(",")) if names else ()

    @property
    def sample(self) -> float:
        """The share of events that was kept, above 0 and at most 1."""
        number = self.number("sample")
        return number if number is not None and 0 < number <= 1 else 1.0

    def integer(self, name: str) -> int | None:
        """A field as an int of 0 to 2**63 - 1; None when it is absent or no such number."""
        text = self.fields.get(name, "")
        if not (text.isascii() and text.isdecimal() and len(text) <= 19):
            return None
        number = int(text)
        return number if number <= _LAST_INTEGER else None

    def number(self, name: str) -> float | None:
        """A field as a finite float; None when it is absent or no number."""
        try:
            number = float(self.fields.get(name, ""))
        except ValueError:
            return None
        return number if abs(number) < float("inf") else None


def _read_entries(rows: list[tuple[str, list[str]]]) -> list[Event]:
    """What `Event.from_entry` makes of each, of ids with names and values in turn: an entry as
    Redis sends it.
    """
    return _core._read_entries(rows, Event, _of_pairs)


def _of_pairs(entry: str, pairs: Sequence[str]) -> Event:
    """The slow way of an entry: it is not as we write them."""
    return Event.from_entry(entry, _as_dict(pairs))


def _as_dict(pairs: Sequence[str]) -> dict[str, str]:
    names = iter(pairs)
    return dict(zip(names, names, strict=False))


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode(errors="replace").decode()  # JSON may hold half of a surrogate pair


def _entry_ms(entry: str) -> int:
    text = entry.partition("-")[0]
    return min(int(text), _LAST_MS) if text.isdecimal() else 0


def _repaired(fields: dict[str, str], event_id: str, time: int, entry: str | None) -> Event:
    """The slow way: everything that may be missing, strange, or of another format."""
    if "dead_error" in fields:
        for name in DEAD_FIELDS:
            fields.pop(name, None)
    _check_format(fields.pop(FORMAT_FIELD, str(FORMAT)))
    missing = []
    given_id = fields.pop("id", "")
    if 0 < len(given_id) <= ID_MAX_CHARS:
        event_id = given_id
    else:
        missing.append("id")
    kind = fields.pop("kind", "")
    if not kind:
        missing.append("kind")
    text = fields.pop("time", "")
    if text.isascii() and text.isdecimal() and len(text) <= 15 and int(text) <= _LAST_MS:
        time = int(text)
    else:
        missing.append("time")
    return Event(event_id, kind, time, fields, entry, tuple(missing))


def _check_format(text: str) -> None:
    if text.strip() in ("0", str(FORMAT)):
        return
    raise NewerFormatError(
        f"the event is of format {text[:20]!r}, this headrace knows format {FORMAT}: "
        "read it with a newer one"
    )
