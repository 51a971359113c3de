# SPDX-License-Identifier: MIT
"""PyJWT's exceptions: the real classes where PyJWT is installed, else ones of the same names.

https://pyjwt.readthedocs.io/en/stable/api.html#exceptions
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    have_pyjwt: bool
else:
    try:
        import jwt as _pyjwt
    except ImportError:
        have_pyjwt = False
    else:
        have_pyjwt = hasattr(_pyjwt, "PyJWTError")

if not TYPE_CHECKING and have_pyjwt:
    from jwt.exceptions import (
        DecodeError,
        ExpiredSignatureError,
        ImmatureSignatureError,
        InvalidAlgorithmError,
        InvalidAudienceError,
        InvalidIssuedAtError,
        InvalidIssuerError,
        InvalidKeyError,
        InvalidSignatureError,
        InvalidTokenError,
        MissingRequiredClaimError,
        PyJWTError,
    )

    try:  # new in PyJWT 2.8
        from jwt.warnings import RemovedInPyjwt3Warning
    except ImportError:

        class RemovedInPyjwt3Warning(DeprecationWarning):
            """What PyJWT 3 will not have."""

    try:  # new in PyJWT 2.10
        from jwt.exceptions import InvalidJTIError, InvalidSubjectError
    except ImportError:

        class InvalidSubjectError(InvalidTokenError):
            """``sub`` is not a string, or not the expected one."""

        class InvalidJTIError(InvalidTokenError):
            """``jti`` is not a string."""
else:

    class PyJWTError(Exception):
        """Base class of all exceptions."""

    class InvalidTokenError(PyJWTError):
        """The token is refused."""

    class DecodeError(InvalidTokenError):
        """The token is not well-formed."""

    class InvalidSignatureError(DecodeError):
        """The key does not verify the signature."""

    class ExpiredSignatureError(InvalidTokenError):
        """The time of ``exp`` has come."""

    class InvalidAudienceError(InvalidTokenError):
        """The token is for somebody else."""

    class InvalidIssuerError(InvalidTokenError):
        """The token is of another issuer."""

    class InvalidIssuedAtError(InvalidTokenError):
        """``iat`` is no number."""

    class ImmatureSignatureError(InvalidTokenError):
        """The time of ``nbf`` or ``iat`` has not come yet."""

    class InvalidKeyError(PyJWTError):
        """The key cannot be used."""

    class InvalidAlgorithmError(InvalidTokenError):
        """The token's algorithm is not one of those allowed."""

    class MissingRequiredClaimError(InvalidTokenError):
        """A claim that must be there is not; ``claim`` is its name."""

        def __init__(self, claim: str) -> None:
            """Keep the name."""
            self.claim = claim

        def __str__(self) -> str:
            """Word it as PyJWT does."""
            return f'Token is missing the "{self.claim}" claim'

    class InvalidSubjectError(InvalidTokenError):
        """``sub`` is not a string, or not the expected one."""

    class InvalidJTIError(InvalidTokenError):
        """``jti`` is not a string."""

    class RemovedInPyjwt3Warning(DeprecationWarning):
        """What PyJWT 3 will not have."""


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
    "RemovedInPyjwt3Warning",
]
