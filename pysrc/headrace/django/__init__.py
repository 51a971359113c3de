# SPDX-License-Identifier: MIT
"""headrace for Django: the configured gate, sink and verifier, and `emit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from headrace import EventSink, Gate, TokenVerifier

_P = ParamSpec("_P")
_R = TypeVar("_R")

FieldValue = str | bytes | int | float | bool | None


def gate() -> Gate:
    """The gate that the settings describe. Raises ImproperlyConfigured."""
    from headrace.django.site import configured

    return configured().gate


def sink() -> EventSink | None:
    """The configured sink; None when events are off. Raises ImproperlyConfigured."""
    from headrace.django.site import configured

    return configured().sink


def verifier() -> TokenVerifier | None:
    """The configured verifier; None when tokens are off. Raises ImproperlyConfigured."""
    from headrace.django.site import configured

    return configured().verifier


def emit(kind: str, fields: dict[str, FieldValue] | None = None) -> bool:
    """Sends an event of a kind of your own.

    True when it was accepted; False when it was refused (and counted), or events are off. Raises
    TypeError and ValueError as `EventSink.emit` does.
    """
    from headrace.django.site import configured

    return configured().emit(kind, fields or {})


def log_queries(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """A decorator: each call logs how many queries it made, their time, and the one that came
    most often, with the line it came from; at INFO, by the logger ``headrace.queries``.

    For sync and async callables, inside requests and out of them.
    """
    from headrace.django.measure import queries

    return queries.log_queries(function)


def time_function(name: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """A decorator: each call logs how long it took, at INFO, by the logger ``headrace.timing``;
    with ``SERVER_TIMING`` the request's header says it too, under `name`.

    For sync and async callables. Raises TypeError without a name.
    """
    from headrace.django.measure import queries

    return queries.time_function(name)
