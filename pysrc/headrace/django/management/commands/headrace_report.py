# SPDX-License-Identifier: MIT
"""``manage.py headrace_report``: what is slow, for whom, since when."""

from __future__ import annotations

import os
import re
import tempfile
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from headrace.django.operate import doctor
from headrace.django.reports import events, surroundings, text
from headrace.django.reports.figures import Group, Report, Section
from headrace.django.reports.page import page
from headrace.django.site import configured

_SPAN = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_TIMES = {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}
_RENDER: dict[str, Callable[[Report], str]] = {
    "table": text.table,
    "json": text.as_json,
    "csv": text.as_csv,
    "html": page,
}
_ANALYTICS = "headrace.django.analytics"


def since(words: str) -> datetime | None:
    """``30m``, ``24h``, ``7d``, ``4w``, a date and time in ISO 8601, or ``all``, which is None."""
    if words == "all":
        return None
    match = re.fullmatch(r"(\d{1,6})([mhdw])", words)
    try:
        if match is not None and int(match[1]):
            return datetime.now(UTC) - timedelta(**{_SPAN[match[2]]: int(match[1])})
        found = parse_datetime(words if len(words) > 10 else f"{words}T00:00:00")
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise ArgumentTypeError(f"{words!r} is no time; 24h, 7d, 2026-11-01 and all are")
    return timezone.make_aware(found) if timezone.is_naive(found) else found


@dataclass(frozen=True, slots=True)
class Limit:
    """A threshold: of the whole, or of one label or route."""

    words: str
    figure: str
    of: str | None
    most: float

    def broken_by(self, report: Report) -> str | None:
        """What is wrong, in words; None where nothing is."""
        group = report.total if self.of is None else _find(report, self.of)
        value = None if group is None else _figure(group, self.figure)
        if value is None or value <= self.most:
            return None
        unit = "%" if self.figure == "error_rate" else " ms"
        where = "" if self.of is None else f" of {self.of}"
        return f"{self.figure}{where} is {value:.4g}{unit}, over {self.most:g}{unit}"


def _find(report: Report, name: str) -> Group | None:
    return next((g for g in (*report.labels, *report.routes) if g.name == name), None)


def _figure(group: Group, figure: str) -> float | None:
    if figure == "error_rate":
        return 100 * group.error_rate if group.requests else None
    value: float | None = getattr(group, figure)
    return value


def limit(words: str) -> Limit:
    """``p95=500ms``, ``error_rate=1%``, ``p99:api=2s`` for one label or route."""
    match = re.fullmatch(
        r"(p50|p95|p99|error_rate)(?::(.+))?=(\d+(?:\.\d+)?)\s*(us|µs|ms|s|%)", words
    )
    if match is None or (match[1] == "error_rate") != (match[4] == "%"):
        raise ArgumentTypeError(
            f"{words!r} is no threshold; p95=500ms, p99:api=2s and error_rate=1% are"
        )
    scale = 1.0 if match[4] == "%" else _TIMES[match[4]]
    return Limit(words, match[1], match[2], float(match[3]) * scale)


class Command(BaseCommand):
    help = "Reports what is slow, for whom, since when: from tables, the stream or the file."
    requires_system_checks: list[str] = []  # noqa: RUF012 (a report of a site that is not well)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--from",
            dest="source",
            choices=["tables", "stream", "file"],
            help="default: the tables where the analytics app is installed, else SINK",
        )
        parser.add_argument(
            "--since", type=since, default="24h", metavar="TIME", help="24h, 7d, 2026-11-01, all"
        )
        parser.add_argument("--format", choices=list(_RENDER), help="table")
        parser.add_argument(
            "--export", type=Path, metavar="FILE", help="write there; the name says the format"
        )
        parser.add_argument(
            "--fail-over",
            type=limit,
            action="append",
            default=[],
            metavar="LIMIT",
            help="end with 1 above it: p95=500ms, p99:api=2s, error_rate=1%%; as often as wanted",
        )
        parser.add_argument(
            "--slow-queries", action="store_true", help="slow and repeated queries, with lines"
        )
        parser.add_argument("--cache-stats", action="store_true", help="every cache of the site")
        parser.add_argument(
            "--system", action="store_true", help="memory and processor of every worker"
        )
        parser.add_argument(
            "--benchmark", action="store_true", help="what headrace adds to a request here"
        )
        parser.add_argument("--path", default="/", help="the path that --benchmark requests (/)")

    def handle(self, *args: Any, **options: Any) -> None:
        begin, export = options["since"], options["export"]
        if isinstance(begin, str):  # by call_command, which converts nothing
            begin = since(begin)
        limits = [limit(one) if isinstance(one, str) else one for one in options["fail_over"]]
        report, statements = self._read(options["source"], begin)
        if options["slow_queries"]:
            report.sections += [*statements, *surroundings.server_statements()]
        if options["cache_stats"]:
            report.sections.append(surroundings.cache_stats())
        if options["system"]:
            report.sections.append(surroundings.workers())
        if options["benchmark"]:
            report.sections.append(surroundings.benchmark(options["path"], doctor.ROUNDS))
        self._write(report, options["format"], None if export is None else Path(export))
        broken = [words for one in limits if (words := one.broken_by(report))]
        if broken:
            raise CommandError("; ".join(broken))

    def _read(self, source: str | None, since: datetime | None) -> tuple[Report, list[Section]]:
        until = datetime.now(UTC)
        if source is None:
            source = "tables" if apps.is_installed(_ANALYTICS) else _of_sink()
        if source == "tables":
            if not apps.is_installed(_ANALYTICS):
                raise CommandError(f'--from tables needs "{_ANALYTICS}" in INSTALLED_APPS')
            from headrace.django.reports import tables

            try:
                return tables.report(since, until)
            except DatabaseError as error:
                raise CommandError(f"the tables cannot be read: {error}") from error
        start = 0.0
        if since is not None:  # and the window before, to compare with
            start = max(2 * since.timestamp() - until.timestamp(), 0.0)
        unread = events.Unread()
        if source == "file":
            return self._of_file(since, until, start, unread)
        return self._of_stream(since, until, start, unread)

    def _of_file(
        self, since: datetime | None, until: datetime, start: float, unread: events.Unread
    ) -> tuple[Report, list[Section]]:
        url = str((configured().conf.sink or {}).get("url", ""))
        if not url.startswith("file:"):
            raise CommandError('--from file needs a HEADRACE["SINK"] that is file:')
        path = Path(url.removeprefix("file:"))
        found = events.file_events(path, int(start * 1000), unread)
        try:
            return events.report(str(path), found, since, until, unread)
        except OSError as error:
            raise CommandError(f"the file cannot be read: {error}") from error

    def _of_stream(
        self, since: datetime | None, until: datetime, start: float, unread: events.Unread
    ) -> tuple[Report, list[Section]]:
        try:
            import redis
        except ImportError as error:
            raise CommandError('--from stream needs redis-py: pip install "redis>=5.1"') from error
        sink = configured().conf.sink or {}
        url = str(sink.get("url", ""))
        if not url.startswith(("redis:", "rediss:", "unix:")):
            raise CommandError('--from stream needs a HEADRACE["SINK"] in Redis')
        stream = configured().conf.keys.events
        more = _tls(sink) if url.startswith("rediss:") else {}
        client = redis.Redis.from_url(url, **more)
        found = events.stream_events(client, stream, int(start * 1000), unread)
        try:
            return events.report(f"stream {stream}", found, since, until, unread)
        except redis.RedisError as error:
            raise CommandError(f"the stream cannot be read: {error}") from error
        finally:
            client.close()

    def _write(self, report: Report, form: str | None, export: Path | None) -> None:
        if export is None:
            self.stdout.write(_RENDER[form or "table"](report), ending="")
            return
        by_name = {"htm": "html", "txt": "table"}.get(export.suffix[1:], export.suffix[1:])
        form = form or (by_name if by_name in _RENDER else "table")
        _replace(export, _RENDER[form](report))
        self.stdout.write(f"{form} written to {export}")


def _of_sink() -> str:
    url = str((configured().conf.sink or {}).get("url", ""))
    if url.startswith(("redis:", "rediss:", "unix:")):
        return "stream"
    if url.startswith("file:"):
        return "file"
    raise CommandError(
        f'nothing to report from: "{_ANALYTICS}" is not installed, and HEADRACE["SINK"] is '
        f"{url.partition(':')[0] or 'off'}"
    )


def _tls(sink: dict[str, Any]) -> dict[str, Any]:
    """redis-py's words for what EventSink is given."""
    names = (
        ("ca_file", "ssl_ca_certs"),
        ("certificate", "ssl_certfile"),
        ("private_key", "ssl_keyfile"),
    )
    return {theirs: sink[ours] for ours, theirs in names if sink.get(ours)}


def _replace(path: Path, content: str) -> None:
    """The whole file or none; readable by its owner, as what it holds is about people."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as output:
            output.write(content)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
