# SPDX-License-Identifier: MIT
"""Importing the package does nothing but import it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

LOOK = """
import json, os, sys

def sockets():
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
        except OSError:
            pass  # the folder's own, closed again
    return sorted(name for name in found if not name.startswith("/proc/"))

def look():
    return [len(os.listdir("/proc/self/task")), sockets(), sorted(os.listdir("/dev/shm"))]

before, modules = look(), sorted(sys.modules)
import penstock
after = look()
json.dump({"before": before, "after": after, "modules_before": modules,
           "modules": sorted(sys.modules)}, sys.stdout)
"""


def in_child(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs the code in a Python of its own, in a folder that holds no package."""
    return subprocess.run(
        [sys.executable, *options, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd="/",
        env={**os.environ, "PYTHONDEVMODE": "0"},
    )


def test_import_starts_no_thread_and_opens_no_file() -> None:
    seen = json.loads(in_child(LOOK).stdout)
    assert seen["before"][0] == 1
    assert seen["after"] == seen["before"]


def test_import_brings_in_no_other_package() -> None:
    seen = json.loads(in_child(LOOK).stdout)
    brought = set(seen["modules"]) - set(seen["modules_before"])
    packages = {name.partition(".")[0] for name in brought}
    assert packages - sys.stdlib_module_names == {"penstock"}


def test_import_time_is_listed_for_the_core() -> None:
    listed = in_child("import penstock", "-X", "importtime").stderr
    names = [line.rpartition("|")[2].strip() for line in listed.splitlines()]
    assert "penstock._core" in names
    assert not {"socket", "_socket", "threading", "ssl", "_ssl", "asyncio"} & set(names)


def test_the_package_is_the_installed_one(root: Path) -> None:
    where = in_child("import penstock; print(penstock.__file__)").stdout.strip()
    assert not Path(where).is_relative_to(root / "pysrc")


def test_parts_are_imported_when_asked_for() -> None:
    program = (
        "import sys, penstock\n"
        "assert 'penstock.wsgi' not in sys.modules\n"
        "assert penstock.wsgi.PenstockMiddleware and penstock.asgi.PenstockMiddleware\n"
        "assert not hasattr(penstock, 'nothing')\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
