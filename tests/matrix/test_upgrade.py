# SPDX-License-Identifier: MIT
"""Two versions side by side, as in a rolling restart: one Redis, one folder of rings.

The other version is a copy of the sources with the next format number of ring files.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.redis.conftest import Server, folder, ring_dir, server, start_server

__all__ = ["folder", "ring_dir", "server", "start_server"]

DIE = """
import os, signal, sys
from headrace import EventSink
sink = EventSink(sys.argv[1], ring_dir=sys.argv[2])
for n in range(100):
    assert sink.emit("left", {"n": n})
os.kill(os.getpid(), signal.SIGKILL)
"""
LIVE = """
import json, logging, sys, time
logging.basicConfig(stream=sys.stderr)
from headrace import EventSink
sink = EventSink(sys.argv[1], ring_dir=sys.argv[2])
assert sink.emit("next", {"by": sys.argv[3]})
deadline = time.monotonic() + 8
while time.monotonic() < deadline:
    stats = sink.stats()["adopted"]
    if stats["left_alone"] or stats["events"] >= 100:
        break
    time.sleep(0.05)
sink.emit("last", {"by": sys.argv[3]})
assert sink.flush(10) == 0
print(json.dumps(sink.stats()["adopted"]))
sink.close()
"""
COOKIE = """
import sys
from headrace import FingerprintCookie
cookie = FingerprintCookie(keys=["one key of both versions"])
if len(sys.argv) == 1:
    print(cookie.mint().value)
else:
    print(cookie.read("device_fp=" + sys.argv[1]).id)
"""


@pytest.fixture(scope="module")
def versions(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """PYTHONPATH of each version: the installed one's is empty."""
    tree = tmp_path_factory.mktemp("newer")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, tree)
    for name in ("ext", "pysrc"):
        shutil.copytree(root / name, tree / name, ignore=shutil.ignore_patterns("*.egg-info"))
    header = tree / "ext/core/ring/ring.h"
    number = re.compile(r"(#define HR_RING_FORMAT )(\d+)U")
    text, found = number.subn(lambda m: f"{m[1]}{int(m[2]) + 1}U", header.read_text())
    assert found == 1
    header.write_text(text)
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build", "--build-lib", "lib"],
        cwd=tree,
        check=True,
        capture_output=True,
    )
    return {"older": "", "newer": str(tree / "lib")}


def run(path: str, code: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("first", "second"), [("older", "newer"), ("newer", "older")])
def test_rings_of_another_format_are_left_alone(
    versions: dict[str, str], server: Server, ring_dir: str, first: str, second: str
) -> None:
    server.kill()
    assert run(versions[first], DIE, server.url, ring_dir).returncode == -signal.SIGKILL
    [ring] = Path(ring_dir).rglob("*.ring")
    before = ring.read_bytes()
    server.start()

    other = run(versions[second], LIVE, server.url, ring_dir, second)
    assert other.returncode == 0, other.stderr
    assert json.loads(other.stdout)["left_alone"] == 1
    assert "another format" in other.stderr
    assert ring.read_bytes() == before
    assert {event["kind"] for event in server.events()} == {"next", "last"}

    # The next process of its own version delivers it: nothing lost, nothing twice.
    own = run(versions[first], LIVE, server.url, ring_dir, first)
    assert own.returncode == 0, own.stderr
    assert json.loads(own.stdout)["events"] == 100
    events = server.events()
    assert sorted(int(event["n"]) for event in events if event["kind"] == "left") == [*range(100)]
    assert len({event["id"] for event in events}) == len(events) == 104
    assert not ring.exists()


def test_both_deliver_at_the_same_time(
    versions: dict[str, str], server: Server, ring_dir: str
) -> None:
    code = """
import sys
from headrace import EventSink
sink = EventSink(sys.argv[1], ring_dir=sys.argv[2])
for n in range(2000):
    assert sink.emit("both", {"by": sys.argv[3], "n": n})
    if n % 100 == 0:
        sink.flush(10)
assert sink.flush(10) == 0
sink.close()
"""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, server.url, ring_dir, name],
            env={**os.environ, "PYTHONPATH": path},
        )
        for name, path in versions.items()
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    deadline = time.monotonic() + 10
    while len(server.events()) < 4000 and time.monotonic() < deadline:
        time.sleep(0.1)
    seen = {(event["by"], int(event["n"])) for event in server.events()}
    assert seen == {(name, n) for name in versions for n in range(2000)}
    assert len(server.events()) == 4000


@pytest.mark.parametrize(("first", "second"), [("older", "newer"), ("newer", "older")])
def test_cookies_stay_readable(versions: dict[str, str], first: str, second: str) -> None:
    value = run(versions[first], COOKIE).stdout.strip()
    ids = [run(versions[name], COOKIE, value).stdout.strip() for name in (first, second)]
    assert ids[0] == ids[1]
    assert re.fullmatch("[0-9a-f]{32}", ids[0])
