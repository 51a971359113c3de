# SPDX-License-Identifier: MIT
"""Page views, visitors and sessions in the site's database, filled by `store`."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.events import Event


def store(events: Sequence[Event]) -> None:
    """The handler that fills the tables; the same events again change nothing."""
    from headrace.django.analytics.tables import store_events

    store_events(events)
