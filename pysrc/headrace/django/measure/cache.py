# SPDX-License-Identifier: MIT
"""Keys asked of a cache, for ``METRICS``: nothing is wrapped unless the setting asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.core.cache import caches
from django.core.cache.backends.base import BaseCache

from headrace.django.measure.observe import observe


def start() -> None:
    """Looks at every cache from now on; twice is fine."""
    handler = type(caches)
    if not hasattr(handler.create_connection, "headrace"):
        handler.create_connection = _creating(handler.create_connection)  # type: ignore[method-assign]
    for alias in caches:
        if hasattr(caches._connections, alias):  # type: ignore[attr-defined]
            _wrap_cache(alias, caches[alias])


def stop() -> None:
    """For caches to come: for tests."""
    handler = type(caches)
    before = getattr(handler.create_connection, "headrace", None)
    if before is not None:
        handler.create_connection = before  # type: ignore[method-assign]


def _creating(before: Callable[..., Any]) -> Any:
    """`CacheHandler.create_connection`, with the two methods that get keys counted."""

    def create_connection(self: Any, alias: str) -> Any:
        cache = before(self, alias)
        _wrap_cache(alias, cache)
        return cache

    create_connection.headrace = before  # type: ignore[attr-defined]
    return create_connection


class _Counted:
    """One cache object's gets. A backend's `get` may be made of its `get_many`, and the other way
    round: only the outer one counts.
    """

    def __init__(self, alias: str, cache: BaseCache) -> None:
        self._alias = alias
        self._get = cache.get
        self._get_many = cache.get_many
        self._inside = False

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        if self._inside:
            return self._get(key, default, version)
        missing = object()
        self._inside = True
        try:
            found = self._get(key, missing, version)
        finally:
            self._inside = False
        is_hit = found is not missing
        self._count(int(is_hit), int(not is_hit))
        return found if is_hit else default

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        if self._inside:
            return self._get_many(keys, version)
        wanted = list(keys)
        self._inside = True
        try:
            found: dict[Any, Any] = self._get_many(wanted, version)
        finally:
            self._inside = False
        self._count(len(found), max(len(set(wanted)) - len(found), 0))
        return found

    def _count(self, hits: int, misses: int) -> None:
        for outcome, times in (("hit", hits), ("miss", misses)):
            for _ in range(times):
                observe("cache", self._alias, 0.0, outcome)


def _wrap_cache(alias: str, cache: Any) -> None:
    if "headrace" in vars(cache):
        return
    counted = _Counted(alias, cache)
    cache.headrace, cache.get, cache.get_many = counted, counted.get, counted.get_many
