# SPDX-License-Identifier: MIT
"""One visitor or user out of Redis: the stream, the stream of the dead, the sessions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import redis

from headrace.consume import dead_stream

_PAGE = 1000
_SESSION = "session:"

Wanted = Callable[[dict[str, str]], bool]


def erase_visitor(client: redis.Redis, stream: str, fingerprint: str) -> Counter[str]:
    """Deletes the visitor's entries and session. How many, by what."""
    gone = _erase_entries(client, stream, lambda fields: fields.get("fingerprint") == fingerprint)
    gone["session hash"] += int(client.delete(_SESSION + fingerprint))
    return gone


def visitors_of(client: redis.Redis, stream: str, user: str) -> set[str]:
    """The visitors, by fingerprint, that this user has been, as far as Redis knows."""
    found = {
        fields.get("fingerprint", "")
        for name in (stream, dead_stream(stream))
        for _, fields in _entries(client, name)
        if fields.get("user") == user
    }
    found.update(key.removeprefix(_SESSION) for key, of in _sessions(client).items() if of == user)
    return found - {""}


def erase_user(
    client: redis.Redis, stream: str, user: str, fingerprints: Collection[str]
) -> Counter[str]:
    """Deletes the user's entries, and those of the visitors that the user has been without a
    user in them, and the sessions of these visitors. How many, by what.
    """

    def wanted(fields: dict[str, str]) -> bool:
        of = fields.get("user", "")
        return of == user or (not of and fields.get("fingerprint") in fingerprints)

    gone = _erase_entries(client, stream, wanted)
    users = _sessions(client)
    keys = {key for key, of in users.items() if of == user}
    keys.update(
        key for name in fingerprints if users.get(key := _SESSION + name, user) in ("", user)
    )
    if keys:
        gone["session hash"] += int(client.delete(*keys))
    return gone


def _entries(client: Any, stream: str) -> Any:
    first = "-"
    while True:
        page = client.xrange(stream, first, "+", count=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        first = f"({page[-1][0]}"


def _erase_entries(client: Any, stream: str, wanted: Wanted) -> Counter[str]:
    gone: Counter[str] = Counter()
    for name in (stream, dead_stream(stream)):
        found: list[str] = []
        for entry, fields in _entries(client, name):
            if wanted(fields):
                found.append(entry)
            if len(found) == _PAGE:
                gone[f"entry of {name}"] += client.xdel(name, *found)
                found.clear()
        if found:
            gone[f"entry of {name}"] += client.xdel(name, *found)
    return gone


def _sessions(client: Any) -> dict[str, str]:
    """The user of each session, by key."""
    keys = list(client.scan_iter(match=f"{_SESSION}*", count=_PAGE))
    pipe = client.pipeline(transaction=False)
    for key in keys:
        pipe.hget(key, "user")
    # A key of that name that is no hash is somebody else's.
    found = zip(keys, pipe.execute(raise_on_error=False), strict=True)
    return {key: user or "" for key, user in found if not isinstance(user, Exception)}
