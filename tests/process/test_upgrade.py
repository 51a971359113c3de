# SPDX-License-Identifier: MIT
"""A ring of another format, as another version leaves it: left alone, said, and kept.

`make matrix` tries it with a real other version (tests/matrix/test_upgrade.py).
"""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

from tests.redis.conftest import Server, folder, ring_dir, server

__all__ = ["folder", "ring_dir", "server"]

DIE = """
import os, signal, sys
from headrace import EventSink
sink = EventSink(sys.argv[1], ring_dir=sys.argv[2])
assert sink.emit("left")
os.kill(os.getpid(), signal.SIGKILL)
"""
LIVE = """
import logging, sys, time
logging.basicConfig(stream=sys.stderr)
from headrace import EventSink
sink = EventSink(sys.argv[1], ring_dir=sys.argv[2])
for n in range(400):
    assert sink.emit("next")
    time.sleep(0.02)
    if sink.stats()["adopted"]["left_alone"]:
        break
assert sink.flush(10) == 0
sink.emit("last")
sink.close()
"""


def test_a_ring_of_another_format_is_left_alone(server: Server, ring_dir: str) -> None:
    server.kill()
    died = subprocess.run([sys.executable, "-c", DIE, server.url, ring_dir], check=False)
    assert died.returncode < 0
    [ring] = Path(ring_dir).rglob("*.ring")
    data = bytearray(ring.read_bytes())
    [number] = struct.unpack_from("<I", data, 8)
    assert 1 <= number < 1000
    struct.pack_into("<I", data, 8, number + 1)
    ring.write_bytes(data)
    server.start()
    live = subprocess.run(
        [sys.executable, "-c", LIVE, server.url, ring_dir],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert live.returncode == 0, live.stderr
    assert live.stderr.count("are left alone") == 1
    assert ring.read_bytes() == data
    assert "left" not in {event["kind"] for event in server.events()}


def test_a_ring_of_the_name_before_the_first_release_is_left_alone(
    server: Server, ring_dir: str
) -> None:
    """The project had another name then, which its folder and its rings bear."""
    old = "pen" + "stock"
    server.kill()
    died = subprocess.run([sys.executable, "-c", DIE, server.url, ring_dir], check=False)
    assert died.returncode < 0
    [ring] = Path(ring_dir).rglob("*.ring")
    data = ring.read_bytes().replace(b"headrace", old.encode(), 1)
    ring.unlink()
    folder_of_old = Path(ring_dir) / ring.parent.name.replace("headrace", old)
    folder_of_old.mkdir(mode=0o700)
    places = [folder_of_old / ring.name, ring]
    for place in places:
        place.write_bytes(data)
        place.chmod(0o600)
    server.start()
    code = LIVE.replace("range(400)", "range(100)")
    live = subprocess.run(
        [sys.executable, "-c", code, server.url, ring_dir],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert live.returncode == 0, live.stderr
    assert [place.read_bytes() for place in places] == [data, data]
    assert "left" not in {event["kind"] for event in server.events("headrace:events")}
