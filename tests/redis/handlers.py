# SPDX-License-Identifier: MIT
"""Handlers for consumers that run as processes. SEEN is a file that gets a line an event."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence

from headrace.events import Event


def _write(events: Sequence[Event]) -> None:
    lines = "".join(f"{event.id} {os.getpid()}\n" for event in events)
    file = os.open(os.environ["SEEN"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, lines.encode())
    os.close(file)


def note(events: Sequence[Event]) -> None:
    _write(events)


def note_slowly(events: Sequence[Event]) -> None:
    """Long enough to be killed in."""
    _write(events)
    time.sleep(0.15)


def crash_on_poison(events: Sequence[Event]) -> None:
    """What a fault in a C extension, or too much memory, does."""
    if any(event.fields.get("poison") for event in events):
        os.kill(os.getpid(), signal.SIGKILL)
    _write(events)


def store_slowly(events: Sequence[Event]) -> None:
    """The kill falls between the commit and the acknowledgement."""
    from headrace.django.analytics import store

    store(events)
    time.sleep(0.05)


def naive(events: Sequence[Event]) -> None:
    """What one writes first: counts what comes, and does not remember what it has counted."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("UPDATE naive SET total = total + %s", [len(events)])
    time.sleep(0.05)
