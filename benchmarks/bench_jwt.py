# SPDX-License-Identifier: MIT
"""What does a verified token cost, beside the packages that people use?

All candidates run in one process on the same token (once on a thousand), in turns. PyJWT signs;
what is not installed is left out. For RSA, EC and EdDSA the floor is bare_verify.c, the linked
crypto library alone. ``--instructions`` counts instead, under valgrind, the instructions of one
call (about a minute; valgrind's processor has no SHA extensions, so that hashing weighs more
there).

    python benchmarks/bench_jwt.py [--instructions]
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import itertools
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt as pyjwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pairs import machine, report, times

from headrace import InvalidTokenError, Key, TokenVerifier

HERE = Path(__file__).resolve().parent
SECRET = "0123456789abcdef0123456789abcdef"
NOW = int(time.time())
CLAIMS: dict[str, Any] = {
    "token_type": "access",
    "exp": NOW + 86400,
    "iat": NOW - 10,
    "jti": "b5f1c5a1c7b94c0d8a7f2f0e9d3c4b2a",
    "user_id": "12345",
    "iss": "https://example.org/",
    "name": "Jo",
}

Call = Callable[[], object]
Decode = Callable[[str], object]


def make_keys() -> dict[str, Any]:
    return {
        "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    }


def public_key(private: Any, encoding: serialization.Encoding) -> bytes:
    made: bytes = private.public_key().public_bytes(
        encoding, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return made


def peers(algorithm: str, key: Any) -> dict[str, Decode]:
    """The other packages' calls: verified claims as a dict."""
    # PyJWK holds a secret that is prepared once; a public key is an object of cryptography
    parsed = pyjwt.PyJWK(as_jwk(key)) if isinstance(key, str) else key
    calls: dict[str, Decode] = {
        "PyJWT": lambda text: pyjwt.decode(text, parsed, algorithms=[algorithm]),
    }
    try:
        import ryjwt
    except ImportError:
        pass
    else:
        material = key if isinstance(key, str) else pem_of_public(key)
        kind = ryjwt.SecretKey if isinstance(key, str) else ryjwt.PublicKey
        calls["ryjwt"] = kind(material, algorithms=[algorithm]).decode
    try:
        import oxyjwt
    except ImportError:
        pass
    else:
        made: Any = oxyjwt.DecodingKey
        if isinstance(key, str):
            prepared = made.from_secret(key.encode())
        else:
            prepared = getattr(made, OXYJWT_KEYS[algorithm])(pem_of_public(key))
        calls["oxyjwt"] = lambda text: oxyjwt.decode(text, prepared, algorithms=[algorithm])
    try:
        from joserfc import jwk
        from joserfc import jwt as joserfc
    except ImportError:
        pass
    else:
        if isinstance(key, str):
            own: Any = jwk.OctKey.import_key(key)
        else:
            own = jwk.import_key(pem_of_public(key).decode(), KINDS[algorithm])
        calls["joserfc"] = lambda text: joserfc.decode(text, own, algorithms=[algorithm]).claims
    backend = simplejwt_backend(algorithm, key)
    if backend is not None:
        calls["simplejwt"] = backend.decode
    return calls


def as_jwk(secret: str) -> dict[str, str]:
    encoded = pyjwt.utils.base64url_encode(secret.encode()).decode()
    return {"kty": "oct", "alg": "HS256", "k": encoded}


def simplejwt_backend(algorithm: str, key: Any) -> Any:
    """What simplejwt's AccessToken verifies with; None where it is not installed, or does not
    know the algorithm.
    """
    try:
        import django
        from django.conf import settings

        if not settings.configured:
            installed = ["django.contrib.contenttypes", "django.contrib.auth"]
            settings.configure(SECRET_KEY=SECRET, INSTALLED_APPS=installed)
            django.setup()
        from rest_framework_simplejwt.backends import TokenBackend
        from rest_framework_simplejwt.exceptions import TokenBackendError
    except ImportError:
        return None
    try:
        if isinstance(key, str):
            return TokenBackend(algorithm, key)
        return TokenBackend(algorithm, None, pem_of_public(key).decode())
    except TokenBackendError:
        return None


OXYJWT_KEYS = {"RS256": "from_rsa_pem", "ES256": "from_ec_pem", "EdDSA": "from_ed_pem"}
KINDS: dict[str, Any] = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}


def pem_of_public(public: Any) -> bytes:
    pem: bytes = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem


def compare(algorithm: str, key: Any, own: Key, text: str) -> float:
    """Prints all candidates; answers the nanoseconds of verify(), less the empty call's."""
    cached = TokenVerifier([own]).verify
    anew = TokenVerifier([own], cache_size=0).verify
    found = report(
        f"{algorithm}, {len(text)} bytes, verified claims as a dict",
        {
            "not cached": lambda: anew(text).claims,
            "not cached, the claims not asked for": lambda: anew(text),
            "cached, the claims not asked for": lambda: cached(text),
            **{
                name: lambda call=call: call(text)  # type: ignore[misc]
                for name, call in peers(algorithm, key).items()
            },
        },
    )
    return found["not cached, the claims not asked for"] - found["(an empty call)"]


def compare_in_turn(count: int = 1000) -> None:
    """Tokens of as many users, one after the other: nothing is the same as in the call before."""
    texts = []
    for user in range(count):
        jti = hashlib.md5(str(user).encode(), usedforsecurity=False).hexdigest()
        own = {"jti": jti, "user_id": str(user * 7919), "iat": NOW - user, "name": f"Jo {user}"}
        texts.append(pyjwt.encode({**CLAIMS, **own}, SECRET))
    anew = TokenVerifier([Key.secret(SECRET, algorithm="HS256")], cache_size=0).verify
    text = itertools.cycle(texts).__next__
    report(
        f"{count:,} HS256 tokens in turn, verified claims as a dict",
        {
            "not cached": lambda: anew(text()).claims,
            **{
                name: lambda call=call: call(text())  # type: ignore[misc]
                for name, call in peers("HS256", SECRET).items()
            },
        },
    )


def crypto_flags() -> list[str]:
    """What links a C program with the crypto library that the extension carries."""
    if not TokenVerifier._engines()["openssl"].startswith("AWS-LC"):
        return ["-lcrypto"]
    library = next((HERE.parent / "build/aws-lc").glob("*/libcrypto.a"))
    return [f"-I{library.parent / 'include'}", str(library), "-lpthread"]


def bare_verify(program: Path, algorithm: str, private: Any, text: str) -> float:
    """Nanoseconds that the linked library alone takes for the signature of this token."""
    message, _, encoded = text.rpartition(".")
    signature = pyjwt.utils.base64url_decode(encoded.encode())
    if algorithm == "ES256":
        r, s = (int.from_bytes(half) for half in (signature[:32], signature[32:]))
        signature = encode_dss_signature(r, s)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("key", "message", "signature")]
        contents = public_key(private, serialization.Encoding.DER), message.encode(), signature
        for file, content in zip(files, contents, strict=True):
            file.write_bytes(content)
        command = [str(program), algorithm, *map(str, files)]
        return float(subprocess.run(command, check=True, capture_output=True).stdout)


def forged() -> None:
    made = TokenVerifier([Key.secret(SECRET, algorithm="HS256")])
    good = pyjwt.encode(CLAIMS, SECRET)
    header, payload, signature = good.split(".")
    texts = {
        "bad signature": f"{header}.{payload}.{signature[::-1]}",
        "too long": "a" * 8193,
        "two segments": f"{header}.{payload}",
        "not base64": f"{header}.{payload}.{signature[:-1]}!",
        "unknown algorithm": pyjwt.encode(CLAIMS, SECRET + SECRET, algorithm="HS512"),
        "expired": pyjwt.encode({**CLAIMS, "exp": NOW - 10}, SECRET),
        "no exp": pyjwt.encode({"sub": "x"}, SECRET),
    }

    def refuse(text: str) -> Call:
        def call() -> object:
            try:
                return made.verify(text)
            except InvalidTokenError as error:
                return error

        return call

    report(
        "HS256, forged and stale tokens, exception included",
        {name: refuse(text) for name, text in texts.items()},
    )


def grown() -> None:
    key = Key.secret(SECRET, algorithm="HS256")
    made = TokenVerifier([key], cache_size=0, max_bytes=1 << 20)
    print("\nHS256, growth with size, not cached")
    for size in (100, 1000, 5000, 50000, 500000):
        text = pyjwt.encode({**CLAIMS, "x": "y" * size}, SECRET)
        ns = times({"": lambda t=text: made.verify(t)})[""]  # type: ignore[misc]
        print(f"  {len(text):8} bytes {ns / 1000:10.2f} µs {ns / len(text):8.2f} ns a byte")


def threaded(own: Key, text: str, title: str, seconds: float = 1.0) -> None:
    """Verifications a second, all threads together."""
    made = TokenVerifier([own], cache_size=0)
    print(f"\n{title}, verified anew by several threads")
    for threads in (1, 2, 4):
        counts = [0] * threads
        stop = threading.Event()

        def work(slot: int, counts: list[int] = counts, stop: threading.Event = stop) -> None:
            while not stop.is_set():
                for _ in range(100):
                    made.verify(text)
                counts[slot] += 100

        pool = [threading.Thread(target=work, args=(slot,)) for slot in range(threads)]
        for thread in pool:
            thread.start()
        time.sleep(seconds)
        stop.set()
        for thread in pool:
            thread.join()
        print(f"  {threads} threads {sum(counts) / seconds:12,.0f} a second")


def versions() -> str:
    names = (
        "PyJWT",
        "ryjwt",
        "oxyjwt",
        "joserfc",
        "djangorestframework-simplejwt",
        "cryptography",
    )
    found = []
    for name in names:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


COUNTED = f"""
import sys
from headrace import Key, TokenVerifier
text, cache, claims, count = sys.argv[1], *map(int, sys.argv[2:])
verify = TokenVerifier([Key.secret("{SECRET}", algorithm="HS256")], cache_size=cache).verify
for _ in range(count):
    token = verify(text)
    if claims:
        token.claims
"""


def instructions() -> None:
    """Instructions of one call: two runs of different length, and what lies between them."""
    text = pyjwt.encode(CLAIMS, SECRET)

    def count(*arguments: int) -> int:
        words = [sys.executable, "-c", COUNTED, text, *map(str, arguments)]
        tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        done = subprocess.run([*tool, *words], check=True, capture_output=True, text=True)
        found = re.search(r"Collected : (\d+)", done.stderr)
        assert found is not None, done.stderr
        return int(found[1])

    print("\nHS256, instructions of one call (the loop's included)")
    few, many = 1000, 3000
    for name, cache, claims in (
        ("cached, the claims not asked for", 16, 0),
        ("not cached, the claims not asked for", 0, 0),
        ("not cached", 0, 1),
    ):
        each = (count(cache, claims, many) - count(cache, claims, few)) / (many - few)
        print(f"  {name:<44}{each:12,.0f}")


def main() -> None:
    print(f"{machine()}; {versions()}")
    for name, version in TokenVerifier._engines().items():
        print(f"engine {name}: {version}")
    if "--instructions" in sys.argv[1:]:
        instructions()
        return
    text = pyjwt.encode(CLAIMS, SECRET)
    compare("HS256", SECRET, Key.secret(SECRET, algorithm="HS256"), text)
    compare_in_turn()
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "bare_verify"
        build = ["cc", "-O2", "-o", str(program), str(HERE / "bare_verify.c"), *crypto_flags()]
        subprocess.run(build, check=True)
        for algorithm, private in make_keys().items():
            text = pyjwt.encode(CLAIMS, private, algorithm=algorithm)
            own = Key.pem(public_key(private, serialization.Encoding.PEM), algorithm=algorithm)
            bare = bare_verify(program, algorithm, private, text)
            verify = compare(algorithm, private.public_key(), own, text)
            bare = min(bare, bare_verify(program, algorithm, private, text))
            print(
                f"  the crypto library alone, from C: {bare:,.0f} ns; we add {verify - bare:,.0f}"
            )
            if algorithm == "RS256":
                threaded(own, text, algorithm)
    forged()
    grown()


if __name__ == "__main__":
    main()
