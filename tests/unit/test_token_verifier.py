# SPDX-License-Identifier: MIT
"""TokenVerifier: what is refused and why, every algorithm, settings."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

import headrace
from headrace import InvalidKeyError, InvalidTokenError, Key, TokenVerifier
from tests.oracle.tokens import (
    ALGORITHMS,
    HMACS,
    LATER,
    NOW,
    SECRET,
    b64,
    private_key,
    public_jwk,
    public_pem,
    raw_token,
    sign,
    token,
)

HS256 = Key.secret(SECRET, algorithm="HS256")


def key_of(algorithm: str, **more: Any) -> Key:
    if algorithm in HMACS:
        return Key.secret(SECRET, algorithm=algorithm, **more)
    return Key.pem(public_pem(algorithm), algorithm=algorithm, **more)


def verifier(**settings: Any) -> TokenVerifier:
    return TokenVerifier(settings.pop("keys", [HS256]), **settings)


def refused(made: TokenVerifier, text: str | bytes, now: float = NOW) -> str:
    """The reason why `text` is refused; fails when it is not."""
    with pytest.raises(InvalidTokenError) as caught:
        made.verify(text, now=now)
    return caught.value.reason


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("kind", ["pem or secret", "jwk"])
def test_every_algorithm_verifies(algorithm: str, kind: str) -> None:
    key = Key.jwk(public_jwk(algorithm)) if kind == "jwk" else key_of(algorithm)
    verified = verifier(keys=[key]).verify(token({"n": 1}, algorithm), now=NOW)
    assert verified.claims == {"exp": LATER, "n": 1}
    assert verified.algorithm == algorithm


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_changed_signature_is_refused(algorithm: str) -> None:
    head, _, signature = token({}, algorithm).rpartition(".")
    made = verifier(keys=[key_of(algorithm)])
    for at in (0, len(signature) // 2, len(signature) - 3):
        other = "B" if signature[at] == "A" else "A"
        changed = f"{head}.{signature[:at]}{other}{signature[at + 1 :]}"
        assert refused(made, changed) == "signature"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_changed_payload_is_refused(algorithm: str) -> None:
    header, _, signature = token({}, algorithm).split(".")
    other = b64(b'{"exp":%d,"admin":true}' % LATER)
    assert refused(verifier(keys=[key_of(algorithm)]), f"{header}.{other}.{signature}") == (
        "signature"
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("change", ["cut", "longer", "doubled", "one byte"])
def test_signature_of_another_length_is_refused(algorithm: str, change: str) -> None:
    header, payload, _ = token({}, algorithm).split(".")
    signature = sign(algorithm, f"{header}.{payload}".encode())
    bad = {
        "cut": signature[:-1],
        "longer": signature + b"\0",
        "doubled": signature * 2,
        "one byte": signature[:1],
    }[change]
    text = f"{header}.{payload}.{b64(bad)}"
    assert refused(verifier(keys=[key_of(algorithm)]), text) == "signature"


@pytest.mark.parametrize("pinned", ALGORITHMS)
def test_only_the_pinned_algorithm_is_taken(pinned: str) -> None:
    made = verifier(keys=[key_of(pinned)])
    for algorithm in ALGORITHMS:
        if algorithm != pinned:
            assert refused(made, token({}, algorithm)) == "algorithm"


def test_public_key_as_secret_does_not_verify() -> None:
    """An HS256 token whose secret is the text of the RSA public key."""
    pem = public_pem("RS256")
    forged = token({}, "HS256", secret=pem)
    assert refused(verifier(keys=[key_of("RS256")]), forged) == "algorithm"
    assert refused(verifier(keys=[key_of("RS256"), HS256]), forged) == "signature"


def test_key_is_chosen_by_its_id() -> None:
    one = Key.secret("1" * 32, algorithm="HS256", key_id="one")
    two = Key.secret("2" * 32, algorithm="HS256", key_id="two")
    made = verifier(keys=[one, two])
    assert made.verify(token(header={"kid": "two"}, secret="2" * 32), now=NOW).key_id == "two"
    assert refused(made, token(header={"kid": "one"}, secret="2" * 32)) == "signature"
    assert refused(made, token(header={"kid": "three"}, secret="2" * 32)) == "key_id"


def test_token_without_key_id_is_tried_on_all_keys_of_its_algorithm() -> None:
    made = verifier(
        keys=[
            Key.secret("1" * 32, algorithm="HS256", key_id="one"),
            Key.secret("2" * 32, algorithm="HS256", key_id="two"),
            Key.secret("3" * 48, algorithm="HS384"),
        ]
    )
    assert made.verify(token(secret="1" * 32), now=NOW).key_id is None
    assert made.verify(token(secret="2" * 32), now=NOW).key_id is None
    assert refused(made, token(secret="3" * 48)) == "signature"


def test_unknown_key_id_falls_to_keys_without_one() -> None:
    made = verifier(keys=[Key.secret("1" * 32, algorithm="HS256", key_id="one"), HS256])
    assert made.verify(token(header={"kid": "old"}), now=NOW).key_id == "old"
    assert refused(made, token(header={"kid": "old"}, secret="1" * 32)) == "signature"


def test_key_id_of_another_algorithm_is_refused() -> None:
    made = verifier(keys=[Key.secret(SECRET, algorithm="HS512", key_id="k"), HS256])
    assert refused(made, token(header={"kid": "k"})) == "algorithm"


@pytest.mark.parametrize(
    ("settings", "claims", "reason"),
    [
        ({}, {"aud": "a"}, "audience"),
        ({}, {"aud": ["a"]}, "audience"),
        ({"audience": "a"}, {"aud": "a"}, None),
        ({"audience": "a"}, {"aud": ["b", "a"]}, None),
        ({"audience": ["a", "b"]}, {"aud": "b"}, None),
        ({"audience": "a"}, {"aud": "ab"}, "audience"),
        ({"audience": "ab"}, {"aud": "a"}, "audience"),
        ({"audience": "a"}, {"aud": []}, "audience"),
        ({"audience": "a"}, {"aud": ["a", 1]}, "audience"),
        ({"audience": "a"}, {"aud": [["a"]]}, "audience"),
        ({"audience": "a"}, {"aud": {"a": 1}}, "audience"),
        ({"audience": "a"}, {"aud": 1}, "audience"),
        ({"audience": "a"}, {}, "missing_claim"),
        ({"audience": "a"}, {"aud": None}, "missing_claim"),
        ({"audience": "é"}, {"aud": "é"}, None),
        ({"issuer": "https://x/"}, {"iss": "https://x/"}, None),
        ({"issuer": ["https://x/", "y"]}, {"iss": "y"}, None),
        ({"issuer": "https://x/"}, {"iss": "https://x"}, "issuer"),
        ({"issuer": "https://x/"}, {"iss": "HTTPS://x/"}, "issuer"),
        ({"issuer": "https://x/"}, {"iss": ["https://x/"]}, "issuer"),
        ({"issuer": "https://x/"}, {"iss": None}, "issuer"),
        ({"issuer": "https://x/"}, {}, "missing_claim"),
        ({"subject": "jo"}, {"sub": "jo"}, None),
        ({"subject": "jo"}, {"sub": "joe"}, "subject"),
        ({"subject": "jo"}, {}, "missing_claim"),
        ({}, {"sub": 1}, "subject"),
        ({}, {"sub": None}, "subject"),
        ({}, {"jti": 1}, "jti"),
        ({}, {"jti": None}, "jti"),
        ({"require": ("exp", "sub")}, {}, "missing_claim"),
        ({"require": ("sub",)}, {"sub": "x", "exp": None}, "claim_type"),
        ({"require": ["x"]}, {"x": None}, "missing_claim"),
        ({"require": ["x"]}, {"x": 0}, None),
        ({"require": ["x"]}, {"x": False}, None),
        ({"expect": {"t": "a"}}, {"t": "a"}, None),
        ({"expect": {"t": "a"}}, {"t": "b"}, "unexpected_value"),
        ({"expect": {"t": "a"}}, {}, "missing_claim"),
        ({"expect": {"t": ("a", "b")}}, {"t": "b"}, None),
        ({"expect": {"t": 1}}, {"t": True}, "unexpected_value"),
        ({"expect": {"t": 1}}, {"t": "1"}, "unexpected_value"),
        ({"expect": {"t": True}}, {"t": 1}, "unexpected_value"),
        ({"expect": {"t": True}}, {"t": True}, None),
        ({"expect": {"t": None}}, {"t": None}, None),
        ({"expect": {"t": 0.5}}, {"t": 0.5}, None),
        ({"expect": {"t": 2**70}}, {"t": 2**70}, None),
        ({"expect": {"t": "a"}}, {"t": ["a"]}, "unexpected_value"),
        ({"max_lifetime": 3600}, {"iat": NOW}, None),
        ({"max_lifetime": 3599}, {"iat": NOW}, "lifetime"),
        ({"max_lifetime": timedelta(hours=1)}, {"iat": NOW}, None),
        ({"max_lifetime": 3600}, {}, "missing_claim"),
        ({"max_lifetime": 60}, {}, "lifetime"),
        ({"leeway": 10}, {"exp": NOW - 9}, None),
        ({"leeway": 10}, {"exp": NOW - 10}, "expired"),
        ({"leeway": timedelta(seconds=10)}, {"nbf": NOW + 10}, None),
        ({"leeway": 10}, {"nbf": NOW + 11}, "not_yet_valid"),
        ({"leeway": 10}, {"iat": NOW + 11}, "issued_in_future"),
        ({}, {"exp": NOW}, "expired"),
        ({}, {"exp": NOW + 1}, None),
        ({}, {"nbf": NOW + 1}, "not_yet_valid"),
        ({}, {"iat": NOW + 1}, "issued_in_future"),
    ],
)
def test_claim_rules(settings: dict[str, Any], claims: dict[str, Any], reason: str | None) -> None:
    made = verifier(**settings)
    text = token(claims)
    for _ in range(2):  # anew, then from the cache
        if reason is None:
            assert made.verify(text, now=NOW).claims == {"exp": LATER, **claims}
        else:
            assert refused(made, text) == reason


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value", [b'"1700000000"', b'""', b"true", b"[1]", b"{}", b"-1", b"-0.5", b"1e400", b"1e19"]
)
def test_times_are_numbers_in_range(name: str, value: bytes) -> None:
    text = raw_token(b'{"%b":%b}' % (name.encode(), value))
    assert refused(verifier(require=()), text) == "claim_type"


@pytest.mark.parametrize(
    ("typ", "wanted", "good"),
    [
        ("at+jwt", "at+jwt", True),
        ("application/at+jwt", "at+jwt", True),
        ("AT+JWT", "application/at+jwt", True),
        ("JWT", "at+jwt", False),
        ("application/x/at+jwt", "at+jwt", False),
        ("", "at+jwt", False),
    ],
)
def test_header_type(typ: str, wanted: str, good: bool) -> None:
    made = verifier(type=wanted)
    text = token(header={"typ": typ})
    if good:
        assert made.verify(text, now=NOW).header["typ"] == typ
    else:
        assert refused(made, text) == "type"


def test_header_without_type_is_refused_where_one_is_expected() -> None:
    assert refused(verifier(type="JWT"), raw_token(b'{"exp":%d}' % LATER)) == "type"


def test_the_clock_is_read_when_now_is_not_given() -> None:
    made = verifier()
    soon = int(time.time()) + 600
    assert made.verify(token({"exp": soon})).expires_at == soon
    with pytest.raises(headrace.ExpiredSignatureError):
        made.verify(token({"exp": int(time.time()) - 600}))


def test_bytes_and_str_are_the_same_token() -> None:
    made = verifier()
    text = token()
    assert made.verify(text, now=NOW).claims == made.verify(text.encode(), now=NOW).claims
    assert made.cache_info().hits == 1


@pytest.mark.parametrize("text", [None, 1, bytearray(b"a.b.c"), memoryview(b"a.b.c"), ["a"]])
def test_other_types_than_text_are_errors_of_the_caller(text: Any) -> None:
    with pytest.raises(TypeError):
        verifier().verify(text)
    with pytest.raises(TypeError):
        verifier().verify_jws(text)


@pytest.mark.parametrize("text", ["é.b.c", "\ud800.b.c", "a.b.c\U0001f600", "a\0.b.c"])
def test_what_is_not_ascii_is_refused_not_raised(text: str) -> None:
    assert refused(verifier(), text) == "malformed"


@pytest.mark.parametrize("now", ["1", True, object()])
def test_now_of_another_type(now: Any) -> None:
    with pytest.raises(TypeError, match="now"):
        verifier().verify(token(), now=now)


@pytest.mark.parametrize("now", [float("nan"), float("inf"), float("-inf")])
def test_now_that_is_not_finite(now: float) -> None:
    with pytest.raises(ValueError, match="now"):
        verifier().verify(token(), now=now)


def test_length_is_judged_first() -> None:
    made = verifier(max_bytes=100)
    assert refused(made, "\n" * 101) == "too_long"
    assert refused(made, "\n" * 100) == "malformed"
    assert isinstance(made.verify_jws(raw_token(b"", b'{"alg":"HS256"}')), bytes)
    with pytest.raises(headrace.TokenTooLongError):
        made.verify_jws("a" * 101)


@pytest.mark.parametrize(
    ("settings", "error", "names"),
    [
        ({"keys": []}, ValueError, "keys"),
        ({"keys": [SECRET]}, TypeError, "keys"),
        ({"keys": SECRET}, TypeError, "keys"),
        ({"keys": HS256}, TypeError, "keys"),
        ({"leeway": -1}, ValueError, "leeway"),
        ({"leeway": float("nan")}, ValueError, "leeway"),
        ({"leeway": float("inf")}, ValueError, "leeway"),
        ({"leeway": "1"}, TypeError, "leeway"),
        ({"leeway": True}, TypeError, "leeway"),
        ({"max_lifetime": 0}, ValueError, "max_lifetime"),
        ({"max_lifetime": float("inf")}, ValueError, "max_lifetime"),
        ({"max_bytes": 0}, ValueError, "max_bytes"),
        ({"max_bytes": 1 << 21}, ValueError, "max_bytes"),
        ({"max_bytes": -1}, ValueError, "max_bytes"),
        ({"cache_size": -1}, ValueError, "cache_size"),
        ({"cache_size": 1 << 21}, ValueError, "cache_size"),
        ({"audience": []}, ValueError, "audience"),
        ({"audience": 1}, TypeError, "audience"),
        ({"audience": b"a"}, TypeError, "audience"),
        ({"issuer": [1]}, TypeError, "issuer"),
        ({"subject": 1}, TypeError, "subject"),
        ({"require": "exp"}, TypeError, "require"),
        ({"require": [1]}, TypeError, "require"),
        ({"expect": []}, TypeError, "expect"),
        ({"expect": {"a": []}}, TypeError, "expect"),
        ({"expect": {1: "a"}}, TypeError, "expect"),
        ({"expect": {"a": ()}}, ValueError, "expect"),
        ({"expect": {"a": float("nan")}}, ValueError, "expect"),
        ({"type": 1}, TypeError, "type"),
        ({"engine": "jansson"}, ValueError, "engine"),
    ],
)
def test_wrong_settings_name_the_setting(
    settings: dict[str, Any], error: type[Exception], names: str
) -> None:
    with pytest.raises(error, match=names):
        verifier(**settings)


def test_two_keys_of_one_id_are_refused() -> None:
    keys = [
        Key.secret("1" * 32, algorithm="HS256", key_id="k"),
        Key.secret("2" * 48, algorithm="HS384", key_id="k"),
    ]
    with pytest.raises(InvalidKeyError, match=r"keys\[1\]") as caught:
        verifier(keys=keys)
    assert caught.value.reason == "key_duplicate"


def test_keys_are_taken_from_any_iterable() -> None:
    made = verifier(keys=(key for key in [HS256]))
    assert made.verify(token(), now=NOW)["sub"] == "jo"


@pytest.mark.parametrize("payload", [b"", b"foo", b"\0\xff", b'{"a":1}', b"x" * 5000])
def test_verify_jws_gives_any_payload(payload: bytes) -> None:
    assert verifier().verify_jws(raw_token(payload)) == payload


def test_verify_jws_refuses_like_verify() -> None:
    made = verifier()
    for text, reason in [
        ("a.b", "malformed"),
        (raw_token(b"x", b'{"alg":"none"}'), "algorithm"),
        (raw_token(b"x", b'{"alg":"HS256","crit":["a"]}'), "critical"),
        (raw_token(b"x")[:-1] + "A", "signature"),
    ]:
        with pytest.raises(InvalidTokenError) as caught:
            made.verify_jws(text)
        assert caught.value.reason in (reason, "base64")


def test_replaced_keys_count_at_once() -> None:
    made = verifier()
    text = token()
    made.verify(text, now=NOW)
    made.replace_keys([Key.secret("2" * 32, algorithm="HS256")])
    assert refused(made, text) == "signature"
    assert made.verify(token(secret="2" * 32), now=NOW)["sub"] == "jo"


def test_keys_that_cannot_replace_leave_the_old_ones() -> None:
    made = verifier()
    text = token()
    with pytest.raises(ValueError, match="keys"):
        made.replace_keys([])
    with pytest.raises(TypeError, match="keys"):
        made.replace_keys([1])  # type: ignore[list-item]
    assert made.verify(text, now=NOW)["sub"] == "jo"


def test_reason_class_and_text_belong_together() -> None:
    made = verifier(audience="a", issuer="i", require=("exp", "x"))
    with pytest.raises(headrace.MissingRequiredClaimError) as caught:
        made.verify(token(), now=NOW)
    assert caught.value.claim == "x"
    assert caught.value.reason == "missing_claim"
    assert str(caught.value).endswith(": x")


def test_exceptions_have_pyjwts_names_and_bases() -> None:
    assert issubclass(headrace.InvalidSignatureError, headrace.DecodeError)
    assert issubclass(headrace.InvalidIssuedAtError, headrace.ImmatureSignatureError)
    assert issubclass(headrace.InvalidKeyError, ValueError)
    for name in (
        "DecodeError ExpiredSignatureError InvalidAudienceError InvalidIssuerError "
        "ImmatureSignatureError InvalidAlgorithmError MissingRequiredClaimError "
        "InvalidSubjectError InvalidJTIError ClaimTypeError CriticalHeaderError EngineError "
        "LifetimeError TokenTooLongError TokenTypeError UnexpectedValueError UnknownKeyIdError"
    ).split():
        assert issubclass(getattr(headrace, name), InvalidTokenError)


def test_refused_text_is_in_no_message() -> None:
    made = verifier()
    secret_text = b64(b'{"alg":"HS256","x":"canary"}')
    with pytest.raises(InvalidTokenError) as caught:
        made.verify(f"{secret_text}.e30.AAAA")
    assert secret_text not in repr(caught.value)


def test_each_refusal_is_a_new_exception() -> None:
    made = verifier()
    errors = []
    for _ in range(2):
        with pytest.raises(InvalidTokenError) as caught:
            made.verify("a.b")
        errors.append(caught.value)
    assert errors[0] is not errors[1]


def test_small_order_and_other_keys_do_not_verify_anything() -> None:
    """A signature of zeros, under each public key."""
    for algorithm in ("ES256", "ES384", "ES512", "EdDSA", "RS256", "PS256"):
        header, payload, signature = token({}, algorithm).split(".")
        zeros = b64(bytes(len(sign(algorithm, b""))))
        assert len(zeros) == len(signature)
        made = verifier(keys=[key_of(algorithm)])
        assert refused(made, f"{header}.{payload}.{zeros}") == "signature"


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512"])
def test_der_signature_is_refused(algorithm: str) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    from tests.oracle.tokens import HASHES

    header, payload, _ = token({}, algorithm).split(".")
    der = private_key(algorithm).sign(
        f"{header}.{payload}".encode(),
        ec.ECDSA(HASHES[{"ES512": "512"}.get(algorithm, algorithm[2:])]),
    )
    made = verifier(keys=[key_of(algorithm)])
    assert refused(made, f"{header}.{payload}.{b64(der)}") == "signature"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_good_and_forged_tokens_in_turn(algorithm: str) -> None:
    """What one verification leaves behind does not decide the next one."""
    key = (
        Key.secret(SECRET, algorithm=algorithm)
        if algorithm in HMACS
        else Key.pem(public_pem(algorithm), algorithm=algorithm)
    )
    verify = TokenVerifier([key], cache_size=0).verify
    good = [token({"exp": 4_000_000_000, "n": n}, algorithm) for n in range(2)]
    halves = [text.rpartition(".") for text in good]
    forged = f"{halves[0][0]}.{halves[1][2]}"
    for text, right in ((good[0], 1), (forged, 0), (good[1], 1), (forged, 0), (good[1], 1)) * 3:
        if right:
            assert verify(text).algorithm == algorithm
        else:
            with pytest.raises(InvalidTokenError) as caught:
                verify(text)
            assert caught.value.reason == "signature"
