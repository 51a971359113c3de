# SPDX-License-Identifier: MIT
"""What emit asks of the kernel: nothing, but one wake-up when the thread sleeps deeply."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from tests.redis.conftest import Server, folder, ring_dir, server, start_server

__all__ = ["folder", "ring_dir", "server", "start_server"]

CODE = """
    import os, sys, time
    from headrace import EventSink
    sink = EventSink(sys.argv[1], ring_dir=sys.argv[2])
    fields = {"path": "/community/7/", "user": "12345", "n": 7}
    sink.emit("visit", fields)
    sink.flush(5)
    time.sleep(float(sys.argv[3]))
    os.getppid()
    for _ in range(1000):
        sink.emit("visit", fields)
    os.getppid()
    sink.flush(5)
"""


def syscalls_of_emit(server: Server, ring_dir: str, trace: Path, pause: float) -> list[str]:
    """The main thread's syscalls during 1,000 events, after so many seconds of silence."""
    program = [sys.executable, "-c", textwrap.dedent(CODE), server.url, ring_dir, str(pause)]
    subprocess.run(
        ["strace", "-f", "-o", str(trace), *program],
        check=True,
        timeout=60,
    )
    lines = trace.read_text().splitlines()
    main = lines[0].split()[0]
    mine = [line.split(maxsplit=1)[1] for line in lines if line.split()[0] == main]
    start, end = (at for at, line in enumerate(mine) if line.startswith("getppid("))
    return [line for line in mine[start + 1 : end] if not line.startswith("<... getppid")]


def test_emit_makes_no_syscall(server: Server, ring_dir: str, tmp_path: Path) -> None:
    assert syscalls_of_emit(server, ring_dir, tmp_path / "trace", 0) == []


def test_emit_wakes_a_sleeping_thread_once(server: Server, ring_dir: str, tmp_path: Path) -> None:
    calls = syscalls_of_emit(server, ring_dir, tmp_path / "trace", 1.5)
    assert len(calls) == 1
    assert calls[0].startswith("write(")
