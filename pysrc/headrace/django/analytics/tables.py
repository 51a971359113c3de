# SPDX-License-Identifier: MIT
"""Events into tables, so that the same events again, in any order, from any process, change
nothing.

One transaction a call. The rows of the visitors are locked first, in one order, so that two
processes with events of one visitor take turns; under the lock, which of the events are new is
asked, and only those are counted. A session is what follows from the set of its page views
alone, so the order in which they arrive does not matter: see `_joined`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import ProgrammingError, connections, router, transaction
from django.utils import timezone

from headrace.django.analytics.models import CustomEvent, PageView, Session, Visitor
from headrace.events import Event

IDLE: Final = timedelta(minutes=30)  # as long without a view, and a session is over

_COLUMNS: Final = frozenset(
    "label method path route status duration_us user fingerprint new reason agent "
    "db_queries db_ms".split()
)
_SMALL_MAX: Final = 2**15 - 1
_INTEGER_MAX: Final = 2**31 - 1


def store_events(events: Sequence[Event]) -> None:
    """Stores what is not stored yet.

    Raises what the database raises, and nothing is kept then; `headrace.consume.Unavailable`
    where the tables are not those of the models, which no event is to blame for.
    """
    try:
        _store(events)
    except ProgrammingError as error:  # during a deployment, before `migrate` has run
        from headrace.consume import Unavailable

        raise Unavailable(f"{type(error).__name__}: {error}") from error


def _store(events: Sequence[Event]) -> None:
    by_id = {event.id: event for event in reversed(events)}
    views = [_page_view(event) for event in by_id.values() if event.kind == "request"]
    others = [_custom_event(event) for event in by_id.values() if event.kind != "request"]
    using = router.db_for_write(PageView)
    # Rows go in in the order of their ids: two processes with the same events wait for each
    # other in one direction only.
    with transaction.atomic(using=using):
        if views:
            _store_views(sorted(views, key=lambda view: view.event_id), using)
        if others:
            others.sort(key=lambda row: row.event_id)
            CustomEvent.objects.using(using).bulk_create(others, ignore_conflicts=True)


def _store_views(views: list[PageView], using: str) -> None:
    of_visitors = [view for view in views if view.fingerprint]
    visitors = _locked_visitors(of_visitors, using)
    known = set(
        PageView.objects.using(using)
        .filter(event_id__in=[view.event_id for view in of_visitors])
        .values_list("event_id", flat=True)
    )
    PageView.objects.using(using).bulk_create(
        [view for view in views if view.event_id not in known], ignore_conflicts=True
    )
    fresh: defaultdict[str, list[PageView]] = defaultdict(list)
    for view in of_visitors:
        if view.event_id not in known:
            fresh[view.fingerprint].append(view)
    if fresh:
        _count(visitors, fresh, using)


def _locked_visitors(views: Collection[PageView], using: str) -> dict[str, Visitor]:
    """The visitors of these views, created where they are new, locked until the end of the
    transaction (where the database has row locks; SQLite has one writer at a time).
    """
    wanted: dict[str, list[datetime]] = defaultdict(list)
    for view in views:
        wanted[view.fingerprint].append(view.time)
    missing = sorted(wanted)
    found: dict[str, Visitor] = {}
    if connections[using].features.has_select_for_update:
        found = _lock(missing, using)
        missing = [fingerprint for fingerprint in missing if fingerprint not in found]
    # Without row locks, as on SQLite, a transaction must begin with what it writes: one that has
    # read first may find that it can no longer write.
    while missing:  # again when one was deleted between the two statements
        Visitor.objects.using(using).bulk_create(
            [
                Visitor(
                    fingerprint=fingerprint,
                    first_seen=min(wanted[fingerprint]),
                    last_seen=max(wanted[fingerprint]),
                )
                for fingerprint in missing
            ],
            ignore_conflicts=True,
        )
        found |= _lock(missing, using)
        missing = [fingerprint for fingerprint in missing if fingerprint not in found]
    return found


def _lock(fingerprints: list[str], using: str) -> dict[str, Visitor]:
    rows = Visitor.objects.using(using).select_for_update().filter(fingerprint__in=fingerprints)
    return {visitor.fingerprint: visitor for visitor in rows.order_by("fingerprint")}


def _count(visitors: dict[str, Visitor], fresh: dict[str, list[PageView]], using: str) -> None:
    """Adds new views to the rows of their visitors, which are locked, and to sessions."""
    spans: dict[int, list[_Span]] = {}
    for fingerprint, views in fresh.items():
        visitor = visitors[fingerprint]
        of_visitor = [_Span.of_view(view) for view in views]
        spans[visitor.pk] = of_visitor
        visitor.views += len(views)
        for span in of_visitor:
            visitor.first_seen = min(visitor.first_seen, span.first_seen)
            visitor.last_seen = max(visitor.last_seen, span.last_seen)
            visitor.user_seen, visitor.user = _newer(
                (visitor.user_seen, visitor.user), (span.user_seen, span.user)
            )
    Visitor.objects.using(using).bulk_create(
        [visitors[fingerprint] for fingerprint in fresh],
        update_conflicts=True,
        unique_fields=["fingerprint"],
        update_fields=["first_seen", "last_seen", "views", "user", "user_seen"],
    )
    times = [view.time for views in fresh.values() for view in views]
    for row in Session.objects.using(using).filter(
        visitor__in=list(spans), last_seen__gt=min(times) - IDLE, first_seen__lt=max(times) + IDLE
    ):
        spans[row.visitor_id].append(_Span.of_session(row))
    _write_sessions(spans, using)


def _write_sessions(spans: dict[int, list[_Span]], using: str) -> None:
    new: list[Session] = []
    changed: list[Session] = []
    gone: list[int] = []
    for visitor, of_visitor in spans.items():
        for span in _joined(of_visitor):
            if not span.changed:
                continue
            row = span.rows[0] if span.rows else Session(visitor_id=visitor)
            gone += [session.pk for session in span.rows[1:]]
            span.fill(row)
            (changed if span.rows else new).append(row)
    sessions = Session.objects.using(using)
    if gone:
        sessions.filter(pk__in=gone).delete()
    if changed:
        sessions.bulk_create(
            changed,
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=[
                *("first_seen", "last_seen", "views"),
                *("entry_path", "exit_path", "user", "user_seen"),
            ],
        )
    if new:
        sessions.bulk_create(new)


def rebuild(fingerprints: Iterable[str], using: str) -> None:
    """Makes visitors and sessions anew from the page views that are left of them; inside of a
    transaction.
    """
    for fingerprint in sorted(fingerprints):
        found = Visitor.objects.using(using).select_for_update().filter(fingerprint=fingerprint)
        visitor = found.first()
        if visitor is None:
            continue
        Session.objects.using(using).filter(visitor=visitor).delete()
        views = list(PageView.objects.using(using).filter(fingerprint=fingerprint))
        if not views:
            visitor.delete()
            continue
        visitor.views, visitor.user, visitor.user_seen = 0, "", None
        visitor.first_seen = min(view.time for view in views)
        visitor.last_seen = max(view.time for view in views)
        _count({fingerprint: visitor}, {fingerprint: views}, using)


# --- sessions ---------------------------------------------------------------------------------


@dataclass
class _Span:
    """Some views of one visitor with no IDLE between one and the next: a row of the table, a
    single view, or several of both joined.
    """

    first_seen: datetime
    last_seen: datetime
    views: int
    entry_path: str
    exit_path: str
    user: str
    user_seen: datetime | None
    rows: list[Session] = field(default_factory=list)
    changed: bool = False

    @classmethod
    def of_view(cls, view: PageView) -> _Span:
        seen = view.time if view.user else None
        path = view.path
        return cls(view.time, view.time, 1, path, path, view.user, seen, changed=True)

    @classmethod
    def of_session(cls, row: Session) -> _Span:
        return cls(
            row.first_seen,
            row.last_seen,
            row.views,
            row.entry_path,
            row.exit_path,
            row.user,
            row.user_seen,
            [row],
        )

    def join(self, other: _Span) -> None:
        # Equal times are told apart by the path, so that the outcome knows no order.
        entry = min((self.first_seen, self.entry_path), (other.first_seen, other.entry_path))
        leave = max((self.last_seen, self.exit_path), (other.last_seen, other.exit_path))
        self.first_seen, self.entry_path = entry
        self.last_seen, self.exit_path = leave
        self.views += other.views
        self.user_seen, self.user = _newer(
            (self.user_seen, self.user), (other.user_seen, other.user)
        )
        self.rows += other.rows
        self.changed = True

    def fill(self, row: Session) -> None:
        row.first_seen, row.last_seen = self.first_seen, self.last_seen
        row.entry_path, row.exit_path = self.entry_path, self.exit_path
        row.views, row.user, row.user_seen = self.views, self.user, self.user_seen


_UserSeen = tuple[datetime | None, str]


def _newer(one: _UserSeen, other: _UserSeen) -> _UserSeen:
    if one[0] is None or other[0] is None:
        return other if one[0] is None else one
    return max(one, other, key=lambda seen: (seen[0], seen[1]))


def _joined(spans: list[_Span]) -> list[_Span]:
    """Spans with less than IDLE between one's end and the next one's start become one.

    Both ends of a span are times of views, so two views fall into one session exactly when no
    gap of IDLE lies between them: a property of the set of views.
    """
    joined: list[_Span] = []
    for span in sorted(spans, key=lambda span: span.first_seen):
        if joined and span.first_seen < joined[-1].last_seen + IDLE:
            joined[-1].join(span)
        else:
            joined.append(span)
    return joined


# --- rows -------------------------------------------------------------------------------------


def _time(event: Event) -> datetime:
    return event.at if settings.USE_TZ else timezone.make_naive(event.at)


def _cut(text: str, size: int) -> str:
    """What a column of this width takes; PostgreSQL has no NUL in text."""
    return text[:size].replace("\0", "\ufffd") if text else ""


def _clean(fields: dict[str, str]) -> dict[str, str]:
    return {_cut(name, 64): _cut(value, 8192) for name, value in fields.items()}


def _at_most(number: int | None, most: int) -> int | None:
    return number if number is not None and number <= most else None


def _page_view(event: Event) -> PageView:
    return PageView(
        event_id=_cut(event.id, 64),
        time=_time(event),
        label=_cut(event.label, 64),
        method=_cut(event.method, 16),
        path=_cut(event.path, 2048),
        route=_cut(event.route, 512),
        status=_at_most(event.status, _SMALL_MAX),
        duration_us=event.duration_us,
        user=_cut(event.user, 255),
        fingerprint=_cut(event.fingerprint, 64),
        new=event.new,
        reason=_cut(event.reason, 32),
        agent=_cut(event.agent, 16),
        db_queries=_at_most(event.integer("db_queries"), _INTEGER_MAX),
        db_ms=event.number("db_ms"),
        extra=_clean({k: v for k, v in event.fields.items() if k not in _COLUMNS}),
    )


def _custom_event(event: Event) -> CustomEvent:
    return CustomEvent(
        event_id=_cut(event.id, 64),
        kind=_cut(event.kind, 64),
        time=_time(event),
        user=_cut(event.user, 255),
        fingerprint=_cut(event.fingerprint, 64),
        fields=_clean(dict(event.fields)),
    )
