# SPDX-License-Identifier: MIT
"""What a verifier must never take: one entry a rule, with both engines.

Left to others by design: blacklists (simplejwt's), which of two credentials counts (the gate's).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

from headrace import InvalidKeyError, InvalidTokenError, Key, TokenVerifier
from tests.oracle.tokens import (
    HASHES,
    LATER,
    NOW,
    SECRET,
    b64,
    encode_json,
    private_key,
    public_der,
    public_jwk,
    public_pem,
    raw_token,
    sign,
    token,
)

ENGINES = sorted(TokenVerifier._engines())
LIBJWT_HAS = ("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512")

GOOD = token()
HEADER, PAYLOAD, SIGNATURE = GOOD.split(".")


def key_of(algorithm: str) -> Key:
    if algorithm.startswith("HS"):
        return Key.secret(SECRET, algorithm=algorithm)
    return Key.pem(public_pem(algorithm), algorithm=algorithm)


@dataclass(frozen=True)
class Case:
    number: int
    why: str
    text: str
    reason: str
    settings: dict[str, Any] = field(default_factory=dict)
    key: str = "HS256"

    def __str__(self) -> str:
        return f"{self.number:02} {self.why}"


def header(**more: Any) -> str:
    return token(header=more)


def payload(raw: bytes) -> str:
    return raw_token(raw)


def with_signature(algorithm: str, change: Callable[[bytes], bytes]) -> str:
    head, body, _ = token({}, algorithm).split(".")
    signature = sign(algorithm, f"{head}.{body}".encode())
    return f"{head}.{body}.{b64(change(signature))}"


def last_bits(segment: str) -> str:
    """The same bytes, written with unused bits that are not zero."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(segment) % 4 in (2, 3)
    return segment[:-1] + letters[letters.index(segment[-1]) + 1]


def order(curve: str) -> int:
    return {
        "ES256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    }[curve]


def rsa_signed(algorithm: str, pad: padding.AsymmetricPadding, digest: str) -> str:
    signed = f"{b64(encode_json({'alg': algorithm}))}.{b64(encode_json({'exp': LATER}))}"
    signature = private_key("RSA").sign(signed.encode(), pad, HASHES[digest])
    return f"{signed}.{b64(signature)}"


def der_signature() -> str:
    signed = ".".join(token({}, "ES256").split(".")[:2])
    return f"{signed}.{b64(private_key('ES256').sign(signed.encode(), ec.ECDSA(HASHES['256'])))}"


def p256_signed_by_other_curve() -> str:
    signed = f"{b64(encode_json({'alg': 'ES256'}))}.{b64(encode_json({'exp': LATER}))}"
    raw = private_key("ES384").sign(signed.encode(), ec.ECDSA(HASHES["256"]))
    r, s = utils.decode_dss_signature(raw)
    return f"{signed}.{b64(r.to_bytes(48, 'big') + s.to_bytes(48, 'big'))}"


def reencoded_header() -> str:
    """Signed over compact JSON, sent with white space in it."""
    compact = b64(b'{"alg":"HS256"}')
    signature = sign("HS256", f"{compact}.{PAYLOAD}".encode())
    return ".".join([b64(b'{ "alg" : "HS256" }'), PAYLOAD, b64(signature)])


CASES = [
    Case(2, "not ASCII", GOOD[:-1] + "é", "malformed"),
    Case(3, "empty", "", "malformed"),
    Case(4, "too long", "a" * 8193, "too_long"),
    *(
        Case(5, f"{dots} dots", ".".join(["e30"] * (dots + 1)), "malformed")
        for dots in (0, 1, 3, 4)
    ),
    Case(6, "no header", f".{PAYLOAD}.{SIGNATURE}", "malformed"),
    Case(6, "no payload", f"{HEADER}..{SIGNATURE}", "malformed"),
    Case(6, "no signature", f"{HEADER}.{PAYLOAD}.", "malformed"),
    *(
        Case(7, f"{name} {where}", text, "malformed")
        for name, c in {"space": " ", "CR": "\r", "LF": "\n", "tab": "\t"}.items()
        for where, text in {
            "in front": c + GOOD,
            "behind": GOOD + c,
            "inside": GOOD.replace(".", f".{c}", 1),
        }.items()
    ),
    Case(8, "NUL", GOOD[:-2] + "\0" + GOOD[-1], "malformed"),
    Case(
        9,
        "JSON serialisation",
        json.dumps({"protected": HEADER, "payload": PAYLOAD, "signature": SIGNATURE}),
        "malformed",
    ),
    Case(10, "scheme left in", f"Bearer {GOOD}", "malformed"),
    *(
        Case(
            11,
            f"{c} in segment {i}",
            ".".join(
                p[:2] + c + p[3:] if i == n else p
                for n, p in enumerate((HEADER, PAYLOAD, SIGNATURE))
            ),
            "base64",
        )
        for c in "+/"
        for i in range(3)
    ),
    *(
        Case(
            12,
            f"padding in segment {i}",
            ".".join(p + "=" if i == n else p for n, p in enumerate((HEADER, PAYLOAD, SIGNATURE))),
            "base64",
        )
        for i in range(3)
    ),
    *(
        Case(
            13,
            f"{c!r} at {at}",
            f"{HEADER}.{PAYLOAD[:at]}{c}{PAYLOAD[at + 1 :]}.{SIGNATURE}",
            "base64",
        )
        for c in "!*?~%"
        for at in (0, 5, 17, len(PAYLOAD) - 1)
    ),
    Case(
        14,
        "a length no text has",
        f"{HEADER}.{PAYLOAD}AAA.{SIGNATURE}"
        if len(PAYLOAD) % 4 == 2
        else f"{HEADER}.{PAYLOAD}.{SIGNATURE}AA",
        "base64",
    ),
    Case(
        15, "unused bits in the signature", f"{HEADER}.{PAYLOAD}.{last_bits(SIGNATURE)}", "base64"
    ),
    Case(
        15,
        "unused bits in the payload",
        ".".join([HEADER, last_bits(b64(b'{"exp":1}x')), SIGNATURE]),
        "base64",
    ),
    Case(
        15,
        "unused bits in the header",
        ".".join([last_bits(b64(b'{"alg":"HS256"} ')), PAYLOAD, SIGNATURE]),
        "base64",
    ),
    Case(16, "padding overlong", f"{GOOD}====", "base64"),
    Case(16, "two texts in one", f"{GOOD}=={SIGNATURE}", "base64"),
    *(
        Case(number, why, raw_token(b'{"exp":%d}' % LATER, raw), "header")
        for number, why, raw in [
            (17, "no JSON", b"alg"),
            (17, "data behind", b'{"alg":"HS256"}x'),
            (17, "NUL behind", b'{"alg":"HS256"}\0'),
            (18, "array", b'["HS256"]'),
            (18, "string", b'"HS256"'),
            (19, "byte order mark", b'\xef\xbb\xbf{"alg":"HS256"}'),
            (19, "UTF-16", '{"alg":"HS256"}'.encode("utf-16")),
            (19, "bad UTF-8", b'{"alg":"HS256","x":"\xff"}'),
            (19, "overlong UTF-8", b'{"alg":"HS256","x":"\xc0\xaf"}'),
            (19, "surrogate", b'{"alg":"HS256","x":"\\ud800"}'),
            (20, "a name twice", b'{"alg":"HS256","alg":"HS256"}'),
            (20, "a name twice inside", b'{"alg":"HS256","x":{"y":1,"y":1}}'),
            (21, "too deep", b'{"alg":"HS256","x":%b1%b}' % (b"[" * 32, b"]" * 32)),
            (
                22,
                "65 members",
                b'{"alg":"HS256",%b}' % b",".join(b'"%d":0' % n for n in range(64)),
            ),
            (22, "over 1 KiB", b'{"alg":"HS256","x":"%b"}' % (b"x" * 1024)),
        ]
    ),
    *(
        Case(23, f"alg {value!r}", token(header={"alg": value}), "algorithm")
        for value in (None, ["HS256"], 256, {"HS256": 1}, True)
    ),
    Case(23, "no alg", raw_token(b'{"exp":%d}' % LATER, b'{"typ":"JWT"}'), "algorithm"),
    *(
        Case(24, f"alg {value!r}", token(header={"alg": value}), "algorithm")
        for value in ("hs256", "HS256 ", " HS256", "none", "None", "nOnE", "NONE", "", "HS1")
    ),
    Case(24, "none, unsigned", ".".join([b64(b'{"alg":"none"}'), PAYLOAD, "AA"]), "algorithm"),
    Case(25, "RS512 under RS256", token({}, "RS512"), "algorithm", key="RS256"),
    Case(25, "PS256 under RS256", token({}, "PS256"), "algorithm", key="RS256"),
    Case(25, "HS512 under HS256", token({}, "HS512"), "algorithm"),
    Case(
        26,
        "HS256 with the public key as secret",
        token({}, "HS256", secret=public_pem("RS256")),
        "algorithm",
        key="RS256",
    ),
    Case(26, "ES256 under RS256", token({}, "ES256"), "algorithm", key="RS256"),
    *(
        Case(27, f"crit {value!r}", header(crit=value, exp=1), "critical")
        for value in ("exp", [], [1], ["exp", "exp"], ["alg"], ["x"], ["b64"], None, {})
    ),
    *(Case(28, f"b64 {value}", header(b64=value), "critical") for value in (False, True, None)),
    *(
        Case(29, f"kid {str(value)[:8]!r}", header(kid=value), "key_id")
        for value in (1, None, ["k"], {"k": 1}, True, "x" * 257, "\n", "\x7f", "\0")
    ),
    Case(29, "kid unknown", header(kid="other"), "key_id", {"keys": "with id"}),
    Case(
        30,
        "signed by the key in its own header",
        token(
            {},
            "HS256",
            header={
                "jwk": public_jwk("HS256"),
                "jku": "http://127.0.0.1:9/",
                "x5u": "file:///etc/passwd",
                "x5c": ["AA"],
            },
            secret="9" * 32,
        ),
        "signature",
    ),
    Case(31, "another typ", header(typ="at+jwt"), "type", {"type": "JWT"}),
    Case(31, "nested", header(cty="JWT"), "header"),
    Case(31, "nested, spelled out", header(cty="application/jwt"), "header"),
    Case(31, "zip", header(zip="DEF"), "header"),
    Case(33, "one byte short", with_signature("HS256", lambda s: s[:-1]), "signature"),
    Case(33, "one byte more", with_signature("HS256", lambda s: s + b"\0"), "signature"),
    Case(33, "first byte only", with_signature("HS256", lambda s: s[:1]), "signature"),
    Case(34, "DER", der_signature(), "signature", key="ES256"),
    Case(
        34,
        "r = 0",
        with_signature("ES256", lambda s: bytes(32) + s[32:]),
        "signature",
        key="ES256",
    ),
    Case(
        34,
        "s = 0",
        with_signature("ES256", lambda s: s[:32] + bytes(32)),
        "signature",
        key="ES256",
    ),
    Case(34, "r = s = 0", with_signature("ES256", lambda s: bytes(64)), "signature", key="ES256"),
    Case(
        34,
        "r = n",
        with_signature("ES256", lambda s: order("ES256").to_bytes(32, "big") + s[32:]),
        "signature",
        key="ES256",
    ),
    Case(
        34,
        "s + n",
        with_signature(
            "ES256",
            lambda s: (
                s[:32]
                + ((int.from_bytes(s[32:], "big") + order("ES256")) % (1 << 256)).to_bytes(
                    32, "big"
                )
            ),
        ),
        "signature",
        key="ES256",
    ),
    Case(
        34, "all ones", with_signature("ES256", lambda s: b"\xff" * 64), "signature", key="ES256"
    ),
    Case(
        34,
        "zeros in front",
        with_signature("ES256", lambda s: b"\0" + s[:32] + b"\0" + s[32:]),
        "signature",
        key="ES256",
    ),
    Case(35, "signed on P-384", p256_signed_by_other_curve(), "signature", key="ES256"),
    Case(
        36,
        "RSA, one byte short",
        with_signature("RS256", lambda s: s[:-1]),
        "signature",
        key="RS256",
    ),
    Case(
        36,
        "RSA, a zero in front",
        with_signature("RS256", lambda s: b"\0" + s),
        "signature",
        key="RS256",
    ),
    Case(
        36,
        "RSA, another hash",
        rsa_signed("RS256", padding.PKCS1v15(), "512"),
        "signature",
        key="RS256",
    ),
    Case(
        36,
        "RSA, PSS under RS256",
        rsa_signed("RS256", padding.PSS(padding.MGF1(HASHES["256"]), 32), "256"),
        "signature",
        key="RS256",
    ),
    Case(
        36,
        "PSS, another salt",
        rsa_signed("PS256", padding.PSS(padding.MGF1(HASHES["256"]), 20), "256"),
        "signature",
        key="PS256",
    ),
    Case(
        36,
        "PSS, another mask hash",
        rsa_signed("PS256", padding.PSS(padding.MGF1(HASHES["512"]), 32), "256"),
        "signature",
        key="PS256",
    ),
    Case(
        36,
        "PSS, another hash",
        rsa_signed("PS256", padding.PSS(padding.MGF1(HASHES["256"]), 32), "512"),
        "signature",
        key="PS256",
    ),
    Case(
        36,
        "PKCS#1 under PS256",
        rsa_signed("PS256", padding.PKCS1v15(), "256"),
        "signature",
        key="PS256",
    ),
    Case(
        37, "Ed25519, short", with_signature("EdDSA", lambda s: s[:63]), "signature", key="EdDSA"
    ),
    Case(
        37,
        "Ed25519, R of small order",
        with_signature("EdDSA", lambda s: b"\1" + bytes(31) + s[32:]),
        "signature",
        key="EdDSA",
    ),
    Case(
        37,
        "Ed25519, S over the order",
        with_signature(
            "EdDSA",
            lambda s: (
                s[:32]
                + (
                    int.from_bytes(s[32:], "little")
                    + 2**252
                    + 27742317777372353535851937790883648493
                ).to_bytes(32, "little")
            ),
        ),
        "signature",
        key="EdDSA",
    ),
    Case(38, "signed over another header text", reencoded_header(), "signature"),
    *(
        Case(number, why, payload(raw), "payload")
        for number, why, raw in [
            (42, "no JSON", b"x"),
            (42, "data behind", b'{"exp":%d}x' % LATER),
            (42, "NUL behind", b'{"exp":%d}\0{"exp":1}' % LATER),
            (43, "array", b'[{"exp":%d}]' % LATER),
            (43, "string", b'"x"'),
            (43, "number", b"1"),
            (43, "null", b"null"),
            (44, "a name twice", b'{"exp":%d,"sub":"a","sub":"b"}' % LATER),
            (44, "a name twice, once escaped", b'{"exp":%d,"sub":"a","\\u0073ub":"b"}' % LATER),
            (45, "too deep", b'{"exp":%d,"x":%b%b}' % (LATER, b"[" * 32, b"]" * 32)),
            (45, "4301 digits", b'{"exp":%d,"x":%b}' % (LATER, b"1" * 4301)),
            (45, "infinite", b'{"exp":%d,"x":1e400}' % LATER),
            (46, "byte order mark", b'\xef\xbb\xbf{"exp":%d}' % LATER),
            (46, "UTF-16", f'{{"exp":{LATER}}}'.encode("utf-16-le")),
            (46, "bad UTF-8", b'{"exp":%d,"x":"\xff"}' % LATER),
            (47, "NaN", b'{"exp":%d,"x":NaN}' % LATER),
            (47, "Infinity", b'{"exp":Infinity}'),
            (47, "-Infinity", b'{"exp":%d,"x":-Infinity}' % LATER),
        ]
    ),
    Case(48, "no exp", payload(b"{}"), "missing_claim"),
    Case(48, "exp null", token({"exp": None}), "missing_claim"),
    *(
        Case(48, f"exp {value!r}", token({"exp": value}), "claim_type")
        for value in ([LATER], {"x": 1}, True, "", str(LATER), -1)
    ),
    Case(48, "exp infinite", payload(b'{"exp":1e400}'), "claim_type"),
    Case(49, "exp now", token({"exp": NOW}), "expired"),
    Case(49, "exp at the end of the leeway", token({"exp": NOW - 5}), "expired", {"leeway": 5}),
    Case(50, "nbf to come", token({"nbf": NOW + 6}), "not_yet_valid", {"leeway": 5}),
    Case(50, "iat to come", token({"iat": NOW + 6}), "issued_in_future", {"leeway": 5}),
    Case(51, "issued too long ago", token({"iat": 1}), "lifetime", {"max_lifetime": 7200}),
    *(
        Case(52, f"aud {value!r}", token({"aud": value}), "audience", {"audience": "app"})
        for value in ("ap", "apps", "APP", ["other"], ["app", 1], [], {}, 1)
    ),
    Case(52, "aud, none expected", token({"aud": "app"}), "audience"),
    Case(53, "no iss", token(), "missing_claim", {"issuer": "https://i/"}),
    *(
        Case(53, f"iss {value!r}", token({"iss": value}), "issuer", {"issuer": "https://i/"})
        for value in ("https://i", "HTTPS://I/", "https://i/x", 1, ["https://i/"], None)
    ),
    *(Case(54, f"sub {value!r}", token({"sub": value}), "subject") for value in (1, None, [], {})),
    *(Case(54, f"jti {value!r}", token({"jti": value}), "jti") for value in (1, None, [])),
    Case(54, "another sub", token({"sub": "jo"}), "subject", {"subject": "ann"}),
    Case(55, "required, missing", token(), "missing_claim", {"require": ("exp", "x")}),
    Case(55, "required, null", token({"x": None}), "missing_claim", {"require": ("x",)}),
    Case(
        56,
        "refresh for access",
        token({"token_type": "refresh"}),
        "unexpected_value",
        {"expect": {"token_type": "access"}},
    ),
    Case(56, "no token_type", token(), "missing_claim", {"expect": {"token_type": "access"}}),
    Case(
        58,
        "lives too long",
        token({"iat": NOW, "exp": NOW + 61}),
        "lifetime",
        {"max_lifetime": 60},
    ),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_is_refused(case: Case, engine: str) -> None:
    settings = dict(case.settings)
    keys = [key_of(case.key)]
    if settings.pop("keys", None):
        keys = [Key.secret(SECRET, algorithm="HS256", key_id="k")]
    if engine == "libjwt" and case.key not in LIBJWT_HAS:
        with pytest.raises(InvalidKeyError):
            TokenVerifier(keys, engine=engine)
        return
    made = TokenVerifier(keys, engine=engine, **settings)
    for _ in range(2):
        with pytest.raises(InvalidTokenError) as caught:
            made.verify(case.text, now=NOW)
        assert caught.value.reason == case.reason
    assert made.cache_info().size == 0


def test_every_rule_about_tokens_has_a_case() -> None:
    """Elsewhere: types of arguments (1), an empty signature (32: 6), keys (39-41), settings (57),
    what a cache must not do (60-64).
    """
    numbers = {case.number for case in CASES}
    assert numbers == {*range(2, 59)} - {32, 39, 40, 41, 57}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("algorithm", LIBJWT_HAS)
def test_engines_take_good_tokens(engine: str, algorithm: str) -> None:
    made = TokenVerifier([key_of(algorithm)], engine=engine)
    text = token({"x": "é"}, algorithm)
    assert made.verify(text, now=NOW)["x"] == "é"
    assert made.verify_jws(raw_token(b'{"a":1}', encode_json({"alg": algorithm}), algorithm)) == (
        b'{"a":1}'
    )


# never skipped where it counts: with CI=true a skipped test is a failed one (tests/conftest.py)
@pytest.mark.skipif("libjwt" not in ENGINES, reason="built without libjwt")
def test_what_libjwt_refuses_has_its_own_reason() -> None:
    made = TokenVerifier([key_of("HS256")], engine="libjwt")
    for text in (
        token(header={"typ": "at+jwt"}),
        token({"x": 2**70}),
    ):
        with pytest.raises(InvalidTokenError) as caught:
            made.verify(text, now=NOW)
        assert caught.value.reason == "engine"
    for payload_bytes in (b"", b"foo"):
        with pytest.raises(InvalidTokenError) as caught:
            made.verify_jws(raw_token(payload_bytes))
        assert caught.value.reason == "engine"


def test_secret_of_any_encoding_of_the_public_key_is_refused() -> None:
    """39: at configuration time."""
    pem, der = public_pem("RS256"), public_der("RS256")
    for secret in (pem, der, base64.b64encode(der), json.dumps(public_jwk("RS256"))):
        with pytest.raises(InvalidKeyError):
            Key.secret(secret, algorithm="HS256")


def test_removed_key_is_gone_from_the_cache_too() -> None:
    """60, 62."""
    made = TokenVerifier([key_of("HS256")])
    made.verify(GOOD, now=NOW)
    made.replace_keys([Key.secret("n" * 32, algorithm="HS256")])
    with pytest.raises(InvalidTokenError):
        made.verify(GOOD, now=NOW)


def test_other_spelling_of_a_cached_token_is_refused() -> None:
    """63."""
    made = TokenVerifier([key_of("HS256")])
    made.verify(GOOD, now=NOW)
    for text in (GOOD + "=", f"{HEADER}.{PAYLOAD}.{last_bits(SIGNATURE)}", GOOD + " ", GOOD[:-1]):
        with pytest.raises(InvalidTokenError):
            made.verify(text, now=NOW)


@pytest.mark.parametrize("engine", ENGINES)
def test_cached_signature_vouches_for_its_own_bytes_only(engine: str) -> None:
    """60, 63: the cache is looked up by the signature, so every other byte has to be compared."""
    made = TokenVerifier([key_of("HS256")], engine=engine)
    made.verify(GOOD, now=NOW)
    signed = len(HEADER) + 1 + len(PAYLOAD)
    for place in range(signed):
        other = "A" if GOOD[place] != "A" else "B"
        with pytest.raises(InvalidTokenError):
            made.verify(GOOD[:place] + other + GOOD[place + 1 :], now=NOW)
    made.verify(GOOD, now=NOW)
    assert made.cache_info().hits == 1
