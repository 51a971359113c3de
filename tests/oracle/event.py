# SPDX-License-Identifier: MIT
"""What becomes of the fields of an event, the slow and obvious way."""

from __future__ import annotations

from collections.abc import Mapping

VALUE_MAX = 2048
EVENT_MAX = 8192


def text_of(value: str | bytes | float | bool) -> tuple[bytes, bool]:
    """The bytes of a value before it is cut, and whether it was repaired."""
    if isinstance(value, bool):
        return (b"1" if value else b"0"), False
    if isinstance(value, str):
        repaired = "".join("\ufffd" if 0xD800 <= ord(c) < 0xE000 else c for c in value)
        return repaired.encode(), repaired != value
    if isinstance(value, bytes):
        return value, False
    return repr(value).encode(), False


def cut(raw: bytes) -> bytes:
    """At most VALUE_MAX bytes, not ending inside a character where there are characters."""
    if len(raw) <= VALUE_MAX:
        return raw
    for end in range(VALUE_MAX, VALUE_MAX - 4, -1):
        if raw[end] & 0xC0 != 0x80:
            return raw[:end]
    return raw[:VALUE_MAX]


def fields_of(
    kind: str, fields: Mapping[str, str | bytes | float | bool | None]
) -> dict[str, bytes] | None:
    """The fields of the event behind id, kind and time; None when it is too big."""
    made: dict[str, bytes] = {}
    altered = []
    for name, value in fields.items():
        if value is None:
            continue
        raw, repaired = text_of(value)
        made[name] = cut(raw)
        if repaired or len(raw) > VALUE_MAX:
            altered.append(name)
    if altered:
        made["altered"] = ",".join(altered).encode()
    size = len(kind.encode()) + sum(len(name.encode()) + len(made[name]) for name in made)
    return made if size <= EVENT_MAX else None
