# SPDX-License-Identifier: MIT
"""``manage.py headrace_erase --visitor ID | --user ID``: somebody who wants to be forgotten."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from typing import Any

import redis
from django.apps import apps
from django.core.management.base import BaseCommand, CommandError

from headrace.django.conf import SettingError
from headrace.django.operate import erase
from headrace.django.operate.redis import client, keys

_BATCH = 1000


class Command(BaseCommand):
    help = "Erases one visitor or user: from the stream, the sessions in Redis and the tables."

    def add_arguments(self, parser: ArgumentParser) -> None:
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument("--visitor", metavar="ID", help="the fingerprint's id")
        who.add_argument("--user", metavar="ID", help="the user, as events have it")

    def handle(self, *args: Any, **options: Any) -> None:
        if not (options["visitor"] or options["user"]):
            raise CommandError("the id is empty")
        try:
            connection: redis.Redis | None = client()
        except SettingError as error:
            self.stderr.write(f"Redis is left out: {error}")
            connection = None
        try:
            gone = _erase(connection, options["visitor"], options["user"])
        except redis.RedisError as error:
            raise CommandError(f"Redis: {error}") from error
        finally:
            if connection is not None:
                connection.close()
        for name, count in sorted(gone.items()):
            self.stdout.write(f"{name}: {count}")


def _erase(connection: redis.Redis | None, visitor: str | None, user: str | None) -> Counter[str]:
    """Redis first: what a consumer takes out of it meanwhile is found in the tables."""
    gone: Counter[str] = Counter()
    has_tables = apps.is_installed("headrace.django.analytics")
    if has_tables:
        from headrace.django.analytics import prune
    if visitor:
        if connection is not None:
            gone += erase.erase_visitor(connection, keys(), visitor)
        if has_tables:
            gone += prune.erase_visitor(visitor, _BATCH)
    if user:
        fingerprints = prune.visitors_of(user) if has_tables else set()
        if connection is not None:
            fingerprints |= erase.visitors_of(connection, keys(), user)
            gone += erase.erase_user(connection, keys(), user, fingerprints)
        if has_tables:
            gone += prune.erase_user(user, fingerprints, _BATCH)
    return gone
