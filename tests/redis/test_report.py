# SPDX-License-Identifier: MIT
"""``headrace_report --from stream``: batch after batch out of a real Redis."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from headrace.django.reports import events as of_events
from tests.redis.conftest import Server


def report(url: str, **options: Any) -> dict[str, Any]:
    output = io.StringIO()
    with override_settings(HEADRACE={"NAME": "shop", "SINK": {"url": url, "stream": "a stream"}}):
        call_command("headrace_report", source="stream", format="json", stdout=output, **options)
    found: dict[str, Any] = json.loads(output.getvalue())
    return found


def fill(server: Server, count: int) -> None:
    """Events of the last 100 seconds, and entries that are none."""
    pipeline = server.client.pipeline(transaction=False)
    seconds, _ = server.client.time()
    for number in range(count):
        fields = {
            "id": f"p-{number}",
            "kind": "request",
            "time": str(seconds * 1000 - 100_000 + number * 100_000 // count),
            "label": "track",
            "route": "a/",
            "status": "200",
            "duration_us": str(1000 + number),
            "fingerprint": f"visitor-{number % 10}",
        }
        pipeline.xadd("headrace:shop:a stream", fields)
    pipeline.xadd("headrace:shop:a stream", {"x": b"\xff"})
    pipeline.xadd(
        "headrace:shop:a stream", {"id": "n", "kind": "request", "headrace_format": "99"}
    )
    pipeline.execute()


def test_every_entry_of_the_stream_counts_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_events, "BATCH", 50)
    fill(server, 500)
    found = report(server.url, since="1h")
    assert found["source"] == "stream headrace:shop:a stream"
    assert found["total"]["requests"] == 500
    assert (found["total"]["visitors"], found["total"]["sessions"]) == (10, 10)
    assert found["routes"][0]["p95_ms"] == pytest.approx(1.475, rel=0.005)
    assert "1 events are of a newer format and are left out." in found["notes"]


def test_no_stream_is_an_empty_report(server: Server) -> None:
    assert report(server.url, since="all")["total"]["requests"] == 0


def test_a_server_that_is_away_is_said(server: Server) -> None:
    url = server.url
    server.kill()
    with pytest.raises(CommandError, match="the stream cannot be read"):
        report(url)
