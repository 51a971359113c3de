# SPDX-License-Identifier: MIT
"""Runs every benchmark, each in a process of its own, and writes the report from what they found:
report.json here, build/bench/report.md to read, and the report's first table in the README.

    python benchmarks/run.py              all of them (make bench)
    python benchmarks/run.py gate jwt     some, without a report

What each printed and kept lies in build/bench/ afterwards. NEWEST_PYTHON names the Python of a
second environment, for peers that this one is too old for; bench_jwt.py runs there as well.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import report
from pairs import machine
from report import KEPT

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
FIRST = ("gate", "jwt", "fingerprint", "path_filter", "sink", "middleware", "fronts")
LAST = ("floor", "before", "servers", "site", "growth", "connections")


@dataclass
class Section:
    """One benchmark's run: the command that repeats it, how it ended, and where its output is."""

    name: str
    command: list[str]
    code: int = 0
    seconds: float = 0.0

    @property
    def shown(self) -> str:
        """The command as one would type it at the root of the sources."""
        return " ".join(self.command).replace(f"{ROOT}/", "")

    def run(self) -> None:
        """Shows what it prints, and keeps it."""
        print(f"\n$ {self.shown}", flush=True)
        environment = {
            **os.environ,
            "HEADRACE_BENCH_RESULTS": str(KEPT / f"{self.name}.jsonl"),
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "ignore",  # what a peer warns of is no result
        }
        start = time.monotonic()
        with (
            (KEPT / f"{self.name}.txt").open("w") as kept,
            subprocess.Popen(
                self.command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=environment,
                cwd=ROOT,
            ) as process,
        ):
            assert process.stdout is not None
            for line in process.stdout:
                print(line, end="", flush=True)
                kept.write(line.replace(f"{ROOT}/", ""))
        self.code = process.returncode
        self.seconds = time.monotonic() - start


def names() -> list[str]:
    """All benchmarks, in the order of the report."""
    found = {path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py")}
    known = [name for name in (*FIRST, *LAST) if name in found]
    middle = sorted(found - {*FIRST, *LAST})
    split = sum(name in FIRST for name in known)
    return [*known[:split], *middle, *known[split:]]


def sections() -> list[Section]:
    """Everything that the report is made from."""
    found = [Section(name, [sys.executable, str(HERE / f"bench_{name}.py")]) for name in names()]
    newest = os.environ.get("NEWEST_PYTHON")
    if newest:
        again = Section("jwt_newest", [newest, str(HERE / "bench_jwt.py")])
        found.insert([one.name for one in found].index("jwt") + 1, again)
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "--benchmark-only",
        "--benchmark-columns=min,median",
        "--benchmark-max-time=0.5",
    ]
    kept = f"--benchmark-json={KEPT / 'parts.json'}"
    parts = [sys.executable, "-m", "pytest", str(HERE / "test_parts.py"), *options, kept]
    found.append(Section("parts", parts))
    return found


def main() -> int:
    """Command line: names of benchmarks (`path_filter`), or none for all of them."""
    print(machine(), flush=True)
    wanted = sys.argv[1:]
    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir(parents=True)
    chosen = [one for one in sections() if not wanted or one.name in wanted]
    date = datetime.now(UTC).date().isoformat()
    start = time.monotonic()
    for one in chosen:
        one.run()
    seconds = time.monotonic() - start
    run = {
        "date": date,
        "seconds": seconds,
        "sections": [{**asdict(one), "shown": one.shown} for one in chosen],
    }
    (KEPT / "run.json").write_text(json.dumps(run))
    if not wanted:
        report.write(KEPT)
        report.into_readme()
        print(f"\nbuild/bench/report.md has the report; all took {seconds:.0f} s")
    failed = [one.name for one in chosen if one.code != 0]
    if failed:
        print(f"FAILED: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
