# SPDX-License-Identifier: MIT
"""Key: what is taken, what is refused when it is made."""

from __future__ import annotations

import base64
import datetime
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from headrace import InvalidKeyError, Key, TokenVerifier
from tests.oracle.tokens import (
    ALGORITHMS,
    ECS,
    HMACS,
    LATER,
    NOW,
    RSAS,
    SECRET,
    b64,
    number,
    private_key,
    private_pem,
    public_der,
    public_jwk,
    public_pem,
    token,
)


def reason_of(make: Callable[[], Any]) -> str:
    with pytest.raises(InvalidKeyError) as caught:
        make()
    assert isinstance(caught.value, ValueError)
    return str(caught.value.reason)


def verifies(key: Key, algorithm: str) -> bool:
    return TokenVerifier([key]).verify(token({}, algorithm), now=NOW).claims == {"exp": LATER}


def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "headrace")])
    private = private_key("RSA")
    day = datetime.datetime(2020, 1, 1)  # long over: dates are not looked at
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(day)
        .not_valid_after(day + datetime.timedelta(days=1))
        .sign(private, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def pkcs1() -> bytes:
    pem: bytes = (
        private_key("RSA")
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)
    )
    return pem


def openssh(algorithm: str) -> bytes:
    public = private_key("RSA" if algorithm in RSAS else algorithm).public_key()
    line: bytes = public.public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return line


def test_a_key_knows_its_algorithm_and_id_and_hides_the_rest() -> None:
    key = Key.secret(SECRET, algorithm="HS256", key_id="2026-1")
    assert (key.algorithm, key.key_id) == ("HS256", "2026-1")
    assert Key.secret(SECRET, algorithm="HS256").key_id is None
    assert SECRET not in repr(key)
    assert "2026-1" in repr(key)


def test_keys_are_made_by_class_methods_only() -> None:
    with pytest.raises(TypeError):
        Key()
    with pytest.raises(AttributeError):
        Key.secret(SECRET, algorithm="HS256").algorithm = "HS512"  # type: ignore[misc]


@pytest.mark.parametrize(("algorithm", "size"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_secret_is_at_least_as_long_as_the_hash(algorithm: str, size: int) -> None:
    Key.secret(b"\xff" * size, algorithm=algorithm)
    short = reason_of(lambda: Key.secret(b"\xff" * (size - 1), algorithm=algorithm))
    assert short == "key_too_short"
    assert reason_of(lambda: Key.secret("", algorithm=algorithm)) == "key_empty"


def test_secret_of_text_is_its_utf8() -> None:
    text = "é" * 16
    made = TokenVerifier([Key.secret(text, algorithm="HS256")])
    assert made.verify(token(secret=text.encode()), now=NOW)["sub"] == "jo"


@pytest.mark.parametrize("size", [64, 65, 128, 129, 4096])
@pytest.mark.parametrize("algorithm", HMACS)
def test_secret_longer_than_a_block(algorithm: str, size: int) -> None:
    secret = bytes(range(1, 128)) * 40
    key = Key.secret(secret[:size], algorithm=algorithm)
    text = token({}, algorithm, secret=secret[:size])
    assert TokenVerifier([key]).verify(text, now=NOW).algorithm == algorithm


def test_secret_that_is_too_long() -> None:
    assert reason_of(lambda: Key.secret(b"\xff" * 4097, algorithm="HS256")) == "key_too_long"


def dressed_up(pem: bytes) -> dict[str, bytes]:
    body = b"".join(line for line in pem.splitlines() if b"-----" not in line)
    return {
        "as it is": pem,
        "indented": b"\n".join(b"    " + line for line in pem.splitlines()),
        "bare carriage returns": pem.replace(b"\n", b"\r"),
        "one line": pem.replace(b"\n", b" "),
        "byte order mark": b"\xef\xbb\xbf" + pem,
        "text in front": b"my key:\n" + pem,
        "spaces in front": b" \t\r\n" + pem,
        "small letters": pem.lower(),
        "without armour": body,
        "base64url": body.replace(b"+", b"-").replace(b"/", b"_").rstrip(b"="),
        "lines without armour": b"\n".join(body[i : i + 64] for i in range(0, len(body), 64)),
    }


@pytest.mark.parametrize("how", dressed_up(b""))
@pytest.mark.parametrize("what", ["spki", "ec", "pkcs1", "certificate", "private", "EdDSA"])
def test_pem_is_no_secret(what: str, how: str) -> None:
    pem = {
        "spki": public_pem("RS256"),
        "ec": public_pem("ES256"),
        "pkcs1": pkcs1(),
        "certificate": certificate(),
        "private": private_pem("ES256"),
        "EdDSA": public_pem("EdDSA"),
    }[what]
    secret = dressed_up(pem)[how]
    for algorithm in HMACS:
        assert reason_of(lambda a=algorithm: Key.secret(secret, algorithm=a)) == "key_not_secret"


@pytest.mark.parametrize("last", [b" ", b"\n", b"\0"])
def test_der_that_ends_like_space_is_no_secret(last: bytes) -> None:
    while True:
        der = (
            ec.generate_private_key(ec.SECP256R1())
            .public_key()
            .public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        if der.endswith(last):
            break
    for secret in (der, der + b"\n", b" " + der, b" " + der + b"\r\n"):
        assert reason_of(lambda s=secret: Key.secret(s, algorithm="HS256")) == "key_not_secret"


@pytest.mark.parametrize("algorithm", ["RS256", *ECS, "EdDSA"])
def test_other_encodings_of_a_key_are_no_secrets(algorithm: str) -> None:
    der = public_der(algorithm)
    line = openssh(algorithm)
    jwk = public_jwk(algorithm)
    for secret in (
        der,
        der + b"\n",
        base64.b64encode(der),
        base64.urlsafe_b64encode(der),
        line,
        b'from="10.0.0.1" ' + line,
        line.split()[1],
        json.dumps(jwk).encode(),
        json.dumps(jwk, indent=2).encode(),
        b"\xef\xbb\xbf " + json.dumps(jwk).encode(),
        json.dumps({"keys": [jwk]}).encode(),
        json.dumps([jwk]).encode(),
        json.dumps(public_jwk("HS256")).encode(),
        json.dumps(jwk).encode().replace(b"kty", b"\\u006bty"),
    ):
        assert reason_of(lambda s=secret: Key.secret(s, algorithm="HS256")) == "key_not_secret"


def test_random_secrets_are_secrets() -> None:
    for start in (b"0\x82", b"{", b"[", b"ssh", b"MII", b"-----", b"BEGIN"):
        Key.secret(start + b"\x17\xa9\x00\xff" * 16, algorithm="HS256")
    Key.secret('{"not": "a key, though JSON............."}', algorithm="HS256")


@pytest.mark.parametrize("algorithm", RSAS)
def test_pem_of_every_wrapping(algorithm: str) -> None:
    for pem in (public_pem(algorithm), pkcs1(), certificate()):
        assert verifies(Key.pem(pem, algorithm=algorithm), algorithm)
        assert verifies(Key.pem(pem.decode(), algorithm=algorithm), algorithm)
        assert verifies(Key.pem(b"some text\n" + pem + b"\n", algorithm=algorithm), algorithm)


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (b"", "key_empty"),
        (b"not a key", "key_format"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "key_format"),
        (b"-----BEGIN PUBLIC KEY-----\n", "key_format"),
        (b"A" * 70000, "key_too_long"),
    ],
)
def test_pem_that_cannot_be_parsed(pem: bytes, reason: str) -> None:
    assert reason_of(lambda: Key.pem(pem, algorithm="RS256")) == reason


def test_pem_of_two_blocks_is_refused() -> None:
    pem = public_pem("RS256") + public_pem("RS256")
    assert reason_of(lambda: Key.pem(pem, algorithm="RS256")) == "key_format"


def test_private_keys_are_refused() -> None:
    for algorithm in ("RS256", "ES256", "EdDSA"):
        pem = private_pem(algorithm)
        assert reason_of(lambda p=pem, a=algorithm: Key.pem(p, algorithm=a)) == "key_private"
    traditional = private_key("RSA").private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    assert reason_of(lambda: Key.pem(traditional, algorithm="RS256")) == "key_private"
    encrypted = private_key("RSA").private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"x"),
    )
    assert reason_of(lambda: Key.pem(encrypted, algorithm="RS256")) == "key_private"


@pytest.mark.parametrize("made", ["RS256", *ECS, "EdDSA"])
@pytest.mark.parametrize("wanted", ALGORITHMS)
def test_key_fits_its_algorithm(made: str, wanted: str) -> None:
    pem = public_pem(made)
    if made == wanted or (made == "RS256" and wanted in RSAS):
        assert Key.pem(pem, algorithm=wanted).algorithm == wanted
    else:
        both_curves = made in ECS and wanted in ECS
        assert reason_of(lambda: Key.pem(pem, algorithm=wanted)) == (
            "key_curve" if both_curves else "key_algorithm"
        )


@pytest.mark.parametrize("algorithm", ["none", "hs256", "HS256 ", "", "ES256K", "RSA-OAEP"])
def test_unknown_algorithms_are_refused(algorithm: str) -> None:
    for make in (Key.secret, Key.pem):
        assert reason_of(lambda m=make: m(SECRET, algorithm=algorithm)) == "key_algorithm"


@pytest.mark.parametrize(
    "call",
    [
        lambda: Key.secret(SECRET),  # type: ignore[call-arg]
        lambda: Key.secret(SECRET, "HS256"),  # type: ignore[misc]
        lambda: Key.secret(None, algorithm="HS256"),  # type: ignore[arg-type]
        lambda: Key.secret(bytearray(32), algorithm="HS256"),  # type: ignore[arg-type]
        lambda: Key.secret(SECRET, algorithm=None),  # type: ignore[arg-type]
        lambda: Key.secret(SECRET, algorithm="HS256", key_id=1),  # type: ignore[arg-type]
        lambda: Key.secret(SECRET, algorithm="HS256", key_id=b"1"),  # type: ignore[arg-type]
        lambda: Key.jwk(1),  # type: ignore[arg-type]
        lambda: Key.jwk([1]),  # type: ignore[arg-type]
        lambda: Key.jwk(public_jwk("ES256"), algorithm=1),  # type: ignore[arg-type]
        lambda: Key.jwks(None),  # type: ignore[arg-type]
    ],
)
def test_other_types_are_type_errors(call: Callable[[], Any]) -> None:
    with pytest.raises(TypeError):
        call()


def test_key_id_has_no_control_characters() -> None:
    for key_id in ("a\n", "\0", "x" * 257, "\x7f"):
        assert (
            reason_of(lambda k=key_id: Key.secret(SECRET, algorithm="HS256", key_id=k))
            == "key_format"
        )
    assert Key.secret(SECRET, algorithm="HS256", key_id="é" * 128).key_id == "é" * 128


def rsa_jwk(n: int, e: int) -> dict[str, Any]:
    return {"kty": "RSA", "alg": "RS256", "n": number(n), "e": number(e)}


def test_weak_rsa_keys_are_refused() -> None:
    good = private_key("RSA").public_key().public_numbers()
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()
    assert reason_of(
        lambda: Key.pem(
            small.public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            ),
            algorithm="RS256",
        )
    ) == ("key_weak")
    for n, e in [
        (good.n, 1),
        (good.n, 2),
        (good.n, 65536),
        (good.n, 2**40 + 1),
        (good.n + 1, 65537),
        (good.n >> 1 | 1, 65537),
    ]:
        jwk = rsa_jwk(n, e)
        assert reason_of(lambda j=jwk: Key.jwk(j)) == "key_weak"
    assert Key.jwk(rsa_jwk(good.n, 3)).algorithm == "RS256"
    too_long = rsa_jwk((1 << 8200) | 1, 65537)
    assert reason_of(lambda: Key.jwk(too_long)) == "key_too_long"


def test_roca_fingerprint_is_weak() -> None:
    """A modulus that is a power of 65537 modulo each of the primes (CVE-2017-15361)."""
    primes = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157]
    product = 1
    for prime in primes:
        product *= prime
    modulus = pow(65537, 5, product) + product * ((1 << 2047) // product + 1)
    modulus += product * (modulus % 2 == 0)
    assert modulus.bit_length() == 2048
    assert reason_of(lambda: Key.jwk(rsa_jwk(modulus, 65537))) == "key_weak"


def test_small_order_points_are_weak() -> None:
    for point in (bytes(32), b"\1" + bytes(31), b"\1" + bytes(30) + b"\x80"):
        jwk = {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": b64(point)}
        assert reason_of(lambda j=jwk: Key.jwk(j)) == "key_weak"


@pytest.mark.parametrize("algorithm", ECS)
def test_point_must_lie_on_the_curve(algorithm: str) -> None:
    jwk = public_jwk(algorithm)
    off = bytearray(base64.urlsafe_b64decode(jwk["y"] + "=="))
    off[-1] ^= 1
    assert reason_of(lambda: Key.jwk({**jwk, "y": b64(bytes(off))})) == "key_curve"
    short = base64.urlsafe_b64decode(jwk["x"] + "==")[:-1]
    assert reason_of(lambda: Key.jwk({**jwk, "x": b64(short)})) == "key_curve"


def test_explicit_curve_parameters_are_refused() -> None:
    der = public_der("ES256")
    other = public_der("ES384")
    mixed = der[:4] + other[4:20] + der[20:]
    pem = b"-----BEGIN PUBLIC KEY-----\n%b\n-----END PUBLIC KEY-----\n" % base64.b64encode(mixed)
    assert reason_of(lambda: Key.pem(pem, algorithm="ES256")) in ("key_curve", "key_format")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("form", ["dict", "str", "bytes"])
def test_jwk_pins_itself(algorithm: str, form: str) -> None:
    jwk: Any = public_jwk(algorithm, kid="k", use="sig", key_ops=["verify"], extra={"x": [1]})
    document = {"dict": jwk, "str": json.dumps(jwk), "bytes": json.dumps(jwk).encode()}[form]
    key = Key.jwk(document, algorithm="HS256")  # its own alg comes first
    assert (key.algorithm, key.key_id) == (algorithm, "k")
    assert verifies(key, algorithm)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"alg": None}, "key_algorithm"),
        ({"alg": "ES384"}, "key_curve"),
        ({"alg": "HS256"}, "key_algorithm"),
        ({"alg": "RS256"}, "key_algorithm"),
        ({"alg": "ES256K"}, "key_algorithm"),
        ({"alg": 1}, "key_format"),
        ({"kty": None}, "key_format"),
        ({"kty": "ec"}, "key_algorithm"),
        ({"crv": "P-384"}, "key_curve"),
        ({"crv": None}, "key_format"),
        ({"use": "enc"}, "key_use"),
        ({"use": 1}, "key_format"),
        ({"key_ops": ["sign"]}, "key_use"),
        ({"key_ops": []}, "key_use"),
        ({"key_ops": "verify"}, "key_format"),
        ({"key_ops": [1]}, "key_format"),
        ({"kid": 1}, "key_format"),
        ({"kid": "\n"}, "key_format"),
        ({"d": "AAAA"}, "key_private"),
        ({"x": None}, "key_format"),
        ({"x": "=" * 43}, "key_format"),
    ],
)
def test_jwk_that_does_not_fit(change: dict[str, Any], reason: str) -> None:
    jwk = {**public_jwk("ES256"), **change}
    jwk = {name: value for name, value in jwk.items() if value is not None}
    assert reason_of(lambda: Key.jwk(jwk)) == reason


@pytest.mark.parametrize(
    "document", ["", "[]", "null", "{", '{"kty":"oct","kty":"oct"}', "{}\0", '"x"']
)
def test_document_that_is_no_object(document: str) -> None:
    assert reason_of(lambda: Key.jwk(document)) == "key_format"
    assert reason_of(lambda: Key.jwks(document)) == "key_format"


def test_short_secret_in_a_jwk_is_refused() -> None:
    jwk = {"kty": "oct", "alg": "HS256", "k": b64(b"x" * 31)}
    assert reason_of(lambda: Key.jwk(jwk)) == "key_too_short"
    assert reason_of(lambda: Key.jwk({**jwk, "k": ""})) == "key_empty"


def test_jwk_set_keeps_order_and_passes_over_other_keys(
    caplog: pytest.LogCaptureFixture,
) -> None:
    document = {
        "keys": [
            public_jwk("ES256", kid="1"),
            {"kty": "future", "kid": "2"},
            {**public_jwk("RS256", kid="3"), "use": "enc"},
            {**public_jwk("ES256", kid="4"), "alg": "ES256K"},
            public_jwk("EdDSA", kid="5"),
        ]
    }
    with caplog.at_level(logging.INFO, logger="headrace"):
        keys = Key.jwks(document)
    assert [(key.key_id, key.algorithm) for key in keys] == [("1", "ES256"), ("5", "EdDSA")]
    assert "3 keys" in caplog.text
    assert Key.jwks({"keys": []}) == []


def test_jwk_set_takes_the_algorithm_for_keys_without_one() -> None:
    plain = {k: v for k, v in public_jwk("RS256", kid="1").items() if k != "alg"}
    other = {k: v for k, v in public_jwk("ES256", kid="2").items() if k != "alg"}
    keys = Key.jwks({"keys": [plain, other]}, algorithm="PS256")
    assert [(key.key_id, key.algorithm) for key in keys] == [("1", "PS256")]
    assert reason_of(lambda: Key.jwks({"keys": [plain]})) == "key_algorithm"


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ([public_jwk("ES256", kid="1"), public_jwk("EdDSA", kid="1")], "key_duplicate"),
        ([public_jwk("ES256"), public_jwk("HS256")], "key_mixed"),
        ([public_jwk("ES256", d="AAAA")], "key_private"),
        ([rsa_jwk((1 << 1023) | 1, 65537)], "key_weak"),
        ([1], "key_format"),
        ([public_jwk("ES256", kid=str(i)) for i in range(257)], "key_too_long"),
    ],
)
def test_bad_key_spoils_the_set(keys: list[Any], reason: str) -> None:
    with pytest.raises(InvalidKeyError, match="key ") as caught:
        Key.jwks({"keys": keys})
    assert caught.value.reason == reason
    assert reason_of(lambda: Key.jwks({"no": keys})) == "key_format"


def test_secp256k1_is_no_curve_of_ours() -> None:
    public = ec.generate_private_key(ec.SECP256K1()).public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert reason_of(lambda: Key.pem(pem, algorithm="ES256")) == "key_curve"


def spki(curve: str, point: bytes) -> bytes:
    """A SubjectPublicKeyInfo of any bytes as the point, as PEM."""
    oid = {"ES256": "06082a8648ce3d030107", "ES384": "06052b81040022", "ES512": "06052b81040023"}
    algorithm = bytes.fromhex("06072a8648ce3d0201" + oid[curve])
    bits = b"\0" + point
    length = bytes([len(bits)]) if len(bits) < 0x80 else b"\x81" + bytes([len(bits)])
    body = b"\x30" + bytes([len(algorithm)]) + algorithm + b"\x03" + length + bits
    head = b"\x30" + (bytes([len(body)]) if len(body) < 0x80 else b"\x81" + bytes([len(body)]))
    text = base64.b64encode(head + body).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n".encode()


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512"])
@pytest.mark.parametrize("point", [b"\0", b"\0\0", b"\x04", b"\x02", b"\x06" + b"\1" * 64])
def test_point_at_infinity_and_odd_points_are_refused(algorithm: str, point: bytes) -> None:
    """Under the point at infinity everybody can sign."""
    with pytest.raises(InvalidKeyError) as caught:
        Key.pem(spki(algorithm, point), algorithm=algorithm)
    assert caught.value.reason == "key_curve"


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "OKP", "crv": "Ed448", "alg": "EdDSA", "x": "AA"},
        {"kty": "OKP", "crv": "X25519", "x": "AA"},
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
    ],
)
def test_set_passes_over_keys_of_foreign_curves(jwk: dict[str, str]) -> None:
    secret = {"kty": "oct", "alg": "HS256", "k": "A" * 43, "kid": "ours"}
    assert [key.key_id for key in Key.jwks({"keys": [jwk, secret]})] == ["ours"]


def test_secret_with_a_lone_surrogate_is_not_carried_into_a_traceback() -> None:
    with pytest.raises(InvalidKeyError) as caught:
        Key.secret("\ud800" + "very secret" * 4, algorithm="HS256")
    assert caught.value.reason == "key_format"
    assert "very secret" not in repr(caught.value.__dict__) + repr(caught.value.args)
    assert caught.value.__context__ is None


def test_base64_of_a_pem_or_jwk_is_no_secret() -> None:
    pem = spki("ES256", b"\x02" + b"\1" * 32)
    jwk = b'{"kty":"EC","crv":"P-256","x":"AAAAAAAAAAAAAAAA","y":"AAAAAAAAAAAAAAAA"}'
    for material in (pem, jwk):
        with pytest.raises(InvalidKeyError) as caught:
            Key.secret(base64.b64encode(material), algorithm="HS256")
        assert caught.value.reason == "key_not_secret"
