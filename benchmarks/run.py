# SPDX-License-Identifier: MIT
"""Runs every benchmark, each in a process of its own: one file a question."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pairs import machine

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Command line: names of benchmarks (`path_filter`), or none for all of them."""
    names = sys.argv[1:] or sorted(
        path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py")
    )
    print(machine(), flush=True)
    codes = [
        subprocess.run([sys.executable, str(HERE / f"bench_{name}.py")]).returncode
        for name in names
    ]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
