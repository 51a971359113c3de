# SPDX-License-Identifier: MIT
"""A request thread makes no network call: strace sees all of them, and who made them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

# Two threads of requests. Each prints its thread id; the main thread only waits.
PROGRAM = """
import sys, threading
from headrace import EventSink, FingerprintCookie, Gate, PathFilter

sink = EventSink(sys.argv[1])
gate = Gate(verifier=None, paths=PathFilter({"skip": ["/static/"]}),
            fingerprint=FingerprintCookie(keys=["k" * 32]), sink=sink)

started = threading.Barrier(2)

def requests():
    # in one piece: what two threads print would mix otherwise
    sys.stdout.write(f"request thread {threading.get_native_id()}\\n")
    started.wait()
    for n in range(2000):
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": f"/community/{n}/",
                   "HTTP_ACCEPT": "text/html", "REMOTE_ADDR": "127.0.0.1",
                   "wsgi.url_scheme": "http"}
        visit = gate.enter(environ)
        visit.finish(200, [("Content-Type", "text/html")])
        sink.emit("click", {"n": n})

threads = [threading.Thread(target=requests) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("undelivered", sink.flush(timeout=20), flush=True)
sink.close()
"""


@pytest.fixture
def redis_socket(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "redis.sock"
    server = subprocess.Popen(
        [
            shutil.which("redis-server") or "redis-server",
            *("--port", "0", "--unixsocket", str(path), "--dir", str(tmp_path), "--save", ""),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 20
        while not path.exists():
            assert time.monotonic() < deadline, "redis-server did not start"
            time.sleep(0.02)
        yield path
    finally:
        server.terminate()
        server.wait(20)


def test_only_the_sink_thread_talks_to_the_network(tmp_path: Path, redis_socket: Path) -> None:
    trace = tmp_path / "trace"
    done = subprocess.run(
        [
            *("strace", "-f", "-qq", "-e", "trace=%network", "-o", str(trace)),
            *(sys.executable, "-c", PROGRAM, f"unix://{redis_socket}"),
        ],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    requests = set(re.findall(r"request thread (\d+)", done.stdout))
    assert len(requests) == 2
    assert "undelivered 0" in done.stdout

    calls: dict[str, set[str]] = defaultdict(set)
    for line in trace.read_text().splitlines():
        match = re.match(r"(\d+) +(?:<\.\.\. )?(\w+)", line)
        if match and not re.match(r"\d+ +(\+\+\+|---)", line):
            calls[match[1]].add(match[2])
    assert {thread: calls[thread] for thread in requests if thread in calls} == {}
    others = {thread: made for thread, made in calls.items() if thread not in requests}
    assert any("connect" in made for made in others.values()), "strace saw the sink at work"
