# SPDX-License-Identifier: MIT
"""The authentication classes, at the paths that a site's settings name.

``headrace.django.auth.HeadraceAuthentication`` is the DRF authentication class,
``headrace.django.auth.HeadraceBearer`` the django-ninja one; both are imported when asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.django.drf import HeadraceAuthentication
    from headrace.django.ninja import HeadraceBearer

__all__ = ["HeadraceAuthentication", "HeadraceBearer"]


def __getattr__(name: str) -> Any:
    if name == "HeadraceAuthentication":
        from headrace.django.drf import HeadraceAuthentication

        return HeadraceAuthentication
    if name == "HeadraceBearer":
        from headrace.django.ninja import HeadraceBearer

        return HeadraceBearer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
