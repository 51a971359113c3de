# SPDX-License-Identifier: MIT
"""Every block of code in the documentation runs, or says why it does not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.docs.pages import PAGES, ROOT, Block, blocks
from tests.docs.run_page import HOW, commands, free_port, matches

by_name = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def to_run(page: Path) -> list[Block]:
    idle = {"", "text"}
    return [
        block
        for block in blocks(page.read_text())
        if block.order != "skip:" and (block.language not in idle or block.order)
    ]


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    folder = tmp_path_factory.mktemp("redis")
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(
        [*command, "--dir", str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        with redis.Redis(port=port) as client:
            deadline = time.monotonic() + 10
            while True:
                try:
                    client.ping()
                    break
                except redis.exceptions.ConnectionError:
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
        yield port
        server.terminate()


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if to_run(page)],
    ids=lambda page: str(page.relative_to(ROOT)),
)
@pytest.mark.timeout(1000)  # a bound, not a measure: machines are busy
def test_blocks_run(page: Path, tmp_path: Path, redis_port: int) -> None:
    with redis.Redis(port=redis_port) as client:
        client.flushall()
    done = subprocess.run(
        [sys.executable, "-m", "tests.docs.run_page", str(page), str(tmp_path), str(redis_port)],
        cwd=ROOT,
        env={
            **{name: value for name, value in os.environ.items() if name != "PYTHONDEVMODE"},
            "PYTHONPATH": str(ROOT),
            "HEADRACE_SINK": "",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@by_name
def test_blocks_have_a_known_language_or_a_reason(page: Path) -> None:
    found = blocks(page.read_text())
    assert [
        (block.line, block.language) for block in found if not block.order
        and block.language not in HOW
    ] == []  # fmt: skip
    reasons = [block.argument for block in found if block.order == "skip:"]
    assert [reason for reason in reasons if len(reason.split()) < 3] == []


def test_a_block_that_fails_is_seen(tmp_path: Path) -> None:
    """The runner itself: a wrong result, a wrong setting, a wrong output."""
    for text in (
        "```python\nassert 1 + 1 == 3\n```\n",
        '```python\nHEADRACE = {"SINKK": None}\n```\n',
        "```console\n$ echo one\ntwo\n```\n",
        "```console\n$ false\n```\n",
        "```json\n{,}\n```\n",
    ):
        page = ROOT / "build" / "failing.md"
        page.parent.mkdir(exist_ok=True)
        page.write_text(text)
        done = subprocess.run(
            [sys.executable, "-m", "tests.docs.run_page", str(page), str(tmp_path), "1"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, text
        assert "build/failing.md:2" in done.stdout


def test_an_order_without_a_meaning_is_refused() -> None:
    with pytest.raises(ValueError, match="not known"):
        blocks("<!-- example: ignore it -->\n```python\n1\n```\n")
    with pytest.raises(ValueError, match="no block"):
        blocks("<!-- example: skip: for a good reason -->\n\nWords.\n\n```python\n1\n```\n")


def test_commands_and_their_output() -> None:
    assert commands("$ a \\\n  b\n$ c\none\ntwo\n") == [("a \\\n  b", ""), ("c", "one\ntwo\n")]
    assert matches("a ... c\n", "a b c\n")
    assert not matches("a\n", "a b")
