# SPDX-License-Identifier: MIT
"""The names of keys in Redis, as those who read them make them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headrace import EventSink
from headrace._redis_keys import Keys, checked_prefix, pattern_of

GOOD_PREFIXES = ["", "headrace:", "x" * 64, "!~|z", "a*b?[c]\\^"]
BAD_PREFIXES = ["x" * 65, "a b", "a\t", "a\n", "\x7f", "{a", "a}", "caf\u00e9"]


def test_every_key_begins_with_the_prefix() -> None:
    keys = Keys("shop:", "visits")
    assert (keys.events, keys.dead) == ("shop:visits", "shop:visits:dead")
    assert (keys.sessions, keys.marker("7")) == ("shop:session:", "shop:marker:7")
    assert Keys().events == "headrace:events"
    assert Keys("").events == "events"


def test_another_prefix_may_be_empty_another_stream_may_not() -> None:
    keys = Keys("shop:", "visits")
    assert keys.replaced(None, None) == keys
    assert keys.replaced("", "") == Keys("", "visits")
    assert keys.replaced("a:", "b") == Keys("a:", "b")


def words_of(call: Callable[[str], object], prefix: str) -> str | None:
    """What is said against the prefix, if anything is."""
    try:
        call(prefix)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize("character", [*map(chr, range(256)), "\u0100", "\u2028", "\U0001f600"])
def test_the_rule_and_its_words_are_those_of_the_sink(character: str) -> None:
    for prefix in (character, f"a{character}", character * 64, character * 65):
        wrong = words_of(lambda text: EventSink("memory:", prefix=text), prefix)
        assert words_of(checked_prefix, prefix) == wrong


def test_a_prefix_is_text() -> None:
    with pytest.raises(TypeError, match="prefix: a str, not int"):
        checked_prefix(7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="prefix: a str, not bytes"):
        Keys(b"shop:")  # type: ignore[arg-type]


def test_a_pattern_matches_the_key_alone() -> None:
    assert pattern_of("a:b-c") == "a:b-c"
    assert pattern_of("a*b?[c]\\^") == "a\\*b\\?\\[c\\]\\\\\\^"
