# SPDX-License-Identifier: MIT
"""Whatever allocation of Python's fails: MemoryError, or the right answer, and never a crash."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
SCENARIOS = (
    "claims",
    "claims_of_rsa",
    "cached",
    "facts",
    "forged",
    "refused",
    "jws",
    "unverified",
    "object",
    "secret",
    "pem",
    "jwk",
    "jwks",
    "constructor",
    "entries",
    "replace_keys",
    "cache_info",
)


def take_away(scenario: str, *folders: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(folder) for folder in (HERE.parent.parent, *folders))
    return subprocess.run(
        [sys.executable, "-m", "tests.leaks.no_memory", scenario],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDEVMODE": "0", "PYTHONPATH": path},
        timeout=100,
    )


def test_a_planted_bug_is_found(tmp_path: Path) -> None:
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    command = [
        *shlex.split(os.environ.get("CC", "gcc")),
        "-shared",
        "-fPIC",
        "-O1",
        f"-I{sysconfig.get_path('include')}",
        str(HERE / "canary_no_memory.c"),
        "-o",
        str(tmp_path / f"canary_no_memory{suffix}"),
    ]
    subprocess.run(command, check=True)
    done = take_away("canary", tmp_path)
    assert done.returncode < 0
    assert "Segmentation fault" in done.stderr


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_without_memory(scenario: str) -> None:
    done = take_away(scenario)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0  # some allocation was there to fail
