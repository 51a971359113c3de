# SPDX-License-Identifier: MIT
"""Builds the documentation site, with warnings as errors.

    tools/docs.py            build/docs/html
    tools/docs.py --check    reads and resolves everything, and writes no pages

Beside what lies in docs/ the site has the pages of the root (README, CHANGELOG, ...), and one
page for each system check and each reason, made from the rows of checks.md and reasons.md in
docs/reference/.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "docs"
ROOT_PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "README.md", "SECURITY.md")
EXAMPLE = re.compile(r"^<!-- example: .*?-->\n", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s#:]+)(#[^)\s]*)?\)")


def rows(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """The rows of all tables of a page: the table's head and the row's cells."""
    head: list[str] = []
    for line in text.splitlines():
        if not line.startswith("|"):
            head = []
            continue
        cells = [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not head:
            head = cells
        elif not set(line) <= set("|-: "):
            yield head, cells


def entries(text: str, name: re.Pattern[str]) -> dict[str, list[tuple[str, str]]]:
    """By the name in a row's first cell: pairs of column and cell, of every row of that name."""
    found: dict[str, list[tuple[str, str]]] = {}
    for head, cells in rows(text):
        match = name.fullmatch(cells[0])
        if match:
            found.setdefault(match[1], []).extend(zip(head[1:], cells[1:], strict=True))
    return found


CHECK = re.compile(r"`?(headrace\.[EW]\d+)`?")
REASON = re.compile(r"`([a-z0-9_]+)`")


def write_entries(page: str, folder: str, title: str, name: re.Pattern[str]) -> None:
    """One page below `folder` for each entry of `page`; both are in reference/."""
    source = WORK / "source" / "reference" / page
    made = entries(source.read_text(), name)
    target = source.parent / folder
    target.mkdir()
    for entry, parts in made.items():
        lines = [f"# {title} `{entry}`", ""]
        for column, cell in parts:
            lines += [f"**{(column or 'meaning').capitalize()}**: {cell}", ""]
        closing = f"\nAll of them: [{page}](../{page}).\n"
        text = LINK.sub(r"](../\1\2)", "\n".join(lines)) + closing
        (target / f"{entry}.md").write_text(text)
    # Python-style globbing sorts by name.
    source.write_text(
        f"{source.read_text()}\n```{{toctree}}\n:hidden:\n:glob:\n\n{folder}/*\n```\n"
    )


def mend_links(page: Path, place: Path) -> None:
    """Rewrites the links of a page that has moved relative to what it names."""
    source = WORK / "source"

    def mended(match: re.Match[str]) -> str:
        path, anchor = match[1], match[2] or ""
        named = (place.parent / path).resolve()
        if not named.exists():
            return match[0]
        inside = named.relative_to(ROOT)
        if inside.parts[0] == "docs" and named.suffix == ".md":
            new = source.joinpath(*inside.parts[1:])
        elif str(inside) in ROOT_PAGES:
            new = source / "project" / inside.name
        else:
            return f"`{inside}`"
        up = "../" * (len(page.relative_to(source).parts) - 1)
        return f"]({up}{new.relative_to(source)}{anchor})"

    # What the tests are told about the blocks is not for readers.
    text = EXAMPLE.sub("", page.read_text())
    outside = re.compile(r"\[([^\]]*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")

    def whole(match: re.Match[str]) -> str:
        new = LINK.sub(mended, f"]({match[2]}{match[3] or ''})")
        # What is no page is named, not linked.
        return f"[{match[1]}{new}" if new.startswith("](") else new

    page.write_text(outside.sub(whole, text))


def gather() -> None:
    """Makes build/docs/source out of docs/ and the pages of the root."""
    source = WORK / "source"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "docs", source)
    for page in source.rglob("*.md"):
        mend_links(page, ROOT / "docs" / page.relative_to(source))
    (source / "project").mkdir()
    for name in ROOT_PAGES:
        if (ROOT / name).exists():
            copy = source / "project" / name
            shutil.copy(ROOT / name, copy)
            mend_links(copy, ROOT / name)
    write_entries("checks.md", "checks", "System check", CHECK)
    write_entries("reasons.md", "reasons", "Reason", REASON)


def main() -> int:
    """Answers Sphinx's exit code."""
    builder = "dummy" if sys.argv[1:] == ["--check"] else "html"
    gather()
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-E", "-b", builder]
    folders = [WORK / "doctrees", WORK / "source", WORK / builder]
    return subprocess.run([*command, "-d", *map(str, folders)], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
