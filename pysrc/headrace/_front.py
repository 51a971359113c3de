# SPDX-License-Identifier: MIT
"""What the fronts share: the site's consent, the answer 401, the health endpoints."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from headrace._core import EventSink, Gate, Visit
    from headrace.metrics import Collector

Mode = Literal["cookie", "derived", "off"]
Consent = Callable[[dict[str, Any]], Mode]

MODES = ("cookie", "derived", "off")

NEARLY_FULL = 0.9  # of a ring: the next burst will not fit

CHALLENGE = 'Bearer realm="api"'
NOT_VALID = "Given token not valid for any token type"

logger = logging.getLogger("headrace")


@dataclass(frozen=True, slots=True)
class Answer:
    """A small response that we give ourselves."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def status_code(self) -> int:
        return int(self.status[:3])


def _json_answer(status: str, document: dict[str, Any], *more: tuple[str, str]) -> Answer:
    body = json.dumps(document).encode()
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        *more,
    ]
    return Answer(status, headers, body)


class Front:
    """Consent and refusal, the same for every front."""

    def __init__(self, gate: Gate, consent: Consent | None = None) -> None:
        self._consent = consent
        self._gate = gate

    def mode(self, request: dict[str, Any]) -> Mode | None:
        """What the site's consent allows for this environ or scope; None without a policy.

        A policy that raises, or answers anything else, allows nothing.
        """
        if self._consent is None:
            return None
        try:
            answer = self._consent(request)
        except Exception:
            logger.exception("headrace: consent raised; nothing is kept about this visitor")
            return "off"
        if answer not in MODES:
            logger.error("headrace: consent answered %r, not one of %s", answer, MODES)
            return "off"
        return answer

    def refusal(self, visit: Visit) -> Answer:
        """The 401 of a label that requires a token: simplejwt's body, and our reason."""
        if visit.reason is None:
            document = {
                "detail": "Authentication credentials were not provided.",
                "code": "not_authenticated",
                "reason": None,
            }
        else:
            document = {
                "detail": NOT_VALID,
                "code": "token_not_valid",
                "reason": visit.reason,
            }
        challenge = ("WWW-Authenticate", CHALLENGE)
        return _json_answer("401 Unauthorized", document, challenge)


class Health:
    """``/livez``: this process answers. ``/readyz``: and this is how its sink is. ``/metrics``,
    where asked for: what all processes have counted.
    """

    def __init__(
        self,
        sink: EventSink | None,
        live_path: str | None,
        ready_path: str | None,
        ready_requires_sink: bool,
        metrics_path: str | None = None,
        collector: Collector | None = None,
    ) -> None:
        self._sink = sink
        self._metrics_path = metrics_path
        self._collector = _collector(sink, collector) if metrics_path is not None else None
        self._live_path = live_path
        self._ready_path = ready_path
        self._ready_requires_sink = ready_requires_sink

    def answer(self, path: str) -> Answer | None:
        """The answer to a health request; None for every other path."""
        if path == self._live_path:
            return _json_answer("200 OK", {"status": "ok"})
        if path == self._ready_path:
            return self._ready()
        return None

    def is_metrics(self, path: str) -> bool:
        """Is this a scrape? Then `metrics` answers it, and may take a second over it."""
        return self._collector is not None and path == self._metrics_path

    def metrics(self) -> Answer:
        """The answer to a scrape."""
        from headrace.metrics import CONTENT_TYPE, exposition

        assert self._collector is not None
        body = exposition(self._collector)
        headers = [
            ("Content-Type", CONTENT_TYPE),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
        ]
        return Answer("200 OK", headers, body)

    def _ready(self) -> Answer:
        state: dict[str, Any] | None = None
        ready = True
        if self._sink is not None:
            stats = self._sink.stats()
            state = {
                key: stats[key]
                for key in ("connection", "delivery", "pending", "ring")
                if key in stats
            }
            ready = not self._ready_requires_sink or _sink_is_well(stats)
        status = "200 OK" if ready else "503 Service Unavailable"
        return _json_answer(status, {"status": "ok" if ready else "unavailable", "sink": state})


class Wrapper:
    """What the WSGI and the ASGI middleware are made with."""

    def __init__(
        self,
        app: Any,
        gate: Gate,
        *,
        live_path: str | None = "/livez",
        ready_path: str | None = "/readyz",
        ready_requires_sink: bool = False,
        consent: Consent | None = None,
        metrics_path: str | None = None,
        collector: Collector | None = None,
    ) -> None:
        self.app: Any = app
        self.gate = gate
        self.front = Front(gate, consent)
        self.health = Health(
            gate.sink, live_path, ready_path, ready_requires_sink, metrics_path, collector
        )


def _collector(sink: EventSink | None, given: Collector | None) -> Collector:
    if given is not None:
        return given
    if sink is None:
        raise ValueError("metrics_path: without a sink nothing is counted")
    from headrace.metrics import Collector

    return Collector(sink)


def _sink_is_well(stats: dict[str, Any]) -> bool:
    """Connected, or not asked to connect yet; and the ring takes events."""
    ring = stats.get("ring") or {}
    if ring.get("used", 0) > NEARLY_FULL * ring.get("bytes", float("inf")):
        return False
    connection = stats["connection"]
    state = connection.get("state") if isinstance(connection, dict) else connection
    return state in ("idle", "connected", "none")
