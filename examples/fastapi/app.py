# SPDX-License-Identifier: MIT
"""A FastAPI application behind the gate: `uvicorn app:app`; SINK says where events go."""

from __future__ import annotations

import os

from fastapi import FastAPI, Request

from headrace import EventSink, FingerprintCookie, Gate, Key, PathFilter, TokenVerifier
from headrace.asgi import HeadraceMiddleware

gate = Gate(
    verifier=TokenVerifier([Key.secret(os.environ["TOKEN_SECRET"], algorithm="HS256")]),
    paths=PathFilter({"skip": ["/static/"], "api": ["/api/"], "account": ["/account/"]}),
    fingerprint=FingerprintCookie(keys=[os.environ["COOKIE_SECRET"]]),
    sink=EventSink(os.environ.get("SINK", "redis://127.0.0.1:6379/0")),
    require_token=["account"],
)
app = FastAPI()
app.add_middleware(HeadraceMiddleware, gate=gate)


@app.get("/")
@app.get("/account/")
async def who(request: Request) -> dict[str, str | bool | None]:
    visit = request.scope["headrace.visit"]
    visit.add({"plan": "pro"})
    return {"label": visit.label, "user": visit.user, "new": visit.is_new}
