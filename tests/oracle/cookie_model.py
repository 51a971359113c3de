# SPDX-License-Identifier: MIT
"""What a Cookie header holds, by Django's own steps, and a fingerprint by hmac and base64."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from http import cookies
from typing import NamedTuple


def values(header: str, name: str) -> Iterator[str]:
    """Every value of the cookie, in order.

    The loop of ``django.http.cookie.parse_cookie``, which keeps the last one only.
    """
    for chunk in header.split(";"):
        key, _, value = chunk.partition("=") if "=" in chunk else ("", "", chunk)
        if key.strip() == name:
            yield cookies._unquote(value.strip())  # type: ignore[attr-defined]


def text_of(header: str | bytes) -> str:
    """A header as Django decodes it: latin-1 under ASGI, UTF-8 of the latin-1 under WSGI."""
    if isinstance(header, bytes):
        return header.decode("latin-1")
    return header.encode("latin-1").decode("utf-8", "replace")


class Content(NamedTuple):
    """What a valid value says."""

    id: str
    issued_at: int


def _hmac(key: bytes, *parts: bytes) -> bytes:
    return hmac.digest(key, b"".join(parts), hashlib.sha256)


def sign(name: str, key: bytes, content: Content) -> str:
    """The cookie's value; the layout is that of visitor/fingerprint.h."""
    signed = (
        b"\x01"
        + _hmac(key, b"headrace key id")[:1]
        + content.issued_at.to_bytes(4, "big")
        + bytes.fromhex(content.id)
    )
    label = b"headrace fp" + bytes([len(name)]) + name.encode()
    tag = _hmac(key, label, signed)[:16]
    return base64.urlsafe_b64encode(signed + tag).rstrip(b"=").decode()


def read(
    header: str | bytes, name: str, keys: Sequence[bytes], max_age: int, now: int
) -> Content | None:
    """The first value that one of the keys signed and whose time has come and not gone."""
    for value in values(text_of(header), name):
        try:
            raw = base64.urlsafe_b64decode(value.encode() + b"=")
        except ValueError:
            continue
        if len(raw) != 38:
            continue
        content = Content(raw[6:22].hex(), int.from_bytes(raw[2:6], "big"))
        signed = any(sign(name, key, content) == value for key in keys)
        if signed and content.issued_at - 300 <= now < content.issued_at + max_age:
            return content
    return None
