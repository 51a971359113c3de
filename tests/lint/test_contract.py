# SPDX-License-Identifier: MIT
"""What users rely on stays as it is: the stub file, the public names, the changelog."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import headrace

ROOT = Path(__file__).resolve().parents[2]
LISTING = Path(__file__).parent / "public_api.txt"
MODULES = (
    "headrace",
    "headrace.asgi",
    "headrace.celery",
    "headrace.consume",
    "headrace.django",
    "headrace.events",
    "headrace.jwt",
    "headrace.metrics",
    "headrace.simplejwt",
    "headrace.testing",
    "headrace.wsgi",
)


def signature(thing: object) -> str:
    try:
        return str(inspect.signature(thing))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ""


def public_api() -> str:
    """One line a name: modules, what they define, the members of classes, and signatures."""
    lines = []
    for name in MODULES:
        module = importlib.import_module(name)
        names = getattr(module, "__all__", None) or [
            own
            for own, thing in vars(module).items()
            if not own.startswith("_") and getattr(thing, "__module__", None) == name
        ]
        for own in sorted(names):
            thing = getattr(module, own)
            if isinstance(thing, type) and issubclass(thing, Exception):
                bases = ", ".join(base.__name__ for base in thing.__bases__)
                lines.append(f"{name}.{own}({bases})")
                continue
            lines.append(f"{name}.{own}{signature(thing)}")
            if isinstance(thing, type) and thing.__module__.startswith("headrace"):
                for member in sorted(vars(thing)):
                    if not member.startswith("_"):
                        value = inspect.getattr_static(thing, member)
                        call = getattr(value, "__func__", value)
                        lines.append(f"{name}.{own}.{member}{signature(call)}")
    return "\n".join(lines) + "\n"


def test_the_public_api_is_as_listed() -> None:
    """When a change is meant: `python -m tests.lint.test_contract`, and a line in CHANGELOG.md."""
    assert public_api().splitlines() == LISTING.read_text().splitlines()


def test_the_stub_file_says_what_the_module_is(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "--concise", "headrace._core"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_version_is_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert headrace.__version__ == project["version"]


def test_the_changelog_names_the_version() -> None:
    """The newest heading is `Unreleased`, or the version that the package has."""
    text = (ROOT / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## (.+)$", text, re.M)
    dated = [heading for heading in headings if heading != "Unreleased"]
    assert headings.count("Unreleased") <= 1
    assert "Unreleased" not in headings[1:]
    assert [
        heading for heading in dated if not re.match(r"\d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\)", heading)
    ] == []
    versions = [tuple(map(int, heading.split()[0].split("."))) for heading in dated]
    assert versions == sorted(versions, reverse=True)
    version: str = headrace.__version__
    current = tuple(int(part) for part in version.split("."))
    assert current >= max(versions, default=current)
    if headings[0] != "Unreleased":
        assert headings[0].split()[0] == headrace.__version__


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.django.settings"
    importlib.import_module("django").setup()
    LISTING.write_text(public_api())
