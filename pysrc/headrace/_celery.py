# SPDX-License-Identifier: MIT
"""The flush at the end of Celery's prefork workers, which leave by `os._exit` and run no
`atexit`; and the site's app. Apart from `headrace.celery`, so that a sink brings no task along.
"""

from __future__ import annotations

import sys
from typing import Any

from headrace._exit import close_all

_connected = False


def flush_workers() -> None:
    """Flushes and closes the sinks of every worker process at its end.

    Called by itself where Celery has been imported before the first sink; calling it twice is
    fine. Raises ImportError without Celery.
    """
    global _connected
    if _connected:
        return
    from celery.signals import worker_process_shutdown

    worker_process_shutdown.connect(_on_shutdown, weak=False)
    _connected = True


def _on_shutdown(**_: Any) -> None:
    close_all()


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
