# SPDX-License-Identifier: MIT
"""PathFilter as Python sees it; what the rules mean is in tests/c and tests/property."""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from headrace import PathFilter
from headrace._defaults import PATHS


@pytest.fixture
def site() -> PathFilter:
    return PathFilter(
        {
            "skip": ["/static/", "/media/", "=/favicon.ico", "*.map"],
            "api": ["/api/"],
            "shop": ["/shop/*/cart", "/docs/**", "/größe/"],
        },
        default="track",
    )


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/", "track"),
        ("", "track"),
        ("/community/7/", "track"),
        ("/static/app.js", "skip"),
        ("/static", "track"),
        ("/favicon.ico", "skip"),
        ("/favicon.ico/", "track"),
        ("/a/b.map", "skip"),
        ("/api/v1/posts", "api"),
        ("/api", "track"),
        ("/shop/7/cart", "shop"),
        ("/shop//cart", "track"),
        ("/docs/", "shop"),
        ("/docs/a/b", "shop"),
        ("/größe/7", "shop"),
        ("/gro\u0308ße/7", "track"),
        ("/😀", "track"),
    ],
)
def test_label_of_a_path(site: PathFilter, path: str, label: str) -> None:
    assert site.label(path) == label


@pytest.mark.parametrize(
    "path",
    ["\ud800", "/api/\udcff", "/\x00", "/\r\n", "/" + "a" * 100_000, "/" * 100_000, "\U0010ffff"],
)
def test_no_path_raises(site: PathFilter, path: str) -> None:
    assert site.label(path) in site.labels


def test_surrogates_in_rule_and_path_meet() -> None:
    paths = PathFilter({"skip": ["/\udcff/"]})
    assert paths.label("/\udcff/x") == "skip"
    assert paths.label("/\udcfe/x") == "track"


def test_builtin_labels_come_first_and_words_are_shared(site: PathFilter) -> None:
    assert site.labels == ("skip", "api", "track", "shop")
    assert site.label("/static/") is site.labels[0]


def test_default_may_be_any_label() -> None:
    paths = PathFilter({"track": ["/shop/"]}, default="other")
    assert paths.label("/") == "other"
    assert paths.label("/shop/") == "track"


def test_no_rules_at_all() -> None:
    assert PathFilter({}).label("/static/") == "track"


def test_any_mapping_and_any_iterables() -> None:
    rules = MappingProxyType({"skip": ("/a/",), "api": iter(["/b/"]), "own": {"/c/": 1}})
    paths = PathFilter(rules)
    assert [paths.label(p) for p in ("/a/", "/b/", "/c/")] == ["skip", "api", "own"]


def test_the_defaults_compile() -> None:
    paths = PathFilter(PATHS)
    assert paths.label("/static/x.css") == "skip"
    assert paths.label("/healthz") == "skip"
    assert paths.label("/healthzone") == "track"
    assert paths.label("/api/x") == "api"


@pytest.mark.parametrize(
    ("rules", "names"),
    [
        ({"skip": [""]}, ["''", "'skip'"]),
        ({"skip": ["static/"]}, ["'static/'", "'skip'"]),
        ({"skip": ["/a", "/b*"]}, ["'/b*'", "'skip'"]),
        ({"skip": ["=/a/*"]}, ["'=/a/*'"]),
        ({"skip": ["/a/**/b"]}, ["'/a/**/b'"]),
        ({"skip": ["/" + "a" * 5000]}, ["4,096 bytes"]),
        ({"": ["/"]}, ["''", "label"]),
        ({"a\n": ["/"]}, ["label"]),
        ({"x" * 65: ["/"]}, ["label"]),
        ({"skip": ["/a/"], "api": ["/b/", "/a/"]}, ["'/a/'", "'skip'", "'api'"]),
        ({"skip": ["/a/*"], "own": ["/*/b"]}, ["'/a/*'", "'skip'", "'/*/b'", "'own'"]),
        ({"skip": ["/api/"], "own": ["*.json"]}, ["'/api/'", "'*.json'"]),
    ],
)
def test_refused_rules_are_named(rules: Mapping[str, list[str]], names: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        PathFilter(rules)
    for name in names:
        assert name in str(caught.value)


def test_a_refused_default_is_named() -> None:
    with pytest.raises(ValueError, match=r"^default: ''"):
        PathFilter({}, default="")


@pytest.mark.parametrize(
    "rules",
    [
        None,
        ["/static/"],
        "/static/",
        {"skip": "/static/"},
        {"skip": b"/static/"},
        {"skip": None},
        {"skip": [1]},
        {"skip": [b"/static/"]},
        {1: ["/static/"]},
    ],
)
def test_wrong_types_are_type_errors(rules: Any) -> None:
    with pytest.raises(TypeError):
        PathFilter(rules)


@pytest.mark.parametrize("path", [None, b"/", 7, ["/"]])
def test_a_path_is_a_str(site: PathFilter, path: Any) -> None:
    with pytest.raises(TypeError):
        site.label(path)


def test_an_error_in_the_iterable_comes_through() -> None:
    def broken() -> Any:
        yield "/a/"
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        PathFilter({"skip": broken()})


def test_ten_thousand_rules_of_every_shape() -> None:
    rules = {
        "skip": [f"/p{n}/" for n in range(2500)],
        "api": [f"=/e{n}" for n in range(2500)],
        "own": [f"/w{n}/*/x" for n in range(2500)],
        "track": [f"*.suffix{n}" for n in range(2500)],
    }
    paths = PathFilter(rules, default="other")
    assert repr(paths).startswith("<PathFilter: 10000 rules")
    assert paths.label("/p1234/x") == "skip"
    assert paths.label("/e2499") == "api"
    assert paths.label("/w0/y/x") == "own"
    assert paths.label("/w0/y/z") == "other"
    assert paths.label("/y.suffix77") == "track"


def test_is_immutable_and_final(site: PathFilter) -> None:
    with pytest.raises(AttributeError):
        site.labels = ()  # type: ignore[misc]
    with pytest.raises(TypeError):
        type("Sub", (PathFilter,), {})
    with pytest.raises(TypeError):
        PathFilter.label = None  # type: ignore[method-assign, assignment]


def test_objects_give_back_their_type() -> None:
    before = sys.getrefcount(PathFilter)
    for _ in range(100):
        PathFilter({"skip": ["/a/"]})
        with pytest.raises(ValueError):
            PathFilter({"skip": ["a"]})
    gc.collect()
    assert sys.getrefcount(PathFilter) == before
