# SPDX-License-Identifier: MIT
"""`pip install` lines name what exists.

There is no release yet: in prose it is the clone, with extras that there are. In an error text
it is the other package that is missing, with the bound of pyproject.toml: whoever reads it has
headrace already.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
LISTS = [*EXTRAS.values(), *PROJECT["dependency-groups"].values()]
REQUIREMENTS = {one for entries in LISTS for one in entries if isinstance(one, str)}

PROSE = sorted(
    path
    for folder in (".", "docs", "examples", "benchmarks", ".github")
    for path in (ROOT / folder).glob("*.md" if folder == "." else "**/*.md")
)
FOLDERS = ("pysrc", "ext", "examples", "tools")
SOURCES = [
    path
    for root in (*(ROOT / folder for folder in FOLDERS), ROOT)
    for path in sorted(root.glob("*.py") if root == ROOT else root.rglob("*"))
    if path.suffix in {".py", ".pyi", ".c", ".h", ".html"}
]

# Options, then one requirement, in quotes or not; nothing where a line ends too early.
INSTALL = re.compile(r"""pip3? install\s+(?:-[\w-]+\s+)*(?:\\?["']([^"'\\]+)|([^\s`"'),;]+))?""")


def installed(text: str) -> list[str]:
    return [quoted or bare for quoted, bare in INSTALL.findall(text)]


def wrong_in_prose(text: str) -> list[str]:
    """What a page asks pip for that is neither the clone nor with extras that there are."""
    found = []
    for what in installed(text):
        clone = re.fullmatch(r"\.(?:\[([\w,-]+)\])?", what)
        if not clone or (clone[1] and set(clone[1].split(",")) - set(EXTRAS)):
            found.append(what)
    return found


def wrong_in_a_text(text: str) -> list[str]:
    """What an error text asks pip for that is not a requirement of pyproject.toml."""
    return [what for what in installed(text) if what not in REQUIREMENTS]


@pytest.mark.parametrize("page", PROSE, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_installs_the_clone(page: Path) -> None:
    assert wrong_in_prose(page.read_text()) == []


def test_an_error_text_installs_the_package_that_is_missing() -> None:
    asked = {path.name: wrong_in_a_text(path.read_text()) for path in SOURCES}
    assert {name: wrong for name, wrong in asked.items() if wrong} == {}
    assert sum(len(installed(path.read_text())) for path in SOURCES) >= 7


def test_lines_that_name_what_is_not_there_are_found() -> None:
    page = """
$ pip install .
$ pip install -q ".[consume,django]"   # redis-py
$ HEADRACE_CRYPTO=aws-lc pip install . && python -m headrace.jwt
Run `pip install .`, then see.
"""
    assert wrong_in_prose(page) == []
    for line, what in (
        ('pip install "headrace[consume]"', "headrace[consume]"),
        ("$ pip install headrace\n", "headrace"),
        ("`pip install headrace`", "headrace"),
        ('pip install --upgrade "headrace>=0.1"', "headrace>=0.1"),
        ('pip install ".[consumes]"', ".[consumes]"),
        ("pip install redis", "redis"),
        ("`pip install …`", "…"),
    ):
        assert wrong_in_prose(page + line) == [what]

    text = """raise ImportError('needs redis-py: pip install "redis>=5.1"')
    fail("needs it: pip install \\"django-health-check>=4.5\\"");"""
    assert wrong_in_a_text(text) == []
    for line, what in (
        ("""'pip install "headrace[consume]"'""", "headrace[consume]"),
        ('''"pip install \\"headrace\\""''', "headrace"),
        ("""'pip install ".[consume]"'""", ".[consume]"),
        ("""'pip install "redis>=5.0"'""", "redis>=5.0"),
        ("(pip install redis)", "redis"),
    ):
        assert wrong_in_a_text(f"{text}\n{line}\n") == [what]
