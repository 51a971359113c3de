# SPDX-License-Identifier: MIT
"""The console script against a real Redis: doctor and tail."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headrace import EventSink
from headrace.__main__ import CLEAR, main, printable
from tests.redis.conftest import Server

ESCAPE = "\x1b]0;owned\x07\x9b31m\u202e"


def doctor(capsys: pytest.CaptureFixture[str], url: str, status: int = 0) -> str:
    assert main(["doctor", url]) == status
    return capsys.readouterr().out


def test_doctor_of_a_redis_as_it_comes(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    text = doctor(capsys, server.url)
    assert "ok    delivery      exactly-once" in text
    assert f"ok    version       {server.client.info()['redis_version']}" in text
    assert "no limit" in text
    assert "user default may do all that is needed" in text
    assert "events has 0 entries" in text
    assert server.client.keys() == [], "the probe leaves nothing behind"


def test_doctor_of_a_redis_that_may_evict_and_keeps_nothing(
    start_server: Callable[..., Server], capsys: pytest.CaptureFixture[str]
) -> None:
    server = start_server("--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru")
    text = doctor(capsys, server.url)
    assert "warn  delivery" in text
    assert "maxmemory-policy allkeys-lru" in text
    assert "set noeviction" in text


def test_doctor_of_one_with_an_append_only_file(
    start_server: Callable[..., Server], capsys: pytest.CaptureFixture[str]
) -> None:
    text = doctor(capsys, start_server("--appendonly", "yes").url)
    assert "ok    persistence   append-only file" in text


def test_doctor_of_a_user_with_few_rights(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.command(
        "ACL", "SETUSER", "ann", "on", ">secret", "~*", "+@all", "-eval", "-client|kill"
    )
    text = doctor(capsys, server.url.replace("unix://", "unix://ann:secret@"))
    assert "warn  ACL           user ann may not: EVAL" in text
    assert "may come twice" in text
    assert "secret" not in text
    server.command("ACL", "SETUSER", "ann", "-xadd")
    text = doctor(capsys, server.url.replace("unix://", "unix://ann:secret@"), status=1)
    assert "BAD   delivery      no event arrived" in text
    assert "BAD   ACL" in text


def test_doctor_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = doctor(capsys, f"unix://{tmp_path}/none.sock", status=1)
    assert "BAD   delivery      no event arrived" in text


@contextmanager
def tail(*words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "headrace", "tail", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_tail_of_a_stream(server: Server, ring_dir: str) -> None:
    sink = EventSink(server.url, ring_dir=ring_dir)
    assert sink.emit("visit", {"path": f"/{ESCAPE}", "n": 1})
    assert sink.flush(5) == 0
    with tail(server.url, "--from-start") as process:
        first = line_of(process)
        assert r"visit path=/\x1b]0;owned\x07\x9b31m\u202e n=1" in first
        assert sink.emit("later", {"n": 2})
        assert sink.flush(5) == 0
        assert "later n=2" in line_of(process)
    with tail(server.url, "--from-start", "--json") as process:
        assert json.loads(line_of(process))["path"] == f"/{ESCAPE}"
    sink.close()


def test_tail_of_a_file_goes_on_after_rotation(tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_text("")
    with tail(f"file:{path}", "--from-start") as process:

        def write(file: Path, n: int) -> None:
            with file.open("a") as opened:
                opened.write(json.dumps({"id": "x", "kind": "visit", "time": "1", "n": n})[:20])
                opened.flush()
                time.sleep(0.3)  # half a line is no line
                opened.write(
                    json.dumps({"id": "x", "kind": "visit", "time": "1", "n": n})[20:] + "\n"
                )

        write(path, 1)
        assert "visit n=1" in line_of(process)
        path.rename(tmp_path / "events.1")
        write(path, 2)
        assert "visit n=2" in line_of(process)
        with path.open("a") as opened:
            opened.write("no JSON\n[1]\n")
        write(path, 3)
        assert "visit n=3" in line_of(process)


def test_printable() -> None:
    assert printable("plain ä 日本") == "plain ä 日本"
    assert printable("a\nb\x7f\ud800") == r"a\nb\x7f\ud800"


def test_stats_of_an_empty_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "--ring-dir", str(tmp_path)]) == 0
    assert "no rings" in capsys.readouterr().out


@pytest.mark.parametrize("is_json", [False, True])
def test_stats_are_shown_again_every_second(server: Server, ring_dir: str, is_json: bool) -> None:
    sink = EventSink(server.url, ring_dir=ring_dir)
    command = [sys.executable, "-m", "headrace", "stats", "--watch", "--ring-dir", ring_dir]
    command += ["--json"] * is_json
    terminal, its_side = pty.openpty()
    with subprocess.Popen(command, stdout=its_side, start_new_session=True) as process:
        os.close(its_side)
        output = ""
        for count in range(1, 4):
            assert sink.emit("visit")
            assert sink.flush(5) == 0
            wanted = rf'"delivered": {count}\b.*\n' if is_json else rf"total +{count} +{count} +0"
            while not re.search(wanted, output.rpartition(CLEAR)[2]):
                output += os.read(terminal, 1 << 16).decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    os.close(terminal)
    assert (CLEAR in output) is not is_json
    if is_json:
        assert all("targets" in json.loads(line) for line in output.splitlines()[:3])
    sink.close()


def test_stats_of_a_redis_that_is_gone(
    server: Server, ring_dir: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sink = EventSink(server.url, ring_dir=ring_dir, reconnect=(0.01, 0.05))
    assert sink.emit("visit")
    assert sink.flush(5) == 0
    server.kill()
    assert sink.emit("visit")
    deadline = time.monotonic() + 10
    while sink.stats()["connection"]["state"] != "waiting":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert main(["stats", "--ring-dir", ring_dir]) == 0
    text = capsys.readouterr().out
    assert "waiting" in text
    assert "attempts failed, last: " in text
    assert main(["stats", "--json", "--ring-dir", ring_dir]) == 0
    (target,) = json.loads(capsys.readouterr().out)["targets"]
    (process,) = target["processes"]
    assert (process["accepted"], process["delivered"], process["pending"]) == (2, 1, 1)
    assert process["alive"] is True
    assert process["oldest_ms"] > 0
    sink.close(0)


def test_another_folder_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / f"headrace-{os.geteuid()}").write_text("a file")
    assert main(["stats", "--ring-dir", str(tmp_path)]) == 1
    assert "headrace stats: " in capsys.readouterr().err


def test_waiting_tasks_and_lag_of_the_stream(server: Server, ring_dir: str) -> None:
    from celery import Celery

    from headrace.metrics import Collector, exposition

    app = Celery(broker=f"redis+socket://{server.socket}", set_as_current=False)

    @app.task(name="shop.mail")
    def mail() -> None: ...

    for _ in range(3):
        mail.delay()
    sink = EventSink(server.url, ring_dir=ring_dir)
    for n in range(5):
        assert sink.emit("visit", {"n": n})
    assert sink.flush(5) == 0
    server.client.xgroup_create("headrace:events", "billing", "0")
    server.client.xreadgroup("billing", "one", {"headrace:events": ">"}, count=2)
    collector = Collector(
        sink, redis_url=server.url, celery_app=app, celery_queues=("celery", "none such")
    )
    text = exposition(collector).decode()
    assert 'headrace_celery_queue_length{queue="celery"} 3.0' in text
    assert 'headrace_celery_queue_length{queue="none such"} 0.0' in text
    assert "headrace_stream_length 5.0" in text
    assert 'headrace_stream_pending{group="billing"} 2.0' in text
    if int(server.client.info()["redis_version"].split(".")[0]) >= 7:
        assert 'headrace_stream_lag{group="billing"} 3.0' in text
    server.kill()
    started = time.monotonic()
    text = exposition(collector).decode()
    assert time.monotonic() - started < 30
    assert "headrace_redis_up 0.0" in text
    assert "headrace_events_delivered_total 5.0" in text
    sink.close(0)
    app.close()
