# SPDX-License-Identifier: MIT
"""A Flask application behind the gate: `gunicorn app:app`; SINK says where events go."""

from __future__ import annotations

import os

from flask import Flask, Response, jsonify, request

from headrace import EventSink, FingerprintCookie, Gate, Key, PathFilter, TokenVerifier
from headrace.wsgi import HeadraceMiddleware

gate = Gate(
    verifier=TokenVerifier([Key.secret(os.environ["TOKEN_SECRET"], algorithm="HS256")]),
    paths=PathFilter({"skip": ["/static/"], "api": ["/api/"], "account": ["/account/"]}),
    fingerprint=FingerprintCookie(keys=[os.environ["COOKIE_SECRET"]]),
    sink=EventSink(os.environ.get("SINK", "redis://127.0.0.1:6379/0")),
    require_token=["account"],
)
app = Flask(__name__)
app.wsgi_app = HeadraceMiddleware(app.wsgi_app, gate)  # type: ignore[method-assign]


@app.get("/")
@app.get("/account/")
def who() -> Response:
    visit = request.environ["headrace.visit"]
    visit.add({"plan": "pro"})
    return jsonify(label=visit.label, user=visit.user, new=visit.is_new)
