# SPDX-License-Identifier: MIT
"""The pages of the documentation and the blocks of code in them, in order.

An HTML comment right before a block, which readers do not see, says what is done with it:

    <!-- example: file mysite/urls.py -->      the block is that file, below the page's folder
    <!-- example: append mysite/settings.py -->  ... is added to the end of that file
    <!-- example: serve 8000 -->               the commands start a server on that port
    <!-- example: skip: why -->                it is not run, for that reason
    <!-- example: setup
    code -->                                   Python that runs before what follows

Without one, Python runs, commands run and their output is compared, and data is parsed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
        *(ROOT / "benchmarks").rglob("*.md"),
    ]
)

COMMENT = re.compile(r"<!--\s*example:\s*(.*?)\s*-->", re.DOTALL)
ORDERS = ("file", "append", "serve", "skip:", "setup")


@dataclass(frozen=True)
class Block:
    """A block of code: the page's line that its text begins at, its language, what to do."""

    line: int
    language: str
    text: str
    order: str = ""
    argument: str = ""


def blocks(page: str) -> list[Block]:
    """The blocks of a page's text; ValueError for a comment that says nothing known."""
    found = []
    order = argument = ""
    for token in MarkdownIt("commonmark").parse(page):
        line = token.map[0] + 1 if token.map else 0
        comment = COMMENT.search(token.content) if token.type == "html_block" else None
        if comment:
            order, _, argument = comment[1].replace("\n", " \n", 1).partition(" ")
            if order not in ORDERS or not argument.strip():
                raise ValueError(f"line {line}: example: {comment[1]!r} is not known")
            if order == "setup":
                found.append(Block(line + 1, "python", argument.lstrip("\n"), order))
                order = argument = ""
        elif token.type in {"fence", "code_block"}:
            # A directive of the site, such as a table of contents, is no code.
            language = token.info.split()[0] if token.info.split() else ""
            if not language.startswith("{"):
                text = token.content
                found.append(Block(line + 1, language, text, order, argument.strip()))
            order = argument = ""
        elif order and token.type not in {"html_block"} and token.nesting >= 0 and token.content:
            raise ValueError(f"line {line}: example: {order} has no block after it")
    return found
