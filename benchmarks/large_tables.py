# SPDX-License-Identifier: MIT
"""How long do the report and the admin pages take over very large tables?

    python benchmarks/large_tables.py postgresql 10000000
    python benchmarks/large_tables.py sqlite 1000000

Not part of `make bench`: filling the tables takes minutes. Starts a private PostgreSQL, or makes a
file; the report is that of the last day, which a tenth of 10^7 rows fall on, or all of 10^6.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.urls import path
from pairs import machine

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.redis.postgresql import cluster

VISITORS = 100_000
REPEATS = 3

VIEWS = """
    INSERT INTO headrace_analytics_pageview (event_id, time, label, method, path, route, status,
        duration_us, "user", fingerprint, new, reason, agent, db_queries, db_ms, extra)
    SELECT 'row-' || i, {time}, CASE WHEN h % 3 = 0 THEN 'api' ELSE 'track' END, 'GET',
        '/community/' || i % 977 || '/', 'route/' || h % 50 || '/<int:id>/',
        CASE WHEN h % 211 = 0 THEN 500 WHEN h % 31 = 0 THEN 404 ELSE 200 END,
        500 + (h % 997) * (h % 50) + (h / 1000) % 5000,
        CASE WHEN h % 4 = 0 THEN '' || h % 5000 ELSE '' END,
        CASE WHEN h % 7 = 0 THEN '' ELSE {fingerprint} END, {no},
        CASE WHEN h % 97 = 0 THEN 'expired' ELSE '' END,
        CASE WHEN i % 19 = 0 THEN 'bot' ELSE '' END, h % 20, (h % 200) / 10.0, '{{}}'
    FROM ({numbers}) AS found
"""
DIALECTS = {
    "postgresql": {
        "numbers": "SELECT i, i * 2654435761 % 2147483647 AS h FROM generate_series(1, {rows}) i",
        "time": "now() - i * interval '0.0864 seconds'",
        "fingerprint": f"lpad(to_hex(h % {VISITORS}), 32, '0')",
        "no": "false",
    },
    "sqlite": {
        "numbers": "WITH RECURSIVE s(i) AS "
        "(SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {rows}) "
        "SELECT i, i * 2654435761 % 2147483647 AS h FROM s",
        "time": "strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || (i * 0.0864) || ' seconds')",
        "fingerprint": f"printf('%032x', h % {VISITORS})",
        "no": "0",
    },
}
SEEN = """
    INSERT INTO headrace_analytics_visitor (fingerprint, first_seen, last_seen, views, "user")
    SELECT fingerprint, min(time), max(time), count(*), max("user")
    FROM headrace_analytics_pageview WHERE fingerprint <> '' GROUP BY fingerprint
"""
SESSIONS = """
    INSERT INTO headrace_analytics_session
        (visitor_id, first_seen, last_seen, views, entry_path, exit_path, "user")
    SELECT id, first_seen, last_seen, views, '/a/', '/b/', '' FROM headrace_analytics_visitor
"""
PAGES = (
    "pageview/",
    "pageview/?since=all",
    "pageview/?since=24h&status_class=5xx",
    "pageview/?since=all&q=42",
    f"pageview/?since=all&q={77:032x}",
    "pageview/?p=200",
    "visitor/",
    "visitor/?since=all&known=yes",
    "session/?since=all",
)

urlpatterns: list[Any] = []


@contextlib.contextmanager
def database(kind: str) -> Iterator[dict[str, Any]]:
    if kind == "postgresql":
        with cluster() as found:
            yield found
        return
    with tempfile.TemporaryDirectory(prefix="hr-large-") as folder:
        yield {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/tables.sqlite3"}


def fill(kind: str, rows: int) -> None:
    from django.db import connection, reset_queries

    words = {name: text.format(rows=rows) for name, text in DIALECTS[kind].items()}
    with connection.cursor() as cursor:
        for statement in (VIEWS.format(**words), SEEN, SESSIONS, "ANALYZE"):
            cursor.execute(statement)
    reset_queries()


def seconds(call: Any) -> float:
    """The best of some."""
    found = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return min(found)


def measure(rows: int) -> None:
    from django.contrib import admin
    from django.contrib.auth.models import User
    from django.test import Client

    from headrace.django.reports import tables

    urlpatterns.append(path("admin/", admin.site.urls))
    until = datetime.now(UTC)
    since = until - timedelta(days=1)
    requests = 0

    def report() -> None:
        nonlocal requests
        requests = tables.report(since, until)[0].total.requests

    took = seconds(report)
    print(f"  report over {requests:,} of {rows:,} page views{took:>12.2f} s", flush=True)
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    for page in PAGES:
        address = f"/admin/headrace_analytics/{page}"
        assert client.get(address).status_code == 200, page
        print(f"  admin {page:<54}{1000 * seconds(lambda a=address: client.get(a)):>8.0f} ms")


def main(kind: str, rows: int) -> None:
    with database(kind) as found:
        settings.configure(
            SECRET_KEY="a secret key of the benchmarks, of the length that Django asks for",
            ROOT_URLCONF="__main__",
            ALLOWED_HOSTS=["*"],
            DATABASES={"default": found},
            DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
            USE_TZ=True,
            TIME_ZONE="UTC",
            HEADRACE={"SINK": None},
            STATIC_URL="/static/",
            INSTALLED_APPS=[
                *(f"django.contrib.{name}" for name in ("admin", "auth", "contenttypes")),
                *("django.contrib.sessions", "django.contrib.messages"),
                *("headrace.django", "headrace.django.analytics"),
            ],
            MIDDLEWARE=[
                "django.contrib.sessions.middleware.SessionMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware",
                "django.contrib.messages.middleware.MessageMiddleware",
            ],
            TEMPLATES=[
                {
                    "BACKEND": "django.template.backends.django.DjangoTemplates",
                    "APP_DIRS": True,
                    "OPTIONS": {
                        "context_processors": [
                            "django.template.context_processors.request",
                            "django.contrib.auth.context_processors.auth",
                            "django.contrib.messages.context_processors.messages",
                        ]
                    },
                }
            ],
        )
        django.setup()
        from django.core.management import call_command
        from django.db import connection

        call_command("migrate", verbosity=0)
        print(f"{machine()}, {connection.vendor} {'.'.join(map(str, version(connection)))}")
        fill(kind, rows)
        measure(rows)
        connection.close()


def version(connection: Any) -> tuple[int, ...]:
    found: tuple[int, ...] = connection.get_database_version()
    return found


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]))
    except (IndexError, KeyError, ValueError, subprocess.CalledProcessError) as error:
        sys.exit(f"{error!r}\n{__doc__}")
