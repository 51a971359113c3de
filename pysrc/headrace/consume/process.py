# SPDX-License-Identifier: MIT
"""The names of consumers.

A name says which process it is, so that another process of the same kernel and the same pid
namespace knows whether it still lives: <host>-<boot>-<namespace>-<pid>-<start>-<number>.
"""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Final

_NAME: Final = re.compile(r".*-([0-9a-f]{8}-\d+)-(\d+)-(\d+)-[0-9a-f]+")


def new_name() -> str:
    """A name for a consumer of this process that no other has."""
    pid = os.getpid()
    number = os.urandom(3).hex()
    return f"{socket.gethostname()}-{_machine()}-{pid}-{_start_of(pid)}-{number}"


def is_gone(name: str) -> bool:
    """Is it known that this consumer's process has ended? False where it cannot be known."""
    match = _NAME.fullmatch(name)
    if match is None or match[1] != _machine():
        return False
    return _start_of(int(match[2])) != match[3]


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
        return f"{boot}-{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return "unknown"


def _start_of(pid: int) -> str | None:
    """When the process started, in ticks since boot; None when it is gone, or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    words = text.rpartition(")")[2].split()
    return None if words[0] in "ZX" else words[19]
