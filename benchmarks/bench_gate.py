# SPDX-License-Identifier: MIT
"""What do enter and finish cost, beside the same job in plain Python?"""

from __future__ import annotations

import hashlib
import hmac
import queue
import secrets
import time
from http.cookies import SimpleCookie

import jwt
from pairs import report

from penstock import EventSink, FingerprintCookie, Gate, Key, PathFilter, TokenVerifier

SECRET = "a secret of the benchmarks, long enough"
SKIP = ("/static/", "/media/", "/health/")
HEADERS = [("Content-Type", "text/html"), ("Content-Length", "512")]


class PlainPython:
    """The same rules as people write them: PyJWT, hmac, a dict into a queue."""

    def __init__(self) -> None:
        self.events: queue.Queue[dict[str, object]] = queue.Queue(maxsize=10_000)

    def request(self, environ: dict[str, str]) -> None:
        start = time.monotonic()
        path = environ["PATH_INFO"]
        if path.startswith(SKIP):
            return
        user = None
        scheme, _, text = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme == "Bearer":
            user = jwt.decode(text, SECRET, algorithms=["HS256"])["user_id"]
        cookies = SimpleCookie(environ.get("HTTP_COOKIE", ""))
        fingerprint = None
        if "device_fp" in cookies:
            value, _, mac = cookies["device_fp"].value.rpartition(".")
            wanted = hmac.digest(SECRET.encode(), value.encode(), hashlib.sha256).hex()
            if hmac.compare_digest(mac, wanted):
                fingerprint = value
        if fingerprint is None and user is None:
            fingerprint = secrets.token_hex(16)
        event = {
            "id": secrets.token_hex(8),
            "kind": "request",
            "time": time.time(),
            "method": environ["REQUEST_METHOD"],
            "path": path,
            "status": 200,
            "duration": time.monotonic() - start,
            "user": user,
            "fingerprint": fingerprint,
        }
        if self.events.full():
            self.events.get_nowait()
        self.events.put_nowait(event)


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
    value = "0123456789abcdef0123456789abcdef"
    mac = hmac.digest(SECRET.encode(), value.encode(), hashlib.sha256).hex()
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
    plain_visitor = {**common, "HTTP_COOKIE": f"theme=dark; device_fp={value}.{mac}"}
    user = {**common, "HTTP_AUTHORIZATION": f"Bearer {token}"}
    static = {**common, "PATH_INFO": "/static/site.css"}
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
