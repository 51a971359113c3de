# SPDX-License-Identifier: MIT
"""Derived ids: all workers of one host agree, and yesterday's cannot be computed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os, sys
from headrace import EventSink, FingerprintCookie, Gate

sink = EventSink("redis://127.0.0.1:1/0", ring_dir=sys.argv[1])
gate = Gate(fingerprint=FingerprintCookie(keys=["k"]), sink=sink, mode="derived")
environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "REMOTE_ADDR": sys.argv[2],
           "HTTP_USER_AGENT": "a browser"}
found = gate.enter(environ).fingerprint
print(found.id if found else None, repr(found.value) if found else None)
"""


def derive(folder: Path, address: str = "192.0.2.7") -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), address],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


def salts(folder: Path) -> list[Path]:
    return sorted(folder.glob("headrace-*/salt-*"))


def test_two_workers_derive_the_same_id(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    first = derive(tmp_path)
    assert len(first.split()[0]) == 32
    assert derive(tmp_path) == first
    assert derive(tmp_path, "192.0.2.200") == first  # the same network
    assert derive(tmp_path, "192.0.3.7") != first


def test_yesterdays_salt_is_gone_and_its_ids_with_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    yesterday = derive(tmp_path)
    [salt] = salts(tmp_path)
    day = int(salt.name.removeprefix("salt-"))
    old = salt.rename(salt.with_name(f"salt-{day - 1}"))
    assert derive(tmp_path) != yesterday
    assert not old.exists()


def test_salt_that_others_could_read_is_not_used(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    derive(tmp_path)
    [salt] = salts(tmp_path)
    salt.chmod(0o644)
    assert derive(tmp_path) == "None None"
