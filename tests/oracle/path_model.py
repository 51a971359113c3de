# SPDX-License-Identifier: MIT
"""Path rules by brute force: a rule is the set of all paths that it matches.

Inside a small alphabet every set can be listed, so "lies inside" and "some path meets both" are
set operations, not reasoning about rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import product


def matches(rule: str, path: str) -> bool:
    """Does the (well-formed) rule match the path?"""
    if rule.startswith("="):
        return path == rule[1:]
    if rule.startswith("*"):
        return path.endswith(rule[1:])
    if "*" not in rule:
        return path.startswith(rule)
    wanted, got = rule.split("/"), path.split("/")
    if wanted[-1] == "**":
        wanted.pop()
        if len(got) <= len(wanted):
            return False
        got = got[: len(wanted)]
    return len(wanted) == len(got) and all(
        piece != "" if want == "*" else piece == want
        for want, piece in zip(wanted, got, strict=True)
    )


def is_well_formed(rule: str) -> bool:
    """A rule that is not is a ValueError."""
    if rule.startswith("*"):
        return "*" not in rule[1:]
    if not rule.removeprefix("=").startswith("/"):
        return False
    if rule.startswith("="):
        return "*" not in rule
    segments = rule.split("/")
    if segments[-1] == "**":
        segments.pop()
    return all(segment == "*" or "*" not in segment for segment in segments)


def literals(rule: str) -> int:
    """How many characters of the rule stand for themselves."""
    return len(rule.removeprefix("=").replace("*", ""))


def paths_over(alphabet: str, longest: int) -> Iterator[str]:
    """Every text over the alphabet up to that length."""
    for length in range(longest + 1):
        yield from map("".join, product(alphabet, repeat=length))


Ruled = tuple[str, str, frozenset[str]]  # rule, label, the paths it matches


@cache
def matched(rule: str, paths: tuple[str, ...]) -> frozenset[str]:
    return frozenset(path for path in paths if matches(rule, path))


def expand(rules: Mapping[str, Sequence[str]], paths: tuple[str, ...]) -> list[Ruled]:
    """Each rule with its label and those of the paths that it matches."""
    return [
        (rule, label, matched(rule, paths)) for label, given in rules.items() for rule in given
    ]


def ties(rules: Sequence[Ruled]) -> list[tuple[str, str]]:
    """Pairs of different labels that a path meets and of which neither is more specific."""
    return [
        (a, b)
        for i, (a, label_a, set_a) in enumerate(rules)
        for b, label_b, set_b in rules[i + 1 :]
        if label_a != label_b
        and set_a & set_b
        and (set_a == set_b or not (set_a <= set_b or set_b <= set_a))
        and literals(a) == literals(b)
    ]


def label(rules: Sequence[Ruled], default: str, path: str) -> str:
    """The label of the rule that no other matching rule beats; rules do not tie."""
    met = [ruled for ruled in rules if path in ruled[2]]
    for rule, word, own in met:
        if all(
            own <= other or (not other <= own and literals(rule) >= literals(rival))
            for rival, _, other in met
        ):
            return word
    return default
