# SPDX-License-Identifier: MIT
"""The names of the keys in Redis: what `EventSink` writes, for those who read it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "headrace:"
STREAM: Final = "events"

_PREFIX_RULE: Final = "up to 64 printable ASCII characters without blanks and braces"
_PREFIX: Final = re.compile(r"[!-z|~]{0,64}")


def prefix_of_site(name: str) -> str:
    """What the keys of the site of that name begin with: ``HEADRACE["NAME"]``."""
    return f"{PREFIX}{name}:"


def checked_prefix(prefix: str) -> str:
    """The prefix, if it is one. Raises TypeError, or ValueError in the words of `EventSink`."""
    if not isinstance(prefix, str):
        raise TypeError(f"prefix: a str, not {type(prefix).__name__}")
    if _PREFIX.fullmatch(prefix) is None:
        raise ValueError(f"prefix: {_PREFIX_RULE}")
    return prefix


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one site. `stream` is without the prefix, as `EventSink` takes it."""

    prefix: str = PREFIX
    stream: str = STREAM

    def __post_init__(self) -> None:
        """Raises TypeError, or ValueError for a prefix that is none."""
        checked_prefix(self.prefix)

    def replaced(self, prefix: str | None, stream: str | None) -> Keys:
        """These keys with another prefix and another stream, where there is one."""
        return Keys(self.prefix if prefix is None else prefix, stream or self.stream)

    @property
    def events(self) -> str:
        """The stream of events."""
        return self.prefix + self.stream

    @property
    def dead(self) -> str:
        """The stream of the events that no try could handle."""
        return dead_of(self.events)

    @property
    def sessions(self) -> str:
        """What the keys of all sessions begin with; the fingerprint follows."""
        return f"{self.prefix}session:"

    def marker(self, producer: str) -> str:
        """The last applied sequence of a producer."""
        return f"{self.prefix}marker:{producer}"


def dead_of(key: str) -> str:
    """The stream of the dead that belongs to the stream at a key."""
    return f"{key}:dead"


def pattern_of(key: str) -> str:
    """The glob pattern that matches this text alone."""
    return re.sub(r"([\\*?\[\]^])", r"\\\1", key)
