# SPDX-License-Identifier: MIT
"""The admin pages of the tables: read-only, escaped, and no dearer for more rows."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from headrace.django.analytics import counting
from headrace.django.analytics.models import CustomEvent, PageView, Session, Visitor

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.django.admin_urls")]

MODELS = ["pageview", "visitor", "session", "customevent"]
HOSTILE = "/<script>alert(1)</script>\x1b[2J"


def fill(count: int, path: str = "/a/") -> None:
    now = timezone.now()
    for number in range(count):
        time = now - timedelta(minutes=number)
        fingerprint = f"{number:032x}"
        visitor = Visitor.objects.create(
            fingerprint=fingerprint, first_seen=time, last_seen=time, views=1, user=str(number)
        )
        Session.objects.create(
            visitor=visitor, first_seen=time, last_seen=time, entry_path=path, exit_path=path
        )
        PageView.objects.create(
            event_id=f"p-{number}",
            time=time,
            path=path,
            route="a/",
            status=200,
            duration_us=1500,
            fingerprint=fingerprint,
            db_queries=3,
        )
        CustomEvent.objects.create(
            event_id=f"c-{number}", kind="signup", time=time, fields={"path": path}
        )


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    return client


def listed(client: Client, model: str, query: str = "") -> str:
    address = reverse(f"admin:headrace_analytics_{model}_changelist")
    response = client.get(f"{address}?{query}")
    assert response.status_code == 200, response.headers
    return response.content.decode()


def rows(page: str) -> int:
    return len(re.findall(r'<tr><t[hd] class="field-', page))


@pytest.mark.parametrize("model", MODELS)
def test_list_has_a_chart_and_can_change_nothing(staff: Client, model: str) -> None:
    fill(3)
    page = listed(staff, model)
    assert rows(page) == 3
    assert "headrace-chart" in page
    assert ": 3</title>" in page or ": 2</title>" in page  # midnight may fall between
    assert f"{model}/add/" not in page
    found = {"pageview": PageView, "visitor": Visitor, "session": Session}.get(model, CustomEvent)
    row = found.objects.first()
    assert row is not None
    detail = reverse(f"admin:headrace_analytics_{model}_change", args=[row.pk])
    assert staff.get(detail).status_code == 200
    assert b'name="_save"' not in staff.get(detail).content
    assert staff.post(detail, {"path": "/b/"}).status_code == 403
    assert staff.post(reverse(f"admin:headrace_analytics_{model}_add")).status_code == 403
    delete = reverse(f"admin:headrace_analytics_{model}_delete", args=[row.pk])
    assert staff.post(delete, {"post": "yes"}).status_code == 403
    assert found.objects.count() == 3


@pytest.mark.parametrize("model", MODELS)
def test_queries_do_not_grow_with_rows(staff: Client, model: str) -> None:
    fill(2)
    listed(staff, model)
    with CaptureQueriesContext(
        connection,
    ) as few:
        listed(staff, model)
    PageView.objects.all().delete()
    Visitor.objects.all().delete()
    CustomEvent.objects.all().delete()
    fill(40)
    with CaptureQueriesContext(connection) as many:
        assert rows(listed(staff, model)) == 40
    assert len(many) == len(few) <= 6


@pytest.mark.parametrize("model", MODELS)
def test_lists_are_read_in_the_order_of_an_index(staff: Client, model: str) -> None:
    fill(2)
    with CaptureQueriesContext(connection) as seen:
        listed(staff, model, "since=all")
    table = f"headrace_analytics_{model}"
    (page,) = [q["sql"] for q in seen if f'FROM "{table}"' in q["sql"] and "ORDER" in q["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {page}")
        plan = "\n".join(row[3] for row in cursor.fetchall())
    assert f"SCAN {table} USING INDEX headrace_" in plan
    assert "USE TEMP B-TREE FOR ORDER BY" not in plan
    counting_all = [q["sql"] for q in seen if "COUNT(*)" in q["sql"] and "LIMIT" not in q["sql"]]
    (chart,) = counting_all  # which reads one stretch of the index a day
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {chart}")
        steps = [row[3] for row in cursor.fetchall() if table in row[3]]
    assert len(steps) == 14
    assert all(f"SEARCH {table} USING COVERING INDEX headrace_" in step for step in steps)


@pytest.mark.parametrize("model", MODELS)
def test_what_clients_sent_is_escaped(staff: Client, model: str) -> None:
    fill(1, HOSTILE)
    page = listed(staff, model)
    assert "<script>alert" not in page
    assert "\x1b" not in page
    if model != "visitor":
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "query",
    [
        "since=24h",
        "since=30d",
        "since=all",
        "since=no",
        "who=users",
        "known=no",
        "status_class=2xx",
        "slow=1s&label=api",
        "q=" + "0" * 32,
        "q=a/&p=1",
        "q=%00",
    ],
)
def test_filters_and_searches(staff: Client, model: str, query: str) -> None:
    fill(2)
    response = staff.get(f"{reverse(f'admin:headrace_analytics_{model}_changelist')}?{query}")
    assert response.status_code in (200, 302)


def test_a_week_is_the_default(staff: Client) -> None:
    fill(2)
    PageView.objects.filter(event_id="p-1").update(time=timezone.now() - timedelta(days=8))
    assert rows(listed(staff, "pageview")) == 1
    assert rows(listed(staff, "pageview", "since=all")) == 2
    assert rows(listed(staff, "pageview", "since=all&q=a/")) == 2
    assert rows(listed(staff, "pageview", f"since=all&q={1:032x}")) == 1
    assert rows(listed(staff, "session", f"since=all&q={1:032x}")) == 1
    assert rows(listed(staff, "visitor", "q=1")) == 1


def test_pages_end(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MOST", 60)
    fill(70)
    page = listed(staff, "pageview")
    assert "The list ends after 60" in page
    assert rows(listed(staff, "pageview", "p=2")) == 10


def test_days_of_the_chart() -> None:
    fill(1)
    PageView.objects.update(time=timezone.now() - timedelta(days=3))
    found, is_estimated = counting.days(PageView.objects.all(), "time", 5)
    assert [day.count for day in found] == [0, 1, 0, 0, 0]
    assert not is_estimated


def test_admin_needs_its_permission() -> None:
    client = Client()
    client.force_login(User.objects.create_user("bob", is_staff=True))
    address = reverse("admin:headrace_analytics_pageview_changelist")
    assert client.get(address).status_code == 403
