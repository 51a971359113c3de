# SPDX-License-Identifier: MIT
"""A report out of the tables of `headrace.django.analytics`, added up by the database.

The database counts requests by what they have in common and by the first digits of their
duration, so that what is read here is a histogram, not the rows. Three passes over the window: the
figures, the charts, the visitors of each slot.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

from django.conf import settings
from django.db import connections, models, router, transaction
from django.db.models import Case, Count, F, Func, IntegerField, Min, Q, QuerySet, Value, When
from django.utils import timezone

from headrace.django.analytics.models import CustomEvent, PageView, Session, Visitor
from headrace.django.reports.events import statement_sections, who
from headrace.django.reports.figures import (
    SLOWEST,
    Before,
    Collector,
    Numbers,
    Report,
    Section,
    Slow,
    Window,
)
from headrace.django.reports.sketches import COARSE, FINE

_CHUNK = 50_000  # rows that are held at a time
_LONGEST_DIGITS = 11  # of a duration in µs that keeps its magnitude: over a day


class Epoch(Func):
    """Seconds since the epoch, as a whole number; naive times as if they were UTC."""

    output_field = IntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        # Django's own functions of dates are Python's, called once a row
        template = "CAST(strftime('%%%%s', %(expressions)s) AS INTEGER)"
        return self.as_sql(compiler, connection, template=template, **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        # EXTRACT gives a numeric, which takes several times as long as a double
        template = "FLOOR(DATE_PART('epoch', %(expressions)s))::bigint"
        return self.as_sql(compiler, connection, template=template, **context)


class Quotient(Func):
    """Whole-number division."""

    template = "(%(expressions)s)"
    arg_joiner = " / "
    output_field = models.BigIntegerField()


def _first_digits(digits: int) -> Case:
    """The duration with only its first digits: `sketches.rounded_down` in the database."""
    cases = [When(duration_us__lt=10**digits, then=F("duration_us"))]
    for magnitude in range(digits + 1, _LONGEST_DIGITS + 1):
        scale = 10 ** (magnitude - digits)
        quotient = Quotient(F("duration_us"), Value(scale))
        cases.append(When(duration_us__lt=10**magnitude, then=quotient * Value(scale)))
    scale = 10 ** (_LONGEST_DIGITS - digits)
    last = Quotient(F("duration_us"), Value(scale)) * Value(scale)
    return Case(*cases, default=last, output_field=models.BigIntegerField())


_STATUS_CLASS = Quotient(F("status"), Value(100))
_KIND_OF_VISITOR = Case(
    When(~Q(agent=""), then=Value(0)),
    When(~Q(user=""), then=Value(1)),
    When(~Q(fingerprint=""), then=Value(2)),
    default=Value(3),
    output_field=IntegerField(),
)
_WHO = [who("bot", "", ""), who("", "user", ""), who("", "", "id"), who("", "", "")]


def _database_time(ms: int) -> datetime:
    """As the tables hold times: aware, or naive in the site's time zone."""
    time = datetime.fromtimestamp(ms / 1000, UTC)
    return time if settings.USE_TZ else timezone.make_naive(time)


def _epoch(time: datetime) -> float:
    """What `Epoch` makes of a time of the tables."""
    return (time if timezone.is_aware(time) else time.replace(tzinfo=UTC)).timestamp()


def _ms(time: datetime) -> int:
    aware = time if timezone.is_aware(time) else timezone.make_aware(time)
    return round(aware.timestamp() * 1000)


_COLUMNS = (
    *("route", "label", "kind", "status_class"),
    *("fine", "coarse", "reason", "slot", "fingerprint"),
)


class _Counts:
    """Rows of `_COLUMNS` on their way into a collector, as few calls of it as can be."""

    _MOST = 500_000  # keys before they are handed over

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._labels: Counter[Any] = Counter()
        self._routes: Counter[Any] = Counter()
        self._slots: Counter[Any] = Counter()
        self._reasons: Counter[str] = Counter()
        self._get = {
            name: itemgetter(*(_COLUMNS.index(column) for column in columns.split()))
            for name, columns in (
                ("label", "label kind status_class fine"),
                ("route", "route status_class fine"),
                ("slot", "slot route status_class coarse"),
                ("reason", "reason"),
                ("visitor", "slot fingerprint"),
            )
        }

    def add(self, rows: list[Any]) -> None:
        get = self._get
        self._labels.update(map(get["label"], rows))
        self._routes.update(map(get["route"], rows))
        self._slots.update(map(get["slot"], rows))
        self._reasons.update(filter(None, map(get["reason"], rows)))
        visitors: defaultdict[int, list[str]] = defaultdict(list)
        for slot, fingerprint in map(get["visitor"], rows):
            if fingerprint:
                visitors[slot].append(fingerprint)
        for slot, fingerprints in visitors.items():
            of_slot = self._collector.slot_visitors(slot)
            if of_slot is not None:
                of_slot.add_all(fingerprints)
        if len(self._routes) + len(self._slots) > self._MOST:
            self.hand_over()

    def hand_over(self) -> None:
        collector = self._collector
        for (label, kind, status_class, fine), count in self._labels.items():
            collector.add_total(status_class or 0, fine, count)
            collector.add_label(label, status_class or 0, fine, count)
            collector.add_who(_WHO[kind], status_class or 0, fine, count)
        for (route, status_class, fine), count in self._routes.items():
            collector.add_route(route, status_class or 0, fine, count)
        for (slot, route, status_class, coarse), count in self._slots.items():
            collector.add_to_slot(slot, route, status_class == 5, coarse, count)
        for reason, count in self._reasons.items():
            collector.add_reason(reason, count)
        for counts in (self._labels, self._routes, self._slots, self._reasons):
            counts.clear()


class Tables:
    """The tables, read from the database that the router gives for reading."""

    def __init__(self) -> None:
        self.using = router.db_for_read(PageView)
        self.vendor = connections[self.using].vendor

    @contextmanager
    def settled(self) -> Iterator[None]:
        """For PostgreSQL, a transaction in which hash tables stay in memory, and nothing is
        compiled that takes longer to compile than to run.
        """
        if self.vendor != "postgresql":
            yield
            return
        with transaction.atomic(using=self.using):
            with connections[self.using].cursor() as cursor:
                cursor.execute("SET LOCAL work_mem = '128MB'")
                cursor.execute("SET LOCAL jit = off")
                # with its default price of a row from a worker, the charts are left to one process
                cursor.execute("SET LOCAL parallel_tuple_cost = 0")
            yield

    def views(self, window: Window) -> QuerySet[PageView]:
        since, until = _database_time(window.since), _database_time(window.until)
        return PageView.objects.using(self.using).filter(time__gte=since, time__lt=until)

    def window(self, since: datetime | None, until: datetime) -> Window:
        earliest = None
        if since is None:
            views = PageView.objects.using(self.using)
            first = views.aggregate(first=Min("time"))["first"]
            earliest = None if first is None else datetime.fromtimestamp(_ms(first) / 1000, UTC)
        return Window.of(since, until, earliest)

    def collect(self, window: Window) -> Collector:
        collector = Collector(window)
        if self.vendor == "postgresql":
            self._count_there(collector)
        else:
            self._count_here(collector)
        for slow in self._slowest(window):
            collector.add_slow(slow)
        return collector

    def _rows(self, window: Window) -> Any:
        # Any: the types know nothing of a query set's annotations once it is returned
        return (
            self.views(window)
            .annotate(
                status_class=_STATUS_CLASS,
                kind=_KIND_OF_VISITOR,
                fine=_first_digits(FINE),
                slot=self._slot(window),
            )
            .order_by()
        )

    def _count_there(self, collector: Collector) -> None:
        """PostgreSQL counts in hash tables, with several workers; those have no part in what is
        read through a server-side cursor, hence no `iterator`.
        """
        rows = self._rows(collector.window)
        by_label = rows.values_list("label", "kind", "status_class", "fine")
        for label, kind, status_class, fine, count in self._counted(by_label):
            collector.add_total(status_class or 0, fine, count)
            collector.add_label(label, status_class or 0, fine, count)
            collector.add_who(_WHO[kind], status_class or 0, fine, count)
        by_route = rows.values_list("route", "status_class", "fine")
        for route, status_class, fine, count in self._counted(by_route):
            collector.add_route(route, status_class or 0, fine, count)
        for reason, count in self._counted(rows.exclude(reason="").values_list("reason")):
            collector.add_reason(reason, count)
        by_slot = rows.annotate(coarse=_first_digits(COARSE)).values_list(
            "slot", "route", "status_class", "coarse"
        )
        for slot, route, status_class, coarse, count in self._counted(by_slot):
            collector.add_to_slot(slot, route, status_class == 5, coarse, count)
        for slot, count in self._visitors_by_slot(collector.window):
            collector.set_slot_visitors(slot, count)

    def _counted(self, rows: Any) -> list[Any]:
        """The groups with their number, as the driver gives them: for integers the ORM calls a
        function of Python's for each, which took a sixth of the whole report.
        """
        connection = connections[self.using]
        query = rows.annotate(count=Count("*")).query
        sql, parameters = query.get_compiler(connection=connection).as_sql()
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            found: list[Any] = cursor.fetchall()
        return found

    def _count_here(self, collector: Collector) -> None:
        """SQLite sorts to group, which takes several times as long as to read the rows and to
        count them here, in C: `Counter` over one chunk after the other.
        """
        rows = self._rows(collector.window).annotate(coarse=_first_digits(COARSE))
        query = rows.values_list(*_COLUMNS).query
        connection = connections[self.using]
        sql, parameters = query.get_compiler(connection=connection).as_sql()
        counts = _Counts(collector)
        with connection.chunked_cursor() as cursor:
            cursor.execute(sql, parameters)
            while chunk := cursor.fetchmany(_CHUNK):
                counts.add(chunk)
        counts.hand_over()

    def _slot(self, window: Window) -> Quotient:
        origin = _epoch(_database_time(window.origin))
        return Quotient(Epoch(F("time")) - Value(int(origin)), Value(max(window.width // 1000, 1)))

    def _visitors_by_slot(self, window: Window) -> Iterator[tuple[int, int]]:
        """Distinct rows first, then their number: a hash table, not a sort of all rows."""
        distinct = (
            self.views(window)
            .exclude(fingerprint="")
            .annotate(slot=self._slot(window))
            .order_by()
            .values("slot", "fingerprint")
            .distinct()
        )
        connection = connections[self.using]
        inner, parameters = distinct.query.get_compiler(connection=connection).as_sql()
        with connection.cursor() as cursor:
            cursor.execute(
                f'SELECT "slot", COUNT(*) FROM ({inner}) AS found GROUP BY "slot"', parameters
            )
            yield from cursor.fetchall()

    def _slowest(self, window: Window) -> Iterator[Slow]:
        slowest = self.views(window).exclude(duration_us=None).order_by("-duration_us")[:SLOWEST]
        for view in slowest:
            yield Slow(
                view.duration_us or 0,
                _ms(view.time),
                view.method,
                view.path,
                view.route,
                view.status or 0,
                who(view.agent, view.user, view.fingerprint),
                str(view.extra.get("request_id", "")),
            )

    def visitors(self, window: Window) -> tuple[int, int]:
        """Seen and seen first in the window, which ends now."""
        since = _database_time(window.since)
        visitors = Visitor.objects.using(self.using)
        return (
            visitors.filter(last_seen__gte=since).count(),
            visitors.filter(first_seen__gte=since).count(),
        )

    def sessions(self, window: Window) -> int:
        """Those whose last view is in the window."""
        since, until = _database_time(window.since), _database_time(window.until)
        sessions = Session.objects.using(self.using)
        return sessions.filter(last_seen__gte=since, last_seen__lt=until).count()

    def before(self, window: Window) -> Before | None:
        """The window before; None where nothing was recorded then."""
        earlier = window.before
        numbers = Numbers()
        found = (
            self.views(earlier)
            .annotate(status_class=_STATUS_CLASS, digits=_first_digits(FINE))
            .order_by()
            .values_list("status_class", "digits")
            .annotate(count=Count("*"))
        )
        for status_class, digits, count in found.iterator():
            numbers.add(status_class or 0, digits, count)
        if not numbers.requests:
            return None
        views = self.views(earlier).exclude(fingerprint="").order_by()
        visitors = views.values("fingerprint").distinct().count()
        group = numbers.group("before")
        return Before(
            numbers.requests, visitors, self.sessions(earlier), numbers.server_errors, group.p95
        )

    def statements(self, window: Window) -> Iterator[tuple[str, str, str, int, float, float]]:
        """Slow and repeated queries that the middleware has told of, the newest 10,000."""
        since, until = _database_time(window.since), _database_time(window.until)
        told = (
            CustomEvent.objects.using(self.using)
            .filter(kind__in=("slow_query", "repeated_query"), time__gte=since, time__lt=until)
            .order_by("-time")
            .values_list("kind", "fields")[:10_000]
        )
        for kind, fields in told.iterator():
            try:
                number = float(fields.get("ms" if kind == "slow_query" else "count", 0))
            except (TypeError, ValueError):
                number = 0.0
            where = str(fields.get("where", ""))
            yield kind, str(fields.get("statement", "")), where, 1, number, number

    def sampled(self, window: Window) -> str | None:
        """The share that was kept, as the newest view says it."""
        newest = self.views(window).order_by("-time").values_list("extra", flat=True).first()
        return None if not newest or "sample" not in newest else str(newest["sample"])


def report(since: datetime | None, until: datetime) -> tuple[Report, list[Section]]:
    """The second value: tables of slow queries."""
    tables = Tables()
    with tables.settled():
        return _report(tables, since, until)


def _report(
    tables: Tables, since: datetime | None, until: datetime
) -> tuple[Report, list[Section]]:
    window = tables.window(since, until)
    collector = tables.collect(window)
    visitors, new_visitors = tables.visitors(window)
    notes = ["Percentiles are within 0.5 %, those of charts within 5 %."]
    sample = tables.sampled(window)
    if sample is not None:
        notes.append(f"Events are sampled ({sample}): the counts are of those that were kept.")
    found = collector.report(
        f"tables ({tables.vendor})",
        visitors,
        new_visitors,
        tables.sessions(window),
        tables.before(window) if since is not None else None,
        notes,
    )
    return found, statement_sections(_summed(tables.statements(window)))


def _summed(
    rows: Iterator[tuple[str, str, str, int, float, float]],
) -> Iterator[tuple[str, str, str, int, float, float]]:
    found: dict[tuple[str, str, str], tuple[int, float, float]] = {}
    for kind, statement, where, count, whole, most in rows:
        so_far = found.get((kind, statement, where), (0, 0.0, 0.0))
        found[kind, statement, where] = (
            so_far[0] + count,
            so_far[1] + whole,
            max(so_far[2], most),
        )
    for (kind, statement, where), numbers in found.items():
        yield (kind, statement, where, *numbers)
