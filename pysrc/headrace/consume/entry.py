# SPDX-License-Identifier: MIT
"""An entry of the stream, as Redis sends it and as it is kept while it is pending."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.events import _as_dict

Fields = dict[str, str]
Row = tuple[str, list[str]]  # an entry as Redis sends it: its id, then names and values in turn


@dataclass
class Entry:
    """A pending entry; `times` is Redis' delivery counter."""

    id: str
    fields: Fields
    times: int = 1


def entry_of(row: Row) -> Entry:
    """The entry of a row that was just read."""
    entry, pairs = row
    return Entry(entry, _as_dict(pairs))


def order(entry: str) -> tuple[int, int]:
    """Entry ids in the order of the stream."""
    ms, _, number = entry.partition("-")
    return int(ms), int(number or 0)
