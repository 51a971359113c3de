# SPDX-License-Identifier: MIT
"""What do enter and finish cost, beside the same job in plain Python?"""

from __future__ import annotations

import base64
import hmac
import itertools
import json
import os
import re
import time
from collections import Counter, deque
from urllib.parse import quote

import jwt
from pairs import report

from headrace import EventSink, FingerprintCookie, Gate, Key, PathFilter, TokenVerifier

SECRET = "a secret of the benchmarks, long enough"
SKIP = ("/static/", "/media/", "/health/")
HEADERS = [("Content-Type", "text/html"), ("Content-Length", "512")]
MONTH = 30 * 86400
BOT = re.compile(
    r"(?<!cu)bot|crawl|facebookexternalhit|headless|lighthouse|spider|slurp|scrapy", re.I
)


class PlainPython:
    """The same rules, step for step, in decent Python.

    Keys and patterns are prepared once, the cookie header is cut with `str.partition` (a fifth of
    what http.cookies costs), and the encoded event goes into a bounded deque that nobody reads:
    no lock, no thread, no socket.
    """

    def __init__(self) -> None:
        self.key = SECRET.encode()
        self.events: deque[bytes] = deque(maxlen=10_000)
        self.counts: Counter[str] = Counter()
        self.durations = [0] * 64
        self.producer = os.urandom(8).hex()
        self.sequence = itertools.count()

    def request(self, environ: dict[str, str]) -> None:
        start = time.perf_counter()
        raw = environ.get("PATH_INFO", "/").encode("latin-1")
        try:
            path = raw.decode()
        except UnicodeDecodeError:
            path = quote(raw)
        if path.startswith(SKIP):
            return
        label = "api" if path.startswith("/api/") else "track"
        method = environ["REQUEST_METHOD"]
        agent = self.agent(environ)
        user, reason = self.token(environ)
        fingerprint, new = None, False
        if environ.get("HTTP_SEC_GPC", "").strip() != "1":
            fingerprint = self.fingerprint(environ)
            new = (
                fingerprint is None
                and user is None
                and agent is None
                and label == "track"
                and method == "GET"
                and self.is_navigation(environ)
            )
            if new:
                fingerprint = os.urandom(16).hex()
        # here is the view
        status = 200
        microseconds = int((time.perf_counter() - start) * 1e6)
        self.durations[microseconds.bit_length()] += 1
        if user is None and (label == "api" or method != "GET" or status != 200):
            return
        event = {
            "id": f"{self.producer}-{next(self.sequence)}",
            "kind": "request",
            "time": int(time.time() * 1000),
            "label": label,
            "method": method,
            "path": path[:2048],
            "status": status,
            "duration_us": microseconds,
        }
        if user is not None:
            event["user"] = user
        if fingerprint is not None:
            event["fingerprint"] = fingerprint
            if new:
                event["new"] = 1
        if reason is not None:
            event["reason"] = reason
        if agent is not None:
            event["agent"] = agent
        self.events.append(json.dumps(event).encode())
        self.counts["accepted"] += 1

    def agent(self, environ: dict[str, str]) -> str | None:
        for name in ("HTTP_SEC_PURPOSE", "HTTP_PURPOSE", "HTTP_X_MOZ"):
            if "prefetch" in environ.get(name, "").lower():
                return "prefetch"
        return "bot" if BOT.search(environ.get("HTTP_USER_AGENT", "")) else None

    def is_navigation(self, environ: dict[str, str]) -> bool:
        mode = environ.get("HTTP_SEC_FETCH_MODE")
        if mode is not None:
            return mode.strip() == "navigate"
        return "text/html" in environ.get("HTTP_ACCEPT", "").lower()

    def token(self, environ: dict[str, str]) -> tuple[str | None, str | None]:
        scheme, _, text = environ.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        if scheme.lower() != "bearer":
            return None, None
        try:
            claims = jwt.decode(text, self.key, algorithms=["HS256"], options={"require": ["exp"]})
        except jwt.InvalidTokenError as error:
            return None, type(error).__name__
        self.counts["token"] += 1
        return str(claims["user_id"]), None

    def fingerprint(self, environ: dict[str, str]) -> str | None:
        for piece in environ.get("HTTP_COOKIE", "").split(";"):
            name, _, value = piece.partition("=")
            if name.strip() == "device_fp" and (found := self.identity(value.strip())):
                return found
        return None

    def identity(self, value: str) -> str | None:
        try:
            raw = base64.urlsafe_b64decode(value + "=")
        except ValueError:
            return None
        if len(raw) != 38 or raw[0] != 1:
            return None
        wanted = hmac.digest(self.key, b"device_fp" + raw[:22], "sha256")[:16]
        if not hmac.compare_digest(wanted, raw[22:]):
            return None
        if not 0 <= time.time() + 300 - int.from_bytes(raw[2:6]) <= MONTH + 300:
            return None
        self.counts["cookie"] += 1
        return raw[6:22].hex()

    def mint(self) -> str:
        content = b"\x01\x00" + int(time.time()).to_bytes(4) + os.urandom(16)
        mac = hmac.digest(self.key, b"device_fp" + content, "sha256")[:16]
        return base64.urlsafe_b64encode(content + mac).decode().rstrip("=")


def main() -> None:
    cookie = FingerprintCookie(keys=[SECRET])
    sink = EventSink("file:/dev/null", ring_bytes=64 << 20)
    gate = Gate(
        verifier=TokenVerifier(keys=[Key.secret(SECRET, algorithm="HS256")]),
        paths=PathFilter({"skip": list(SKIP), "api": ["/api/"]}),
        fingerprint=cookie,
        sink=sink,
    )
    now = int(time.time())
    token = jwt.encode({"user_id": "7", "exp": now + 3600, "iat": now}, SECRET, algorithm="HS256")
    common = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/community/7/",
        "HTTP_ACCEPT": "text/html",
        "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
        "REMOTE_ADDR": "192.0.2.1",
        "wsgi.url_scheme": "http",
    }
    plain = PlainPython()

    def ours(environ: dict[str, str]) -> None:
        gate.enter(environ).finish(200, HEADERS)

    visitor = {**common, "HTTP_COOKIE": f"theme=dark; device_fp={cookie.mint().value}"}
    plain_visitor = {**common, "HTTP_COOKIE": f"theme=dark; device_fp={plain.mint()}"}
    user = {**common, "HTTP_AUTHORIZATION": f"Bearer {token}"}
    static = {**common, "PATH_INFO": "/static/site.css"}
    plain.request(plain_visitor)
    assert json.loads(plain.events[-1])["fingerprint"], "the cookie is read"
    report(
        "a returning visitor",
        {
            "enter + finish": lambda: ours(visitor),
            "plain Python": lambda: plain.request(plain_visitor),
        },
    )
    report(
        "a user, token cached",
        {"enter + finish": lambda: ours(user), "plain Python": lambda: plain.request(user)},
    )
    report(
        "a static file",
        {"enter + finish": lambda: ours(static), "plain Python": lambda: plain.request(static)},
    )
    refused = sink.stats()["refused"]
    print(f"  refused for want of room: {refused}")
    sink.close(timeout=0)


if __name__ == "__main__":
    main()
