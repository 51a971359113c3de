# SPDX-License-Identifier: MIT
"""An execute wrapper of ours on every database connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connections
from django.db.backends.signals import connection_created


class Watch:
    """Puts `wrapper` on the connections of this thread and on those to come."""

    def __init__(self, wrapper: Callable[..., Any], uid: str) -> None:
        self._wrapper, self._uid = wrapper, uid

    def start(self) -> None:
        """Twice is fine."""
        connection_created.connect(self._wrap, dispatch_uid=self._uid)
        for connection in connections.all(initialized_only=True):
            self._wrap(connection)

    def stop(self) -> None:
        """For tests."""
        connection_created.disconnect(dispatch_uid=self._uid)
        for connection in connections.all(initialized_only=True):
            if self._wrapper in connection.execute_wrappers:
                connection.execute_wrappers.remove(self._wrapper)

    def _wrap(self, connection: Any, **kwargs: Any) -> None:
        # `connection.execute_wrapper` takes the last wrapper away again at its end; ours stays, so
        # it goes first, out of the way of those that come and go.
        if self._wrapper not in connection.execute_wrappers:
            connection.execute_wrappers.insert(0, self._wrapper)
