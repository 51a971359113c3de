# SPDX-License-Identifier: MIT
"""Admin pages to look at page views, visitors, sessions and events: nothing can be changed.

Made for tables of tens of millions of rows. Every list is in the order of an index and looks back
a week unless asked for more, pages end at `counting.MOST` rows, nothing is counted where that
would take long, and the search takes whole values, which have an index.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.http import urlencode

from headrace.django.analytics.counting import BoundedPaginator, days, table_size
from headrace.django.analytics.models import CustomEvent, PageView, Session, Visitor
from headrace.django.measure.statements import printable

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
    from django.db.models import Model

    Admin = admin.ModelAdmin[Model]
    ListFilter = admin.SimpleListFilter
else:
    Admin = admin.ModelAdmin
    ListFilter = admin.SimpleListFilter

DAYS: Final = 14  # of the chart
_SHOWN: Final = 80  # characters of a path in a list

_SPANS: Final = {"24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
_FINGERPRINT = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F-]{36}")


# --- filters ----------------------------------------------------------------------------------


class TimeFilter(ListFilter):
    """A week back where nothing else is asked for."""

    title = "time"
    parameter_name = "since"
    default = "7d"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        self.field: str = model_admin.time_field
        return [
            ("24h", "Last 24 hours"),
            ("7d", "Last 7 days"),
            ("30d", "Last 30 days"),
            ("all", "All"),
        ]

    def chosen(self) -> str:
        value = self.value()
        return value if value in (*_SPANS, "all") else self.default

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        for value, words in self.lookup_choices:
            yield {
                "selected": self.chosen() == str(value),
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": words,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        span = _SPANS.get(self.chosen())
        if span is None:
            return queryset
        return queryset.filter(**{f"{self.field}__gte": timezone.now() - span})


class _Choice(ListFilter):
    """A filter of fixed choices: asking the table which there are would read all of it."""

    options: ClassVar[dict[str, tuple[str, Q]]] = {}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, words) for value, (words, _) in self.options.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        option = self.options.get(self.value() or "")
        return queryset if option is None else queryset.filter(option[1])


class StatusFilter(_Choice):
    title = "status"
    parameter_name = "status_class"
    options: ClassVar = {
        f"{n}xx": (f"{n}xx", Q(status__gte=n * 100, status__lt=n * 100 + 100)) for n in range(2, 6)
    }


class WhoFilter(_Choice):
    title = "visitor"
    parameter_name = "who"
    options: ClassVar = {
        "users": ("Users", ~Q(user="") & Q(agent="")),
        "visitors": ("Visitors", Q(user="", agent="") & ~Q(fingerprint="")),
        "bots": ("Bots and prefetches", ~Q(agent="")),
        "refused": ("Refused tokens", ~Q(reason="")),
    }


class UserFilter(_Choice):
    title = "user"
    parameter_name = "known"
    options: ClassVar = {"yes": ("Known", ~Q(user="")), "no": ("Anonymous", Q(user=""))}


class SlowFilter(_Choice):
    title = "duration"
    parameter_name = "slow"
    options: ClassVar = {
        "100ms": ("Over 100 ms", Q(duration_us__gt=100_000)),
        "1s": ("Over 1 s", Q(duration_us__gt=1_000_000)),
    }


class LabelFilter(ListFilter):
    """The labels that the settings name."""

    title = "label"
    parameter_name = "label"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        from headrace.django.site import configured

        labels = {"track", *configured().conf.paths} - {"skip"}
        return [(label, label) for label in sorted(labels)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset if value is None else queryset.filter(label=value)


# --- what all pages share ---------------------------------------------------------------------


class ReadOnlyAdmin(Admin):
    """A list with a chart, and nothing to change."""

    time_field: ClassVar[str]  # indexed: the order of the list, and the days of the chart
    chart_title: ClassVar[str]
    actions = None
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    paginator = BoundedPaginator
    change_list_template = "admin/headrace_analytics/change_list.html"
    search: Callable[[str], Q]  # what a term looks for: each page has its own columns

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        return [f"-{self.time_field}"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """A whole value of the column that it looks like; a part of one would read all rows."""
        term = search_term.strip()
        return (queryset.filter(self.search(term)) if term else queryset), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        response: HttpResponse = super().changelist_view(request, extra_context)
        shown = getattr(response, "context_data", None)
        if shown is not None and "cl" in shown:  # not a redirect
            shown["chart"] = self._chart(shown["cl"])
        return response

    def _chart(self, listed: ChangeList) -> dict[str, Any]:
        model = self.model
        using = listed.queryset.db
        found, is_estimated = days(model._default_manager.using(using), self.time_field, DAYS)
        most = max((day.count for day in found), default=0) or 1
        return {
            "title": self.chart_title,
            "bars": [
                {
                    "x": at + 0.1,
                    "at": at,
                    "y": round(100 - 100 * day.count / most, 2),
                    "height": round(100 * day.count / most, 2),
                    "title": f"{date_format(day.start, 'j M')}: "
                    f"{'about ' if is_estimated else ''}{day.count:,}",
                }
                for at, day in enumerate(found)
            ],
            "days": DAYS,
            "first": found[0].start,
            "last": found[-1].start,
            "most": f"{most:,}",
            "is_estimated": is_estimated,
            "is_cut": getattr(listed.paginator, "is_cut", False),
            "size": table_size(model, using),
        }


def _link(model: str, search: str, words: str) -> str:
    """To a list of one visitor or user, over all time."""
    address = reverse(f"admin:headrace_analytics_{model}_changelist")
    query = urlencode({"q": search, "since": "all"})
    return format_html('<a href="{}?{}">{}</a>', address, query, printable(words))


def _when(time: datetime) -> str:
    """Short, with seconds, in the current time zone."""
    return date_format(timezone.localtime(time) if timezone.is_aware(time) else time, "j M H:i:s")


def _short(fingerprint: str) -> str:
    return f"{printable(fingerprint[:8])}…"


def _cut(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"


def _visitor_or_user(term: str) -> Q:
    return Q(fingerprint=term) if _FINGERPRINT.fullmatch(term) else Q(user=term)


# --- the pages --------------------------------------------------------------------------------


@admin.register(PageView)
class PageViewAdmin(ReadOnlyAdmin):
    time_field = "time"
    chart_title = "Page views"
    list_display = ("when", "shown_path", "status", "ms", "queries", "label", "who")
    list_display_links = ("when",)
    list_filter = (TimeFilter, StatusFilter, WhoFilter, LabelFilter, SlowFilter)
    search_fields = ("fingerprint", "user", "route")
    search_help_text = "A visitor's id, a user's key, or a route such as community/<int:id>/"

    def search(self, term: str) -> Q:
        return Q(route=term) if "/" in term else _visitor_or_user(term)

    @admin.display(description="time")
    def when(self, view: PageView) -> str:
        return _when(view.time)

    @admin.display(description="request")
    def shown_path(self, view: PageView) -> str:
        return _cut(f"{view.method} {view.path}")

    @admin.display(description="ms")
    def ms(self, view: PageView) -> str:
        return "–" if view.duration_us is None else f"{view.duration_us / 1000:,.1f}"

    @admin.display(description="queries")
    def queries(self, view: PageView) -> str:
        if view.db_queries is None:
            return "–"
        return f"{view.db_queries}, {view.db_ms or 0:,.1f} ms"

    @admin.display(description="for whom")
    def who(self, view: PageView) -> str:
        if view.user:
            return _link("pageview", view.user, f"user {view.user[:30]}")
        if view.fingerprint:
            return _link("pageview", view.fingerprint, _short(view.fingerprint))
        return view.agent or "–"


@admin.register(Visitor)
class VisitorAdmin(ReadOnlyAdmin):
    time_field = "last_seen"
    chart_title = "Visitors by the day on which they were last seen"
    list_display = ("short", "seen", "left", "views", "shown_user", "more")
    list_filter = (TimeFilter, UserFilter)
    search_fields = ("fingerprint", "user")
    search_help_text = "A visitor's id or a user's key"

    def search(self, term: str) -> Q:
        return _visitor_or_user(term)

    @admin.display(description="visitor")
    def short(self, visitor: Visitor) -> str:
        return _short(visitor.fingerprint)

    @admin.display(description="first seen")
    def seen(self, visitor: Visitor) -> str:
        return _when(visitor.first_seen)

    @admin.display(description="last seen")
    def left(self, visitor: Visitor) -> str:
        return _when(visitor.last_seen)

    @admin.display(description="user")
    def shown_user(self, visitor: Visitor) -> str:
        return _cut(visitor.user) or "–"

    @admin.display(description="look at")
    def more(self, visitor: Visitor) -> str:
        return format_html(
            "{} · {}",
            _link("pageview", visitor.fingerprint, "page views"),
            _link("session", visitor.fingerprint, "sessions"),
        )


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    time_field = "last_seen"
    chart_title = "Sessions by the day of their last view"
    list_display = ("when", "lasted", "views", "entry", "leave", "who")
    list_select_related = ("visitor",)
    list_filter = (TimeFilter, UserFilter)
    search_fields = ("visitor__fingerprint", "user")
    search_help_text = "A visitor's id or a user's key"

    def search(self, term: str) -> Q:
        if _FINGERPRINT.fullmatch(term):
            return Q(visitor__fingerprint=term)
        return Q(user=term)

    @admin.display(description="began")
    def when(self, session: Session) -> str:
        return _when(session.first_seen)

    @admin.display(description="lasted")
    def lasted(self, session: Session) -> str:
        return str(session.last_seen - session.first_seen).partition(".")[0]

    @admin.display(description="from")
    def entry(self, session: Session) -> str:
        return _cut(session.entry_path)

    @admin.display(description="to")
    def leave(self, session: Session) -> str:
        return _cut(session.exit_path)

    @admin.display(description="for whom")
    def who(self, session: Session) -> str:
        words = f"user {session.user[:30]}" if session.user else None
        fingerprint = session.visitor.fingerprint
        return _link("pageview", fingerprint, words or _short(fingerprint))


@admin.register(CustomEvent)
class CustomEventAdmin(ReadOnlyAdmin):
    time_field = "time"
    chart_title = "Events of the site's own kinds"
    list_display = ("when", "shown_kind", "shown_fields", "shown_user")
    list_filter = (TimeFilter, UserFilter)
    search_fields = ("kind",)
    search_help_text = "A kind, such as signup, or a visitor's id"

    def search(self, term: str) -> Q:
        return Q(fingerprint=term) if _FINGERPRINT.fullmatch(term) else Q(kind=term)

    @admin.display(description="time")
    def when(self, event: CustomEvent) -> str:
        return _when(event.time)

    @admin.display(description="kind")
    def shown_kind(self, event: CustomEvent) -> str:
        return _cut(event.kind)

    @admin.display(description="fields")
    def shown_fields(self, event: CustomEvent) -> str:
        return _cut(", ".join(f"{name}={value}" for name, value in event.fields.items()))

    @admin.display(description="user")
    def shown_user(self, event: CustomEvent) -> str:
        return _cut(event.user) or "–"
