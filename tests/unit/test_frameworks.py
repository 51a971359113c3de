# SPDX-License-Identifier: MIT
"""The WSGI and ASGI fronts around the applications of other frameworks."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.testing import WebsocketCommunicator
from django.urls import path
from fastapi import FastAPI, Request
from flask import Flask, jsonify, request
from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient

import headrace.asgi
import headrace.wsgi
from headrace import EventSink, FingerprintCookie, Gate, Key, PathFilter, TokenVerifier
from tests.oracle.jws import SECRET, make_token

NAVIGATE = {"Sec-Fetch-Mode": "navigate"}
BEARER = {"Authorization": f"Bearer {make_token(user_id=7)}"}


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


def test_flask(gate: Gate, sink: EventSink) -> None:
    app = Flask(__name__)

    @app.get("/who")
    def who() -> Any:
        visit = request.environ["headrace.visit"]
        visit.add({"plan": "pro"})
        return jsonify(user=visit.user, label=visit.label)

    @app.get("/stream")
    def stream() -> Any:
        return (part for part in ("one ", "two")), 200

    app.wsgi_app = headrace.wsgi.HeadraceMiddleware(app.wsgi_app, gate)  # type: ignore[method-assign]
    client = app.test_client()
    assert client.get("/who", headers={**NAVIGATE, **BEARER}).json == {
        "user": "7",
        "label": "track",
    }
    assert client.get("/stream", headers=NAVIGATE).data == b"one two"
    assert client.get("/account/").status_code == 401
    assert client.get("/livez").json == {"status": "ok"}
    first, second = sink.captured()
    assert (first["plan"], first["user"]) == ("pro", "7")
    assert second["new"] == "1"


async def who(request: Any) -> JSONResponse:
    visit = request.scope["headrace.visit"]
    return JSONResponse({"user": visit.user, "label": visit.label})


async def stream(request: Any) -> StreamingResponse:
    return StreamingResponse(iter(["one ", "two"]))


async def file(request: Any) -> FileResponse:
    return FileResponse(__file__)


async def socket(websocket: Any) -> None:
    await websocket.accept()
    await websocket.send_text(str(websocket.scope["headrace.visit"].user))
    await websocket.close()


def test_starlette(gate: Gate, sink: EventSink) -> None:
    started: list[str] = []

    async def lifespan(app: Any) -> Any:
        started.append("up")
        yield
        started.append("down")

    inner = Starlette(
        routes=[
            Route("/who", who),
            Route("/stream", stream),
            Route("/file", file),
            WebSocketRoute("/socket", socket),
        ],
        lifespan=contextlib.asynccontextmanager(lifespan),
    )
    app = headrace.asgi.HeadraceMiddleware(inner, gate)
    with TestClient(app) as client:
        assert client.get("/who", headers=BEARER).json() == {"user": "7", "label": "track"}
        response = client.get("/stream", headers=NAVIGATE)
        assert (response.text, "device_fp" in response.cookies) == ("one two", True)
        assert "SPDX" in client.get("/file").text
        with client.websocket_connect("/socket", headers=BEARER) as websocket:
            assert websocket.receive_text() == "7"
    assert started == ["up", "down"]
    assert [event["path"] for event in sink.captured()] == ["/who", "/stream", "/file", "/socket"]


def test_fastapi(gate: Gate, sink: EventSink) -> None:
    inner = FastAPI()

    @inner.get("/api/who")
    async def fast_who(request: Request) -> dict[str, Any]:
        return {"user": request.scope["headrace.visit"].user}

    # the two ways that people add a middleware
    inner.add_middleware(headrace.asgi.HeadraceMiddleware, gate=gate)
    with TestClient(inner) as client:
        assert client.get("/api/who", headers=BEARER).json() == {"user": "7"}
        assert client.get("/account/x").json()["code"] == "not_authenticated"
        assert client.get("/readyz").json()["status"] == "ok"
    assert len(sink.captured()) == 1


class Echo(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.accept()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        user = self.scope["headrace.visit"].user
        await self.send(text_data=json.dumps({"user": user, "text": text_data}))


@pytest.mark.django_db(transaction=True)  # a consumer closes old connections
async def test_channels(gate: Gate, sink: EventSink) -> None:
    inner = ProtocolTypeRouter({"websocket": URLRouter([path("ws/", Echo.as_asgi())])})
    app = headrace.asgi.HeadraceMiddleware(inner, gate)
    headers = [(name.lower().encode(), value.encode()) for name, value in BEARER.items()]
    communicator = WebsocketCommunicator(app, "/ws/", headers)
    connected, _ = await communicator.connect()
    assert connected
    await communicator.send_to(text_data="hello")
    assert json.loads(await communicator.receive_from()) == {"user": "7", "text": "hello"}
    await communicator.disconnect()
    [event] = sink.captured()
    assert (event["status"], event["user"]) == ("101", "7")
