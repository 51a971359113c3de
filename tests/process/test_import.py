# SPDX-License-Identifier: MIT
"""Importing the package does nothing but import it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

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
import headrace
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
    assert packages - sys.stdlib_module_names == {"headrace"}


def test_import_time_is_listed_for_the_core() -> None:
    listed = in_child("import headrace", "-X", "importtime").stderr
    names = [line.rpartition("|")[2].strip() for line in listed.splitlines()]
    assert "headrace._core" in names
    assert not {"socket", "_socket", "threading", "ssl", "_ssl", "asyncio"} & set(names)


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("", b"", "built for others: none"),
        ("_core.cpython-27m-x86_64-linux-gnu.so", b"", "built for others: _core.cpython-27m"),
        (f"_core{EXTENSION_SUFFIXES[0]}", b"no library", "file too short|invalid ELF header"),
    ],
)
def test_a_core_that_cannot_be_loaded_says_why(
    file: str, content: bytes, why: str, tmp_path: Path
) -> None:
    code = "import headrace; print(headrace.__path__[0])"
    installed = Path(in_child(code).stdout.strip())
    copy = tmp_path / "headrace"
    shutil.copytree(installed, copy, ignore=shutil.ignore_patterns("_core*.so", "__pycache__"))
    if file:
        (copy / file).write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"],
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert done.returncode == 1
    assert re.search(why, done.stderr.splitlines()[-1])
    assert "ImportError: headrace's C core" in done.stderr


def test_the_package_is_the_installed_one(root: Path) -> None:
    where = in_child("import headrace; print(headrace.__file__)").stdout.strip()
    assert not Path(where).is_relative_to(root / "pysrc")


def test_parts_are_imported_when_asked_for() -> None:
    program = (
        "import sys, headrace\n"
        "assert 'headrace.wsgi' not in sys.modules\n"
        "assert headrace.wsgi.HeadraceMiddleware and headrace.asgi.HeadraceMiddleware\n"
        "assert not hasattr(headrace, 'nothing')\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
