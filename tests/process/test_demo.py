# SPDX-License-Identifier: MIT
"""The demo counts right, and leaves nothing running, also when it is interrupted."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


def start(root: Path, folder: Path, *options: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDEVMODE"}
    return subprocess.Popen(
        [sys.executable, str(root / "examples" / "site" / "demo.py"), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**environment, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
    )


def left_running(folder: Path) -> list[str]:
    """Command lines of processes that speak of the folder: the demo's own data is there."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            environment = (process / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if process.name != str(os.getpid()) and str(folder) in command + environment:
            found.append(command)
    return found


@pytest.mark.timeout(240)
def test_demo_adds_up_and_leaves_nothing(
    root: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    page = tmp_path_factory.mktemp("report") / "report.html"
    demo = start(root, tmp_path, "--report", str(page))
    output, _ = demo.communicate(timeout=200)
    assert demo.returncode == 0, output
    assert "The ledgers add up" in output
    assert re.search(r"^consumer killed +2 +3$", output, re.M)
    assert "community/&lt;int:id&gt;/" in page.read_text()
    assert left_running(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.timeout(120)
def test_interrupted_demo_leaves_nothing(root: Path, tmp_path: Path, number: int) -> None:
    demo = start(root, tmp_path)
    assert demo.stdout is not None
    for line in demo.stdout:
        if " requests" in line:  # in the middle of the traffic
            break
    demo.send_signal(number)
    demo.communicate(timeout=90)
    assert demo.returncode != 0
    deadline = time.monotonic() + 10
    while left_running(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left_running(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
