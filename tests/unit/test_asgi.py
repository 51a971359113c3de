# SPDX-License-Identifier: MIT
"""The ASGI front: http, websocket, lifespan, and everything that is none of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from headrace import EventSink, FingerprintCookie, Gate, Key, PathFilter, TokenVerifier
from headrace.asgi import HeadraceMiddleware
from tests.oracle.jws import SECRET, make_token

NAVIGATE = (b"sec-fetch-mode", b"navigate")


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


def make_scope(
    path: str = "/", *headers: tuple[bytes, bytes], kind: str = "http"
) -> dict[str, Any]:
    return {
        "type": kind,
        "asgi": {"version": "3.0"},
        "method": "GET",
        "path": path,
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [NAVIGATE, *headers],
        "client": None,
    }


def authorization(**claims: Any) -> tuple[bytes, bytes]:
    return b"authorization", b"Bearer " + make_token(**claims).encode()


async def run(app: Any, scope: dict[str, Any], *incoming: dict[str, Any]) -> list[dict[str, Any]]:
    """Everything that the application sends."""
    sent: list[dict[str, Any]] = []
    waiting = list(incoming)

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop(0)
        await asyncio.sleep(3600)
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await asyncio.wait_for(app(scope, receive, send), 10)
    return sent


async def hello(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello"})


async def test_cookie_is_added_in_lower_case_bytes(gate: Gate, sink: EventSink) -> None:
    start, body = await run(HeadraceMiddleware(hello, gate), make_scope("/x"))
    names = [name for name, _ in start["headers"]]
    assert names == [b"content-type", b"set-cookie"]
    assert body["body"] == b"hello"
    [event] = sink.captured()
    assert (event["path"], event["status"], event["new"]) == ("/x", "200", "1")


async def test_scope_is_copied(gate: Gate) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await hello(scope, receive, send)

    scope = make_scope("/api/", authorization(user_id=5))
    await run(HeadraceMiddleware(app, gate), scope)
    assert "headrace.visit" not in scope
    assert seen[0]["headrace.visit"].user == "5"


async def test_other_messages_are_passed_through(gate: Gate) -> None:
    messages = [
        {"type": "http.response.early_hint", "links": [b"</a>"]},
        {"type": "http.response.start", "status": 200, "trailers": True},
        {"type": "http.response.pathsend", "path": "/x"},
        {"type": "http.response.trailers", "headers": []},
        {"type": "http.response.unheard_of", "x": 1},
    ]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    sent = await run(HeadraceMiddleware(app, gate), make_scope("/api/"))
    assert sent == messages


async def test_exception_is_recorded_and_raised(gate: Gate, sink: EventSink) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError):
        await run(HeadraceMiddleware(app, gate), make_scope("/", authorization()))
    assert [event["status"] for event in sink.captured()] == ["500"]


async def test_cancelled_request_is_499(gate: Gate, sink: EventSink) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(3600)

    task = asyncio.ensure_future(
        run(HeadraceMiddleware(app, gate), make_scope("/", authorization()))
    )
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [event["status"] for event in sink.captured()] == ["499"]


async def test_no_response_at_all_is_499(gate: Gate, sink: EventSink) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        return

    await run(HeadraceMiddleware(app, gate), make_scope("/", authorization()))
    assert [event["status"] for event in sink.captured()] == ["499"]


async def test_required_label_is_refused(gate: Gate) -> None:
    start, body = await run(HeadraceMiddleware(hello, gate), make_scope("/account/"))
    assert start["status"] == 401
    assert (b"www-authenticate", b'Bearer realm="api"') in start["headers"]
    assert json.loads(body["body"])["code"] == "not_authenticated"


async def test_health_is_answered_before_the_application(gate: Gate) -> None:
    app = HeadraceMiddleware(hello, gate)
    assert (await run(app, make_scope("/livez")))[1]["body"] == b'{"status": "ok"}'
    scope = {**make_scope("/app/readyz"), "root_path": "/app"}
    assert json.loads((await run(app, scope))[1]["body"])["status"] == "ok"


async def test_websocket(gate: Gate, sink: EventSink) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": scope["headrace.visit"].user})
        await send({"type": "websocket.close"})

    scope = make_scope("/", authorization(user_id=3), kind="websocket")
    del scope["method"]
    sent = await run(HeadraceMiddleware(app, gate), scope, {"type": "websocket.connect"})
    assert [message["type"].partition(".")[2] for message in sent] == ["accept", "send", "close"]
    assert sent[1]["text"] == "3"
    assert [event["status"] for event in sink.captured()] == ["101"]


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ({"type": "websocket.close"}, "403"),
        ({"type": "websocket.http.response.start", "status": 418, "headers": []}, "418"),
    ],
)
async def test_websocket_that_is_not_accepted(
    gate: Gate, sink: EventSink, message: dict[str, Any], status: str
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(message)

    scope = make_scope("/", authorization(user_id=3), kind="websocket")
    assert await run(HeadraceMiddleware(app, gate), scope) == [message]
    assert [event["status"] for event in sink.captured()] == [status]


@pytest.mark.parametrize(("path", "status"), [("/livez", 200), ("/account/", 401)])
async def test_head_has_no_body(gate: Gate, path: str, status: int) -> None:
    start, body = await run(
        HeadraceMiddleware(hello, gate), {**make_scope(path), "method": "HEAD"}
    )
    assert (start["status"], body["body"]) == (status, b"")


async def test_websocket_of_a_required_label_is_closed(gate: Gate) -> None:
    scope = make_scope("/account/", kind="websocket")
    sent = await run(HeadraceMiddleware(hello, gate), scope, {"type": "websocket.connect"})
    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_websocket_is_closed_after_its_connect_was_received(gate: Gate) -> None:
    """As ASGI wants it: some servers refuse an answer to a message that nobody took."""
    order: list[str] = []

    async def receive() -> dict[str, Any]:
        order.append("connect")
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        order.append(message["type"])

    scope = make_scope("/account/", kind="websocket")
    await HeadraceMiddleware(hello, gate)(scope, receive, send)
    assert order == ["connect", "websocket.close"]


async def test_lifespan_is_answered_for_an_application_that_refuses_it(gate: Gate) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise ValueError("http only")

    sent = await run(
        HeadraceMiddleware(app, gate),
        {"type": "lifespan"},
        {"type": "lifespan.startup"},
        {"type": "lifespan.shutdown"},
    )
    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


async def test_lifespan_is_forwarded_to_an_application_that_knows_it(gate: Gate) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "lifespan.startup"
        scope["state"]["db"] = "open"
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        await send({"type": "lifespan.shutdown.failed", "message": "stuck"})

    scope: dict[str, Any] = {"type": "lifespan", "state": {}}
    sent = await run(
        HeadraceMiddleware(app, gate),
        scope,
        {"type": "lifespan.startup"},
        {"type": "lifespan.shutdown"},
    )
    assert scope["state"] == {"db": "open"}
    assert sent == [
        {"type": "lifespan.startup.complete"},
        {"type": "lifespan.shutdown.failed", "message": "stuck"},
    ]


async def test_lifespan_of_an_application_that_waits_on_ends_with_ours(gate: Gate) -> None:
    ended: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
        finally:
            ended.append("cancelled")

    sent = await run(
        HeadraceMiddleware(app, gate),
        {"type": "lifespan"},
        {"type": "lifespan.startup"},
        {"type": "lifespan.shutdown"},
    )
    assert sent[-1] == {"type": "lifespan.shutdown.complete"}
    assert ended == ["cancelled"]


async def test_unknown_scope_is_passed_through(gate: Gate) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    await run(HeadraceMiddleware(app, gate), {"type": "something.new"})
    assert seen == ["something.new"]


async def test_headers_that_can_be_read_once_arrive(gate: Gate) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = ((name, b"x") for name in (b"content-type", b"x-a"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body"})

    start = (await run(HeadraceMiddleware(app, gate), make_scope("/api/")))[0]
    assert [name for name, _ in start["headers"]] == [b"content-type", b"x-a"]


async def test_application_that_sets_the_cookie_itself_has_the_last_word(gate: Gate) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"Set-Cookie", b"device_fp=; Max-Age=0")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body"})

    start = (await run(HeadraceMiddleware(app, gate), make_scope()))[0]
    assert [name for name, _ in start["headers"]] == [b"Set-Cookie"]


async def test_failed_start_of_the_application_is_passed_on(gate: Gate) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise RuntimeError("no database")

    sent = await run(
        HeadraceMiddleware(app, gate),
        {"type": "lifespan"},
        {"type": "lifespan.startup"},
        {"type": "lifespan.shutdown"},
    )
    assert sent[0] == {"type": "lifespan.startup.failed", "message": "no database"}


async def test_root_path_may_be_none(gate: Gate) -> None:
    scope = {**make_scope("/x"), "root_path": None}
    assert (await run(HeadraceMiddleware(hello, gate), scope))[0]["status"] == 200
