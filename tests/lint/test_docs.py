# SPDX-License-Identifier: MIT
"""Prose: one sentence a line, links that lead somewhere, commands that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
)
by_name = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

# A full stop, then a capital: two sentences. Abbreviations are not the end of one.
TWO_SENTENCES = re.compile(r"(?<!e\.g)(?<!i\.e)(?<!\bvs)(?<!\bcf)(?<!\b[A-Z])[.!?]\)? [A-Z][a-z]")
LIST_MARK = re.compile(r"^\s*(?:\d+\.|[-*]) ")
CODE_SPAN = re.compile(r"`[^`]*`")
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Numbered lines outside of code blocks and tables, list marks and code spans taken out."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not line.lstrip().startswith("|"):
            yield number, CODE_SPAN.sub("`x`", LIST_MARK.sub("", line))


def two_sentences(text: str) -> list[int]:
    return [number for number, line in prose(text) if TWO_SENTENCES.search(line)]


@by_name
def test_one_sentence_a_line(page: Path) -> None:
    assert two_sentences(page.read_text()) == []


def test_two_sentences_on_a_line_are_found() -> None:
    assert two_sentences(
        "One. Two.\n1. One.\n```\nA. B.\n```\nSee e.g. Django, i.e. `A. B`.\n"
    ) == [1]


@by_name
def test_links_lead_somewhere(page: Path) -> None:
    targets = [target for target in LINK.findall(page.read_text()) if "://" not in target]
    lost = [
        target
        for target in targets
        if not target.startswith("mailto:") and not (page.parent / target).exists()
    ]
    assert lost == []


def test_every_page_is_in_the_folder_of_its_kind() -> None:
    """What a page is for decides its folder; the site's index is made of the folders."""
    folders = {page.parent.name for page in PAGES if page.parent.parent == ROOT / "docs"}
    assert folders == {"how-to", "reference", "explanation", "internals"}
    assert {page.name for page in PAGES if page.parent == ROOT / "docs"} == {
        *("index.md", "tutorial.md")
    }


@by_name
def test_code_blocks_are_closed(page: Path) -> None:
    fences = re.findall(r"^\s*```", page.read_text(), re.M)
    assert len(fences) % 2 == 0


@by_name
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)(?=[`\s])", page.read_text(), re.M))
    assert named - targets == set()
