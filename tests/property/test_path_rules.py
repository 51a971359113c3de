# SPDX-License-Identifier: MIT
"""PathFilter against a model that lists every path of a small alphabet."""

from __future__ import annotations

import os

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from headrace import PathFilter
from tests.oracle import path_model

SOAK = os.environ.get("HEADRACE_SOAK") == "1"
EXAMPLES = 2000 if SOAK else 200

# "z" stands in no rule: what a wildcard holds beyond the rules' own letters. The rules are so
# short that where two of them meet, or part, some path of six characters shows it.
PATHS = tuple(path_model.paths_over("/abz", 6))

piece = st.sampled_from(["a", "b", "*", "", "a", "*"])
wild = (
    st.lists(piece, min_size=1, max_size=3)
    .map(lambda parts: "/" + "/".join(parts))
    .filter(lambda text: len(text) <= 5)
)
literal = st.text("/ab", max_size=2)
rule = st.one_of(
    literal.map(lambda text: "=/" + text),
    literal.map(lambda text: "/" + text),
    literal.map(lambda text: "*" + text),
    wild,
    wild.map(lambda text: text + "/**"),
).filter(lambda text: len(text) <= 7)
rules = st.dictionaries(
    st.sampled_from(["skip", "api", "own"]), st.lists(rule, min_size=1, max_size=3), min_size=1
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(rules)
@example({"skip": ["/a/"], "api": ["/a/*"]})
@example({"skip": ["/*/a/**"], "api": ["/*/a/*"], "own": ["*"]})
@example({"skip": ["/a/*", "/*/b"], "api": ["=/a/b"]})
@example({"skip": ["/a/*"], "own": ["/*/b"]})
@example({"skip": ["/ab"], "own": ["/*/*/**"]})
def test_labels_and_ties_are_those_of_the_model(rules: dict[str, list[str]]) -> None:
    assume(all(path_model.is_well_formed(rule) for given in rules.values() for rule in given))
    ruled = path_model.expand(rules, PATHS)
    tied = path_model.ties(ruled)
    if tied:
        with pytest.raises(ValueError, match="tie") as caught:
            PathFilter(rules)
        assert any(repr(a) in str(caught.value) and repr(b) in str(caught.value) for a, b in tied)
        return
    paths = PathFilter(rules)
    met = {path for _, _, own in ruled for path in own}
    for path in met:
        assert paths.label(path) == path_model.label(ruled, "track", path), path
    for path in PATHS:
        if path not in met:
            assert paths.label(path) == "track", path


@settings(max_examples=EXAMPLES * 3, deadline=None)
@given(st.text("=/*ab", max_size=8))
def test_what_is_a_rule_is_what_the_model_says(text: str) -> None:
    if path_model.is_well_formed(text):
        PathFilter({"skip": [text]})
    else:
        with pytest.raises(ValueError, match="rules: "):
            PathFilter({"skip": [text]})


HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.characters(categories=["Cs"]),
        st.sampled_from("/\\.%;?#*=\x00\r\n\u202e\uff0f\u2215\u00e9"),
    ),
    max_size=40,
)
SITE = {
    "skip": ["/static/", "/media/", "=/favicon.ico", "*.map", "*.é"],
    "api": ["/api/", "/v/*/json"],
    "own": ["/shop/*/cart", "/docs/**", "/u/*/p/**", "/*/edit"],
}
SITE_FILTER = PathFilter(SITE)


@settings(max_examples=EXAMPLES * 3, deadline=None)
@given(
    st.builds(
        lambda start, middle, end: start + middle + end,
        st.sampled_from(["", "/", "/static/", "/shop/", "/docs/", "/u/", "/v/", "/api", "//"]),
        HOSTILE,
        st.sampled_from(["", "/cart", ".map", ".é", "/p/", "/json", "/edit", "/"]),
    )
)
def test_hostile_paths_are_matched_as_they_are(path: str) -> None:
    ruled = path_model.expand(SITE, (path,))
    met = [(rule, word) for rule, word, own in ruled if own]
    # with one path alone "inside" cannot be seen, but these rules never need it
    best = max(met, key=lambda ruled: path_model.literals(ruled[0]), default=("", "track"))
    assert SITE_FILTER.label(path) == best[1]
