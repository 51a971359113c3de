# SPDX-License-Identifier: MIT
"""What a handler is, how it is found by its name, and which of its errors mean an outage."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module

import redis

from headrace.events import Event

Handler = Callable[[Sequence[Event]], object]


class Unavailable(Exception):
    """What the handler needs is not there: raised by a handler, it says that the events are not
    to blame. The batch is tried again, for as long as it takes, and nothing goes to the dead.
    """


def load_handler(path: str) -> Handler:
    """The callable at a dotted path, `package.module.name` or `package.module:name`.

    Raises ValueError in words for the command line.
    """
    module, _, name = path.rpartition(":" if ":" in path else ".")
    if not module or not name:
        raise ValueError(f"{path!r} is no dotted path to a function, such as shop.events.handle")
    try:
        found = getattr(import_module(module), name, None)
    except ModuleNotFoundError as error:
        raise ValueError(f"{path}: {error}") from error
    if not callable(found):
        raise ValueError(f"{module} has no function {name!r}")
    handler: Handler = found
    return handler


def is_outage(error: Exception) -> bool:
    """Is what the handler needs away, rather than an event wrong?"""
    if isinstance(error, Unavailable | ConnectionError | redis.ConnectionError):
        return True
    database = sys.modules.get("django.db")
    if database is None:
        return False
    return isinstance(error, (database.OperationalError, database.InterfaceError))


def named(error: BaseException) -> str:
    """The error in one line, with its type."""
    return f"{type(error).__name__}: {error}"
