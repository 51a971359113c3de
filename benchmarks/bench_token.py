# SPDX-License-Identifier: MIT
"""What does verifying a token cost, cached and not, beside PyJWT?"""

from __future__ import annotations

import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from pairs import report

from penstock import Key, TokenVerifier

SECRET = "a secret of the benchmarks, long enough"


def claims() -> dict[str, object]:
    now = int(time.time())
    return {
        "token_type": "access",
        "exp": now + 3600,
        "iat": now,
        "jti": "0123456789abcdef0123456789abcdef",
        "user_id": "1234567",
    }


def compare(algorithm: str, private: object, public: str) -> None:
    text = jwt.encode(claims(), private, algorithm=algorithm)
    make = Key.secret if algorithm == "HS256" else Key.pem
    key = make(public, algorithm=algorithm)
    cached, uncached = TokenVerifier(keys=[key]), TokenVerifier(keys=[key], cache_size=0)
    peer = public if algorithm == "HS256" else serialization.load_pem_public_key(public.encode())
    report(
        f"{algorithm}, {len(text)} bytes",
        {
            "verify, cached": lambda: cached.verify(text),
            "verify, not cached": lambda: uncached.verify(text),
            "verify(...).claims, not cached": lambda: uncached.verify(text).claims,
            "PyJWT decode": lambda: jwt.decode(text, peer, algorithms=[algorithm]),
        },
    )


def main() -> None:
    compare("HS256", SECRET, SECRET)
    for algorithm, private in (
        ("RS256", rsa.generate_private_key(65537, 2048)),
        ("ES256", ec.generate_private_key(ec.SECP256R1())),
        ("EdDSA", ed25519.Ed25519PrivateKey.generate()),
    ):
        pem = private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        compare(algorithm, private, pem.decode())


if __name__ == "__main__":
    main()
