# SPDX-License-Identifier: MIT
"""The flush at the end of Celery's prefork workers, which leave by `os._exit` and run no
`atexit`. Apart from `penstock.celery`, so that a sink brings no task along.
"""

from __future__ import annotations

from typing import Any

from penstock._exit import close_all

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
