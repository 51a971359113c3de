# SPDX-License-Identifier: MIT
"""`manage.py headrace_doctor`: what it says, what it hides, when it fails."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import override_settings

import headrace.django
from headrace.django.operate.doctor import cost_of, hops, without_secrets
from tests.django.conftest import Events
from tests.redis.conftest import Server, folder, server

__all__ = ["folder", "server"]

SECRET = "a secret that nobody must read, of enough bytes"


def run(*words: str, **setting: Any) -> str:
    out = io.StringIO()
    with override_settings(HEADRACE={"SINK": "memory:", **setting}):
        call_command("headrace_doctor", "--rounds=2", *words, stdout=out)
    return out.getvalue()


def test_it_says_what_is_in_effect() -> None:
    text = run("--path=/page/", TRUSTED_PROXIES=1)
    assert "engine openssl" in text
    assert "memory:, delivery" in text
    assert "label track" in text
    assert "answered 200" in text
    assert f"middleware 1          {settings.MIDDLEWARE[0]}: no hop" in text
    assert "SessionMiddleware: 2 hops (MiddlewareMixin)" in text


@pytest.mark.parametrize("kind", ["a new visitor", "a returning visitor", "a user with a token"])
def test_it_measures_every_kind_of_request(kind: str) -> None:
    assert kind in run("--path=/page/")


def test_it_shows_the_stages_of_the_core() -> None:
    text = run("--path=/page/")
    for stage in ("label", "token", "fingerprint", "event"):
        assert re.search(rf"^  {stage} +\d+\.\d\d µs +\d+\.\d\d µs$", text, re.M), stage
    assert "stage by stage" not in run("--path=/page/", SINK=None)


def test_it_shows_no_secret() -> None:
    text = run(
        SINK={"url": "redis://ann:hunter2@127.0.0.1:1/0"},
        JWT={"keys": [{"secret": SECRET, "algorithm": "HS256"}]},
        FINGERPRINT={"keys": [SECRET]},
    )
    for secret in (SECRET, "hunter2", settings.SECRET_KEY):
        assert secret not in text
    assert "redis://***@127.0.0.1:1/0" in text


def test_measuring_sends_no_event(events: Events) -> None:
    out = io.StringIO()
    call_command("headrace_doctor", "--rounds=2", "--path=/page/", stdout=out)
    assert events() == []
    assert headrace.django.gate().sink is headrace.django.sink()


def test_it_fails_over_a_limit() -> None:
    assert "added in all" in run("--fail-over", "10s")
    with pytest.raises(CommandError, match=r"more than 0\.001 µs"):
        run("--fail-over", "1ns")


@pytest.mark.parametrize("limit", ["10", "fast", "-1us", "1 hour"])
def test_limit_that_is_no_time(limit: str) -> None:
    with pytest.raises(CommandError, match="is no time"):
        run(f"--fail-over={limit}")


def test_turned_off() -> None:
    assert "turned off" in run(ENABLED=False)


@pytest.mark.parametrize("setting", [{"SINK": None}, {"JWT": None}, {"FINGERPRINT": None}])
def test_parts_that_are_off(setting: dict[str, Any]) -> None:
    assert "added in all" in run(**setting)


def test_secrets_are_left_out() -> None:
    hidden = without_secrets(
        {"JWT": {"keys": ["x"], "leeway": 1}, "SINK": "rediss://a:b@h/0", "A": None}
    )
    assert hidden == {"JWT": {"keys": "***", "leeway": 1}, "SINK": "rediss://***@h/0", "A": None}


def test_hops() -> None:
    assert "sync-only" in hops("tests.django.test_middleware.SyncOnly")
    assert "cannot be imported" in hops("no.such.thing")


def test_confidence_interval_holds_the_median() -> None:
    cost = cost_of([float(value) for value in range(100)])
    assert cost.low <= cost.median <= cost.high
    assert (cost.low, cost.high) != (cost.median, cost.median)
    assert cost_of([5.0] * 10).high == 5.0


def test_it_looks_at_the_redis_of_the_site(server: Server) -> None:
    text = run(SINK={"url": server.url, "stream": "mine"})
    assert "ok    delivery      exactly-once" in text
    assert "headrace:tests:mine has 0 entries" in text
    assert server.client.keys() == [], "the probe leaves nothing behind"
