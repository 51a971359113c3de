# SPDX-License-Identifier: MIT
"""What consume_command.py's processes share: imported once, by the process that forks them.

No database has been opened and no setting of headrace's has been read yet.
"""

from __future__ import annotations

import os

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.redis.consume_settings"
django.setup()

# What the commands would import, each anew.
import psycopg  # noqa: E402, F401
from django.core.management.commands import migrate  # noqa: E402, F401
from django.db.backends.postgresql import base as _postgresql  # noqa: E402, F401
from django.db.backends.sqlite3 import base as _sqlite  # noqa: E402, F401

from headrace.django.analytics import store, tables  # noqa: E402, F401
from headrace.django.management.commands import headrace_consume, headrace_erase  # noqa: E402, F401
