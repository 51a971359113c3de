# SPDX-License-Identifier: MIT
"""What does a verified token cost, beside the packages that people use?

All candidates run in one process on the same token, in turns; the best of the rounds counts.
PyJWT signs. What is not installed is left out. ``--quick`` runs for some seconds.

    python benchmarks/bench_jwt.py [--quick]
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import jwt as pyjwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from penstock import InvalidTokenError, Key, TokenVerifier

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


def best_of(calls: dict[str, Call], rounds: int, seconds: float) -> dict[str, float]:
    """Nanoseconds of each call, the candidates taking turns round by round."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            count, start = 0, time.perf_counter()
            while (passed := time.perf_counter() - start) < seconds:
                for _ in range(50):
                    call()
                count += 50
            best[name] = min(best[name], passed / count * 1e9)
    return best


def make_keys() -> dict[str, Any]:
    return {
        "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    }


def pem_of(private: Any) -> bytes:
    pem: bytes = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem


def peers(algorithm: str, key: Any, text: str) -> dict[str, Call]:
    """The other packages' calls: verified claims as a dict."""
    calls: dict[str, Call] = {
        "PyJWT": lambda: pyjwt.decode(text, key, algorithms=[algorithm]),
    }
    try:
        import ryjwt
    except ImportError:
        pass
    else:
        material = key if isinstance(key, str) else pem_of_public(key)
        kind = ryjwt.SecretKey if isinstance(key, str) else ryjwt.PublicKey
        decode = kind(material, algorithms=[algorithm]).decode
        calls["ryjwt"] = lambda: decode(text)
    try:
        import oxyjwt
    except ImportError:
        pass
    else:
        if isinstance(key, str):
            calls["oxyjwt"] = lambda: oxyjwt.decode(text, key, algorithms=[algorithm])
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
        calls["joserfc"] = lambda: joserfc.decode(text, own, algorithms=[algorithm]).claims
    return calls


KINDS: dict[str, Any] = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}


def pem_of_public(public: Any) -> bytes:
    pem: bytes = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem


def report(title: str, times: dict[str, float], base: str) -> None:
    print(f"\n{title}")
    for name, ns in sorted(times.items(), key=lambda item: item[1]):
        print(f"  {name:24}{ns / 1000:10.3f} us {ns / times[base]:9.2f} x {base}")


def compare(algorithm: str, key: Any, own: Key, text: str, rounds: int, seconds: float) -> None:
    cached = TokenVerifier([own]).verify
    anew = TokenVerifier([own], cache_size=0).verify
    calls: dict[str, Call] = {
        "cached": lambda: cached(text),
        "anew": lambda: anew(text),
        "anew, claims": lambda: anew(text).claims,
        **peers(algorithm, key, text),
    }
    times = best_of(calls, rounds, seconds)
    empty = best_of({"empty": lambda: None}, rounds, seconds)["empty"]
    report(
        f"{algorithm}, {len(text)} bytes (each includes {empty:.0f} ns of the loop)",
        times,
        "anew, claims",
    )


def forged(rounds: int, seconds: float) -> None:
    made = TokenVerifier([Key.secret(SECRET, algorithm="HS256")])
    good = pyjwt.encode(CLAIMS, SECRET)
    header, payload, signature = good.split(".")
    texts = {
        "too long": "a" * 8193,
        "two segments": f"{header}.{payload}",
        "not base64": f"{header}.{payload}.{signature[:-1]}!",
        "unknown algorithm": pyjwt.encode(CLAIMS, SECRET + SECRET, algorithm="HS512"),
        "bad signature": f"{header}.{payload}.{signature[::-1]}",
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

    times = best_of({name: refuse(text) for name, text in texts.items()}, rounds, seconds)
    report("HS256, forged and stale tokens, exception included", times, "bad signature")


def grown(rounds: int, seconds: float) -> None:
    key = Key.secret(SECRET, algorithm="HS256")
    made = TokenVerifier([key], cache_size=0, max_bytes=1 << 20)
    print("\nHS256, growth with size")
    for size in (100, 1000, 5000, 50000, 500000):
        text = pyjwt.encode({**CLAIMS, "x": "y" * size}, SECRET)
        ns = best_of({"": lambda t=text: made.verify(t)}, rounds, seconds)[""]
        print(f"  {len(text):8} bytes {ns / 1000:10.2f} us {ns / len(text):8.2f} ns a byte")


def threaded(own: Key, text: str, title: str, seconds: float) -> None:
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
    names = ("PyJWT", "ryjwt", "oxyjwt", "joserfc", "cryptography")
    found = []
    for name in names:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few seconds, rough figures")
    quick = parser.parse_args().quick
    rounds, seconds = (3, 0.02) if quick else (9, 0.1)
    print(f"python {sys.version.split()[0]}; {versions()}")
    for name, version in TokenVerifier._engines().items():
        print(f"engine {name}: {version}")
    text = pyjwt.encode(CLAIMS, SECRET)
    compare("HS256", SECRET, Key.secret(SECRET, algorithm="HS256"), text, rounds, seconds)
    for algorithm, private in make_keys().items():
        text = pyjwt.encode(CLAIMS, private, algorithm=algorithm)
        own = Key.pem(pem_of(private), algorithm=algorithm)
        compare(algorithm, private.public_key(), own, text, rounds, seconds)
        if algorithm == "RS256":
            threaded(own, text, algorithm, 10 * seconds)
    forged(rounds, seconds)
    grown(rounds, seconds)


if __name__ == "__main__":
    main()
