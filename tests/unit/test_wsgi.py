# SPDX-License-Identifier: MIT
"""The WSGI front, between wsgiref's validator on both sides."""

from __future__ import annotations

import gc
import json
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

import pytest

from headrace import EventSink, FingerprintCookie, Gate, Key, PathFilter, TokenVerifier
from headrace.wsgi import HeadraceMiddleware
from tests.oracle.jws import SECRET, make_token

Call = Callable[..., tuple[str, list[tuple[str, str]], bytes]]


@pytest.fixture
def sink() -> Iterator[EventSink]:
    sink = EventSink("memory:")
    yield sink
    sink.close()


@pytest.fixture
def gate(sink: EventSink) -> Gate:
    return Gate(
        verifier=TokenVerifier([Key.secret(SECRET, algorithm="HS256")]),
        paths=PathFilter({"api": ["/api/"], "account": ["/account/"]}),
        fingerprint=FingerprintCookie(keys=["a key"]),
        sink=sink,
        require_token=["account"],
    )


def make_environ(path: str = "/", **headers: str) -> dict[str, Any]:
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    environ.update(PATH_INFO=path, QUERY_STRING="", HTTP_SEC_FETCH_MODE="navigate")
    environ.update({f"HTTP_{name.upper()}": value for name, value in headers.items()})
    return environ


def call(app: Any, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
    started: list[Any] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[..., None]:
        started[:] = [status, headers]
        return lambda data: None

    result = validator(app)(environ, start_response)
    try:
        body = b"".join(result)
    finally:
        result.close()
    return started[0], started[1], body


def hello(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def test_cookie_is_added_and_the_application_untouched(gate: Gate, sink: EventSink) -> None:
    app = HeadraceMiddleware(validator(hello), gate)
    status, headers, body = call(app, make_environ("/x"))
    assert (status, body) == ("200 OK", b"hello")
    assert [name for name, _ in headers] == ["Content-Type", "Set-Cookie"]
    [event] = sink.captured()
    assert (event["path"], event["status"], event["new"]) == ("/x", "200", "1")


def test_headers_of_the_application_are_not_changed_in_place(gate: Gate) -> None:
    kept = [("Content-Type", "text/plain")]

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", kept)
        return [b""]

    call(HeadraceMiddleware(app, gate), make_environ())
    assert kept == [("Content-Type", "text/plain")]


def test_visit_is_in_the_environ(gate: Gate) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["headrace.visit"].user.encode()]

    environ = make_environ("/api/", authorization=f"Bearer {make_token(user_id=5)}")
    assert call(HeadraceMiddleware(app, gate), environ)[2] == b"5"


def test_lazy_application_is_finished_when_it_starts(gate: Gate, sink: EventSink) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("201 Created", [("Content-Type", "text/plain")])
        yield b"a"
        yield b"b"

    environ = make_environ(authorization=f"Bearer {make_token()}")
    assert call(HeadraceMiddleware(validator(app), gate), environ)[2] == b"ab"
    assert [event["status"] for event in sink.captured()] == ["201"]


def test_iterable_is_passed_through_unchanged(gate: Gate) -> None:
    wrapper = FileWrapper(open(__file__, "rb"))  # noqa: SIM115

    def app(environ: Any, start_response: Any) -> FileWrapper:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return wrapper

    environ = {**make_environ(), "wsgi.file_wrapper": FileWrapper}
    result = HeadraceMiddleware(app, gate)(environ, lambda *args: lambda data: None)
    assert result is wrapper
    wrapper.close()


def test_write_callable_is_the_servers(gate: Gate) -> None:
    written: list[bytes] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])(b"written")
        return []

    HeadraceMiddleware(app, gate)(make_environ(), lambda *args: written.append)
    assert written == [b"written"]


def test_exc_info_is_passed_on(gate: Gate, sink: EventSink) -> None:
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        start_response("500 Oops", [], (ValueError, ValueError("x"), None))
        return [b""]

    def start_response(*args: Any) -> Callable[..., None]:
        seen.append(args)
        return lambda data: None

    environ = make_environ(Authorization=f"Bearer {make_token()}")
    HeadraceMiddleware(app, gate)(environ, start_response)
    assert [len(args) for args in seen] == [2, 3]
    assert [event["status"] for event in sink.captured()] == ["500"]


def test_exception_is_recorded_and_raised(gate: Gate, sink: EventSink) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        raise RuntimeError("boom")

    def lazy(environ: Any, start_response: Any) -> Iterator[bytes]:
        raise RuntimeError("boom")
        yield b""

    for failing in (app, lazy):
        environ = make_environ(authorization=f"Bearer {make_token()}")
        with pytest.raises(RuntimeError):
            list(HeadraceMiddleware(failing, gate)(environ, lambda *args: None))
    assert [event["status"] for event in sink.captured()] == ["500", "500"]


def test_client_that_leaves_before_the_start_is_499(gate: Gate, sink: EventSink) -> None:
    closed: list[bool] = []

    class Lazy:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"x"])

        def close(self) -> None:
            closed.append(True)

    environ = make_environ(authorization=f"Bearer {make_token()}")
    result: Any = HeadraceMiddleware(lambda e, s: Lazy(), gate)(environ, lambda *args: None)
    result.close()
    assert closed == [True]
    assert [event["status"] for event in sink.captured()] == ["499"]


def test_required_label_is_refused(gate: Gate) -> None:
    app = HeadraceMiddleware(hello, gate)
    status, headers, body = call(app, make_environ("/account/"))
    assert status == "401 Unauthorized"
    assert ("WWW-Authenticate", 'Bearer realm="api"') in headers
    assert json.loads(body)["code"] == "not_authenticated"
    environ = make_environ("/account/", authorization=f"Bearer {make_token()}")
    assert call(app, environ)[0] == "200 OK"


def test_health_is_answered_before_the_application(gate: Gate) -> None:
    app = HeadraceMiddleware(hello, gate)
    assert call(app, make_environ("/livez"))[2] == b'{"status": "ok"}'
    status, _, body = call(app, make_environ("/readyz"))
    assert status == "200 OK"
    assert json.loads(body)["sink"]["pending"] == 0
    off = HeadraceMiddleware(hello, gate, live_path=None, ready_path=None)
    assert call(off, make_environ("/livez"))[2] == b"hello"


@pytest.mark.parametrize(("path", "status"), [("/livez", "200"), ("/account/", "401")])
def test_head_has_no_body(gate: Gate, path: str, status: str) -> None:
    environ = {**make_environ(path), "REQUEST_METHOD": "HEAD"}
    answer = call(HeadraceMiddleware(hello, gate), environ)
    assert (answer[0][:3], answer[2]) == (status, b"")


@pytest.mark.parametrize("answer", ["off", "nonsense", None])
def test_consent_that_does_not_allow(gate: Gate, answer: Any) -> None:
    app = HeadraceMiddleware(hello, gate, consent=lambda environ: answer)
    assert [name for name, _ in call(app, make_environ())[1]] == ["Content-Type"]


def test_consent_that_raises_means_off(gate: Gate) -> None:
    def consent(environ: Any) -> Any:
        raise KeyError("x")

    app = HeadraceMiddleware(hello, gate, consent=consent)
    assert [name for name, _ in call(app, make_environ())[1]] == ["Content-Type"]


class InTheMidst(Exception):
    """Of Python's own classes no weak reference can be made."""


def test_an_error_that_the_server_raises_again_is_not_kept_alive(gate: Gate) -> None:
    """PEP 3333: a traceback holds our frame, which must not hold the traceback."""

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[..., None]:
        try:
            if exc_info:  # the headers have gone out
                raise exc_info[1].with_traceback(exc_info[2])
        finally:
            exc_info = None
        return lambda data: None

    def app(environ: Any, start: Any) -> list[bytes]:
        start("200 OK", [])
        try:
            raise InTheMidst
        except InTheMidst:
            start("500 Error", [], sys.exc_info())
        return []

    def fail() -> weakref.ref[InTheMidst]:
        try:
            HeadraceMiddleware(app, gate)(make_environ(), start_response)
        except InTheMidst as error:
            return weakref.ref(error)
        raise AssertionError

    gc.disable()  # which would find a cycle, some time
    try:
        assert fail()() is None
    finally:
        gc.enable()
