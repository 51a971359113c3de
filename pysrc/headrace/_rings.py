# SPDX-License-Identifier: MIT
"""The rings of this user's processes, read from outside: who is alive, and sums over all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace import EventSink

LEDGER = ("offered", "accepted", "delivered", "pending")
BY_REASON = ("refused", "dropped", "tokens", "cookies")


@dataclass(frozen=True, slots=True)
class Rings:
    """What lies in the folder: one dict a ring, and one a target of what has ended."""

    rings: list[dict[str, Any]]
    ended: dict[str, dict[str, Any]]
    left_alone: int

    def of(self, target: str) -> Rings:
        """Those of one target."""
        rings = [ring for ring in self.rings if ring["target"] == target]
        ended = {target: self.ended[target]} if target in self.ended else {}
        return Rings(rings, ended, self.left_alone)

    @property
    def targets(self) -> list[str]:
        return sorted({ring["target"] for ring in self.rings} | set(self.ended))

    @property
    def workers(self) -> list[dict[str, Any]]:
        return [ring for ring in self.rings if ring["alive"]]


def read(ring_dir: str | os.PathLike[str] | None = None) -> Rings:
    """Reads every ring; takes no lock. OSError where the folder is not this user's."""
    rings, ended, left_alone = EventSink._rings(ring_dir)
    locked = _locked_inodes()
    for ring in rings:
        ring["alive"] = _is_alive(ring, locked)
        ring["rss"] = _resident_bytes(ring["pid"]) if ring["alive"] else None
    return Rings(sorted(rings, key=lambda ring: ring["created_ms"]), ended, left_alone)


def summed(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The ledger and the counters by reason over several dicts."""
    total: dict[str, Any] = dict.fromkeys(LEDGER, 0)
    total.update({key: {} for key in BY_REASON})
    for part in parts:
        for key in LEDGER:
            total[key] += part[key]
        for key in BY_REASON:
            for reason, count in part[key].items():
                total[key][reason] = total[key].get(reason, 0) + count
    return total


Series = tuple[str, str, str, str, float, tuple[int, ...]]
"""What `EventSink.metrics` gives: kind, name, method, outcome, seconds, counts by bucket."""


@dataclass(frozen=True, slots=True)
class Counters:
    """What a sink's processes have counted: the ledger, and what is counted by name."""

    totals: dict[str, Any]
    limits: tuple[float, ...]
    series: list[Series]
    of_all: bool
    """False: of this process alone, whose ring is in nobody else's sight."""


def counters(sink: EventSink) -> Counters:
    """Of all processes with the sink's target, where they share a folder."""
    own = sink.stats()
    if own["ring"]["kind"] != "anonymous":
        try:
            return Counters(sink.totals(), *sink.metrics(), of_all=True)
        except OSError:  # no folder for rings
            pass
    return Counters(own, *sink.metrics(own=True), of_all=False)


def _locked_inodes() -> set[tuple[int, int, int]] | None:
    """Files that somebody holds by flock, as (major, minor, inode); None where Linux does not
    say so.
    """
    locked = set()
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        words = line.split()
        if len(words) < 6 or words[1] != "FLOCK":  # a waiting one has "->" there
            continue
        major, _, rest = words[5].partition(":")
        minor, _, inode = rest.partition(":")
        try:
            locked.add((int(major, 16), int(minor, 16), int(inode)))
        except ValueError:
            continue
    return locked


def _is_alive(ring: Mapping[str, Any], locked: set[tuple[int, int, int]] | None) -> bool:
    """Has the ring an owner? Who owns it holds its lock; an adopter does too, for a moment."""
    if locked is None:
        return Path(f"/proc/{ring['pid']}").exists()
    device = ring["device"]
    return (os.major(device), os.minor(device), ring["inode"]) in locked


def _resident_bytes(pid: int) -> int | None:
    """None for a process of another container, or one that is gone."""
    try:
        status = Path(f"/proc/{pid}/statm").read_text()
    except OSError:
        return None
    return int(status.split()[1]) * os.sysconf("SC_PAGE_SIZE")
