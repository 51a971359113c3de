# SPDX-License-Identifier: MIT
"""Puts the core's Set-Cookie value on a Django response, where tests and clients look for it."""

from __future__ import annotations

from http.cookies import Morsel
from typing import Any

from django.http.response import HttpResponseBase


class _HeaderMorsel(Morsel[str]):
    """A morsel that prints the header it was made from, to the letter: also attributes that
    this Python's http.cookies does not know yet (Partitioned).
    """

    header: str

    def OutputString(self, attrs: Any = None) -> str:  # noqa: N802
        return self.header


def add_set_cookie(response: HttpResponseBase, header: str) -> None:
    """``header`` is what stands behind ``Set-Cookie:``; only attributes we write are in it."""
    pair, *attributes = header.split("; ")
    name, _, value = pair.partition("=")
    morsel = _HeaderMorsel()
    morsel.header = header
    morsel.set(name, value, value)
    for attribute in attributes:
        key, _, setting = attribute.partition("=")
        if key.lower() in morsel:
            dict.__setitem__(morsel, key.lower(), setting or True)
    response.cookies[name] = morsel
