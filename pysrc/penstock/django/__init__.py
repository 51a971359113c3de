# SPDX-License-Identifier: MIT
"""penstock for Django: the configured gate, sink and verifier, and `emit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock import EventSink, Gate, TokenVerifier

FieldValue = str | bytes | int | float | bool | None


def gate() -> Gate:
    """The gate that the settings describe. Raises ImproperlyConfigured."""
    from penstock.django.parts import parts

    return parts().gate


def sink() -> EventSink | None:
    """The configured sink; None when events are off. Raises ImproperlyConfigured."""
    from penstock.django.parts import parts

    return parts().sink


def verifier() -> TokenVerifier | None:
    """The configured verifier; None when tokens are off. Raises ImproperlyConfigured."""
    from penstock.django.parts import parts

    return parts().verifier


def emit(kind: str, fields: dict[str, FieldValue] | None = None) -> bool:
    """Sends an event of a kind of your own.

    True when it was accepted; False when it was refused (and counted), or events are off. Raises
    TypeError and ValueError as `EventSink.emit` does.
    """
    configured = sink()
    return configured is not None and configured.emit(kind, fields or {})
