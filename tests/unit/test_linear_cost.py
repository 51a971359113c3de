# SPDX-License-Identifier: MIT
"""What a hostile input costs grows with its length, and not with the number of rules.

Only ratios of the best of many runs in one process: the bounds lie far from what is measured
and far below what a slip would give.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from headrace import FingerprintCookie, PathFilter


def best(call: Callable[[], object], repeat: int = 30) -> float:
    """Seconds of the fastest run."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


COOKIE = FingerprintCookie(keys=["k1", "k2", "k3"])
FORGED = "device_fp=" + COOKIE.mint().value[:-4] + "AAAA;"


@pytest.mark.parametrize(
    "unit",
    [
        ";",
        "=",
        "=;",
        " ",
        "\t;",
        "\xa0",
        "device_fp",
        "device_fp=",
        "device_fp=;",
        "device_fp ",
        'device_fp="\\',
        "a=b; ",
        FORGED,
    ],
)
@pytest.mark.parametrize("kind", [str, lambda text: text.encode("latin-1")], ids=["wsgi", "asgi"])
def test_eight_times_the_cookie_header_costs_eight_times(
    unit: str, kind: Callable[[str], str | bytes]
) -> None:
    short = kind((unit * 8192)[:8192])
    long = kind((unit * 65536)[:65536])
    assert COOKIE.read(long) is None
    ratio = best(lambda: COOKIE.read(long)) / best(lambda: COOKIE.read(short))
    assert ratio < 24  # quadratic would be 64


@pytest.mark.parametrize(
    "path",
    ["/" * 65536, "/a" * 32768, "/shop/" + "x" * 65536, "/shop/*/" * 8192, ".map" * 16384],
)
def test_eight_times_the_path_costs_eight_times(path: str) -> None:
    paths = PathFilter(
        {"skip": ["/a/", "*.map"], "own": ["/*/*/*/x", "/shop/*/cart", "/*/a/*/a/**", "/a/*/x/y"]}
    )
    eighth = path[: len(path) // 8]

    def many(text: str) -> Callable[[], object]:
        return lambda: [paths.label(text) for _ in range(50)]

    assert best(many(path)) < 24 * best(many(eighth)) + 50e-6


def test_a_label_costs_the_same_with_a_thousand_times_the_rules() -> None:
    def make(count: int) -> PathFilter:
        quarter = count // 4 + 1
        return PathFilter(
            {
                "skip": [f"/section{n}/" for n in range(quarter)],
                "api": [f"=/page{n}" for n in range(quarter)],
                "own": [f"/shop{n}/*/cart" for n in range(quarter)],
                "big": [f"*.a-long-suffix-{n}" for n in range(quarter)],
            }
        )

    def many(paths: PathFilter) -> Callable[[], object]:
        asked = ["/community/7/", "/section0/x", "/page1", "/shop2/7/cart", "/x.a-long-suffix-0"]
        return lambda: [paths.label(path) for path in asked for _ in range(500)]

    assert best(many(make(10_000))) < 5 * best(many(make(10)))
