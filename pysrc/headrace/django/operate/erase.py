# SPDX-License-Identifier: MIT
"""One visitor or user out of Redis: the stream, the stream of the dead, the sessions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import redis

from headrace._redis_keys import Keys, pattern_of

_PAGE = 1000

Wanted = Callable[[dict[str, str]], bool]


def erase_visitor(client: redis.Redis, keys: Keys, fingerprint: str) -> Counter[str]:
    """Deletes the visitor's entries and session. How many, by what."""
    gone = _erase_entries(client, keys, lambda fields: fields.get("fingerprint") == fingerprint)
    gone["session hash"] += int(client.delete(keys.sessions + fingerprint))
    return gone


def visitors_of(client: redis.Redis, keys: Keys, user: str) -> set[str]:
    """The visitors, by fingerprint, that this user has been, as far as Redis knows."""
    found = {
        fields.get("fingerprint", "")
        for name in (keys.events, keys.dead)
        for _, fields in _entries(client, name)
        if fields.get("user") == user
    }
    sessions = _sessions(client, keys)
    found.update(key.removeprefix(keys.sessions) for key, of in sessions.items() if of == user)
    return found - {""}


def erase_user(
    client: redis.Redis, keys: Keys, user: str, fingerprints: Collection[str]
) -> Counter[str]:
    """Deletes the user's entries, and those of the visitors that the user has been without a
    user in them, and the sessions of these visitors. How many, by what.
    """

    def wanted(fields: dict[str, str]) -> bool:
        of = fields.get("user", "")
        return of == user or (not of and fields.get("fingerprint") in fingerprints)

    gone = _erase_entries(client, keys, wanted)
    users = _sessions(client, keys)
    sessions = {key for key, of in users.items() if of == user}
    sessions.update(
        key for name in fingerprints if users.get(key := keys.sessions + name, user) in ("", user)
    )
    if sessions:
        gone["session hash"] += int(client.delete(*sessions))
    return gone


def _entries(client: Any, stream: str) -> Any:
    first = "-"
    while True:
        page = client.xrange(stream, first, "+", count=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        first = f"({page[-1][0]}"


def _erase_entries(client: Any, keys: Keys, wanted: Wanted) -> Counter[str]:
    gone: Counter[str] = Counter()
    for name in (keys.events, keys.dead):
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


def _sessions(client: Any, keys: Keys) -> dict[str, str]:
    """The user of each session, by key."""
    names = list(client.scan_iter(match=f"{pattern_of(keys.sessions)}*", count=_PAGE))
    pipe = client.pipeline(transaction=False)
    for name in names:
        pipe.hget(name, "user")
    # A key of that name that is no hash is somebody else's.
    found = zip(names, pipe.execute(raise_on_error=False), strict=True)
    return {key: user or "" for key, user in found if not isinstance(user, Exception)}
