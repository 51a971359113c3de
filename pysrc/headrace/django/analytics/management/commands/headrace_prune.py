# SPDX-License-Identifier: MIT
"""``manage.py headrace_prune --older-than 90d``: retention."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from headrace.django.analytics.prune import prune

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "w": "weeks"}


def age(text: str) -> timedelta:
    """``90d`` and the like."""
    match = re.fullmatch(r"(\d{1,6})([dhmw])", text)
    if match is None:
        raise ArgumentTypeError(f"{text!r} is no age; 90d, 12w, 36h and 30m are")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def batch_size(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no number of rows")
    return int(text)


class Command(BaseCommand):
    help = "Deletes page views, events, sessions and visitors that are older, in batches."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--older-than", type=age, required=True, metavar="AGE", help="90d")
        parser.add_argument(
            "--batch", type=batch_size, default=1000, help="rows a transaction (1000)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        gone = prune(timezone.now() - options["older_than"], options["batch"])
        self.stdout.write(", ".join(f"{name}: {count}" for name, count in gone.items()))
