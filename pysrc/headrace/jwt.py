# SPDX-License-Identifier: MIT
"""PyJWT's ``decode``, ``decode_complete`` and ``get_unverified_header`` over the C core.

Moving over is one line: ``from headrace import jwt``. Signatures and JSON are the core's, the
rules about claims and the exceptions PyJWT's; ``docs/explanation/security.md`` lists where this
is stricter.
Every other public name is PyJWT's own, handed on when it is asked for: PyJWT signs.

``python -m headrace.jwt`` prints the engines that are built in and what each costs.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import time
import warnings
from collections.abc import Callable, Container, Iterable, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any

from headrace import _core
from headrace._core import Key, TokenVerifier
from headrace._jwt_errors import (
    DecodeError,
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAlgorithmError,
    InvalidAudienceError,
    InvalidIssuedAtError,
    InvalidIssuerError,
    InvalidJTIError,
    InvalidKeyError,
    InvalidSignatureError,
    InvalidSubjectError,
    InvalidTokenError,
    MissingRequiredClaimError,
    PyJWTError,
    RemovedInPyjwt3Warning,
)

__all__ = [
    "DecodeError",
    "ExpiredSignatureError",
    "ImmatureSignatureError",
    "InvalidAlgorithmError",
    "InvalidAudienceError",
    "InvalidIssuedAtError",
    "InvalidIssuerError",
    "InvalidJTIError",
    "InvalidKeyError",
    "InvalidSignatureError",
    "InvalidSubjectError",
    "InvalidTokenError",
    "MissingRequiredClaimError",
    "PyJWTError",
    "decode",
    "decode_complete",
    "get_unverified_header",
]

MAX_BYTES = 1 << 20
"""Longer tokens are refused unread."""

_UNSIGNED = "Signature verification failed: there is none"

_VERIFY = (
    "verify_exp",
    "verify_nbf",
    "verify_iat",
    "verify_aud",
    "verify_iss",
    "verify_sub",
    "verify_jti",
)


def decode(
    jwt: str | bytes,
    key: Any = "",
    algorithms: Sequence[str] | None = None,
    options: dict[str, Any] | None = None,
    verify: bool | None = None,
    detached_payload: bytes | None = None,
    audience: str | Iterable[str] | None = None,
    subject: str | None = None,
    issuer: str | Container[str] | None = None,
    leeway: float | timedelta = 0,
    **kwargs: Any,
) -> dict[str, Any]:
    """Verify a token and answer its claims, as ``jwt.decode`` of PyJWT does.

    ``key`` is a secret, a PEM text, a public key of the cryptography package, a ``jwt.PyJWK`` or
    a ``headrace.Key``; only with the last two may ``algorithms`` be left out. ``leeway`` is in
    seconds. Raises PyJWT's exceptions. RFC 7515, 7519.
    """
    _warn(verify, options, kwargs)
    return _decoded(
        jwt, key, algorithms, options, detached_payload, audience, issuer, subject, leeway
    )


def decode_complete(
    jwt: str | bytes,
    key: Any = "",
    algorithms: Sequence[str] | None = None,
    options: dict[str, Any] | None = None,
    verify: bool | None = None,
    detached_payload: bytes | None = None,
    audience: str | Iterable[str] | None = None,
    issuer: str | Container[str] | None = None,
    subject: str | None = None,
    leeway: float | timedelta = 0,
    **kwargs: Any,
) -> dict[str, Any]:
    """Do the same, and answer a dict of ``header``, ``payload`` and ``signature`` (bytes)."""
    _warn(verify, options, kwargs)
    payload = _decoded(
        jwt, key, algorithms, options, detached_payload, audience, issuer, subject, leeway
    )
    header, _, signature = TokenVerifier._read_unverified(jwt)
    return {"header": header, "payload": payload, "signature": signature}


def get_unverified_header(jwt: str | bytes) -> dict[str, Any]:
    """Answer the header of a token whose signature is not verified: trust nothing in it."""
    return _unverified(jwt)[0]


def _warn(verify: bool | None, options: dict[str, Any] | None, kwargs: dict[str, Any]) -> None:
    """Warn of arguments that PyJWT 2 does not look at either."""
    if kwargs:
        warnings.warn(
            f"headrace.jwt: not looked at, and gone in PyJWT 3: {', '.join(kwargs)}",
            RemovedInPyjwt3Warning,
            stacklevel=3,
        )
    if verify is not None and verify != (options or {}).get("verify_signature", True):
        warnings.warn(
            "headrace.jwt: `verify` is not looked at, as in PyJWT 2; "
            "options={'verify_signature': ...} decides",
            DeprecationWarning,
            stacklevel=3,
        )


def _decoded(
    jwt: str | bytes,
    key: Any,
    algorithms: Sequence[str] | None,
    options: dict[str, Any] | None,
    detached_payload: bytes | None,
    audience: str | Iterable[str] | None,
    issuer: str | Container[str] | None,
    subject: str | None,
    leeway: float | timedelta,
) -> dict[str, Any]:
    """The claims, which hold; of a token whose signature verifies where that is asked for."""
    chosen = _merged(options)
    if detached_payload is not None:
        raise DecodeError("Detached payloads (RFC 7797) are not supported")
    if chosen["verify_signature"]:
        _check_type(jwt)
        token = _verified(jwt, key, algorithms, chosen["enforce_minimum_key_length"])
        try:
            payload = token.claims
        except ValueError as error:  # more digits than sys.set_int_max_str_digits() allows
            raise DecodeError(f"Invalid payload string: {error}") from None
    else:
        bytes_of_payload = _unverified(jwt)[1]
        try:
            payload = TokenVerifier._read_object(bytes_of_payload)
        except _core.InvalidTokenError as error:
            raise _why_no_payload(bytes_of_payload, error) from None
    _check_claims(payload, chosen, audience, issuer, subject, leeway)
    return payload


def _check_type(jwt: object) -> None:
    if not isinstance(jwt, (str, bytes)):
        raise DecodeError(f"Invalid token type. Token must be a {bytes}")


def _unverified(jwt: str | bytes) -> tuple[dict[str, Any], bytes, bytes]:
    """Header, payload and signature of a token that nobody has verified."""
    _check_type(jwt)
    try:
        parts = TokenVerifier._read_unverified(jwt)
    except _core.InvalidTokenError as error:
        raise _refusal(jwt, error) from None
    header = parts[0]
    if not isinstance(header.get("kid", ""), str):
        raise InvalidTokenError("Key ID header parameter must be a string")
    if "crit" in header or "b64" in header:
        raise InvalidTokenError(_why_critical(header))
    return parts


def _why_critical(header: dict[str, Any]) -> str:
    if "crit" not in header:
        return "The 'b64' header parameter is not supported"
    names = header["crit"]
    if not isinstance(names, list) or not names:
        return "Invalid 'crit' header: must be a non-empty list"
    if any(not isinstance(name, str) for name in names):
        return "Invalid 'crit' header: values must be strings"
    return f"Unsupported critical extension: {names[0]}"


def _refusal(
    jwt: str | bytes, error: _core.InvalidTokenError, algorithms: tuple[str, ...] = ()
) -> Exception:
    """Say what PyJWT says of a token that the core refuses: people match on the words."""
    if error.reason == "signature":
        return InvalidSignatureError("Signature verification failed")
    text = jwt.encode(errors="replace") if isinstance(jwt, str) else jwt
    segments = text.split(b".")
    if len(segments) < 3:
        return DecodeError("Not enough segments")
    if error.reason == "malformed" and segments[2:] == [b""] and segments[1]:
        allowed = get_unverified_header(jwt).get("alg") in algorithms
        return InvalidSignatureError(_UNSIGNED) if allowed else InvalidAlgorithmError(_UNSIGNED)
    if error.reason in ("base64", "malformed"):
        return DecodeError(f"Invalid {_where_no_base64(segments)} padding: {error}")
    if error.reason == "header":
        return DecodeError(f"Invalid header string: {_why_no_object(_bytes(segments[0]), error)}")
    if error.reason == "payload":
        return _why_no_payload(_bytes(segments[1]), error)
    if error.reason in ("key_id", "critical"):
        try:
            _unverified(jwt)
        except InvalidTokenError as found:
            return found
        return InvalidTokenError(f"Invalid token: {error}")
    return DecodeError(f"Invalid token: {error}")


def _bytes(segment: bytes) -> bytes:
    """What a segment of base64url holds; nothing where it is none."""
    try:
        return base64.b64decode(segment + b"=" * (-len(segment) % 4), b"-_", validate=True)
    except binascii.Error:
        return b""


def _where_no_base64(segments: list[bytes]) -> str:
    """PyJWT's name of the first segment that is not canonical base64url."""
    names = ("header", "payload", "crypto")
    for name, segment in zip(names, segments, strict=False):
        if base64.urlsafe_b64encode(_bytes(segment)).rstrip(b"=") != segment:
            return name
    return names[1] if len(segments) > len(names) else names[2]


def _why_no_object(text: bytes, error: Exception) -> Exception | str:
    """What is wrong with JSON that the core refuses, in Python's words where it refuses too."""
    try:
        return error if isinstance(json.loads(text), dict) else "must be a json object"
    except (ValueError, RecursionError) as better:
        return better


def _why_no_payload(text: bytes, error: Exception) -> Exception:
    why = _why_no_object(text, error)
    if why is error:
        _check_finite(json.loads(text))
    return DecodeError(f"Invalid payload string: {why}")


def _check_finite(claims: dict[str, Any]) -> None:
    """Raise what PyJWT does for a time that is NaN or Infinity, which is no JSON."""
    for name, check in zip(
        ("iat", "nbf", "exp"), (_check_issued, _check_not_before, _check_expiry), strict=True
    ):
        value = claims.get(name)
        if isinstance(value, float) and not math.isfinite(value):
            check(value, 0.0)


def _merged(options: dict[str, Any] | None) -> dict[str, Any]:
    """All options; without the signature, claims are verified where that is asked for only."""
    given = options or {}
    default = bool(given.get("verify_signature", True))
    return {
        "verify_signature": True,
        **dict.fromkeys(_VERIFY, default),
        "require": [],
        "strict_aud": False,
        "enforce_minimum_key_length": True,
        **given,
    }


def _verified(
    jwt: str | bytes, key: Any, algorithms: Sequence[str] | None, enforce: bool
) -> _core.Token:
    names = (algorithms,) if isinstance(algorithms, str) else tuple(algorithms or ())
    if algorithms is None or (not names and not _is_pinned(key)):
        pinned = getattr(key, "algorithm_name", None) or getattr(key, "algorithm", None)
        if not isinstance(pinned, str):
            raise DecodeError(
                'It is required that you pass in a value for the "algorithms" argument when '
                "calling decode()."
            )
        names = (pinned,)
    names = tuple(name for name in names if isinstance(name, str))
    verifier, unfit = _verifier(_plain(key), names, bool(enforce))
    if verifier is None:
        raise _why_no_key(jwt, unfit)
    try:
        return verifier._decode(jwt)
    except _core.InvalidAlgorithmError:
        raise _why_no_key(jwt, unfit) from None
    except _core.InvalidTokenError as error:
        raise _refusal(jwt, error, names) from None


def _is_pinned(key: Any) -> bool:
    """Whether `key` names its algorithm: then no list is needed, but an empty one allows none."""
    pinned = getattr(key, "algorithm_name", None) or getattr(key, "algorithm", None)
    return isinstance(pinned, str)


def _why_no_key(jwt: str | bytes, unfit: dict[str, Exception]) -> Exception:
    """The token's algorithm is not allowed, or it is and the key is not fit for it."""
    header = get_unverified_header(jwt)
    if "alg" not in header:
        return InvalidAlgorithmError("Algorithm not specified")
    algorithm = header["alg"]
    if isinstance(algorithm, str) and algorithm in unfit:
        error = unfit[algorithm]
        return (
            TypeError(str(error)) if isinstance(error, TypeError) else InvalidKeyError(str(error))
        )
    return InvalidAlgorithmError("The specified alg value is not allowed")


def _plain(key: Any) -> Any:
    """A hashable form of `key`: text, bytes or a Key; a key object as PEM; None for the rest."""
    if isinstance(key, (str, bytes, Key)):
        return key
    algorithm = getattr(key, "algorithm_name", None)
    if algorithm is not None and hasattr(key, "key"):  # a PyJWK
        inner = _plain(key.key)
        return (algorithm, inner)
    if hasattr(key, "private_bytes"):  # of the cryptography package
        key = key.public_key()
    if hasattr(key, "public_bytes"):
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return (None, key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return None


@lru_cache(maxsize=128, typed=True)
def _verifier(
    key: Any, algorithms: tuple[str, ...], enforce: bool
) -> tuple[TokenVerifier | None, dict[str, Exception]]:
    """A verifier with `key` under each algorithm that it fits; why it does not fit others."""
    made: list[Key] = []
    unfit: dict[str, Exception] = {}
    for algorithm in dict.fromkeys(algorithms):
        try:
            made += _keys(key, algorithm, enforce)
        except (ValueError, TypeError, ImportError) as error:
            unfit[algorithm] = error.with_traceback(None)
    if not made:
        return None, unfit
    return TokenVerifier(made, cache_size=0, require=(), max_bytes=MAX_BYTES), unfit


def _keys(key: Any, algorithm: str, enforce: bool) -> list[Key]:
    """`key` pinned to `algorithm`; none where it is pinned to another one."""
    if isinstance(key, Key):
        return [key] if key.algorithm == algorithm else []
    if isinstance(key, tuple):
        pinned, key = key
        if pinned not in (None, algorithm):
            return []
        if isinstance(key, tuple):
            key = key[1]
    if not isinstance(key, (str, bytes)):
        raise TypeError("key: a str, bytes, a public key, a PyJWK or a Key")
    if algorithm.startswith("HS"):
        if enforce:
            _check_length(key, algorithm)
        make: Callable[..., Key] = Key.secret if enforce else Key._short_secret
        return [make(key, algorithm=algorithm)]
    data = key.encode() if isinstance(key, str) else key
    if data.startswith((b"ssh-", b"ecdsa-sha2-")):
        return [Key.pem(_pem_of_openssh(data), algorithm=algorithm)]
    return [Key.pem(data, algorithm=algorithm)]


def _check_length(secret: str | bytes, algorithm: str) -> None:
    """Word it as PyJWT does; Key.secret refuses it in any case."""
    given = len(secret.encode() if isinstance(secret, str) else secret)
    bits = algorithm.removeprefix("HS")
    if bits.isdigit() and 0 < given < int(bits) // 8:
        raise ValueError(
            f"The HMAC key is {given} bytes long, which is below the minimum length of "
            f"{int(bits) // 8} bytes for SHA{bits}. See RFC 7518 Section 3.2."
        )


def _pem_of_openssh(data: bytes) -> bytes:
    """A public key in OpenSSH's format (RFC 4253 6.6) as PEM, by the cryptography package."""
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_ssh_public_key,
    )

    made: bytes = load_ssh_public_key(data).public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    return made


def _check_claims(
    payload: dict[str, Any],
    options: dict[str, Any],
    audience: str | Iterable[str] | None,
    issuer: str | Container[str] | None,
    subject: str | None,
    leeway: float | timedelta,
) -> None:
    """PyJWT's rules, in PyJWT's order."""
    if isinstance(leeway, timedelta):
        leeway = leeway.total_seconds()
    if audience is not None and not isinstance(audience, (str, Iterable)):
        raise TypeError("audience must be a string, iterable or None")
    for claim in options["require"]:
        if payload.get(claim) is None:
            raise MissingRequiredClaimError(claim)
    now = time.time()
    if "iat" in payload and options["verify_iat"]:
        _check_issued(payload["iat"], now + leeway)
    if "nbf" in payload and options["verify_nbf"]:
        _check_not_before(payload["nbf"], now + leeway)
    if "exp" in payload and options["verify_exp"]:
        _check_expiry(payload["exp"], now - leeway)
    if options["verify_iss"] and issuer is not None:
        _check_issuer(payload, issuer)
    if options["verify_aud"]:
        _check_audience(payload, audience, options["strict_aud"])
    if options["verify_sub"] and "sub" in payload:
        _check_subject(payload["sub"], subject)
    if options["verify_jti"] and not isinstance(payload.get("jti", ""), str):
        raise InvalidJTIError("JWT ID must be a string")


def _integer(value: Any, kind: type[InvalidTokenError], claim: str) -> int:
    try:
        return int(value)
    except (ValueError, TypeError, OverflowError):
        raise kind(f"{claim} must be an integer.") from None


def _check_expiry(value: Any, earliest: float) -> None:
    if _integer(value, DecodeError, "Expiration Time claim (exp)") <= earliest:
        raise ExpiredSignatureError("Signature has expired")


def _check_not_before(value: Any, latest: float) -> None:
    if _integer(value, DecodeError, "Not Before claim (nbf)") > latest:
        raise ImmatureSignatureError("The token is not yet valid (nbf)")


def _check_issued(value: Any, latest: float) -> None:
    if _integer(value, InvalidIssuedAtError, "Issued At claim (iat)") > latest:
        raise ImmatureSignatureError("The token is not yet valid (iat)")


def _check_issuer(payload: dict[str, Any], issuer: str | Container[str]) -> None:
    if "iss" not in payload:
        raise MissingRequiredClaimError("iss")
    given = payload["iss"]
    if not isinstance(given, str):
        raise InvalidIssuerError("Payload Issuer (iss) must be a string")
    if isinstance(issuer, str):
        good = given == issuer
    else:
        try:
            good = given in issuer
        except TypeError:
            raise InvalidIssuerError('Issuer param must be "str" or "Container[str]"') from None
    if not good:
        raise InvalidIssuerError("Invalid issuer")


def _check_audience(
    payload: dict[str, Any], audience: str | Iterable[str] | None, strict: bool
) -> None:
    given = payload.get("aud")
    if audience is None:
        if given:
            raise InvalidAudienceError("Invalid audience")
        return
    if not given:
        raise MissingRequiredClaimError("aud")
    if strict:
        if not isinstance(audience, str):
            raise InvalidAudienceError("Invalid audience (strict)")
        if not isinstance(given, str):
            raise InvalidAudienceError("Invalid claim format in token (strict)")
        if audience != given:
            raise InvalidAudienceError("Audience doesn't match (strict)")
        return
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list) or any(not isinstance(one, str) for one in listed):
        raise InvalidAudienceError("Invalid claim format in token")
    expected = [audience] if isinstance(audience, str) else audience
    if all(one not in listed for one in expected):
        raise InvalidAudienceError("Audience doesn't match")


def _check_subject(given: Any, subject: str | None) -> None:
    if not isinstance(given, str):
        raise InvalidSubjectError("Subject must be a string")
    if subject is not None and given != subject:
        raise InvalidSubjectError("Invalid subject")


def __getattr__(name: str) -> Any:
    """Hand on PyJWT's own name."""
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        import jwt
    except ImportError:
        raise ImportError(
            f"headrace.jwt.{name} is PyJWT's own, which is not installed: "
            'pip install "PyJWT>=2.10"'
        ) from None
    try:
        return getattr(jwt, name)
    except AttributeError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


if __name__ == "__main__":
    from headrace._jwt_cost import main

    main()
