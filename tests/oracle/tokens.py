# SPDX-License-Identifier: MIT
"""Makes keys and tokens of every algorithm, well-formed or not: slow and obvious.

HMAC with the standard library, everything else with the cryptography package.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

NOW = 1_700_000_000
LATER = NOW + 3600
SECRET = "0123456789abcdef" * 4

HMACS = ("HS256", "HS384", "HS512")
RSAS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
ECS = ("ES256", "ES384", "ES512")
ALGORITHMS = (*HMACS, *RSAS, *ECS, "EdDSA")

HASHES: dict[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
CURVES: dict[str, ec.EllipticCurve] = {
    "ES256": ec.SECP256R1(),
    "ES384": ec.SECP384R1(),
    "ES512": ec.SECP521R1(),
}
CURVE_NAMES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
SIZES = {"ES256": 32, "ES384": 48, "ES512": 66}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def encode_json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


@functools.cache
def private_key(kind: str) -> Any:
    """One private key of an algorithm's kind for the whole run; RSA takes a while to make."""
    if kind in CURVES:
        return ec.generate_private_key(CURVES[kind])
    if kind == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def kind_of(algorithm: str) -> str:
    """All RSA algorithms share one key."""
    return "RSA" if algorithm in RSAS else algorithm


def public_pem(algorithm: str) -> bytes:
    public = private_key(kind_of(algorithm)).public_key()
    pem: bytes = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem


def public_der(algorithm: str) -> bytes:
    public = private_key(kind_of(algorithm)).public_key()
    der: bytes = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return der


def private_pem(algorithm: str) -> bytes:
    pem: bytes = private_key(kind_of(algorithm)).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem


def public_jwk(algorithm: str, **more: Any) -> dict[str, Any]:
    if algorithm in HMACS:
        return {"kty": "oct", "k": b64(SECRET.encode()), "alg": algorithm, **more}
    public = private_key(kind_of(algorithm)).public_key()
    if algorithm in CURVES:
        numbers = public.public_numbers()
        size = SIZES[algorithm]
        return {
            "kty": "EC",
            "crv": CURVE_NAMES[algorithm],
            "x": b64(numbers.x.to_bytes(size, "big")),
            "y": b64(numbers.y.to_bytes(size, "big")),
            "alg": algorithm,
            **more,
        }
    if algorithm == "EdDSA":
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "x": b64(raw), "alg": algorithm, **more}
    numbers = public.public_numbers()
    return {
        "kty": "RSA",
        "n": number(numbers.n),
        "e": number(numbers.e),
        "alg": algorithm,
        **more,
    }


def sign(algorithm: str, text: bytes, secret: bytes = SECRET.encode()) -> bytes:
    """The signature of `text` with the run's key of that algorithm."""
    if algorithm in HMACS:
        return hmac.new(secret, text, getattr(hashlib, f"sha{algorithm[2:]}")).digest()
    private = private_key(kind_of(algorithm))
    if algorithm == "EdDSA":
        signature: bytes = private.sign(text)
        return signature
    digest = HASHES[algorithm[2:]]
    if algorithm in CURVES:
        r, s = utils.decode_dss_signature(private.sign(text, ec.ECDSA(digest)))
        size = SIZES[algorithm]
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    pad: padding.AsymmetricPadding = padding.PKCS1v15()
    if algorithm.startswith("PS"):
        pad = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
    rsa_signature: bytes = private.sign(text, pad, digest)
    return rsa_signature


@dataclass(frozen=True)
class Parts:
    """A token before it is put together; bytes of header and payload as they are."""

    header: bytes
    payload: bytes
    algorithm: str = "HS256"
    secret: bytes = SECRET.encode()

    def text(self) -> str:
        signed = f"{b64(self.header)}.{b64(self.payload)}"
        return f"{signed}.{b64(sign(self.algorithm, signed.encode(), self.secret))}"


def token(
    claims: Any = None,
    algorithm: str = "HS256",
    header: dict[str, Any] | None = None,
    secret: bytes | str = SECRET,
) -> str:
    """A token valid at NOW, unless the claims say otherwise."""
    if claims is None:
        claims = {"sub": "jo"}
    if isinstance(claims, dict):
        claims = {"exp": LATER, **claims}
    key = secret if isinstance(secret, bytes) else secret.encode()
    head = {"alg": algorithm, "typ": "JWT", **(header or {})}
    return Parts(encode_json(head), encode_json(claims), algorithm, key).text()


def raw_token(payload: bytes, header: bytes = b'{"alg":"HS256"}', algorithm: str = "HS256") -> str:
    """A correctly signed token whose header and payload are any bytes."""
    return Parts(header, payload, algorithm).text()
