# SPDX-License-Identifier: MIT
"""What a request's token says about its user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace import Visit


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request with a token has no user; `code` and `detail` are simplejwt's."""

    code: str
    detail: str
    status: int = 401
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """What one request's token says: a user, or why there is none.

    ``auth`` is what `request.auth` shall be: simplejwt's token object where simplejwt is
    installed, else the `headrace.Token`.
    """

    visit: Visit
    user: Any = None
    auth: Any = None
    refusal: Refusal | None = None
