# SPDX-License-Identifier: MIT
"""What only shows after many events, or when the clock is set."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from headrace import EventSink
from tests.redis.conftest import SOAK, Server, folder, ring_dir, server, start_server

__all__ = ["folder", "ring_dir", "server", "start_server"]

SHIM = r"""
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <time.h>
    typedef int clock_function(clockid_t, struct timespec *);
    /* Sets the wall clock alone, by the seconds in a file. */
    int clock_gettime(clockid_t id, struct timespec *t)
    {
        static clock_function *real;
        if (real == NULL)
            real = (clock_function *)dlsym(RTLD_NEXT, "clock_gettime");
        int result = real(id, t);
        long shift = 0;
        if (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)
            return result;
        FILE *file = fopen(getenv("SHIFT"), "r");
        if (file != NULL) {
            if (fscanf(file, "%ld", &shift) == 1)
                t->tv_sec += shift;
            fclose(file);
        }
        return result;
    }
"""


def test_memory_stays_flat(server: Server, ring_dir: str) -> None:
    events = 10_000_000 if SOAK else 1_000_000
    code = """
        import resource, sys
        from headrace import EventSink

        def rss():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * resource.getpagesize()

        sink = EventSink(sys.argv[1], ring_dir=sys.argv[2], ring_bytes=1 << 20, max_length=1000)
        fields = {"path": "/community/7/", "user": "12345", "plan": "pro"}

        def emit(count):
            while count:
                if sink.emit("visit", fields):
                    count -= 1
                elif sink.flush(5):
                    raise SystemExit("stuck")
            assert sink.flush(10) == 0

        count = int(sys.argv[3])
        emit(count // 4)
        before = rss()
        emit(count)
        print(rss() - before)
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), server.url, ring_dir, str(events)],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    assert int(done.stdout) < 512 * 1024


@pytest.fixture
def shim(tmp_path: Path) -> dict[str, str]:
    """An environment in which the wall clock follows a file."""
    source = tmp_path / "shim.c"
    library = tmp_path / "shim.so"
    source.write_text(textwrap.dedent(SHIM))
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    (tmp_path / "shift").write_text("0")
    return {**os.environ, "LD_PRELOAD": str(library), "SHIFT": str(tmp_path / "shift")}


def test_a_ring_left_for_a_week_is_dropped_and_counted(
    server: Server, ring_dir: str, shim: dict[str, str]
) -> None:
    Path(shim["SHIFT"]).write_text(str(-7 * 86400))
    server.kill()
    code = """
        import os, signal, sys
        from headrace import EventSink
        sink = EventSink(sys.argv[1], ring_dir=sys.argv[2])
        for n in range(5):
            assert sink.emit("visit", {"n": n})
        os.kill(os.getpid(), signal.SIGKILL)
        """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), server.url, ring_dir],
        check=False,
        timeout=60,
        env=shim,
    )
    server.start()
    sink = EventSink(server.url, ring_dir=ring_dir)
    sink.emit("visit", {"n": 5})
    deadline = time.monotonic() + 10
    while sink.totals()["rings"] > 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert sink.flush(5) == 0
    totals = sink.totals()
    assert (totals["accepted"], totals["delivered"]) == (6, 1)
    assert totals["dropped"] == {"stale_ring": 5}
    assert [event["n"] for event in server.events()] == ["5"]
    sink.close()


def test_a_clock_that_is_set_stops_nothing(
    server: Server, ring_dir: str, shim: dict[str, str]
) -> None:
    code = """
        import os, sys
        from headrace import EventSink
        sink = EventSink(sys.argv[1], ring_dir=sys.argv[2], linger=0.005)
        n = 0
        for shift in (0, -3600, 3600, -315360000, 315360000, 0):
            with open(os.environ["SHIFT"], "w") as file:
                file.write(str(shift))
            for _ in range(10):
                assert sink.emit("visit", {"n": n})
                n += 1
            assert sink.flush(5) == 0, shift
        """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), server.url, ring_dir],
        check=True,
        timeout=60,
        env=shim,
    )
    events = server.events()
    assert [int(event["n"]) for event in events] == list(range(60))
    sequences = [int(event["id"].partition("-")[2]) for event in events]
    assert sequences == sorted(sequences)
    times = [int(event["time"]) for event in events]
    assert times != sorted(times), "the clock was not set: the test proves nothing"
