# SPDX-License-Identifier: MIT
"""Claims and verdicts beside json.loads, PyJWT and joserfc, on what hypothesis thinks up."""

from __future__ import annotations

import json
import math
import warnings
from typing import Any

import jwt as pyjwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws as joserfc_jws
from joserfc.jwk import OctKey

from headrace import InvalidTokenError, Key, TokenVerifier
from headrace import jwt as ours
from tests.oracle.tokens import NOW, SECRET, b64, raw_token, sign, unb64

VERIFIER = TokenVerifier([Key.secret(SECRET, algorithm="HS256")], require=())
OCT = OctKey.import_key(SECRET)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(2**80), max_value=2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text('abcé\\"', max_size=4), inner, max_size=5)
    ),
    max_leaves=20,
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
CLAIMS = st.dictionaries(NAMES, VALUES, max_size=30).map(
    lambda claims: {
        name: value
        for name, value in claims.items()
        if name not in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")
    }
)


@settings(deadline=None)
@given(
    CLAIMS,
    st.booleans(),
    st.sampled_from([None, 1]),
    st.sampled_from([(",", ":"), (" , ", " : ")]),
)
def test_claims_are_what_json_loads_gives(
    claims: dict[str, Any], ascii_only: bool, indent: int | None, separators: tuple[str, str]
) -> None:
    text = json.dumps(claims, ensure_ascii=ascii_only, indent=indent, separators=separators)
    payload = text.encode()
    if len(payload) > 5000:
        return
    made = VERIFIER.verify(raw_token(payload), now=NOW)
    expected = json.loads(payload)
    assert repr(made.claims) == repr(expected)
    for name in expected:
        assert repr(made[name]) == repr(expected[name])


JSON_PIECES = st.lists(
    st.sampled_from(
        [
            *'{}[]:,"\\ \n',
            "0",
            "1",
            "-",
            ".",
            "e",
            "+",
            "true",
            "null",
            "NaN",
            '"a"',
            '"b"',
            "\\u00e9",
            "\\ud800",
            "\x00",
            "é",
            '{"a":1}',
            '"a":',
        ]
    ),
    max_size=12,
).map("".join)


def loads_strictly(text: bytes) -> Any:
    """json.loads without what RFC 8259 or the documented rules leave out."""

    def no_constant(name: str) -> Any:
        raise ValueError(name)

    def no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a name twice")
        return dict(pairs)

    value = json.loads(
        text.decode("utf-8"), parse_constant=no_constant, object_pairs_hook=no_twice
    )
    again = json.dumps(value, ensure_ascii=False)
    again.encode("utf-8")  # a lone surrogate cannot be
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


@settings(deadline=None, max_examples=400)
@given(JSON_PIECES)
def test_payload_is_taken_exactly_when_it_is_strict_json(middle: str) -> None:
    for text in (middle, f'{{"x":{middle}}}', f'{{"x":"{middle}"}}'):
        payload = text.encode()
        try:
            expected: Any = loads_strictly(payload)
        except (ValueError, TypeError):
            expected = None
        try:
            got: Any = VERIFIER.verify(raw_token(payload), now=NOW).claims
        except InvalidTokenError as error:
            got = None if error.reason in ("payload", "malformed") else error
        assert repr(got) == repr(expected), payload


def accepted_by(module: Any, text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module(text)
    except Exception:
        return False
    return True


MUTATIONS = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from([*"AZaz09-_.=+/ \n\0é", ""])),
    min_size=0,
    max_size=3,
)
HEADERS = st.sampled_from(
    [
        b'{"alg":"HS256"}',
        b'{"alg":"HS256","typ":"JWT"}',
        b'{"alg":"HS256","kid":"k"}',
        b'{"alg":"hs256"}',
        b'{"alg":"none"}',
        b'{"alg":"HS512"}',
        b'{"alg":["HS256"]}',
        b'{"alg":"HS256","crit":["x"],"x":1}',
        b"{}",
        b"[]",
    ]
)


@settings(deadline=None, max_examples=300)
@given(HEADERS, st.binary(max_size=30), MUTATIONS)
def test_never_accepts_what_both_others_reject(
    header: bytes, payload: bytes, mutations: list[tuple[int, str]]
) -> None:
    text = raw_token(payload or b"x", header)
    for at, what in mutations:
        at %= len(text)
        text = text[:at] + what + text[at + 1 :]
    ours_accepts = accepted_by(VERIFIER.verify_jws, text)
    pyjwt_accepts = accepted_by(
        lambda t: pyjwt.PyJWS().decode(t, SECRET, algorithms=["HS256"]), text
    )
    joserfc_accepts = accepted_by(
        lambda t: joserfc_jws.deserialize_compact(t.encode(), OCT, algorithms=["HS256"]), text
    )
    if ours_accepts:
        assert pyjwt_accepts or joserfc_accepts
        signed, _, signature = text.rpartition(".")
        assert unb64(signature) == sign("HS256", signed.encode())
        assert ".".join(b64(unb64(part)) for part in text.split(".")) == text


TIMES = (
    st.integers(-5, 2**33) | st.floats(0, 2**33) | st.sampled_from([None, "1", "", True, [1], {}])
)
JUDGED = st.fixed_dictionaries(
    {},
    optional={
        "exp": TIMES,
        "nbf": TIMES,
        "iat": TIMES,
        "aud": st.sampled_from(["a", "b", ["a"], ["b", "a"], [], "", None, [1], 1]),
        "iss": st.sampled_from(["i", "j", None, 1]),
        "sub": st.sampled_from(["s", 1, None]),
        "jti": st.sampled_from(["t", 1, None]),
    },
)


@settings(deadline=None, max_examples=300)
@given(
    JUDGED,
    st.sampled_from([None, "a", ["a", "c"]]),
    st.sampled_from([None, "i"]),
    st.integers(0, 2**32),
)
def test_judges_claims_as_pyjwt(
    claims: dict[str, Any], audience: Any, issuer: Any, leeway: int
) -> None:
    text = (
        pyjwt.encode(claims, SECRET)
        if isinstance(claims.get("iss", ""), str)
        else raw_token(json.dumps(claims).encode())
    )
    results = []
    for module in (pyjwt, ours):
        try:
            results.append(
                module.decode(
                    text, SECRET, ["HS256"], audience=audience, issuer=issuer, leeway=leeway
                )
            )
        except pyjwt.PyJWTError as error:
            results.append(type(error))
    assert results[0] == results[1]


@pytest.mark.parametrize("number", ["1e308", "1.7976931348623157e308", "-1e308", "5e-324"])
def test_largest_numbers(number: str) -> None:
    value = VERIFIER.verify(raw_token(f'{{"x":{number}}}'.encode()), now=NOW)["x"]
    assert value == float(number)
    assert math.isfinite(value)
