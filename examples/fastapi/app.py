# SPDX-License-Identifier: MIT
"""A FastAPI application behind the gate: `uvicorn app:app`; SINK says where events go."""

from __future__ import annotations

import os

from fastapi import FastAPI, Request

from penstock import EventSink, FingerprintCookie, Gate, Key, PathFilter, TokenVerifier
from penstock.asgi import PenstockMiddleware

gate = Gate(
    verifier=TokenVerifier([Key.secret(os.environ["TOKEN_SECRET"], algorithm="HS256")]),
    paths=PathFilter({"skip": ["/static/"], "api": ["/api/"], "account": ["/account/"]}),
    fingerprint=FingerprintCookie(keys=[os.environ["COOKIE_SECRET"]]),
    sink=EventSink(os.environ.get("SINK", "redis://127.0.0.1:6379/0")),
    require_token=["account"],
)
app = FastAPI()
app.add_middleware(PenstockMiddleware, gate=gate)


@app.get("/")
@app.get("/account/")
async def who(request: Request) -> dict[str, str | bool | None]:
    visit = request.scope["penstock.visit"]
    visit.add({"plan": "pro"})
    return {"label": visit.label, "user": visit.user, "new": visit.is_new}
