# SPDX-License-Identifier: MIT
"""The CPythons of this machine that headrace is built and tested with, one of each kind.

HEADRACE_PYTHONS (paths, separated by spaces) names them; else they are looked for on PATH and
below the folders of pyenv and uv.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 14)
NAMES = [f"python3.{minor}{kind}" for minor in range(11, 15) for kind in ("", "t")]

ASK = """
import json, platform, sys, sysconfig
free = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
header = __import__("os").path.exists(sysconfig.get_path("include") + "/Python.h")
print(json.dumps([platform.python_implementation(), sys.version_info[:3], free, header,
                  sys.base_prefix]))
"""


@dataclass(frozen=True, order=True)
class Python:
    """An interpreter: its version, whether it has no GIL, the program."""

    version: tuple[int, int, int]
    free_threaded: bool
    program: Path

    @property
    def tag(self) -> str:
        """As in a wheel's name: cp312, cp314t."""
        return f"cp3{self.version[1]}{'t' if self.free_threaded else ''}"

    def __str__(self) -> str:
        return ".".join(map(str, self.version)) + ("t" if self.free_threaded else "")


def candidates() -> list[Path]:
    """Programs that may be one."""
    named = os.environ.get("HEADRACE_PYTHONS")
    if named:
        return [Path(word) for word in named.split()]
    found = [Path(sys.executable)]
    found += [Path(path) for name in NAMES if (path := shutil.which(name))]
    home = Path.home()
    folders = [
        Path(os.environ.get("PYENV_ROOT", home / ".pyenv")) / "versions",
        home / ".local/share/uv/python",
    ]
    for folder in folders:
        for name in NAMES:
            found += sorted(folder.glob(f"*/bin/{name}"))
    return found


def ask(program: Path) -> Python | None:
    """The interpreter, where it is a CPython that we build for and can be built with."""
    try:
        done = subprocess.run([program, "-Ic", ASK], capture_output=True, text=True, timeout=30)
        name, version, free, header, prefix = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None  # a shim of a version that is not there
    if name != "CPython" or not header or not OLDEST <= tuple(version[:2]) <= NEWEST:
        return None
    # The program itself, not the script or the environment that leads to it.
    own = Path(prefix) / "bin" / f"python3.{version[1]}{'t' if free else ''}"
    major, minor, micro = version
    return Python((major, minor, micro), free, own if own.exists() else program)


def pythons() -> list[Python]:
    """The newest of each kind, the oldest kind first."""
    newest: dict[str, Python] = {}
    for python in sorted(filter(None, map(ask, candidates()))):
        newest[python.tag] = python
    return sorted(newest.values())


def main() -> None:
    """Prints them."""
    for python in pythons():
        print(f"{python.tag:8} {python!s:10} {python.program}")


if __name__ == "__main__":
    main()
