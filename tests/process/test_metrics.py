# SPDX-License-Identifier: MIT
"""A scrape sees all workers, and what one has counted stays when it is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.process.project import (
    BIN,
    add_views,
    environment,
    fetch,
    free_port,
    serve,
    start_project,
)
from tests.redis.conftest import Server, folder, server

__all__ = ["folder", "server"]

ROOT = Path(__file__).resolve().parents[2]
COUNT = 'headrace_request_duration_seconds_count{method="GET",route="page/",status="2xx"}'

SETTINGS = """
HEADRACE = {{"NAME": "fresh", "METRICS": True, "SINK": {{"url": {url!r}, "ring_dir": {rings!r}}}}}
"""
WRAPPED = """
from fresh.{kind} import application as inner
from headrace.django import gate
from headrace.django.metrics import collector
from headrace.{kind} import HeadraceMiddleware

application = HeadraceMiddleware(
    inner, gate(), metrics_path="/metrics", collector=collector()
)
"""
SERVERS = {
    "gunicorn": [
        *(str(BIN / "gunicorn"), "-b", "127.0.0.1:{port}", "-w", "2"),
        "fresh.measured_wsgi:application",
    ],
    "uvicorn": [
        *(str(BIN / "uvicorn"), "--port", "{port}", "--workers", "2"),
        "fresh.measured_asgi:application",
    ],
}


@pytest.fixture
def project(tmp_path: Path, server: Server) -> Path:
    """A project with METRICS, and a scrape in front of it."""
    (tmp_path / "site").mkdir()
    folder = start_project(tmp_path / "site")
    add_views(folder)
    rings = str(tmp_path / "rings")
    os.mkdir(rings, 0o700)
    settings = folder / "fresh/settings.py"
    settings.write_text(settings.read_text() + SETTINGS.format(url=server.url, rings=rings))
    for kind in ("wsgi", "asgi"):
        (folder / f"fresh/measured_{kind}.py").write_text(WRAPPED.format(kind=kind))
    return folder


def scrape(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as response:
        assert response.headers["Content-Type"].startswith("text/plain")
        text = response.read().decode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def counters(found: dict[str, float]) -> dict[str, float]:
    return {
        name: value
        for name, value in found.items()
        if re.match(r"\w+_(total|count|sum|bucket)\b", name)
    }


def until_workers(port: int, wanted: int) -> dict[str, float]:
    """Both workers have taken a request of their own."""
    deadline = time.monotonic() + 30
    while True:
        found = scrape(port)
        if found["headrace_workers"] == wanted:
            return found
        assert time.monotonic() < deadline, found
        fetch(port, "/page/")
        time.sleep(0.01)


@pytest.mark.parametrize("name", SERVERS)
def test_counters_do_not_go_down_when_a_worker_is_killed(
    project: Path, server: Server, name: str
) -> None:
    port = free_port()
    command = [word.format(port=port) for word in SERVERS[name]]
    with serve(project, command, port) as running:
        before = until_workers(port, 2)
        asked = int(before[COUNT])
        for _ in range(40):
            assert fetch(port, "/page/").status == 200
        before = scrape(port)
        assert before[COUNT] == asked + 40
        assert before["headrace_redis_up"] == 1
        pids = [
            int(match[1])
            for match in (re.match(r'headrace_ring_bytes\{pid="(\d+)"', key) for key in before)
            if match
        ]
        assert len(pids) == 2
        assert all(before[f'headrace_worker_resident_bytes{{pid="{pid}"}}'] > 0 for pid in pids)
        os.kill(pids[0], signal.SIGKILL)
        deadline = time.monotonic() + 30
        seen = before
        while f'headrace_ring_bytes{{pid="{pids[0]}"}}' in seen or len(pids) < 3:
            try:
                fetch(port, "/page/")
                now = scrape(port)
            except OSError:  # it was this worker's connection
                continue
            down = [key for key, value in counters(seen).items() if now.get(key, 0) < value]
            assert down == []
            seen = now
            pids = [*pids, 0][:3]
            assert time.monotonic() < deadline
        assert seen[COUNT] > before[COUNT]
        table = cli(project, "stats", "--ring-dir", str(project.parent / "rings"))
        assert str(pids[1]) in table
        assert "connected" in table
        line = cli(project, "stats", "--json", "--ring-dir", str(project.parent / "rings"))
        (target,) = json.loads(line)["targets"]
        assert target["total"]["accepted"] == sum(
            [target["ended"]["accepted"] if target["ended"] else 0]
            + [process["accepted"] for process in target["processes"]]
        )
        log = running.stop()
    assert "Traceback" not in log


def cli(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [str(BIN / "headrace"), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- what is written about the metrics ------------------------------------------------------

EXPOSED = """
import os, sys, tempfile
from headrace import EventSink, Gate
from headrace.metrics import Collector, exposition

class Broker:
    channel_errors = (KeyError,)
    class default_channel:
        @staticmethod
        def queue_declare(queue, passive):
            import types
            return types.SimpleNamespace(message_count=7)
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def ensure_connection(self, **_): pass

class App:
    def connection_for_read(self, **_): return Broker()

sink = EventSink(sys.argv[1], ring_dir=sys.argv[2])
gate = Gate(sink=sink, metrics=True)
for path in ("/", "/x"):
    visit = gate.enter({"REQUEST_METHOD": "GET", "PATH_INFO": path})
    visit.route = "page/"
    visit.finish(200, [])
sink.observe("database", "default", 0.01, "success")
sink.observe("cache", "default", 0.0, "hit")
sink.observe("task", "mail", 1.0, "success")
assert sink.flush(5) == 0
import redis
redis.Redis.from_url(sys.argv[1]).xgroup_create("headrace:events", "headrace", "0")
made = Collector(sink, redis_url=sys.argv[1], celery_app=App())
sys.stdout.write(exposition(made).decode())
"""


NAME = re.compile(r"\bheadrace_[a-z_]+\b")


def exposed(server: Server, rings: Path) -> set[str]:
    """The name of every family and every sample of a scrape with everything in it."""
    done = subprocess.run(
        [sys.executable, "-c", EXPOSED, server.url, str(rings)],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    samples = set(re.findall(r"^(headrace_\w+)", done.stdout, re.M))
    return samples | set(re.findall(r"^# TYPE (headrace_\w+)", done.stdout, re.M))


def test_alerts_dashboard_and_page_name_metrics_that_there_are(
    server: Server, tmp_path: Path
) -> None:
    there = exposed(server, tmp_path)
    for name in ("alerts.yml", "grafana.json", "reference/metrics.md"):
        text = (ROOT / "docs" / name).read_text()
        used = set(NAME.findall(text))
        assert used - there == set(), name
        assert used, name
    page = (ROOT / "docs/reference/metrics.md").read_text()
    families = {name for name in there if not re.search(r"_(bucket|count|sum|created)$", name)}
    assert families - set(NAME.findall(page)) == set(), "the page lists every metric"


def test_promtool_takes_the_rules() -> None:
    done = subprocess.run(
        ["promtool", "check", "rules", str(ROOT / "docs/alerts.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_fire_when_they_should(tmp_path: Path) -> None:
    """As the issue words them: over 2 s, over 100 ms, under 80 %, over 1,000, over 80 %."""
    request = '{route="a/",method="GET",status="2xx"'
    series = {
        f"headrace_request_duration_seconds_count{request}}}": "0+100x60",
        f'headrace_request_duration_seconds_bucket{request},le="2.0"}}': "0+90x60",
        'headrace_database_query_duration_seconds_count{alias="default"}': "0+100x60",
        'headrace_database_query_duration_seconds_bucket{alias="default",le="0.1"}': "0+90x60",
        'headrace_cache_gets_total{alias="default",result="hit"}': "0+700x60",
        'headrace_cache_gets_total{alias="default",result="miss"}': "0+300x60",
        'headrace_celery_queue_length{queue="celery"}': "1001x60",
        'headrace_worker_resident_bytes{pid="1"}': "81x60",
        "headrace_memory_limit_bytes": "100x60",
    }
    firing = {
        "SlowRequests": ("route", "a/", "a/: 10% of requests over 2 s"),
        "SlowQueries": ("alias", "default", "default: 10% of queries over 100 ms"),
        "LowCacheHitRate": ("alias", "default", "cache default: 70% of keys found"),
        "ManyWaitingTasks": ("queue", "celery", "queue celery: 1001 tasks wait"),
        "MemoryNearlyFull": (None, None, ": workers use 81% of memory"),
    }
    tests = [
        {
            "eval_time": "40m",
            "alertname": name,
            "exp_alerts": [
                {
                    "exp_labels": {"severity": "warning", **({label: value} if label else {})},
                    "exp_annotations": {"summary": summary},
                }
            ],
        }
        for name, (label, value, summary) in firing.items()
    ]
    quiet = {
        name: values.replace("0+90x", "0+100x")
        .replace("0+300x", "0+10x")
        .replace("81x", "79x")
        .replace("1001x", "999x")
        for name, values in series.items()
    }
    plan = {
        "rule_files": [str(ROOT / "docs/alerts.yml")],
        "evaluation_interval": "1m",
        "tests": [
            {"interval": "1m", "input_series": as_input(series), "alert_rule_test": tests},
            {
                "interval": "1m",
                "input_series": as_input(quiet),
                "alert_rule_test": [{**test, "exp_alerts": []} for test in tests],
            },
        ],
    }
    file = tmp_path / "rules-test.yml"
    file.write_text(json.dumps(plan))  # JSON is YAML
    done = subprocess.run(
        ["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def as_input(series: dict[str, str]) -> list[dict[str, str]]:
    return [{"series": name, "values": values} for name, values in series.items()]
