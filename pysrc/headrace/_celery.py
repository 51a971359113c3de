# SPDX-License-Identifier: MIT
"""What Celery is asked, without bringing a task along: the end of its prefork workers, the
site's app, and its queues.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

_connected = False


def at_worker_end(call: Callable[[], object]) -> None:
    """Calls `call` at the end of every prefork worker, which leaves by `os._exit` and runs no
    `atexit`. Only the first `call` counts. Raises ImportError without Celery.
    """
    global _connected
    if _connected:
        return
    from celery.signals import worker_process_shutdown

    def on_shutdown(**_: Any) -> None:
        call()

    worker_process_shutdown.connect(on_shutdown, weak=False)
    _connected = True


def site_app() -> Any:
    """The app that the site has made; None where it made none. Never imports Celery.

    Celery's own `current_app` is that of the thread which made it: elsewhere it is an app that
    nobody configured, with a broker that nobody runs. Of several apps, one set as the default
    counts, then this thread's.
    """
    if "celery" not in sys.modules:
        return None
    from celery import _state

    made = [app for app in _state._get_active_apps() if app.set_as_current]
    for chosen in (_state.default_app, _state._tls.current_app):
        if chosen in made:
            return chosen
    return min(made, key=lambda app: app.main or "", default=None)


def queues_of(app: Any) -> tuple[str, ...]:
    """The names of the queues that the app is configured with."""
    return tuple(app.amqp.queues) or (app.conf.task_default_queue,)
