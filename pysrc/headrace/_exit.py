# SPDX-License-Identifier: MIT
"""What the end of a process asks of the sinks, and their way into `logging`.

`EventSink` calls in here; nothing of it runs before the first sink is made.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import time
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._core import EventSink

_log = logging.getLogger("headrace")
_sinks: weakref.WeakSet[EventSink] = weakref.WeakSet()
_installed_in = 0


def watch(sink: EventSink) -> None:
    """Has `sink` closed at the end of the process, and of every child that it forks."""
    _sinks.add(sink)
    _install()


def log(text: str) -> None:
    """One line about a sink. Whatever a handler raises is the handler's."""
    _log.warning("%s", text)


def close_all() -> None:
    """Flushes and closes every sink; together within the longest of their `exit_timeout`s."""
    start = time.monotonic()
    for sink in list(_sinks):
        sink.close(max(0.0, start + sink.exit_timeout - time.monotonic()))


def _install() -> None:
    """Registers `atexit`, and the hooks of multiprocessing and Celery, whose workers skip it."""
    global _installed_in
    if _installed_in == os.getpid():
        return
    if _installed_in == 0:
        atexit.register(close_all)
        os.register_at_fork(after_in_child=_install_in_child)
    _installed_in = os.getpid()
    _finalize_with_multiprocessing()
    if "celery" in sys.modules:
        from headrace._celery import at_worker_end

        at_worker_end(close_all)


def _install_in_child() -> None:
    global _installed_in
    _installed_in = os.getpid()
    _finalize_with_multiprocessing()


def _finalize_with_multiprocessing() -> None:
    # A process of multiprocessing leaves by os._exit, after its own finalizers. A forked one
    # begins by forgetting those that it inherited, then asks what to do after the fork.
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        _finalize()
        util.register_after_fork(close_all, _finalize)


def _finalize(_: object = None) -> None:
    sys.modules["multiprocessing.util"].Finalize(None, close_all, exitpriority=100)
