# SPDX-License-Identifier: MIT
"""How many rows there are, without reading them all: for pages over very large tables.

PostgreSQL's planner knows about how many rows a query has, and says so in a millisecond. Where
reading them costs little, they are counted all the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from django.core.paginator import Paginator
from django.db import connections
from django.db.models import Model, QuerySet
from django.utils import timezone

if TYPE_CHECKING:
    _Paginator = Paginator[Any]
else:
    _Paginator = Paginator

MOST: Final = 10_000  # rows that can be paged through; a filter finds what lies beyond
_CHEAP: Final = 25_000.0  # of the planner's units: some 50 ms, and below it is counted


def planned(rows: QuerySet[Any]) -> tuple[float, float] | None:
    """What PostgreSQL expects: the number of rows, and the cost of reading them; else None."""
    connection = connections[rows.db]
    if connection.vendor != "postgresql":
        return None
    sql, parameters = rows.query.get_compiler(connection=connection).as_sql()
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
        found = cursor.fetchone()[0]
    plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return float(plan["Plan Rows"]), float(plan["Total Cost"])


class BoundedPaginator(_Paginator):
    """Pages through the first `MOST` rows: behind them, each page would cost more than the last.

    Counts no further than that; and not at all where the planner says that it would take long.
    """

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        if not hasattr(rows, "query"):
            return min(len(rows), MOST)
        first = rows.order_by()[:MOST]
        expected = planned(first.values("pk"))
        if expected is not None and expected[1] > _CHEAP:
            return max(1, min(round(expected[0]), MOST))
        return int(first.count())

    @property
    def is_cut(self) -> bool:
        """Are there more rows than can be paged through?"""
        return self.count >= MOST


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the chart."""

    start: datetime
    count: int


def days(rows: QuerySet[Any], field: str, number: int) -> tuple[list[Day], bool]:
    """How many rows fall on each of the last days, today included, in the current time zone;
    and whether PostgreSQL has estimated that because counting would take long.
    """
    starts = _starts(number)
    end = starts[-1] + timedelta(days=1)
    all_of_them = rows.order_by().filter(**{f"{field}__gte": starts[0], f"{field}__lt": end})
    expected = planned(all_of_them.values("pk"))
    spans = list(zip(starts, [*starts[1:], end], strict=True))
    if expected is not None and expected[1] > _CHEAP:
        counts = [_estimated(rows.order_by(), field, *span) for span in spans]
        return [Day(start, n) for start, n in zip(starts, counts, strict=True)], True
    return _counted(rows.order_by(), field, starts, spans), False


def _starts(number: int) -> list[datetime]:
    now = timezone.localtime() if timezone.is_aware(timezone.now()) else timezone.now()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return [_midnight(today - timedelta(days=ago)) for ago in reversed(range(number))]


def _midnight(time: datetime) -> datetime:
    """The same wall time with the offset of that day."""
    if timezone.is_naive(time):
        return time
    return timezone.make_aware(time.replace(tzinfo=None))


def _estimated(rows: QuerySet[Any], field: str, start: datetime, end: datetime) -> int:
    found = planned(rows.filter(**{f"{field}__gte": start, f"{field}__lt": end}).values("pk"))
    return 0 if found is None else round(found[0])


def _counted(
    rows: QuerySet[Any],
    field: str,
    starts: Sequence[datetime],
    spans: Sequence[tuple[datetime, datetime]],
) -> list[Day]:
    """One query, which reads one stretch of the index a day, and knows nothing of time zones."""
    connection = connections[rows.db]
    counts: list[str] = []
    parameters: list[Any] = []
    for start, end in spans:
        day = rows.filter(**{f"{field}__gte": start, f"{field}__lt": end}).values("pk")
        statement, more = day.query.get_compiler(connection=connection).as_sql()
        counts.append(f"(SELECT COUNT(*) FROM ({statement}) AS a_day)")
        parameters += more
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(counts)}", parameters)
        found = cursor.fetchone()
    return [Day(start, count) for start, count in zip(starts, found, strict=True)]


def table_size(model: type[Model], using: str) -> int | None:
    """About how many rows the whole table has; None where the database does not say."""
    connection = connections[using]
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass",
            [connection.ops.quote_name(model._meta.db_table)],
        )
        row = cursor.fetchone()
    return None if row is None or row[0] < 0 else int(row[0])
