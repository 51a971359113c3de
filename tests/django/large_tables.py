# SPDX-License-Identifier: MIT
"""Run by test_large_tables.py in a process of its own, on the database that TEST_DATABASE
describes: the report and the admin pages over a larger table.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import django
from django.conf import settings

from tests.django import settings as base

ROWS = 60_000  # over the 30 days up to now: every day but today is full at any hour
FILL = """
    INSERT INTO headrace_analytics_pageview (event_id, time, label, method, path, route, status,
        duration_us, "user", fingerprint, new, reason, agent, extra)
    SELECT 'row-' || i, now() - (%s - i) * interval '43 seconds', 'track', 'GET',
        '/a/', 'route/' || i %% 20 || '/', CASE WHEN i %% 100 = 0 THEN 500 ELSE 200 END,
        1000 + i %% 1000, '', md5((i %% 500)::text), false, '', '', '{}'
    FROM generate_series(1, %s) AS i
"""


def configure() -> None:
    own = {name: getattr(base, name) for name in dir(base) if name.isupper()}
    own["DATABASES"] = {"default": json.loads(os.environ["TEST_DATABASE"])}
    own["ROOT_URLCONF"] = "tests.django.admin_urls"
    settings.configure(**own)
    django.setup()


def report_is_the_same() -> None:
    from tests.django.test_report import both, traffic

    until = datetime.now(UTC)
    from_tables, from_events = both(traffic(), until - timedelta(days=1), until)
    for name in ("total", "labels", "who", "routes", "reasons", "slots", "visitors"):
        assert getattr(from_tables, name) == getattr(from_events, name), name
    assert from_tables.before is not None
    assert from_events.before is not None
    assert from_tables.before.p95 == from_events.before.p95
    assert from_tables.source == "tables (postgresql)"


def server_says_its_statements() -> None:
    from django.db import connection, transaction

    from headrace.django.reports.surroundings import server_statements

    assert list(server_statements()) == []  # the extension is not there yet
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION pg_stat_statements")
        cursor.execute("SELECT pg_stat_statements_reset()")
        for _ in range(3):
            cursor.execute("SELECT 'ada@example.com', %s", ["a secret"])
    (section,) = server_statements()
    assert section.columns[:2] == ["statement", "calls"]
    (row,) = [row for row in section.rows if row[1] == 3 and row[0].startswith("SELECT ")]
    assert "secret" not in str(section.rows)
    assert "ada@" not in str(section.rows)
    assert 0 <= row[2] <= row[3]
    with connection.cursor() as cursor:  # not allowed, not preloaded, of another version
        cursor.execute("ALTER EXTENSION pg_stat_statements DROP VIEW pg_stat_statements")
        cursor.execute("DROP VIEW pg_stat_statements")
    with transaction.atomic(), connection.cursor() as cursor:
        assert list(server_statements()) == []
        cursor.execute("SELECT 1")  # the transaction around it goes on


def pages_follow_the_index() -> None:
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from headrace.django.analytics import counting
    from headrace.django.analytics.models import PageView

    with connection.cursor() as cursor:
        cursor.execute(FILL, [ROWS, ROWS])
        cursor.execute("ANALYZE")
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    address = "/admin/headrace_analytics/pageview/?since=all"

    def page() -> tuple[str, list[str]]:
        with CaptureQueriesContext(connection) as seen:
            content = client.get(address).content.decode()
        return content, [query["sql"] for query in seen]

    counted, statements = page()
    assert "as estimated" not in counted
    assert f"about {ROWS // 1000}" in counted.replace(",", "").replace("\xa0", "")
    assert len(statements) <= 10, statements
    (rows,) = [words for words in statements if "ORDER BY" in words and "LIMIT 50" in words]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {rows}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Index Scan Backward using headrace_view_time" in plan, plan
    whole = [words for words in statements if "COUNT(*)" in words and "LIMIT" not in words]
    assert all("AS a_day" in words for words in whole), whole

    counting._CHEAP = 0.0  # type: ignore[misc]
    estimated, statements = page()
    assert "as estimated" in estimated
    assert "The list ends after 10000" in estimated
    assert not any("COUNT(" in words for words in statements)
    assert len(statements) <= 10 + 14
    found, is_estimated = counting.days(PageView.objects.all(), "time", 5)
    assert is_estimated
    assert all(0.5 < day.count / 2009 < 2 for day in found[1:4]), found
    connection.close()


if __name__ == "__main__":
    configure()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    server_says_its_statements()
    report_is_the_same()
    pages_follow_the_index()
