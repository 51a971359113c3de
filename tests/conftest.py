# SPDX-License-Identifier: MIT
"""What every test shares: what is linked, printed at the top, and no skip in CI."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import signal
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from tests.oracle.vectors import FOLDER

ROOT = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI") == "true"


# A shell starts a job in the background with SIGINT ignored, and what a test starts would inherit
# that: with a handler of our own it gets what the system gives by default.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def loaded(library: str) -> str | None:
    """The file of a library that this process has mapped, None where it has not."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line.partition("/")[2]
        if re.match(rf"lib{library}[-.]", os.path.basename(path)):
            return f"/{path}"
    return None


def openssl_version(path: str) -> str:
    version = ctypes.CDLL(path).OpenSSL_version
    version.restype = ctypes.c_char_p
    version.argtypes = [ctypes.c_int]
    return str(version(0).decode())


def pkg_config(library: str) -> str:
    """The version of the development files; these two libraries have no other."""
    done = subprocess.run(
        ["pkg-config", "--modversion", library], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "not installed"


def pytest_report_header() -> list[str]:
    lines = [f"python {platform.python_version()}, Django {metadata.version('Django')}"]
    try:
        import headrace._core as core
    except ImportError as error:
        return [*lines, f"headrace: NOT LOADED: {error}"]
    crypto = loaded("crypto")
    lines.append(
        f"openssl {openssl_version(crypto) if crypto else 'not loaded'}, "
        f"hiredis {pkg_config('hiredis')}, libjwt {pkg_config('libjwt')}"
    )
    lines.append(f"extension {core.__file__}")
    lines.append(f"published vectors: {FOLDER or 'not found, their tests are left out'}")
    return lines


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> object:
    """In CI a skipped test is a failed one: nothing goes untested unseen."""
    outcome = yield
    report = outcome.get_result()
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which is a failure in CI"


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the source tree."""
    return ROOT


@pytest.fixture(scope="session")
def soak() -> int:
    """How many times longer the long tests run: 10 with HEADRACE_SOAK=1, else 1."""
    return 10 if os.environ.get("HEADRACE_SOAK") == "1" else 1
