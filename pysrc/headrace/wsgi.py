# SPDX-License-Identifier: MIT
"""The WSGI front: PEP 3333 middleware around any application."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from headrace._front import Wrapper

if TYPE_CHECKING:
    from headrace._core import Visit

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType]
StartResponse = Callable[..., Callable[[bytes], object]]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

VISIT_KEY = "headrace.visit"


class HeadraceMiddleware(Wrapper):
    """``app = HeadraceMiddleware(app, gate)``.

    The visit is in ``environ["headrace.visit"]``. ``live_path`` and ``ready_path`` are answered
    before the application (None: not at all); ``consent(environ)`` answers ``"cookie"``,
    ``"derived"`` or ``"off"`` for one request. ``metrics_path``, such as "/metrics", answers
    Prometheus, with ``collector`` or one over the gate's sink.
    """

    app: Application

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        answer = self.health.answer(path)
        if answer is None and self.health.is_metrics(path):
            answer = self.health.metrics()
        if answer is not None:
            return _respond(environ, start_response, answer.status, answer.headers, answer.body)
        visit: Visit = self.gate.enter(environ, mode=self.front.mode(environ))
        environ[VISIT_KEY] = visit
        if visit.refusal is not None:
            refusal = self.front.refusal(visit)
            headers = [*refusal.headers, *visit.finish(refusal.status_code, refusal.headers)]
            return _respond(environ, start_response, refusal.status, headers, refusal.body)
        response = _Response(visit, start_response)
        try:
            chunks = self.app(environ, response.start)
        except BaseException:
            visit.finish(500)
            raise
        if response.started and _is_whole(chunks, environ):
            visit.finish()
            return chunks
        return _Body(chunks, visit, response, environ.get("REQUEST_METHOD") == "HEAD")


class _Response:
    """Adds our headers when the application starts its response."""

    __slots__ = ("_start_response", "_visit", "started")

    def __init__(self, visit: Visit, start_response: StartResponse) -> None:
        self._visit = visit
        self._start_response = start_response
        self.started = False

    def start(
        self, status: str, headers: Headers, exc_info: ExcInfo | None = None, /
    ) -> Callable[[bytes], object]:
        self.started = True
        added = self._visit.respond(_status_code(status), headers)
        if exc_info is None:
            return self._start_response(status, [*headers, *added])
        try:
            return self._start_response(status, [*headers, *added], exc_info)
        finally:
            exc_info = None  # a traceback holds this frame


def _is_whole(chunks: Iterable[bytes], environ: Environ) -> bool:
    """Is the body there already, or the server's own file wrapper, for which servers look?"""
    if type(chunks) in (list, tuple):
        return True
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(chunks, wrapper)


class _Body:
    """The chunks of a body that is made while it is sent: the visit ends with it."""

    def __init__(
        self, chunks: Iterable[bytes], visit: Visit, response: _Response, is_head: bool
    ) -> None:
        self._chunks = chunks
        self._iterator: Iterator[bytes] | None = None
        self._visit = visit
        self._response = response
        self._is_sent = is_head  # nobody asks for the rest of a body that is not sent

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            if self._iterator is None:
                self._iterator = iter(self._chunks)
            return next(self._iterator)
        except StopIteration:
            self._is_sent = True
            if self._response.started:
                self._visit.finish()
            raise
        except BaseException:
            self._visit.finish(500)
            raise

    def close(self) -> None:
        try:
            close = getattr(self._chunks, "close", None)
            if close is not None:
                close()
        finally:
            # closed too early, or never started: the client is gone
            is_whole = self._is_sent and self._response.started
            self._visit.finish(None if is_whole else 499)


def _status_code(status: str) -> int:
    try:
        return int(status[:3])
    except ValueError:
        return 0


def _respond(
    environ: Environ, start_response: StartResponse, status: str, headers: Headers, body: bytes
) -> Iterable[bytes]:
    start_response(status, headers)
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]
