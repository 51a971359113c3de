# SPDX-License-Identifier: MIT
"""``manage.py headrace_consume``: the events in Redis into a handler of the site."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any, TextIO, cast

import redis
from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.db import close_old_connections, connections, router

from headrace.consume.command import add_arguments, run_command
from headrace.consume.handler import Handler, Unavailable, load_handler
from headrace.django.conf import SettingError
from headrace.django.operate.redis import client, keys
from headrace.events import Event

STORE = "headrace.django.analytics.store"
_OPTIONS = ("group", "drain", "batch", "tries", "claim_after")


class Command(BaseCommand):
    help = "Hands the events in the sink's Redis to a function, each at least once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "handler",
            nargs="?",
            default=STORE,
            metavar="HANDLER",
            help=f"dotted path of handle(events) ({STORE})",
        )
        parser.add_argument("--prefix", help="of every key (the sink's)")
        parser.add_argument("--stream", help="(the sink's)")
        parser.add_argument("--url", help="of the Redis (the sink's)")
        add_arguments(cast(Any, parser))

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            handler = load_handler(options["handler"])
            connection = client(options["url"])
            found = keys().replaced(options["prefix"], options["stream"])
        except (ValueError, SettingError) as error:
            raise CommandError(str(error)) from error
        if options["handler"] == STORE:
            check_tables()
        chosen = {key: options[key] for key in _OPTIONS}
        chosen.update(prefix=found.prefix, stream=found.stream)
        try:
            run_command(
                *(connection, with_fresh_connections(handler), cast(TextIO, _Plain(self.stdout))),
                **chosen,
            )
        except (Unavailable, redis.RedisError, ValueError) as error:
            raise CommandError(f"{type(error).__name__}: {error}") from error
        finally:
            connection.close()


class _Plain:
    """The command's stdout, that adds no end of line to what is written."""

    def __init__(self, out: OutputWrapper) -> None:
        self.out = out

    def write(self, text: str) -> None:
        self.out.write(text, ending="")

    def flush(self) -> None:
        self.out.flush()

    def isatty(self) -> bool:
        return self.out.isatty()


def with_fresh_connections(handler: Handler) -> Handler:
    """As at the ends of a request: a database connection that broke, or is too old, is closed."""

    def handle(events: Sequence[Event]) -> None:
        close_old_connections()
        try:
            handler(events)
        finally:
            close_old_connections()

    return handle


def check_tables() -> None:
    """Raises CommandError where `store` could not work."""
    if not apps.is_installed("headrace.django.analytics"):
        raise CommandError(
            f'{STORE} needs "headrace.django.analytics" in INSTALLED_APPS and `migrate`; '
            "or name a handler of your own"
        )
    from headrace.django.analytics.models import PageView

    connection = connections[router.db_for_write(PageView)]
    if PageView._meta.db_table not in connection.introspection.table_names():
        raise CommandError("the tables are not there: manage.py migrate headrace_analytics")
