# SPDX-License-Identifier: MIT
"""What `manage.py headrace_doctor` finds out: what is in effect, and what it costs.

The measurement runs in this process, on the site's own settings, requests and URLs, with events
into memory: nothing is sent anywhere. Two calls that are compared take turns, so that the
machine's noise falls on both.
"""

from __future__ import annotations

import io
import json
import random
import re
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.test.utils import override_settings
from django.urls import Resolver404, resolve
from django.utils.deprecation import MiddlewareMixin
from django.utils.module_loading import import_string

from headrace.django.checks import MIDDLEWARE
from headrace.django.middleware import HeadraceMiddleware
from headrace.django.site import configured
from headrace.testing import make_token

SECRET_NAMES = {"keys", "secret", "pem", "jwk", "jwks", "password", "private_key"}
ROUNDS = 40
REQUESTS = 100  # of one kind in one round
WHOLE_REQUESTS = 5

# --- what is in effect ------------------------------------------------------------------------


def without_secrets(value: Any, name: str = "") -> Any:
    """The value without its secrets: keys, and the user and password of a URL."""
    if name in SECRET_NAMES and value is not None:
        return "***"
    if isinstance(value, Mapping):
        return {key: without_secrets(entry, str(key)) for key, entry in value.items()}
    if isinstance(value, str):
        return re.sub(r"//[^/@]*@", "//***@", value)
    return value


def in_effect() -> Iterator[tuple[str, str]]:
    """Pairs of a name and what holds."""
    site = configured()
    conf = site.conf
    jwt = conf.jwt or {}
    yield "tokens", f"engine {jwt.get('engine', 'openssl')}" if site.verifier else "off"
    yield "simplejwt's backend", _simplejwt_backend()
    yield "fingerprint", "off" if conf.fingerprint is None else conf.mode
    if site.sink is None:
        yield "events", "off"
    else:
        stats = site.sink.stats()
        url = without_secrets(str((conf.sink or {}).get("url")))
        yield "events", f"{url}, delivery {stats['delivery']}, ring {stats['ring']['kind']}"
    yield (
        "HEADRACE",
        json.dumps(without_secrets(dict(getattr(settings, "HEADRACE", {}))), default=str),
    )
    for at, path in enumerate(settings.MIDDLEWARE, 1):
        yield f"middleware {at}", f"{path}: {hops(path)}"


def _simplejwt_backend() -> str:
    try:
        from rest_framework_simplejwt import state
    except ImportError:
        return "not installed"
    kind = type(state.token_backend)
    return f"{kind.__module__}.{kind.__qualname__}"


def hops(path: str) -> str:
    """What a middleware costs a request under ASGI."""
    try:
        kind = import_string(path)
    except ImportError as error:
        return f"cannot be imported: {error}"
    if not getattr(kind, "async_capable", False):
        return "sync-only, a hop into a thread and back for all below it"
    if isinstance(kind, type) and issubclass(kind, MiddlewareMixin):
        count = sum(hasattr(kind, hook) for hook in ("process_request", "process_response"))
        return f"{count} hop{'s' if count != 1 else ''} (MiddlewareMixin)"
    return "no hop"


# --- what it costs ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cost:
    """Nanoseconds: the median over rounds, and its 95 % confidence interval."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return (
            f"{self.median / 1000:8.2f} µs   (95 %: {self.low / 1000:.2f} to "
            f"{self.high / 1000:.2f})"
        )


def cost_of(rounds: list[float]) -> Cost:
    """By bootstrap: nothing is assumed about how noise is distributed."""
    source = random.Random(1)
    medians = sorted(statistics.median(source.choices(rounds, k=len(rounds))) for _ in range(1000))
    return Cost(statistics.median(rounds), medians[25], medians[974])


@dataclass(frozen=True, slots=True)
class Measured:
    """One kind of request, stage by stage; `added` is the middleware beside one that does
    nothing.
    """

    kind: str
    enter: Cost
    leave: Cost
    added: Cost


class _NoOp:
    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request)


def measuring() -> Any:
    """The site's settings, but for the sink: events of a measurement go nowhere."""
    setting = {**getattr(settings, "HEADRACE", {}), "SINK": None}
    setting["SLOW_REQUEST"] = None
    if configured().sink is not None:
        setting["SINK"] = {"url": "memory:", "ring_bytes": 16 << 20}
    return override_settings(HEADRACE=setting)


def measure(path: str, rounds: int = ROUNDS) -> list[Measured]:
    """The cost of each kind of request to `path`; inside `measuring()`."""
    return [_measure(kind, path, more, rounds) for kind, more in _kinds(path)]


def _kinds(path: str) -> Iterator[tuple[str, dict[str, str]]]:
    site = configured()
    navigation = {"HTTP_ACCEPT": "text/html", "HTTP_USER_AGENT": "Mozilla/5.0 Firefox/140.0"}
    yield "a new visitor", navigation
    if site.gate.fingerprint is not None:
        value = site.gate.fingerprint.mint().value
        name = (site.conf.fingerprint or {}).get("name", "device_fp")
        yield "a returning visitor", {**navigation, "HTTP_COOKIE": f"{name}={value}"}
    try:
        token = make_token(1)
    except ValueError:  # the site verifies what others sign
        return
    yield "a user with a token", {**navigation, "HTTP_AUTHORIZATION": f"Bearer {token}"}


def environ(path: str, more: Mapping[str, str]) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
        **more,
    }


def _requests(path: str, more: Mapping[str, str]) -> list[WSGIRequest]:
    try:
        match = resolve(path)
    except Resolver404:
        match = None
    requests = []
    for _ in range(REQUESTS):
        request = WSGIRequest(environ(path, more))
        request.resolver_match = match
        requests.append(request)
    return requests


def _measure(kind: str, path: str, more: Mapping[str, str], rounds: int) -> Measured:
    site = configured()
    clock = time.perf_counter_ns
    enters, leaves, added = [], [], []
    ready: list[HttpResponse] = []
    ours = HeadraceMiddleware(lambda request: ready.pop())
    no_op = _NoOp(lambda request: ready.pop())
    for _ in range(rounds + 1):
        requests = _requests(path, more)
        responses = [HttpResponse(b"") for _ in requests]
        start = clock()
        visits = [site.enter(request) for request in requests]
        entered = clock()
        for request, visit, response in zip(requests, visits, responses, strict=True):
            site.leave(request, visit, response)
        left = clock()
        enters.append((entered - start) / REQUESTS)
        leaves.append((left - entered) / REQUESTS)
        with_us, without = _requests(path, more), _requests(path, more)
        ready[:] = [HttpResponse(b"") for _ in range(2 * REQUESTS)]
        start = clock()
        for request in with_us:
            ours(request)
        middle = clock()
        for request in without:
            no_op(request)
        added.append((2 * middle - start - clock()) / REQUESTS)
    return Measured(kind, cost_of(enters[1:]), cost_of(leaves[1:]), cost_of(added[1:]))


def stages() -> dict[str, dict[str, Any]]:
    """Where the time of the measured requests went, as `EventSink.stats` has it; none without a
    sink. Inside `measuring()`, after `measure`.
    """
    sink = configured().sink
    return {} if sink is None else {k: v for k, v in sink.stats()["stages"].items() if v["count"]}


def whole_request(path: str, rounds: int = ROUNDS) -> tuple[int, Cost]:
    """The status of the site's own answer, and what the whole request takes without us."""
    without = [entry for entry in settings.MIDDLEWARE if entry != MIDDLEWARE]
    with override_settings(MIDDLEWARE=without):
        handler = WSGIHandler()
    status = 0

    def start_response(text: str, headers: object, exc_info: object = None) -> Any:
        nonlocal status
        status = int(text[:3])

    found = []
    for _ in range(rounds + 1):
        start = time.perf_counter_ns()
        for _ in range(WHOLE_REQUESTS):
            response = handler(environ(path, {}), start_response)
            close = getattr(response, "close", None)
            if close is not None:
                close()
        found.append((time.perf_counter_ns() - start) / WHOLE_REQUESTS)
    return status, cost_of(found[1:])
