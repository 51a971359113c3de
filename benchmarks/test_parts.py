# SPDX-License-Identifier: MIT
"""The parts beside their peers, for pytest-benchmark: run it, change something, compare.

pytest benchmarks/test_parts.py --benchmark-only --benchmark-autosave
pytest benchmarks/test_parts.py --benchmark-only --benchmark-compare
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt as pyjwt
import pytest
from django.conf import settings
from django.core import signing
from django.http import parse_cookie
from pytest_benchmark.fixture import BenchmarkFixture

from headrace import EventSink, FingerprintCookie, Gate, Key, PathFilter, TokenVerifier

SECRET = "a secret of the benchmarks, long enough for all"
FIELDS = {"user": "1234567", "plan": "pro", "path": "/community/7/", "n": 7, "ok": True}
PREFIXES = ("/static/", "/media/", "/health/", "/api/")
OTHERS = "csrftoken=abcdefghijklmnopqrstuvwxyz012345; theme=dark; lang=en; _ga=GA1.2.3.4; "

Call = Callable[[], object]


@pytest.fixture(scope="module")
def token() -> str:
    now = int(time.time())
    claims = {"token_type": "access", "exp": now + 86400, "iat": now, "jti": "b" * 32}
    return pyjwt.encode({**claims, "user_id": "12345"}, SECRET, algorithm="HS256")


@pytest.fixture
def sink() -> Iterator[EventSink]:
    """Its server is not there, so that nothing but the emitting is measured."""
    made = EventSink("redis://127.0.0.1:1/0", ring_bytes=64 << 20, exit_timeout=0)
    yield made
    made.close(timeout=0)


@pytest.mark.benchmark(group="a path label")
@pytest.mark.parametrize("who", ["headrace", "str.startswith"])
def test_path_label(benchmark: BenchmarkFixture, who: str) -> None:
    path = "/community/1234/members/"
    label = PathFilter({"skip": list(PREFIXES[:3]), "api": ["/api/"]}).label
    if who == "headrace":
        assert benchmark(label, path) == "track"
    else:
        assert benchmark(path.startswith, PREFIXES) is False


@pytest.mark.benchmark(group="a verified HS256 token")
@pytest.mark.parametrize("who", ["headrace", "headrace, cached", "PyJWT"])
def test_token(benchmark: BenchmarkFixture, token: str, who: str) -> None:
    key = Key.secret(SECRET, algorithm="HS256")
    verifier = TokenVerifier([key], cache_size=0 if who == "headrace" else 16)
    calls: dict[str, Call] = {
        "headrace": lambda: verifier.verify(token).claims,
        "headrace, cached": lambda: verifier.verify(token).claims,
        "PyJWT": lambda: pyjwt.decode(token, SECRET, algorithms=["HS256"]),
    }
    claims: Any = benchmark(calls[who])
    assert claims["user_id"] == "12345"


@pytest.mark.benchmark(group="a visitor from a cookie header")
@pytest.mark.parametrize("who", ["headrace", "Django"])
def test_cookie(benchmark: BenchmarkFixture, who: str) -> None:
    if not settings.configured:
        settings.configure(SECRET_KEY=SECRET)
    cookie = FingerprintCookie(keys=[SECRET])
    signer = signing.TimestampSigner(key=SECRET, salt="device_fp")
    minted = cookie.mint()
    ours = f"{OTHERS}device_fp={minted.value}"
    theirs = f"{OTHERS}device_fp={signer.sign(minted.id)}"
    calls: dict[str, Call] = {
        "headrace": lambda: cookie.read(ours),
        "Django": lambda: signer.unsign(parse_cookie(theirs)["device_fp"], max_age=86400),
    }
    assert benchmark(calls[who]) is not None


@pytest.mark.benchmark(group="an event of five fields")
@pytest.mark.parametrize("who", ["headrace", "SimpleQueue"])
def test_emit(benchmark: BenchmarkFixture, sink: EventSink, who: str) -> None:
    kept: queue.SimpleQueue[object] = queue.SimpleQueue()
    calls: dict[str, Call] = {
        "headrace": lambda: sink.emit("signup", FIELDS),
        "SimpleQueue": lambda: kept.put(("signup", dict(FIELDS))),
    }
    # so many that the ring holds them all
    benchmark.pedantic(calls[who], rounds=100, iterations=1000, warmup_rounds=5)
    assert sink.stats()["refused"] == {}


@pytest.mark.benchmark(group="a request, enter and finish")
@pytest.mark.parametrize("who", ["a visitor", "a user, token cached", "a static file"])
def test_gate(benchmark: BenchmarkFixture, sink: EventSink, token: str, who: str) -> None:
    cookie = FingerprintCookie(keys=[SECRET])
    gate = Gate(
        verifier=TokenVerifier([Key.secret(SECRET, algorithm="HS256")]),
        paths=PathFilter({"skip": list(PREFIXES[:3]), "api": ["/api/"]}),
        fingerprint=cookie,
        sink=sink,
    )
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/static/site.css" if who == "a static file" else "/community/7/",
        "HTTP_ACCEPT": "text/html",
        "REMOTE_ADDR": "192.0.2.1",
        "wsgi.url_scheme": "http",
    }
    if who == "a visitor":
        environ["HTTP_COOKIE"] = f"device_fp={cookie.mint().value}"
    elif who != "a static file":
        environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    headers = [("Content-Type", "text/html")]
    benchmark.pedantic(
        lambda: gate.enter(environ).finish(200, headers), rounds=100, iterations=1000
    )
    assert sink.stats()["refused"] == {}
