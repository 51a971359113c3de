# SPDX-License-Identifier: MIT
"""The ASGI front: ASGI 3 middleware around any application."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from headrace._front import Answer, Wrapper, logger

if TYPE_CHECKING:
    from headrace._core import Visit

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

VISIT_KEY = "headrace.visit"
FLUSH_SECONDS = 2.0
# the messages that carry a body: ASGI's own, then two extensions of servers
BODIES = ("http.response.body", "http.response.zerocopysend", "http.response.pathsend")


class HeadraceMiddleware(Wrapper):
    """``app = HeadraceMiddleware(app, gate)``.

    The visit is in ``scope["headrace.visit"]``, for http and websocket scopes; scopes of other
    types are passed through. ``lifespan`` is answered here and forwarded to an application that
    knows it; at shutdown the sink is flushed. The other arguments are those of
    `headrace.wsgi.HeadraceMiddleware`; ``consent`` is given the scope.
    """

    app: Application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            path = scope["path"].removeprefix(scope.get("root_path") or "")
            answer = self.health.answer(path)
            if answer is None and self.health.is_metrics(path):
                answer = await asyncio.to_thread(self.health.metrics)
            if answer is not None:
                await _respond(scope, send, answer)
                return
            await self._request(scope, receive, send)
        elif kind == "websocket":
            await self._request(scope, receive, send)
        elif kind == "lifespan":
            await _Lifespan(self, scope, receive, send).run()
        else:
            await self.app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        visit = self.gate.enter_scope(scope, mode=self.front.mode(scope))
        if visit.refusal is not None:
            refusal = self.front.refusal(visit)
            visit.finish(refusal.status_code)
            if scope["type"] == "http":
                await _respond(scope, send, refusal)
            else:
                await receive()  # websocket.connect
                await send({"type": "websocket.close", "code": 1008, "reason": "401"})
            return
        scope = {**scope, VISIT_KEY: visit}  # a copy: what we add must not leak to the server
        try:
            await self.app(scope, receive, _wrap_send(visit, send))
        except asyncio.CancelledError:
            visit.finish(499)
            raise
        except BaseException:
            visit.finish(500)
            raise
        # without a response, or without its end: the client is gone
        visit.finish(499)

    def flush(self) -> None:
        """Waits up to two seconds for events that are still on their way."""
        if self.gate.sink is not None:
            left = self.gate.sink.flush(FLUSH_SECONDS)
            if left:
                logger.warning("headrace: %d events were left in the ring at shutdown", left)


def with_headers(message: Message, visit: Visit, status: int) -> Message:
    """The message with our headers; its own may be an iterator, which can be read once."""
    headers = list(message.get("headers", ()))
    added = visit.respond(status, headers)
    return {**message, "headers": [*headers, *added]} if "headers" in message or added else message


def _wrap_send(visit: Visit, send: Send) -> Send:
    """``send`` with our headers on the response, that finishes the visit with its last byte."""

    async def finishing_send(message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            message = with_headers(message, visit, message["status"])
        elif kind == "websocket.accept":
            message = with_headers(message, visit, 101)
            visit.finish()
        elif kind == "websocket.http.response.start":
            visit.finish(message["status"])
        elif kind == "websocket.close":
            visit.finish(403)  # closed before it was accepted; else finished long ago
        await send(message)
        if kind in BODIES and not message.get("more_body", False):
            visit.finish()

    return finishing_send


async def _close_django_connections() -> None:
    """Those of the thread that Django's own async code asks; it has no shutdown of its own."""
    if "django.db" not in sys.modules:
        return
    from asgiref.sync import sync_to_async
    from django.conf import settings
    from django.db import connections

    if settings.configured:
        await sync_to_async(connections.close_all)()


class _Lifespan:
    """Answers the server, and lets the application take part where it knows lifespan."""

    def __init__(
        self, front: HeadraceMiddleware, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self.front = front
        self.scope = scope
        self.receive = receive
        self.send = send
        self.to_app: asyncio.Queue[Message] = asyncio.Queue()
        self.from_app: asyncio.Queue[Message | None] = asyncio.Queue()

    async def run(self) -> None:
        task = asyncio.ensure_future(self._run_app())
        try:
            while True:
                message = await self.receive()
                answer = await self._ask_app(message)
                if message["type"] == "lifespan.shutdown":
                    await asyncio.get_running_loop().run_in_executor(None, self.front.flush)
                    await _close_django_connections()
                    await self.send(answer or {"type": "lifespan.shutdown.complete"})
                    return
                await self.send(answer or {"type": "lifespan.startup.complete"})
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _ask_app(self, message: Message) -> Message | None:
        """The application's answer; None when it does not know lifespan."""
        await self.to_app.put(message)
        return await self.from_app.get()

    async def _run_app(self) -> None:
        asked = ""

        async def receive() -> Message:
            nonlocal asked
            message = await self.to_app.get()
            asked = message["type"]
            return message

        try:
            await self.front.app(self.scope, receive, self.from_app.put)
        except Exception as error:
            if not asked:  # Django raises ValueError for a scope it does not know
                logger.debug("headrace: the application knows no lifespan: %r", error)
            else:
                logger.exception("headrace: the application failed in %s", asked)
                await self.from_app.put({"type": f"{asked}.failed", "message": str(error)})
                await self.to_app.get()
        while True:
            await self.from_app.put(None)
            await self.to_app.get()


async def _respond(scope: Scope, send: Send, answer: Answer) -> None:
    headers: Iterable[tuple[bytes, bytes]] = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers
    ]
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    body = b"" if scope.get("method") == "HEAD" else answer.body
    await send({"type": "http.response.body", "body": body})
