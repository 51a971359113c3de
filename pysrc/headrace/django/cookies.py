# SPDX-License-Identifier: MIT
"""Puts the core's Set-Cookie value on a Django response, where tests and clients look for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from http.cookies import Morsel
from typing import Any

from django.http.response import HttpResponseBase

_set_state: Any = Morsel.__setstate__  # type: ignore[attr-defined]  # typeshed does not know it


class _HeaderMorsel(Morsel[str]):
    """A morsel that prints the header it was made from, to the letter: also attributes that
    this Python's http.cookies does not know yet (Partitioned).
    """

    header: str | None  # None once somebody has changed the morsel

    def OutputString(self, attrs: Any = None) -> str:  # noqa: N802
        """The header; as any morsel where somebody has changed it since."""
        if attrs is None and self.header is not None:
            return self.header
        return super().OutputString(attrs)

    def copy(self) -> Morsel[str]:
        plain: Morsel[str] = Morsel()
        plain.update(self)
        plain.set(self.key, self.value, self.coded_value)
        return plain

    __copy__ = copy

    def __reduce__(self) -> tuple[Any, ...]:
        return _morsel_of, (self.OutputString(),)


def _changing(name: str) -> Callable[..., Any]:
    """Morsel's method of this name, after which the header no longer holds."""
    method = getattr(Morsel, name)

    @wraps(method)
    def change(self: _HeaderMorsel, *args: Any, **keywords: Any) -> Any:
        self.header = None
        return method(self, *args, **keywords)

    return change


for _name in (
    *("__setitem__", "__delitem__", "__ior__", "__setstate__"),
    *("set", "update", "setdefault", "pop", "popitem", "clear"),
):
    setattr(_HeaderMorsel, _name, _changing(_name))


@lru_cache(maxsize=16)  # every minted cookie has the same; a re-issued one the rest of its time
def _attributes(tail: str) -> dict[str, Any]:
    """What a morsel with these attributes holds, those that are not there included."""
    morsel: Morsel[str] = Morsel()
    for attribute in tail.split("; "):
        key, _, setting = attribute.partition("=")
        if key.lower() in morsel:
            dict.__setitem__(morsel, key.lower(), setting or True)
    return dict(morsel)


def _morsel_of(header: str) -> _HeaderMorsel:
    pair, _, tail = header.partition("; ")
    name, _, value = pair.partition("=")
    # not through Morsel's constructor and checks: the core wrote name and value
    morsel = _HeaderMorsel.__new__(_HeaderMorsel)
    _set_state(morsel, {"key": name, "value": value, "coded_value": value})
    dict.update(morsel, _attributes(tail))
    morsel.header = header
    return morsel


def add_set_cookie(response: HttpResponseBase, header: str) -> None:
    """``header`` is what stands behind ``Set-Cookie:``; only attributes we write are in it."""
    morsel = _morsel_of(header)
    dict.__setitem__(response.cookies, morsel.key, morsel)
