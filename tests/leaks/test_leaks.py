# SPDX-License-Identifier: MIT
"""No object of ours leaves a reference, a block or a byte behind, and planted leaks show."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.leaks.scenarios import SCENARIOS

HERE = Path(__file__).resolve().parent
PLANTED = {
    "canary_type": "type_refs",
    "canary_object": "blocks",
    "canary_block": "bytes",
}


@pytest.fixture(scope="session")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the extension with the planted leaks."""
    folder = tmp_path_factory.mktemp("canary")
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    command = [
        *shlex.split(os.environ.get("CC", "gcc")),
        "-shared",
        "-fPIC",
        "-O1",
        f"-I{sysconfig.get_path('include')}",
        str(HERE / "canary_leak.c"),
        "-o",
        str(folder / f"canary_leak{suffix}"),
    ]
    subprocess.run(command, check=True)
    return folder


def left_behind(scenario: str, path: Path | None = None) -> dict[str, float]:
    environment = {**os.environ, "PYTHONDEVMODE": "0"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    done = subprocess.run(
        [sys.executable, str(HERE / "measure.py"), scenario],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, float] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("scenario", "counter"), PLANTED.items())
def test_a_planted_leak_is_found(scenario: str, counter: str, canary: Path) -> None:
    assert left_behind(scenario, canary)[counter] >= 1


@pytest.mark.parametrize("scenario", sorted(SCENARIOS.keys() - PLANTED.keys()))
def test_nothing_is_left_behind(scenario: str) -> None:
    found = left_behind(scenario)
    # Zero but for the noise of the interpreter itself: a leak of one object, or of one
    # block of the smallest size, is 1 or 16 a call.
    assert found["type_refs"] < 0.05, found
    assert found["blocks"] < 0.05, found
    assert found["bytes"] < 1, found
