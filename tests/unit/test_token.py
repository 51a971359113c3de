# SPDX-License-Identifier: MIT
"""Token: claims as json.loads gives them, and nothing shared that can be changed."""

from __future__ import annotations

import copy
import json
import pickle
import sys
from typing import Any

import pytest

from headrace import Key, Token, TokenVerifier
from tests.oracle.tokens import LATER, NOW, SECRET, raw_token, token

VERIFIER = TokenVerifier([Key.secret(SECRET, algorithm="HS256")], require=())


def verified(payload: bytes) -> Token:
    return VERIFIER.verify(raw_token(payload), now=NOW)


@pytest.mark.parametrize(
    "value",
    [
        "0",
        "-0",
        "17",
        "-17",
        "999999999999999999",
        "-999999999999999999",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        "1" * 4300,
        "0.1",
        "-0.0",
        "1e3",
        "1E+3",
        "1.7976931348623157e308",
        "5e-324",
        "1e-400",
        "3.141592653589793238462643383279502884197169399375105820974944592307816406286",
        "true",
        "false",
        "null",
        '""',
        '"plain"',
        '"é€😀"',
        r'"\u00e9\u20ac\ud83d\ude00"',
        r'"\"\\\/\b\f\n\r\t\u0000"',
        '"\x7f"',
        "[]",
        "{}",
        "[1,[2.5,[null,[true]]],{}]",
        '{"a":{"b":[{"c":"d"}],"é":1},"\\u0061b":2}',
        " [ 1 , 2 ] ",
    ],
)
def test_claims_are_what_json_loads_gives(value: str) -> None:
    payload = f'{{"exp":{LATER},"x":{value},"last":1}}'.encode()
    made = verified(payload)
    expected = json.loads(payload)
    assert made.claims == expected
    assert repr(made.claims) == repr(expected)  # types and order too
    assert repr(made["x"]) == repr(expected["x"])


def test_many_claims_keep_their_order() -> None:
    claims = {f"claim {n} é" if n % 3 else f"c{n}": n for n in range(300)}
    made = VERIFIER.verify(token({"exp": LATER, **claims}), now=NOW)
    assert list(made.claims) == ["exp", *claims]
    assert len(made) == 301
    assert all(made[name] == n for name, n in claims.items())


def test_token_is_a_read_only_mapping_of_claims() -> None:
    made = verified(b'{"exp":%d,"\\u0061":1,"\xc3\xa9":2}' % LATER)
    assert (made["a"], made["é"], made.get("a"), made.get("b"), made.get("b", 3)) == (
        1,
        2,
        1,
        None,
        3,
    )
    assert "a" in made
    assert "b" not in made
    assert 1 not in made
    assert "\ud800" not in made
    assert list(made) == ["exp", "a", "é"]
    with pytest.raises(KeyError, match="b"):
        made["b"]
    with pytest.raises(TypeError):
        made["a"] = 2  # type: ignore[index]
    with pytest.raises(TypeError):
        del made["a"]  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        made.claims = {}  # type: ignore[misc]
    with pytest.raises(AttributeError):
        made.other = 1  # type: ignore[attr-defined]


def test_changing_what_a_token_gives_changes_no_other() -> None:
    text = token({"roles": ["reader"], "x": {"y": 1}})
    first = VERIFIER.verify(text, now=NOW)
    first.claims["roles"].append("admin")
    first["roles"].append("admin")
    first.claims["x"]["y"] = 2
    first.header["alg"] = "none"
    for made in (first, VERIFIER.verify(text, now=NOW)):
        assert made.claims == {"exp": LATER, "roles": ["reader"], "x": {"y": 1}}
        assert made.header == {"alg": "HS256", "typ": "JWT"}


def test_header_key_id_algorithm_and_expiry() -> None:
    made = VERIFIER.verify(token(header={"kid": "é", "x": [1]}), now=NOW)
    assert made.header == {"alg": "HS256", "typ": "JWT", "kid": "é", "x": [1]}
    assert (made.key_id, made.algorithm, made.expires_at) == ("é", "HS256", LATER)
    plain = verified(b"{}")
    assert (plain.key_id, plain.expires_at, plain.claims) == (None, None, {})
    assert verified(b'{"exp":%d.9}' % LATER).expires_at == LATER


def test_repr_shows_no_claim() -> None:
    made = VERIFIER.verify(token({"secret": "canary"}), now=NOW)
    assert "canary" not in repr(made)
    assert "HS256" in repr(made)


def test_tokens_are_made_by_verification_only() -> None:
    with pytest.raises(TypeError):
        Token()
    made = VERIFIER.verify(token(), now=NOW)
    for dump in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            dump(made)


def test_token_outlives_its_verifier() -> None:
    key = Key.secret(SECRET, algorithm="HS256")
    made = TokenVerifier([key]).verify(token({"a": "b"}), now=NOW)
    del key
    assert made.claims == {"exp": LATER, "a": "b"}


def test_types_give_back_their_references() -> None:
    text = token()
    kinds: list[type] = [Token, Key, TokenVerifier]
    before = [sys.getrefcount(kind) for kind in kinds]
    made: list[Any] = []
    for _ in range(1000):
        made.append(VERIFIER.verify(text, now=NOW))
        made.append(Key.secret(SECRET, algorithm="HS256"))
        made.append(TokenVerifier([made[-1]], cache_size=1))
    made.clear()
    after = [sys.getrefcount(kind) for kind in kinds]
    assert all(abs(a - b) < 50 for a, b in zip(after, before, strict=True))
