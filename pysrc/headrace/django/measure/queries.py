# SPDX-License-Identifier: MIT
"""Queries and database time of a request, or of one function; which are slow, which repeated.

Every connection of this process gets one execute wrapper, once, when it connects. It adds to the
tallies of the context that the query runs in: a context variable, which Django's own hops
into threads carry along, so that an async view needs none of ours. Nothing is connected and
nothing is wrapped until a setting or a decorator asks for it.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import os
import re
import sys
import sysconfig
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

import asgiref
import django
from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

import headrace
from headrace.django.conf import Conf
from headrace.django.measure.connections import Watch
from headrace.django.measure.statements import masked
from headrace.django.measure.timing import Allowance
from headrace.django.site import configured

if TYPE_CHECKING:
    from types import FrameType


P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger("headrace.queries")
timings = logging.getLogger("headrace.timing")

LINES_PER_MINUTE = 60  # of each kind of warning
MAX_STATEMENTS = 1000  # different ones that a tally tells apart
MAX_TIMINGS = 20  # names in one Server-Timing header

_slow_lines = Allowance(LINES_PER_MINUTE)
_repeated_lines = Allowance(LINES_PER_MINUTE)
_failure_lines = Allowance(1)


class Repeated:
    """A statement that came often: how often so far, and from where it came."""

    __slots__ = ("count", "vendor", "where")

    def __init__(self, count: int, vendor: str, where: str) -> None:
        self.count = count
        self.vendor = vendor
        self.where = where


class Tally:
    """What one request or one call of a function asked of the databases."""

    __slots__ = (
        "_repeat_limit",
        "_slow_ns",
        "caller",
        "count",
        "nanoseconds",
        "on_slow",
        "outer",
        "repeated",
        "seen",
        "timings",
    )

    def __init__(
        self,
        slow_seconds: float | None = None,
        repeat_limit: int | None = None,
        outer: Tally | None = None,
    ) -> None:
        self.count = 0
        self.nanoseconds = 0
        self.outer = outer
        self.seen: dict[str, int] = {}
        self.repeated: dict[str, Repeated] = {}
        self.timings: dict[str, tuple[int, float]] = {}
        self.caller: Caller | None = None
        self.on_slow: Callable[[str, float, str], None] | None = None
        self._slow_ns = float("inf") if slow_seconds is None else slow_seconds * 1e9
        self._repeat_limit = repeat_limit

    @property
    def milliseconds(self) -> float:
        return self.nanoseconds / 1e6

    def add(self, statement: str, nanoseconds: int, vendor: str) -> None:
        """One query more."""
        self.count += 1
        self.nanoseconds += nanoseconds
        if nanoseconds > self._slow_ns and self.on_slow is not None:
            self.on_slow(
                masked(statement, vendor), nanoseconds / 1e6, line_of_the_site(self.caller)
            )
        limit = self._repeat_limit
        if limit is None:
            return
        seen = self.seen
        count = seen.get(statement, 0) + 1
        if count == 1 and len(seen) >= MAX_STATEMENTS:
            return
        seen[statement] = count
        if count == limit:
            self.repeated[statement] = Repeated(count, vendor, line_of_the_site(self.caller))
        elif count > limit:
            self.repeated[statement].count = count

    def time(self, name: str, milliseconds: float) -> None:
        """One call more of a timed function."""
        if name in self.timings or len(self.timings) < MAX_TIMINGS:
            count, whole = self.timings.get(name, (0, 0.0))
            self.timings[name] = count + 1, whole + milliseconds
        if self.outer is not None:
            self.outer.time(name, milliseconds)


_current: ContextVar[Tally | None] = ContextVar("headrace_queries", default=None)


# --- the wrapper ------------------------------------------------------------------------------


def _observe(
    execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Django's execute wrapper, on every connection."""
    tally = _current.get()
    if tally is None:
        return execute(sql, params, many, context)
    start = time.perf_counter_ns()
    try:
        return execute(sql, params, many, context)
    finally:
        spent = time.perf_counter_ns() - start
        statement = sql if isinstance(sql, str) else str(sql)
        vendor = context["connection"].vendor
        try:
            while tally is not None:
                tally.add(statement, spent, vendor)
                tally = tally.outer
        except Exception:
            _failed()


def _failed() -> None:
    """What goes wrong while we count is no matter of the request."""
    if (kept_back := _failure_lines.take()) is not None:
        logger.exception("headrace: a query was not counted%s", _kept_back(kept_back))


_watch = Watch(_observe, "headrace.queries")
watch, unwatch = _watch.start, _watch.stop


@contextmanager
def counted(tally: Tally) -> Iterator[Tally]:
    """Counts the queries of the block, in whatever thread its context goes."""
    token = _current.set(tally)
    try:
        yield tally
    finally:
        _current.reset(token)


# --- whose line it is -------------------------------------------------------------------------

_DJANGO = os.path.dirname(django.__file__) + os.sep
_OURS = os.path.dirname(os.path.abspath(headrace.__file__)) + os.sep
_NEVER = (_DJANGO, _OURS, os.path.dirname(asgiref.__file__) + os.sep, "<frozen ")
_STANDARD_LIBRARY = sysconfig.get_path("stdlib") + os.sep
_PACKAGES = re.compile(r".*/(?:site|dist)-packages/")


class Caller:
    """The task that a request runs in: a query of an async view runs in another thread, whose
    stack does not show who waits for it.
    """

    __slots__ = ("_task", "_thread")

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._thread = threading.get_ident()

    def frames(self) -> Iterator[FrameType]:
        """The innermost first. From another thread, while the task waits or is about to."""
        coroutine: Any = None if self._task is None else self._task.get_coro()
        if getattr(coroutine, "cr_running", False):  # on its way to the point where it waits
            yield from _outwards(sys._current_frames().get(self._thread))
            return
        waiting: list[FrameType] = []
        while coroutine is not None:
            frame = getattr(coroutine, "cr_frame", None)
            if frame is not None:
                waiting.append(frame)
            coroutine = getattr(coroutine, "cr_await", None)
        yield from reversed(waiting)


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def line_of_the_site(caller: Caller | None = None) -> str:
    """``app/views.py:12``: the innermost line of the site's own code.

    Where there is none, that of a package that the site has installed; "" where only Django's is
    to be seen.
    """
    second = ""
    frames = _outwards(sys._getframe(1))
    if caller is not None:
        # twice: the task may have begun to wait while we looked
        frames = itertools.chain(frames, caller.frames(), caller.frames())
    for frame in frames:
        path, line = frame.f_code.co_filename, frame.f_lineno
        if path.startswith(_NEVER):
            continue
        package = _PACKAGES.match(path)
        if package is None and not path.startswith(_STANDARD_LIBRARY):
            return f"{path.removeprefix(os.getcwd() + os.sep)}:{line}"
        if package is not None and not second:
            second = f"{path[package.end() :]}:{line}"
    return second


# --- around a view ----------------------------------------------------------------------------

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


def is_wanted(conf: Conf) -> bool:
    """Does any setting ask for what is counted here?"""
    return conf.counts_queries or conf.server_timing


def counting(conf: Conf, get_response: GetResponse) -> GetResponse:
    """What the middleware calls in place of `get_response`, where `is_wanted`."""
    if conf.counts_queries:
        watch()
    if iscoroutinefunction(get_response):
        return _acounting(conf, get_response)

    def respond(request: HttpRequest) -> HttpResponseBase:
        tally = _tally_of(conf, request)
        token = _current.set(tally)
        response = None
        try:
            response = cast(HttpResponseBase, get_response(request))
        finally:
            _current.reset(token)
            _tell(conf, request, tally, response)
        return response

    return respond


def _acounting(conf: Conf, get_response: GetResponse) -> GetResponse:
    async def respond(request: HttpRequest) -> HttpResponseBase:
        tally = _tally_of(conf, request)
        tally.caller = Caller()
        token = _current.set(tally)
        response = None
        try:
            response = await cast(Awaitable[HttpResponseBase], get_response(request))
        finally:
            _current.reset(token)
            tally.caller = None
            _tell(conf, request, tally, response)
        return response

    return respond


def _tally_of(conf: Conf, request: HttpRequest) -> Tally:
    tally = Tally(conf.slow_query, conf.repeated_queries)
    if conf.slow_query is not None:
        tally.on_slow = functools.partial(_slow, request)
    return tally


def _tell(
    conf: Conf, request: HttpRequest, tally: Tally, response: HttpResponseBase | None
) -> None:
    """The numbers into the event and the header, the repeated statements into the log."""
    try:
        if conf.db_time:
            request.visit.add(  # type: ignore[attr-defined]
                {"db_queries": tally.count, "db_ms": round(tally.milliseconds, 3)}
            )
        if conf.server_timing and response is not None:
            _put_timing(conf, tally, response)
        for statement, repeated in tally.repeated.items():
            _repeated(request, statement, repeated)
    except Exception:
        _failed()


_NOT_TOKEN = re.compile(r"[^A-Za-z0-9!#$%&'*+.^_`|~-]")


def _put_timing(conf: Conf, tally: Tally, response: HttpResponseBase) -> None:
    entries = []
    if conf.db_time:
        entries.append(f'db;dur={tally.milliseconds:.1f};desc="{tally.count} queries"')
    for name, (count, milliseconds) in tally.timings.items():
        many = f';desc="{count} calls"' if count > 1 else ""
        entries.append(f"{_NOT_TOKEN.sub('_', name)};dur={milliseconds:.1f}{many}")
    if entries:
        already = response.headers.get("Server-Timing")
        added = ", ".join(entries)
        response.headers["Server-Timing"] = f"{already}, {added}" if already else added


# --- what is said -----------------------------------------------------------------------------


def _route(request: HttpRequest) -> str | None:
    match = request.resolver_match
    return None if match is None else match.route


def _kept_back(count: int) -> str:
    return f" ({count} such lines before it were not logged)" if count else ""


def _say(
    allowance: Allowance, kind: str, text: str, request: HttpRequest, fields: dict[str, Any]
) -> None:
    """A warning and an event of the same content, as long as there are lines left."""
    kept_back = allowance.take()
    if kept_back is None:
        return
    route = _route(request)
    found = {**fields, "method": request.method, "route": route}
    logger.warning(
        "%s, in %s %s, at %s: %s%s",
        text,
        request.method,
        route or "(no route)",
        fields["where"] or "(no line of the site's own)",
        fields["statement"],
        _kept_back(kept_back),
        extra={"kind": kind, **found},
    )
    configured().emit(kind, {name: value for name, value in found.items() if value != ""})


def _slow(request: HttpRequest, statement: str, milliseconds: float, where: str) -> None:
    fields = {"statement": statement, "ms": round(milliseconds, 3), "where": where}
    _say(_slow_lines, "slow_query", f"slow query: {milliseconds:.0f} ms", request, fields)


def _repeated(request: HttpRequest, statement: str, repeated: Repeated) -> None:
    shown = masked(statement, repeated.vendor)
    fields = {"statement": shown, "count": repeated.count, "where": repeated.where}
    text = f"repeated query: {repeated.count} times"
    _say(_repeated_lines, "repeated_query", text, request, fields)


# --- decorators -------------------------------------------------------------------------------


def _name_of(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{getattr(function, '__qualname__', repr(function))}"


@contextmanager
def _logging_queries(name: str, is_async: bool) -> Iterator[None]:
    watch()
    tally = Tally(repeat_limit=2, outer=_current.get())
    tally.caller = Caller() if is_async else None
    start = time.perf_counter()
    try:
        with counted(tally):
            yield
    finally:
        spent = (time.perf_counter() - start) * 1000
        logger.info(
            "%s: %d queries, %.1f of %.1f ms%s",
            name,
            tally.count,
            tally.milliseconds,
            spent,
            _most_repeated(tally),
            extra={
                "function": name,
                "db_queries": tally.count,
                "db_ms": tally.milliseconds,
                "duration_ms": spent,
            },
        )


def _most_repeated(tally: Tally) -> str:
    if not tally.repeated:
        return ""
    statement, most = max(tally.repeated.items(), key=lambda found: found[1].count)
    at = f" at {most.where}" if most.where else ""
    return f"; {most.count} times{at}: {masked(statement, most.vendor)}"


def log_queries(function: Callable[P, R]) -> Callable[P, R]:
    """See `headrace.django.log_queries`."""
    name, is_async = _name_of(function), iscoroutinefunction(function)
    return _around(function, functools.partial(_logging_queries, name, is_async))


@contextmanager
def _timing(name: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        spent = (time.perf_counter() - start) * 1000
        tally = _current.get()
        if tally is not None:
            tally.time(name, spent)
        timings.info("%s: %.1f ms", name, spent, extra={"function": name, "duration_ms": spent})


def time_function(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """See `headrace.django.time_function`."""
    if not isinstance(name, str) or not name:
        raise TypeError('time_function needs a name: @time_function("price list")')

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        return _around(function, functools.partial(_timing, name))

    return decorate


def _around(function: Callable[P, R], block: Callable[[], Any]) -> Callable[P, R]:
    """The function inside a fresh `with block()`, sync or async as it is itself."""
    if iscoroutinefunction(function):

        @functools.wraps(function)
        async def acall(*args: P.args, **kwargs: P.kwargs) -> Any:
            with block():
                return await cast(Awaitable[Any], function(*args, **kwargs))

        return cast(Callable[P, R], acall)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with block():
            return function(*args, **kwargs)

    return call
