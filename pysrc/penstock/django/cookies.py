# SPDX-License-Identifier: MIT
"""Puts the core's Set-Cookie value on a Django response, where tests and clients look for it."""

from __future__ import annotations

from functools import lru_cache
from http.cookies import Morsel
from typing import Any

from django.http.response import HttpResponseBase


class _HeaderMorsel(Morsel[str]):
    """A morsel that prints the header it was made from, to the letter: also attributes that
    this Python's http.cookies does not know yet (Partitioned).
    """

    header: str

    def OutputString(self, attrs: Any = None) -> str:  # noqa: N802
        header = getattr(self, "header", None)  # a pickled copy has lost it
        return super().OutputString(attrs) if header is None else header


@lru_cache(maxsize=16)  # every minted cookie has the same; a re-issued one the rest of its time
def _attributes(tail: str) -> dict[str, Any]:
    """What a morsel with these attributes holds, those that are not there included."""
    morsel: Morsel[str] = Morsel()
    for attribute in tail.split("; "):
        key, _, setting = attribute.partition("=")
        if key.lower() in morsel:
            dict.__setitem__(morsel, key.lower(), setting or True)
    return dict(morsel)


def add_set_cookie(response: HttpResponseBase, header: str) -> None:
    """``header`` is what stands behind ``Set-Cookie:``; only attributes we write are in it."""
    pair, _, tail = header.partition("; ")
    name, _, value = pair.partition("=")
    # not through Morsel's constructor and checks: the core wrote name and value
    morsel = _HeaderMorsel.__new__(_HeaderMorsel)
    morsel.__setstate__(  # type: ignore[attr-defined]  # typeshed does not know it
        {"key": name, "value": value, "coded_value": value}
    )
    dict.update(morsel, _attributes(tail))
    morsel.header = header
    dict.__setitem__(response.cookies, name, morsel)
